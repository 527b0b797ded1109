"""Connect unary: POST and GET."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from tests.grpc_server.echo_service import LIMIT, said, serving
from tests.support.net_server import Answer, Running

Header = tuple[bytes, bytes]
JSON = (b"content-type", b"application/json")
PROTO = (b"content-type", b"application/proto")
STRICT = (b"connect-protocol-version", b"1")
GZIP = (b"content-encoding", b"gzip")


async def ask(
    listener: Running, path: str, body: bytes = b"", *headers: Header, verb: str = "POST"
) -> Answer:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    length = b"content-length: %d\r\n" % len(body) if verb != "GET" else b""
    async with await listener.connect_h1() as peer:
        head = f"{verb} /test.Echo/{path} HTTP/1.1\r\nhost: a\r\n".encode()
        return await peer.ask(head + lines + length + b"\r\n" + body)


@pytest.mark.parametrize(("kind", "body"), [(JSON, b'"hi"'), (PROTO, said("hi"))])
async def test_a_bare_message_comes_back(kind: Header, body: bytes) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, "Unary", body, kind)
    assert (answer.status, answer.body) == (200, body)
    length = str(len(body)).encode()
    expected = {b"x-initial": b"i", b"trailer-x-trailing": b"t", b"content-length": length}
    assert answer.headers == dict([kind]) | expected


@pytest.mark.parametrize(("more", "status"), [([], 412), ([STRICT], 400)])
async def test_an_error_is_json_with_details_and_all_metadata(more: list[Header], status: int) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, "Fail", said("hi"), PROTO, *more)
    assert answer.status == status
    value = base64.b64encode(said("hi")).decode().rstrip("=")
    assert json.loads(answer.body) == {
        "code": "failed_precondition",
        "message": "nö: 100%",
        "details": [{"type": "google.protobuf.StringValue", "value": value}],
    }
    assert answer.headers.pop(b"content-length")
    assert answer.headers == {
        b"content-type": b"application/json",
        b"x-initial": b"i",
        b"x-error": b"e",
        b"trailer-x-trailing": b"t",
    }


async def test_compressed_bodies_are_answered_in_the_same_way() -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, "Unary", gzip.compress(b'"hi"'), JSON, GZIP)
        assert answer.headers[b"content-encoding"] == b"gzip"
        assert gzip.decompress(answer.body) == b'"hi"'
        declined = await ask(
            listener, "Unary", gzip.compress(b'"hi"'), JSON, GZIP, (b"accept-encoding", b"br")
        )
        assert declined.body == b'"hi"'
        # What is offered to every server is not asked of us.
        offered = await ask(listener, "Unary", b'"hi"', JSON, (b"accept-encoding", b"gzip"))
        assert offered.body == b'"hi"'


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", (JSON,), 400, "invalid_argument"),
        (b'"a" "b"', (JSON,), 400, "invalid_argument"),
        (b"\xff", (JSON,), 400, "invalid_argument"),
        (b"x" * (LIMIT + 1), (PROTO,), 429, "resource_exhausted"),
        (gzip.compress(bytes(LIMIT + 1)), (PROTO, GZIP), 429, "resource_exhausted"),
        (gzip.compress(b'"a"')[:-2], (JSON, GZIP), 400, "invalid_argument"),
        (b"x", (JSON, (b"content-encoding", b"br")), 501, "unimplemented"),
        (b"x", (JSON, STRICT, (b"content-encoding", b"br")), 501, "unimplemented"),
        (b'"a"', (JSON, (b"connect-timeout-ms", b"1s")), 400, "invalid_argument"),
    ],
)
async def test_bad_requests_are_told_apart(
    body: bytes, headers: tuple[Header, ...], status: int, code: str
) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, "Unary", body, *headers)
        assert (answer.status, json.loads(answer.body)["code"]) == (status, code)
        assert (answer.headers.get(b"accept-encoding") == b"gzip") is (code == "unimplemented")
        await ask(listener, "Unary", b'"next"', JSON)


@pytest.mark.parametrize(
    ("path", "verb", "headers", "status"),
    [
        ("Unary", "POST", ((b"content-type", b"image/jpeg"),), 415),
        ("Unary", "POST", ((b"content-type", b"application/foo"), STRICT), 415),
        ("Unary", "POST", ((b"content-type", b"application/json; charset=latin-1"), STRICT), 415),
        ("Unary", "PUT", (JSON,), 415),
        ("Unary", "DELETE", (JSON, STRICT), 405),
        ("Several", "POST", (JSON,), 415),
        ("Chat", "POST", (PROTO, STRICT), 415),
        ("Unary?connect=v1", "GET", (), 415),
        ("Unary?connect=v1&message=1&encoding=foo", "GET", (), 415),
        ("Fail?message=%22x%22&encoding=json", "GET", (), 405),
    ],
)
async def test_what_is_no_call_gets_a_bare_status(
    path: str, verb: str, headers: tuple[Header, ...], status: int
) -> None:
    async with serving() as (listener, echo):
        answer = await ask(listener, path, b"", *headers, verb=verb)
    assert (answer.status, answer.body) == (status, b"")
    assert echo.calls == []


@pytest.mark.parametrize(
    ("path", "allowed"), [("Unary", b"GET, POST"), ("Fail", b"POST"), ("Nothing", b"GET, POST")]
)
async def test_a_wrong_verb_is_told_the_right_ones(path: str, allowed: bytes) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, path, b"", JSON, STRICT, verb="PUT")
    assert (answer.status, answer.headers[b"allow"]) == (405, allowed)


_ENCODED = base64.urlsafe_b64encode(said("h?>")).decode()
_PACKED = base64.urlsafe_b64encode(gzip.compress(b'"hi"')).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "reply"),
    [
        ("encoding=json&message=%22hi%22", b'"hi"'),
        ("message=%22h+i%22&other=1&encoding=json&connect=v1", b'"h i"'),
        (f"connect=v1&encoding=proto&base64=1&message={_ENCODED}", said("h?>")),
        (f"connect=v1&encoding=proto&base64=1&message={_ENCODED.rstrip('=')}", said("h?>")),
        ("encoding=proto&message=", b""),
        ("encoding=proto&message=%0A%01%61", said("a")),
    ],
)
async def test_a_get_carries_its_message_in_the_query(query: str, reply: bytes) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, f"Unary?{query}", verb="GET")
    assert (answer.status, answer.body) == (200, reply)


async def test_a_compressed_get_is_answered_in_the_same_way() -> None:
    query = f"encoding=json&compression=gzip&base64=1&message={_PACKED}"
    async with serving() as (listener, _):
        answer = await ask(listener, f"Unary?{query}", verb="GET")
    assert gzip.decompress(answer.body) == b'"hi"'


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("encoding=json&connect=v1", "invalid_argument"),
        ("encoding=json&message=*&base64=1", "invalid_argument"),
        ("encoding=json&message=x&compression=br", "unimplemented"),
        ("encoding=json&message=x", "invalid_argument"),
    ],
)
async def test_bad_gets_are_told_apart(query: str, code: str) -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, f"Unary?{query}", verb="GET")
    assert json.loads(answer.body)["code"] == code


async def test_a_bare_get_is_the_empty_message_with_a_json_answer() -> None:
    async with serving() as (listener, echo):
        answer = await ask(listener, "Wrapped", verb="GET")
        wrapper = await ask(listener, "Unary", verb="GET")
    assert (answer.status, json.loads(answer.body)) == (200, {"code": 0, "message": "", "details": []})
    assert echo.calls[0].reply == answer.body
    assert wrapper.body == b'""'

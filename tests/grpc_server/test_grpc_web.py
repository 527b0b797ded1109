"""gRPC-Web over HTTP/1.1 and h2, binary and text."""

from __future__ import annotations

import base64
import gzip

import pytest

from restate.runtime.net.http import Headers, Request
from restate.runtime.rpc.frames import COMPRESSED, frame
from restate.runtime.rpc.grpc_web import TextReader
from tests.grpc_server.echo_service import LIMIT, framed, said, serving
from tests.support.net_server import Answer, Running

WEB = b"application/grpc-web+proto"
TEXT = b"application/grpc-web-text"
OK = b"grpc-status:0\r\nx-trailing:t\r\n"


def trailers(lines: bytes) -> bytes:
    return frame(lines, 0x80)


def plain(text: bytes) -> bytes:
    reader = TextReader()
    data = reader.feed(text)
    reader.end()
    return data


def request(method: str, body: bytes, content_type: bytes = WEB, *headers: tuple[bytes, bytes]) -> bytes:
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"POST /test.Echo/%b HTTP/1.1\r\nhost: a\r\ncontent-type: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
        method.encode(),
        content_type,
        lines,
        len(body),
        body,
    )


async def ask(listener: Running, data: bytes) -> Answer:
    async with await listener.connect_h1() as peer:
        return await peer.ask(data)


async def test_the_trailers_are_the_last_frame_of_the_body() -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, request("Unary", framed("hi")))
        async with await listener.connect_h2() as peer:
            over_h2 = await peer.exchange(
                b"POST", b"/test.Echo/Unary", framed("hi"), [(b"content-type", WEB), (b"te", b"trailers")]
            )
    for each in (answer, over_h2):
        assert each.status == 200
        assert each.body == framed("hi") + trailers(OK)
        assert each.trailers == {}
        length = str(len(each.body)).encode()
        expected = {b"content-type": WEB, b"x-initial": b"i", b"content-length": length}
        assert each.headers == expected


async def test_text_is_base64_in_one_piece() -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, request("Unary", base64.b64encode(framed("hi")), TEXT))
    assert answer.headers[b"content-type"] == b"application/grpc-web-text+proto"
    assert base64.b64decode(answer.body, validate=True) == framed("hi") + trailers(OK)


@pytest.mark.parametrize(("sent", "accept"), [(WEB, TEXT), (TEXT, WEB)])
async def test_accept_chooses_the_form_of_the_answer(sent: bytes, accept: bytes) -> None:
    body = framed("hi") if sent == WEB else base64.b64encode(framed("hi"))
    async with serving() as (listener, _):
        answer = await ask(listener, request("Unary", body, sent, (b"accept", accept)))
    assert (answer.body if accept == WEB else plain(answer.body)) == framed("hi") + trailers(OK)


async def test_an_error_is_a_frame_of_trailers() -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, request("Fail", framed("x")))
        early = await ask(listener, request("Nope", framed("x")))
        text = await ask(listener, request("Nope", base64.b64encode(framed("x")), TEXT))
    assert (answer.status, answer.headers[b"x-initial"]) == (200, b"i")
    assert answer.body.startswith(b"\x80")
    lines = answer.body[5:].split(b"\r\n")
    assert lines[:2] == [b"grpc-status:9", b"grpc-message:n%C3%B6: 100%25"]
    assert lines[-3:] == [b"x-error:e", b"x-trailing:t", b""]
    assert early.headers[b"content-type"] == WEB
    assert early.body == trailers(b"grpc-status:12\r\ngrpc-message:no method Nope\r\n")
    assert plain(text.body) == early.body


async def test_compressed_messages_leave_the_trailers_plain() -> None:
    packed = frame(gzip.compress(said("hi")), COMPRESSED)
    async with serving() as (listener, _):
        answer = await ask(listener, request("Unary", packed, WEB, (b"grpc-encoding", b"gzip")))
    assert answer.headers[b"grpc-encoding"] == b"gzip"
    assert answer.body.endswith(trailers(OK))
    assert gzip.decompress(answer.body[5 : -len(trailers(OK))]) == said("hi")


@pytest.mark.parametrize("content_type", [WEB, TEXT])
async def test_replies_stream_and_text_comes_in_parts(content_type: bytes) -> None:
    body = framed("abc") if content_type == WEB else base64.b64encode(framed("abc"))
    async with serving() as (listener, _):
        answer = await ask(listener, request("Several", body, content_type))
    assert answer.headers[b"transfer-encoding"] == b"chunked"
    found = answer.body if content_type == WEB else plain(answer.body)
    assert found == framed("a", "b", "c") + trailers(b"grpc-status:0\r\n")


async def test_requests_of_a_stream_are_read_before_the_first_is_answered() -> None:
    async with serving() as (listener, _):
        answer = await ask(listener, request("Chat", framed("a", "b")))
        assert answer.body == framed("<a>", "<b>") + trailers(b"grpc-status:0\r\n")
        for long in (framed("x" * (LIMIT // 2), "y" * (LIMIT // 2)), frame(b"") * (LIMIT // 5 + 1)):
            refused = await ask(listener, request("Chat", long))
            assert refused.body.startswith(b"\x80")
            assert b"grpc-status:8\r\n" in refused.body


@pytest.mark.parametrize("body", [b"A", b"****", b"AAA", base64.b64encode(framed("hi"))[:-3]])
async def test_text_that_is_no_base64_is_refused(body: bytes) -> None:
    async with serving() as (listener, echo):
        answer = await ask(listener, request("Unary", body, TEXT))
    assert b"grpc-status:13\r\n" in plain(answer.body)
    assert echo.calls[0].reply is None


async def test_pages_are_told_what_they_may_read() -> None:
    def browser_headers(request: Request) -> Headers:
        return [(b"access-control-allow-origin", request.header(b"origin") or b"-")]

    async with serving(browser_headers=browser_headers) as (listener, _):
        for method in ("Unary", "Nope"):
            answer = await ask(listener, request(method, framed("x"), WEB, (b"origin", b"http://a")))
            assert answer.headers[b"access-control-allow-origin"] == b"http://a"
        async with await listener.connect_h2() as peer:
            native = await peer.exchange(
                b"POST", b"/test.Echo/Unary", framed("x"), [(b"content-type", b"application/grpc")]
            )
    assert b"access-control-allow-origin" not in native.headers

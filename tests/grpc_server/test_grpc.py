"""gRPC over h2, byte for byte."""

from __future__ import annotations

import gzip

import pytest

from restate.runtime.pb.rpc_pb2 import Status
from restate.runtime.rpc.frames import COMPRESSED, frame
from restate.runtime.rpc.grpc import decode_message
from restate.runtime.rpc.metadata import decode_binary
from tests.grpc_server.echo_service import LIMIT, framed, said, serving
from tests.support.net_server import Answer, H2Peer

Header = tuple[bytes, bytes]
GRPC: list[Header] = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
GZIP = (b"grpc-encoding", b"gzip")


async def ask(peer: H2Peer, method: str, body: bytes, *headers: Header, service: str = "test.Echo") -> Answer:
    return await peer.exchange(b"POST", f"/{service}/{method}".encode(), body, [*GRPC, *headers])


def status(answer: Answer) -> int:
    """Of an answer without a message. 0 never is."""
    assert answer.status == 200, answer
    assert answer.pieces == [], answer
    return int(answer.trailers[b"grpc-status"])


async def test_a_message_comes_back_between_headers_and_trailers() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", framed("hi"))
    assert answer.status == 200
    assert answer.headers == {b"content-type": b"application/grpc", b"x-initial": b"i"}
    assert answer.body == framed("hi")
    assert answer.trailers == {b"grpc-status": b"0", b"x-trailing": b"t"}


async def test_an_error_has_headers_and_trailers_and_no_message() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Fail", framed("hi"))
    assert answer.headers == {b"content-type": b"application/grpc", b"x-initial": b"i"}
    assert answer.pieces == []
    details = Status.FromString(decode_binary(answer.trailers.pop(b"grpc-status-details-bin")))
    assert (details.code, details.message) == (9, "nö: 100%")
    assert [(each.type_url, each.value) for each in details.details] == [
        ("type.googleapis.com/google.protobuf.StringValue", said("hi"))
    ]
    assert decode_message(answer.trailers[b"grpc-message"]) == "nö: 100%"
    assert answer.trailers == {
        b"grpc-status": b"9",
        b"grpc-message": b"n%C3%B6: 100%25",
        b"x-trailing": b"t",
        b"x-error": b"e",
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", 12),
        (framed("a", "b"), 12),
        (framed("a") + b"\0", 13),
        (framed("abc")[:-1], 13),
        (frame(b"x", 2), 13),
        (frame(gzip.compress(b"x"), COMPRESSED), 13),
        (b"\0\xff\xff\xff\xff", 8),
    ],
    ids=["no message", "two", "one and a half", "half", "flags", "no coding", "too long"],
)
async def test_what_is_not_one_message_is_refused(body: bytes, expected: int) -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        assert status(await ask(peer, "Unary", body)) == expected
        assert (await ask(peer, "Unary", framed("next"))).body == framed("next")
    assert [call.reply for call in echo.calls] == [None, said("next")]


async def test_a_coding_that_only_looks_like_identity_unpacks_nothing() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", frame(said("x"), COMPRESSED), (b"grpc-encoding", b"x-identity"))
    assert status(answer) == 13


async def test_a_message_of_the_greatest_length_is_put_together() -> None:
    text = "x" * (LIMIT - 4)
    assert len(said(text)) == LIMIT
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", framed(text))
    assert answer.body == framed(text)


async def test_a_compressed_message_is_answered_in_the_same_way() -> None:
    packed = frame(gzip.compress(said("hi")), COMPRESSED)
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", packed, GZIP)
        assert answer.headers[b"grpc-encoding"] == b"gzip"
        assert answer.body[:1] == b"\1"
        assert gzip.decompress(answer.body[5:]) == said("hi")
        # Compression is per message, and the client may not want it back.
        plain = await ask(peer, "Unary", framed("hi"), GZIP, (b"grpc-accept-encoding", b"identity"))
        assert plain.body == framed("hi")
        assert b"grpc-encoding" not in plain.headers


async def test_a_bomb_is_given_up_at_the_limit() -> None:
    bomb = frame(gzip.compress(bytes(50_000_000)), COMPRESSED)
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        assert status(await ask(peer, "Unary", bomb, GZIP)) == 8


async def test_another_coding_is_refused_with_those_that_are_served() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", framed("hi"), (b"grpc-encoding", b"br"))
    assert status(answer) == 12
    assert answer.headers[b"grpc-accept-encoding"] == b"gzip"


@pytest.mark.parametrize(
    ("path", "expected"), [("/test.Echo/Nope", 12), ("/nope/Unary", 5), ("/a", 3), ("/a/b/c", 3), ("/", 3)]
)
async def test_what_is_not_there_is_told_in_trailers(path: str, expected: int) -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await peer.exchange(b"POST", path.encode(), framed("x"), GRPC)
    assert status(answer) == expected


@pytest.mark.parametrize(
    ("method", "content_type", "expected"),
    [
        (b"GET", b"application/grpc", 405),
        (b"DELETE", b"application/grpc", 405),
        (b"POST", b"application/grpc+foo", 415),
        (b"POST", b"application/grpc-web+foo", 415),
    ],
)
async def test_what_is_no_call_gets_a_bare_status(method: bytes, content_type: bytes, expected: int) -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await peer.exchange(method, b"/test.Echo/Unary", b"x", [(b"content-type", content_type)])
    assert (answer.status, answer.body, answer.trailers) == (expected, b"", {})


async def test_an_unknown_route_may_be_a_bare_404() -> None:
    async with serving(unknown_route="bare_404") as (listener, _), await listener.connect_h2() as peer:
        answer = await peer.exchange(b"POST", b"/nope/Unary", b"x", GRPC)
        assert (answer.status, answer.body, answer.trailers) == (404, b"", {})
        assert status(await ask(peer, "Nope", b"")) == 12


async def test_there_is_no_grpc_over_http_1() -> None:
    async with serving() as (listener, _), await listener.connect_h1() as peer:
        answer = await peer.ask(
            b"POST /test.Echo/Unary HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"
        )
    assert (answer.status, answer.body) == (400, b"")


async def test_json_messages_are_transcoded_both_ways() -> None:
    json_type = [(b"content-type", b"application/grpc+json")]
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        for method in (b"Unary", b"Objects"):
            answer = await peer.exchange(b"POST", b"/test.Echo/" + method, frame(b'"hi"'), json_type)
            assert answer.headers[b"content-type"] == b"application/grpc+json"
            assert answer.body.lower() == frame(b'"hi"')
        assert status(await peer.exchange(b"POST", b"/test.Echo/Unary", frame(b"{"), json_type)) == 3


async def test_a_malformed_message_is_the_callers_mistake() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        assert status(await ask(peer, "Objects", frame(b"\xff\xff"))) == 3


async def test_a_bug_in_a_handler_is_internal_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        assert status(await ask(peer, "Crash", framed("x"))) == 13
        assert status(await ask(peer, "Silent", framed("x"))) == 13
        assert status(await ask(peer, "Twice", framed("x"))) == 13
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 3


async def test_errors_of_grpclib_are_understood() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Grpclib", framed("x"))
        assert status(answer) == 10
        assert answer.trailers[b"grpc-message"] == b"stop"
        told = await ask(peer, "Told", framed("x"))
        assert status(told) == 7
        assert told.trailers[b"x-more-bin"] == b"/w"


async def test_a_handler_sees_metadata_and_the_client() -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        await ask(
            peer,
            "Unary",
            framed("x"),
            (b"x-a", b"1"),
            (b"x-a", b"2"),
            (b"x-b-bin", b"/w"),
            (b"user-agent", b"me"),
            (b"grpc-timeout", b"5S"),
        )
        await ask(peer, "Unary", framed("x"))
    call, bare = echo.calls
    assert list(call.metadata.items()) == [("x-a", "1"), ("x-a", "2"), ("x-b-bin", b"\xff")]
    assert (call.user_agent, bare.user_agent) == ("me", None)
    assert call.peer[0] == "127.0.0.1"
    assert call.deadline is not None
    assert 4 < call.deadline.time_remaining() <= 5
    assert bare.deadline is None


async def test_replies_stream_between_headers_and_trailers() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Several", framed("abc"))
        assert (answer.body, answer.trailers) == (framed("a", "b", "c"), {b"grpc-status": b"0"})
        answer = await ask(peer, "Several", framed("a!"))
        assert answer.body == framed("a", "!")
        assert answer.trailers == {b"grpc-status": b"10", b"grpc-message": b"stop"}
        answer = await ask(peer, "Several", framed(""))
        assert (answer.body, answer.trailers) == (b"", {b"grpc-status": b"0"})


async def test_both_sides_of_a_stream_take_turns() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        stream = peer.begin(b"POST", b"/test.Echo/Chat", GRPC, end=False)
        answer = peer.answers[stream]
        said_so_far = b""
        for text in ("a", "b"):
            await peer.send_body(stream, framed(text), end=False)
            said_so_far += framed(f"<{text}>")
            await peer.until(lambda: answer.body == said_so_far)  # noqa: B023 - awaited at once
        peer.h2.end_stream(stream)
        await peer.flush()
        await peer.answer(stream)
    assert answer.trailers == {b"grpc-status": b"0"}

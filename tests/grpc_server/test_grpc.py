"""gRPC over h2, byte for byte."""

from __future__ import annotations

from restate.runtime.pb.rpc_pb2 import Status
from restate.runtime.rpc.frames import frame
from restate.runtime.rpc.grpc import decode_message
from restate.runtime.rpc.metadata import decode_binary
from tests.grpc_server.echo_service import framed, said, serving
from tests.support.net_server import Answer, H2Peer

GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]


async def ask(
    peer: H2Peer, method: str, body: bytes, *headers: tuple[bytes, bytes], service: str = "test.Echo"
) -> Answer:
    return await peer.exchange(b"POST", f"/{service}/{method}".encode(), body, [*GRPC, *headers])


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


async def test_no_message_and_two_messages_are_refused() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        for body in (b"", framed("a", "b"), framed("a") + b"\0"):
            answer = await ask(peer, "Unary", body)
            assert answer.trailers[b"grpc-status"] in (b"12", b"13"), answer
            assert answer.pieces == []


async def test_a_long_message_is_put_together() -> None:
    text = "x" * 150_000
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        answer = await ask(peer, "Unary", framed(text))
        assert answer.body == framed(text)
        answer = await ask(peer, "Unary", frame(b"x" * 200_001))
        assert answer.trailers[b"grpc-status"] == b"8"


async def test_both_sides_of_a_stream_take_turns() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        stream = peer.begin(b"POST", b"/test.Echo/Chat", GRPC, end=False)
        answer = peer.answers[stream]
        for text in ("a", "b"):
            await peer.send_body(stream, framed(text), end=False)
            await peer.until(lambda text=text: bool(answer.body.endswith(framed(f"<{text}>"))))  # type: ignore[misc]
        peer.h2.end_stream(stream)
        await peer.flush()
        await peer.answer(stream)
    assert answer.body == framed("<a>", "<b>")
    assert answer.trailers == {b"grpc-status": b"0"}

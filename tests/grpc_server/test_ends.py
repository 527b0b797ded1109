"""How calls end that nobody waits for any longer: deadlines, clients that leave, and nothing that is left behind."""

from __future__ import annotations

import json
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.net.http import Request, Response
from restate.runtime.net.limits import Limits
from tests.grpc_server.echo_service import LIMIT, Echo, framed, serving
from tests.support.net_server import PATIENCE, H2Peer, running

GRPC = [(b"content-type", b"application/grpc")]
SOON = (b"grpc-timeout", b"20m")


async def begin(peer: H2Peer, echo: Echo, method: str, *more: tuple[bytes, bytes]) -> int:
    """A stream whose handler runs."""
    before = echo.begun
    stream = peer.begin(b"POST", f"/test.Echo/{method}".encode(), [*GRPC, *more], end=False)
    await peer.send_body(stream, framed("x"))
    with trio.fail_after(PATIENCE):
        while echo.begun == before:
            await wait_all_tasks_blocked(0.001)
    return stream


async def cancelled(echo: Echo, times: int) -> None:
    with trio.fail_after(PATIENCE):
        while echo.cancelled < times:
            await wait_all_tasks_blocked(0.001)
    assert echo.cancelled == times


@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/grpc-web"])
async def test_the_deadline_ends_the_wait_in_grpc(content_type: bytes) -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        headers = [(b"content-type", content_type), SOON]
        answer = await peer.exchange(b"POST", b"/test.Echo/Wait", framed("x"), headers)
    said = answer.trailers.get(b"grpc-status") or answer.body[5:].split(b"\r\n")[0]
    assert said in (b"4", b"grpc-status:4")
    assert (echo.begun, echo.cancelled) == (1, 1)


@pytest.mark.parametrize(("more", "status"), [([], 408), ([(b"connect-protocol-version", b"1")], 504)])
async def test_the_deadline_ends_the_wait_in_connect(more: list[tuple[bytes, bytes]], status: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"connect-timeout-ms", b"20"), *more]
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        answer = await peer.exchange(b"POST", b"/test.Echo/Wait", b'"x"', headers)
    assert (answer.status, json.loads(answer.body)) == (
        status,
        {"code": "deadline_exceeded", "message": "no answer within 0.02 s"},
    )
    assert echo.cancelled == 1


async def test_with_no_time_left_the_handler_is_not_begun() -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        headers = [*GRPC, (b"grpc-timeout", b"0n")]
        answer = await peer.exchange(b"POST", b"/test.Echo/Wait", framed("x"), headers)
    assert answer.trailers[b"grpc-status"] == b"4"
    assert echo.begun == 0


async def test_the_deadline_holds_for_the_request_as_well() -> None:
    async with serving() as (listener, _), await listener.connect_h2() as peer:
        stream = peer.begin(b"POST", b"/test.Echo/Unary", [*GRPC, SOON], end=False)
        await peer.flush()
        answer = await peer.answer(stream)
    assert answer.trailers[b"grpc-status"] == b"4"


async def test_a_stream_of_replies_ends_with_the_deadline() -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        stream = await begin(peer, echo, "Watch", SOON)
        answer = await peer.answer(stream)
    assert answer.body == framed("begun")
    assert answer.trailers[b"grpc-status"] == b"4"


@pytest.mark.parametrize("method", ["Wait", "Watch"])
async def test_a_handler_ends_when_its_client_resets_the_stream(method: str) -> None:
    async with serving() as (listener, echo), await listener.connect_h2() as peer:
        stream = await begin(peer, echo, method)
        peer.h2.reset_stream(stream, 8)
        await peer.flush()
        await cancelled(echo, 1)


async def test_a_handler_ends_when_its_client_leaves_http_1() -> None:
    async with serving(Limits(tick=0.01)) as (listener, echo):
        async with await listener.connect_h1() as peer:
            body = framed("x")
            await peer.send(
                b"POST /test.Echo/Watch HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc-web\r\n"
                b"content-length: %d\r\n\r\n%b" % (len(body), body)
            )
            with trio.fail_after(PATIENCE):
                while not echo.begun:
                    await wait_all_tasks_blocked(0.001)
        await cancelled(echo, 1)


async def test_nothing_is_left_of_many_calls_of_all_kinds() -> None:
    async with serving() as (listener, echo):
        idle = len(listener.work.child_tasks)
        async with await listener.connect_h2() as peer:
            for _ in range(20):
                for method, body in (
                    ("Unary", framed("x")),
                    ("Unary", b"\0\0"),
                    ("Fail", framed("x")),
                    ("Several", framed("abc!")),
                    ("Nope", b""),
                ):
                    await peer.exchange(b"POST", f"/test.Echo/{method}".encode(), body, GRPC)
                stream = await begin(peer, echo, "Watch")
                peer.h2.reset_stream(stream, 8)
                await peer.flush()
            await cancelled(echo, 20)
        await listener.left_alone()
        assert len(listener.work.child_tasks) == idle


async def test_a_stream_gives_back_its_permit_and_a_call_keeps_it() -> None:
    echo = Echo()
    server = RpcServer(echo.find, size_limit=LIMIT)
    released: list[str] = []

    async def handle(request: Request, response: Response) -> None:
        path = request.target.decode()
        await server.serve(path, "", request, response, release=partial(released.append, path))

    async with running(handle) as listener, await listener.connect_h2() as peer:
        for method in ("Unary", "Several", "Chat", "Nope"):
            await peer.exchange(b"POST", f"/test.Echo/{method}".encode(), framed("x"), GRPC)
    assert released == ["/test.Echo/Several", "/test.Echo/Chat"]

"""Ports, the choice of the protocol, isolation, the end."""

import socket
from functools import partial

import pytest
import trio
import trio.testing

from restate.runtime.net.http import Request, Response
from restate.runtime.net.limits import Limits
from restate.runtime.net.listener import Drain, bind, serve
from restate.runtime.net.transport import SocketTransport
from tests.support.net_server import H1Peer, echo, running

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


def test_bind_takes_a_free_port_and_listens_at_once() -> None:
    listener = bind("127.0.0.1", 0)
    try:
        assert listener.address == ("127.0.0.1", listener.port)
        assert listener.port > 0
        socket.create_connection(listener.address).close()
    finally:
        listener.close()
        listener.close()


def test_a_port_in_use_is_an_error() -> None:
    listener = bind("127.0.0.1", 0)
    try:
        with pytest.raises(OSError, match="in use"):
            bind("127.0.0.1", listener.port)
    finally:
        listener.close()


def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        bind("no.such.host.invalid", 0)


def test_the_open_address_takes_both_families() -> None:
    try:
        listener = bind("::", 0)
    except OSError:
        pytest.skip("no IPv6 here")
    try:
        socket.create_connection(("127.0.0.1", listener.port)).close()
        socket.create_connection(("::1", listener.port)).close()
    finally:
        listener.close()


@pytest.mark.parametrize("size", [1, 5, 23])
async def test_the_preface_may_come_in_pieces(size: int) -> None:
    async with running() as server, await server.connect() as stream:
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
        for start in range(0, len(preface), size):
            await stream.send_all(preface[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        assert (await stream.receive_some())[3] == 4  # SETTINGS


async def test_something_like_the_preface_is_http_1() -> None:
    async with running() as server, await server.connect_h1() as peer:
        assert (await peer.ask(b"PRI * HTTP/1.1\r\nhost: a\r\n\r\n")).status == 400


async def test_a_client_that_says_nothing_and_leaves() -> None:
    async with running() as server:
        for data in (b"", b"P", b"PRI"):
            stream = await server.connect()
            if data:
                await stream.send_all(data)
            await stream.aclose()
        await server.left_alone()
        await server.still_serves()


async def test_a_connection_that_is_reset() -> None:
    async with running() as server:
        stream = await server.connect()
        await stream.send_all(b"GET / HTTP/1.1\r\n")
        await trio.testing.wait_all_tasks_blocked()
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await stream.aclose()
        await server.left_alone()
        await server.still_serves()


async def test_more_connections_than_allowed_wait_for_their_turn() -> None:
    async with running(echo, Limits(max_connections=2)) as server:
        first, second, third = [await server.connect_h1() for _ in range(3)]
        async with second, third:
            async with first:
                assert (await first.ask(GET)).status == 200
                assert (await second.ask(GET)).status == 200
                await third.send(GET)
                await trio.testing.wait_all_tasks_blocked(0.01)
                assert server.drain.connections == 2
            assert (await third.response()).status == 200


async def test_running_out_of_descriptors_is_survived_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as server:
        shortage = OSError(24, "Too many open files")
        failures = [shortage, OSError(103, "Software caused connection abort"), shortage, shortage]
        accept = socket.socket.accept

        def fails_at_first(listening: socket.socket) -> tuple[socket.socket, object]:
            if failures:
                raise failures.pop(0)
            return accept(listening)

        monkeypatch.setattr(socket.socket, "accept", fails_at_first)
        await server.still_serves()
    (line,) = [record.getMessage() for record in caplog.records if "cannot accept" in record.getMessage()]
    assert "Too many open files" in line
    assert "ulimit -n" in line


async def test_cancelling_serve_drains() -> None:
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        await release.wait()
        await response.send(200, [])

    async with trio.open_nursery() as work:
        drain = Drain()
        listener = bind("127.0.0.1", 0)
        async with trio.open_nursery() as accepting:
            address = await accepting.start(partial(serve, listener, handler, nursery=work, drain=drain))
            peer = H1Peer(await trio.open_tcp_stream(*address))
            await peer.send(GET)
            await trio.testing.wait_all_tasks_blocked()
            accepting.cancel_scope.cancel()
        assert listener.socket.fileno() == -1
        assert drain.started
        assert not drain.finished.is_set()
        release.set()
        assert (await peer.response()).headers[b"connection"] == b"close"
        await drain.finished.wait()
        await peer.stream.aclose()
    # `work` has ended by itself.


async def test_one_drain_ends_several_listeners() -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as work:
            drain = Drain()
            for name in ("ingress", "node"):
                await work.start(
                    partial(serve, bind("127.0.0.1", 0), echo, name=name, nursery=work, drain=drain)
                )
            drain.start()
            drain.start()


async def test_serve_after_the_drain_has_started_ends_at_once() -> None:
    with trio.fail_after(30):
        async with trio.open_nursery() as work:
            drain = Drain()
            drain.start()
            listener = bind("127.0.0.1", 0)
            await serve(listener, echo, nursery=work, drain=drain)
            assert listener.socket.fileno() == -1


async def test_the_deadline_of_the_caller_ends_a_stalled_client() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.start(200, [])
        while True:
            await response.write(b"x" * 65_536)

    with trio.fail_after(30):
        async with (
            running(handler) as server,
            await server.connect_h1() as h1,
            await server.connect_h2() as h2,
        ):
            await h1.send(GET)
            h2.begin(b"GET", b"/")
            await h2.flush()
            await trio.testing.wait_all_tasks_blocked(0.02)
            server.drain.start()
            with trio.move_on_after(0.02):
                await server.drain.finished.wait()
            server.work.cancel_scope.cancel()


async def test_a_write_that_makes_no_progress_is_given_up() -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    transport = SocketTransport(left, write_timeout=0.05)
    try:
        with trio.fail_after(30), pytest.raises(Exception, match=r"took no byte for 0\.05 s"):
            await transport.send(b"x" * (16 << 20))
    finally:
        transport.close()
        transport.close()
        right.close()

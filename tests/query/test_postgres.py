"""What clients of the postgres port get before SQL is served."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.net.listener import Drain, bind
from restate.runtime.query.postgres import PostgresPort, refusal

SSL = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
GSSENC = (8).to_bytes(4, "big") + (80877104).to_bytes(4, "big")
CANCEL = (16).to_bytes(4, "big") + (80877102).to_bytes(4, "big") + bytes(8)
_PARAMETERS = b"user\0postgres\0\0"
STARTUP = (8 + len(_PARAMETERS)).to_bytes(4, "big") + (196608).to_bytes(4, "big") + _PARAMETERS


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
async def port(nursery: trio.Nursery, drain: Drain) -> int:
    listener = bind("127.0.0.1", 0)
    nursery.start_soon(PostgresPort(listener).run, drain)
    return listener.port


async def rest(stream: trio.SocketStream) -> bytes:
    """All bytes until the server ends the connection."""
    data = b""
    with trio.fail_after(5):
        try:
            while more := await stream.receive_some():
                data += more
        except trio.BrokenResourceError:
            # It closed before it had read everything; that is an end as well.
            return data
    return data


async def talk(port: int, *sent: bytes) -> bytes:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        for data in sent:
            await stream.send_all(data)
        return await rest(stream)


async def test_a_client_gets_a_fatal_error_with_a_code(port: int) -> None:
    answer = await talk(port, STARTUP)
    assert answer == refusal()
    assert answer[:1] == b"E"
    assert int.from_bytes(answer[1:5], "big") == len(answer) - 1
    assert b"C0A000\0" in answer
    assert answer.endswith(b"\0\0")


async def test_a_client_that_asks_for_encryption_first_is_told_no_each_time(port: int) -> None:
    assert await talk(port, SSL, GSSENC, STARTUP) == b"NN" + refusal()


async def test_a_startup_message_in_pieces_is_understood(port: int) -> None:
    assert await talk(port, *(STARTUP[n : n + 1] for n in range(len(STARTUP)))) == refusal()


async def test_a_cancel_request_has_no_answer(port: int) -> None:
    assert await talk(port, CANCEL) == b""


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", bytes(8), b"\0\0\0\7abc", b"\xff\xff\xff\xffabcd"]
)
async def test_what_is_no_startup_message_ends_the_connection_and_the_next_client_is_served(
    port: int, data: bytes
) -> None:
    assert await talk(port, data) == b""
    assert await talk(port, STARTUP) == refusal()


async def test_a_client_that_leaves_disturbs_nobody(port: int) -> None:
    for data in (b"", b"\0\0", SSL):
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            await stream.send_all(data)
    assert await talk(port, STARTUP) == refusal()


async def test_a_silent_client_is_cut_after_a_moment(port: int, autojump_clock: MockClock) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await wait_all_tasks_blocked()
        began = trio.current_time()
        assert await stream.receive_some() == b""
        assert 4 < trio.current_time() - began < 6


async def test_a_drain_closes_the_port(port: int, drain: Drain) -> None:
    assert await talk(port, STARTUP) == refusal()
    drain.start()
    await wait_all_tasks_blocked()
    with pytest.raises(OSError, match="connect"):
        await trio.open_tcp_stream("127.0.0.1", port)


@pytest.mark.clients
@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
async def test_psql_prints_what_to_do(port: int) -> None:
    command = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c", "SELECT 1"]
    done = await trio.run_process(command, capture_stderr=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert b"FATAL:  SQL is not available in this version" in done.stderr
    assert b"use the admin API" in done.stderr

"""How the server ends when it is told to."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import pytest
import trio

from tests.server.process import (
    PATIENCE,
    Conversation,
    ingress,
    register,
    running_server,
    running_service,
    send,
)

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from tests.server.process import ServerProcess

pytestmark = pytest.mark.slow

SOON = 40.0
"""Seconds: far below the grace period of a minute, on a busy machine."""


async def echoes(sdk: Conversation) -> None:
    replay = await sdk.replay()
    await sdk.output(replay[1].message.value.content)


async def naps(sdk: Conversation) -> None:
    """Sleeps so long that it is suspended, then gives its result."""
    heard = await sdk.replay()
    if len(heard) == 2:
        await sdk.say("Sleep", wake_up_time=round(time.time() * 1000) + 2500, result_completion_id=1)
    while heard[-1].name != "SleepCompletion":
        message = await sdk.hear()
        if message is None:
            await sdk.say("Suspension", waiting_completions=[1])
            return
        heard.append(message)
    await sdk.output(b'"rested"')


async def finishes_its_work(sdk: Conversation) -> None:
    """Takes no notice of the server's wish."""
    await sdk.replay()
    await trio.sleep(1)
    await sdk.output(b'"done"')


async def hangs(sdk: Conversation) -> None:
    await sdk.replay()
    await trio.sleep_forever()


async def timed_end(server: ServerProcess) -> float:
    """Seconds until a server that was told to end has ended, with status 0."""
    began = trio.current_time()
    await server.terminate()
    return trio.current_time() - began


async def attached(http: httpx.AsyncClient, invocation: str) -> httpx.Response:
    return await http.get(f"/restate/invocation/{invocation}/attach")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_an_idle_server_soon_with_status_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running_server(tmp_path) as server:
        server.signal(number)
        assert await server.status(SOON) == 0
        assert not (server.base_dir / "ports.json").exists()
        assert number.name in server.stderr


@pytest.mark.parametrize("grace_period", ["1m", "1ms", "0s"])
async def test_idle_connections_on_every_port_do_not_hold_it_up(tmp_path: Path, grace_period: str) -> None:
    """Nor do they, after a grace period of no time, make its end one that was not in order."""
    async with (
        running_server(tmp_path, SHUTDOWN_GRACE_PERIOD=grace_period) as server,
        await ingress(server) as http,
    ):
        ports = await server.ports()
        assert (await http.get("/restate/health")).status_code == 200
        admin = f"http://127.0.0.1:{ports['admin']}/health"
        assert (await http.get(admin)).status_code == 200
        silent = [await trio.open_tcp_stream("127.0.0.1", port) for port in ports.values()]
        async with trio.open_nursery() as nursery:
            await nursery.start(idle_h2_client, ports["ingress"])
            assert await timed_end(server) < SOON
        for stream in silent:
            await stream.aclose()


async def idle_h2_client(port: int, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Does what h2 asks of a client without requests, until the server ends the connection."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration())
    connection.initiate_connection()
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(connection.data_to_send())
        connection.receive_data(await stream.receive_some())
        task_status.started()
        while data := await stream.receive_some():
            connection.receive_data(data)
            await stream.send_all(connection.data_to_send())


async def test_a_client_of_a_sleeping_invocation_is_told_to_come_back_and_it_resumes(tmp_path: Path) -> None:
    replies: list[httpx.Response] = []
    async with running_service(naps=naps) as service:
        async with running_server(tmp_path) as server:
            await register(server, service)
            async with await ingress(server) as http, trio.open_nursery() as nursery:

                async def call() -> None:
                    replies.append(await http.post("/Bed/naps", json=1, headers={"idempotency-key": "one"}))

                nursery.start_soon(call)
                await service.until_attempted("naps")
                assert await timed_end(server) < SOON
        (told,) = replies
        assert told.status_code == 503
        assert "shutting down" in told.json()["message"]

        async with running_server(tmp_path) as server, await ingress(server) as http:
            again = await http.post("/Bed/naps", json=1, headers={"idempotency-key": "one"})
            assert (again.status_code, again.json()) == (200, "rested")
        assert service.attempts == ["naps", "naps"]


async def test_a_working_handler_may_finish_while_clients_of_suspended_ones_need_not_wait_for_it(
    tmp_path: Path,
) -> None:
    ended: dict[str, tuple[int, float]] = {}
    settings = {"INVOKER__INACTIVITY_TIMEOUT": "20ms"}
    scripts = {"naps": naps, "works": finishes_its_work}
    async with running_service(**scripts) as service, running_server(tmp_path, **settings) as server:
        await register(server, service)
        async with await ingress(server) as http, trio.open_nursery() as nursery:

            async def call(handler: str) -> None:
                reply = await http.post(f"/Bed/{handler}", json=1)
                ended[handler] = reply.status_code, trio.current_time() - began

            began = trio.current_time()
            nursery.start_soon(call, "naps")
            await service.until_attempted("naps")
            await trio.sleep(0.1)
            nursery.start_soon(call, "works")
            await service.until_attempted("works")
            began = trio.current_time()
            await server.terminate(within=SOON)

    assert ended["works"][0] == 200
    assert ended["naps"][0] == 503
    assert ended["naps"][1] < ended["works"][1]


async def test_a_hung_service_and_a_stalled_client_are_cut_long_before_the_grace_period(
    tmp_path: Path,
) -> None:
    replies: list[int] = []
    async with (
        running_service(hangs=hangs) as service,
        running_server(tmp_path, SHUTDOWN_GRACE_PERIOD="6s") as server,
    ):
        await register(server, service)
        ports = await server.ports()
        stalled = await trio.open_tcp_stream("127.0.0.1", ports["ingress"])
        await stalled.send_all(b"POST /Bed/hangs HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12")
        async with await ingress(server) as http, trio.open_nursery() as nursery:

            async def call() -> None:
                replies.append((await http.post("/Bed/hangs", json=1)).status_code)

            nursery.start_soon(call)
            await service.until_attempted("hangs")
            # A drain of the whole grace period has another status.
            await server.terminate()
        await stalled.aclose()
        assert replies == [503]
        assert "cutting attempts" in server.stderr
        assert "cutting clients" in server.stderr


@pytest.mark.parametrize("grace_period", ["200ms", "0s"])
async def test_a_grace_period_that_is_over_before_the_drain_is_status_1_with_one_line(
    tmp_path: Path, grace_period: str
) -> None:
    settings = {"SHUTDOWN_GRACE_PERIOD": grace_period, "SHUTDOWN_ATTEMPTS_TIMEOUT": "1m"}
    async with running_service(hangs=hangs) as service, running_server(tmp_path, **settings) as server:
        await register(server, service)
        async with await ingress(server) as http:
            await send(http, "Bed/hangs/send")
        await service.until_attempted("hangs")
        server.signal(signal.SIGTERM)
        assert await server.status(SOON) == 1
        assert server.lines[-1].startswith("restate-server: shutdown_grace_period was over before the drain")
        assert "Traceback" not in server.stderr
        assert not (server.base_dir / "ports.json").exists()


async def test_what_was_accepted_before_the_signal_is_done_at_the_next_start(tmp_path: Path) -> None:
    async with running_service(echoes=echoes, hangs=hangs) as service:
        async with running_server(tmp_path, INVOKER__CONCURRENCY_LIMIT="1") as server:
            await register(server, service)
            async with await ingress(server) as http:
                # The one permit is taken, so what follows has not begun when the server ends.
                await send(http, "Bed/hangs/send")
                await service.until_attempted("hangs")
                sent = [await send(http, "Bed/echoes/send", n) for n in range(20)]
                late = await send(http, "Bed/echoes/send?delay=500ms", "late")
                server.signal(signal.SIGTERM)
                server.signal(signal.SIGINT)
            await server.status()
        assert service.attempts == ["hangs"]
        await trio.sleep(0.5)

        service.scripts["hangs"] = echoes
        async with running_server(tmp_path) as server, await ingress(server) as http:
            began = trio.current_time()
            results = [(await attached(http, invocation)).json() for invocation in sent]
            assert results == list(range(20))
            assert (await attached(http, late)).json() == "late"
            assert trio.current_time() - began < SOON
        assert service.attempts.count("echoes") == 21


async def test_a_second_signal_ends_it_at_once_with_one_line(tmp_path: Path) -> None:
    async with running_service(hangs=hangs) as service, running_server(tmp_path) as server:
        await register(server, service)
        async with await ingress(server) as http:
            await send(http, "Bed/hangs/send")
        await service.until_attempted("hangs")
        server.signal(signal.SIGTERM)
        await server.until(lambda: "draining" in server.stderr, "the drain")
        await trio.sleep(0.1)
        server.signal(signal.SIGINT)
        assert await server.status(SOON) == 1
        assert server.lines[-1].startswith("restate-server: SIGINT came while draining")
        assert "Traceback" not in server.stderr
        assert not (server.base_dir / "ports.json").exists()


async def until_refused(port: int) -> None:
    """The log line comes a moment before the port is closed."""
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                return


async def test_new_requests_are_refused_while_it_drains(tmp_path: Path) -> None:
    async with running_service(works=finishes_its_work) as service, running_server(tmp_path) as server:
        await register(server, service)
        ports = await server.ports()
        async with await ingress(server) as http:
            await send(http, "Bed/works/send")
        await service.until_attempted("works")
        # In the middle of a request when the signal comes: it is still answered.
        async with await trio.open_tcp_stream("127.0.0.1", ports["ingress"]) as stream:
            await stream.send_all(b"POST /Bed/works/send HTTP/1.1\r\nhost: x\r\n")
            await stream.send_all(b"content-type: text/plain\r\ncontent-length: 1\r\n\r\n")
            await trio.sleep(0.1)
            server.signal(signal.SIGTERM)
            await server.until(lambda: "draining" in server.stderr, "the drain")
            await until_refused(ports["ingress"])
            await stream.send_all(b"1")
            answer = await stream.receive_some()
            assert answer.startswith(b"HTTP/1.1 503")
            assert b"again when it is started" in answer
            assert await server.status(SOON) == 0
            assert service.attempts == ["works"]

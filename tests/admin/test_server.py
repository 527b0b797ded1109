"""One real Hypercorn on a free port: what only the wire shows."""

import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import h2.config
import h2.connection
import httpx
import pytest
import trio
import trio.testing

from restate.runtime.admin import server
from restate.runtime.config import Admin as AdminSettings
from restate.runtime.config import Config
from restate.runtime.schema.registration import Announcement
from tests.admin.fakes import CountingIds, FakeDiscovery, FakePartition, FixedClock

UPGRADE = (
    b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


class Running:
    def __init__(self, port: int, partition: FakePartition, shutdown: trio.Event, done: trio.Event) -> None:
        self.port = port
        self.partition = partition
        self.shutdown = shutdown
        self.done = done

    async def raw(self, data: bytes) -> bytes:
        """Everything that the server answers to these bytes, after which we close our side."""
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            await stream.send_all(data)
            await stream.send_eof()
            answer = b""
            with trio.move_on_after(2):
                async for chunk in stream:
                    answer += chunk
            return answer

    async def healthy(self) -> bool:
        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.port}/health")).status_code == 200


class HangingDiscovery(FakeDiscovery):
    """Never answers. started, left: set when somebody waits, and when nobody does any more."""

    def __init__(self) -> None:
        super().__init__()
        self.started, self.left = trio.Event(), trio.Event()

    async def discover(
        self, uri: str, headers: Sequence[tuple[str, str]] = (), *, use_http_11: bool = False
    ) -> Announcement:
        self.started.set()
        try:
            await trio.sleep_forever()
        finally:
            self.left.set()


@asynccontextmanager
async def running(
    discovery: FakeDiscovery | None = None,
    *,
    body_discard_timeout_ms: int = 5_000,
    idle_timeout_ms: int = 5_000,
) -> AsyncIterator[Running]:
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setblocking(False)
    shutdown, done = trio.Event(), trio.Event()
    partition = FakePartition()
    settings = AdminSettings(
        request_size_limit=1000,
        body_discard_timeout_ms=body_discard_timeout_ms,
        idle_timeout_ms=idle_timeout_ms,
    )
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[object]) -> None:
            await server.serve(
                listening,
                partition=partition,
                discovery=discovery or FakeDiscovery(),
                config=Config(admin=settings),
                clock=FixedClock(),
                ids=CountingIds(),
                ingress_url="http://127.0.0.1:18080/",
                shutdown=shutdown,
                task_status=task_status,
            )
            done.set()

        port = listening.getsockname()[1]
        await nursery.start(partial(serve))
        yield Running(port, partition, shutdown, done)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(("size", "status"), [(40_000, b"200"), (80_000, b"431")])
async def test_headers_may_be_long_in_whatever_pieces_they_come(size: int, status: bytes) -> None:
    head = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-long: " + b"y" * size + b"\r\n\r\n"
    async with running() as admin, await trio.open_tcp_stream("127.0.0.1", admin.port) as stream:
        # Nothing more once there is an answer: a reset would take it away.
        for start in range(0, min(len(head), 70_000), 10_000):
            await stream.send_all(head[start : start + 10_000])
            await trio.testing.wait_all_tasks_blocked(0.001)
        assert (await stream.receive_some(1000)).startswith(b"HTTP/1.1 " + status)


async def test_it_answers_over_both_http_versions() -> None:
    async with running() as admin:
        for http2 in (False, True):
            async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
                response = await client.get(f"http://127.0.0.1:{admin.port}/version")
                assert response.json()["ingress_endpoint"] == "http://127.0.0.1:18080/"
                assert response.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


async def test_an_encoded_slash_is_part_of_a_name_over_both_http_versions() -> None:
    async with running() as admin:
        for http2 in (False, True):
            async with httpx.AsyncClient(http1=not http2, http2=http2) as client:
                response = await client.get(f"http://127.0.0.1:{admin.port}/services/a%2Fb")
                assert response.json()["message"] == "The requested service 'a/b' does not exist"


@pytest.mark.parametrize(
    ("target", "header", "status"),
    [(b"?a=b", b"", b"308"), (b"*", b"", b"404"), (b"/health", UPGRADE, b"400"), (b"?a", UPGRADE, b"400")],
)
async def test_odd_requests_are_answered(target: bytes, header: bytes, status: bytes) -> None:
    head = b"GET " + target + b" HTTP/1.1\r\nhost: x\r\n" + header + b"\r\n"
    async with running() as admin, await trio.open_tcp_stream("127.0.0.1", admin.port) as stream:
        await stream.send_all(head)
        # A redirect has no body.
        answer = await (stream.receive_some() if status == b"308" else read_answer(stream))
        assert answer.startswith(b"HTTP/1.1 " + status)
        assert (b"no WebSockets" in answer) == bool(header)


async def test_an_empty_answer_is_not_called_html() -> None:
    async with running() as admin, httpx.AsyncClient() as client:
        for path, status in (("/health", 200), ("/ui", 308), ("/", 308)):
            response = await client.get(f"http://127.0.0.1:{admin.port}{path}")
            assert (response.status_code, response.headers["content-length"]) == (status, "0")
            assert "content-type" not in response.headers


async def test_hostile_bytes_cost_only_their_own_connection() -> None:
    async with running() as admin:
        await admin.raw(b"\x00\xff\r\n\r\n")
        await admin.raw(b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n")
        await admin.raw(b"POST /deployments HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\nx")
        await admin.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64)
        assert await admin.healthy()


async def read_answer(stream: trio.SocketStream) -> bytes:
    """Until the end of an error's body."""
    answer = b""
    while not answer.endswith(b"}"):
        answer += await stream.receive_some()
    return answer


@pytest.mark.parametrize("body_bytes", [2, 3_000_000])
async def test_after_a_refusal_the_connection_goes_on_however_late_the_body_is(body_bytes: int) -> None:
    head = f"PUT /services/S/state HTTP/1.1\r\nhost: x\r\ncontent-length: {body_bytes}\r\n\r\n".encode()
    async with running() as admin, await trio.open_tcp_stream("127.0.0.1", admin.port) as stream:
        with trio.fail_after(4):
            for late_s in (0, 0.001, 0.01, 0.03):
                await stream.send_all(head)
                await trio.sleep(late_s)
                await stream.send_all(b"x" * body_bytes)
                assert (await read_answer(stream)).startswith((b"HTTP/1.1 405", b"HTTP/1.1 413"))


async def test_a_connection_whose_body_never_comes_is_closed() -> None:
    async with (
        running(body_discard_timeout_ms=50) as admin,
        await trio.open_tcp_stream("127.0.0.1", admin.port) as stream,
    ):
        await stream.send_all(b"POST /deployments HTTP/1.1\r\nhost: x\r\ncontent-length: 5000\r\n\r\n")
        assert (await read_answer(stream)).startswith((b"HTTP/1.1 413", b"HTTP/1.1 415"))
        with trio.fail_after(20):
            assert await stream.receive_some() == b""
        assert await admin.healthy()


async def test_a_body_that_comes_long_after_the_refusal_costs_nobody_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        running(body_discard_timeout_ms=0) as admin,
        await trio.open_tcp_stream("127.0.0.1", admin.port) as stream,
    ):
        peer = h2.connection.H2Connection()
        peer.initiate_connection()
        peer.send_headers(
            1,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":authority", "x"),
                (":path", "/nope"),
                ("content-length", "5000"),
            ],
        )
        await stream.send_all(peer.data_to_send())
        answer = b""
        while b"restate_code" not in answer:
            answer += await stream.receive_some()
        peer.send_data(1, b"late")
        await stream.send_all(peer.data_to_send())
        # The connection ends; whether by a reset depends on what was still on its way.
        with trio.fail_after(20), contextlib.suppress(trio.BrokenResourceError):
            async for _ in stream:
                pass
        assert await admin.healthy()
        assert "a connection failed: (KeyError(1),)" in caplog.text


async def test_a_path_byte_that_is_no_text_costs_nobody_else() -> None:
    async with running() as admin:
        peer = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
        peer.initiate_connection()
        head = [(b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"x"), (b":path", b"/\xff")]
        peer.send_headers(1, head, end_stream=True)
        await admin.raw(peer.data_to_send())
        assert await admin.healthy()


async def test_a_failing_connection_does_not_end_the_server(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as admin:
        with monkeypatch.context() as patch:

            async def crash(*_: object) -> None:
                raise KeyError("stream")

            patch.setattr("hypercorn.protocol.ProtocolWrapper.handle", crash)
            await admin.raw(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert "a connection failed" in caplog.text
        assert await admin.healthy()


async def test_without_idle_time_a_connection_has_one_request_and_is_told_so() -> None:
    async with running(idle_timeout_ms=0) as admin:
        async with await trio.open_tcp_stream("127.0.0.1", admin.port) as stream:
            # A client that takes its time for its first request.
            await trio.testing.wait_all_tasks_blocked(0.01)
            await stream.send_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            answer = b"".join([chunk async for chunk in stream])
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer.lower()
        for http2, count in ((False, 3), (True, 1)):
            async with httpx.AsyncClient(http1=not http2, http2=http2, timeout=60) as client:
                for _ in range(count):
                    assert (await client.get(f"http://127.0.0.1:{admin.port}/version")).json()


async def test_shutdown_ends_idle_connections_at_once_and_accepts_no_more() -> None:
    async with running() as admin:
        async with await trio.open_tcp_stream("127.0.0.1", admin.port) as stream:
            await stream.send_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
            admin.shutdown.set()
            with trio.fail_after(20):
                await admin.done.wait()
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", admin.port)


async def test_cancellation_cuts_a_client_that_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restate.runtime.admin.app.COMPATIBLE_VERSION", "x" * 20_000_000)
    with trio.fail_after(20):
        async with running() as admin:
            stream = await trio.open_tcp_stream("127.0.0.1", admin.port)
            await stream.send_all(b"GET /version HTTP/1.1\r\nhost: x\r\n\r\n")
            # The first bytes show that the answer is being written, most of which fits no buffer.
            assert await stream.receive_some(1000)
    await stream.aclose()


@pytest.mark.parametrize("path", ["/deployments", "/services", "/version", "/health", "/services/Nope"])
async def test_head_is_get_without_the_body(path: str) -> None:
    async with running() as admin, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{admin.port}{path}"
        get, head = await client.get(url), await client.head(url)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-length"] == get.headers["content-length"]
        # The connection is in order, so what came was no body that nobody reads.
        assert (await client.get(url)).status_code == get.status_code


async def test_a_discovery_that_hangs_blocks_nobody_and_ends_with_its_caller() -> None:
    discovery = HangingDiscovery()
    async with running(discovery) as admin, trio.open_nursery() as nursery:
        scope = trio.CancelScope()

        async def register() -> None:
            with scope:
                async with httpx.AsyncClient(timeout=60) as client:
                    url = f"http://127.0.0.1:{admin.port}/deployments"
                    await client.post(url, json={"uri": "http://h:1/"})

        nursery.start_soon(register)
        with trio.fail_after(20):
            await discovery.started.wait()
            async with httpx.AsyncClient() as client:
                base = f"http://127.0.0.1:{admin.port}"
                assert (await client.get(f"{base}/deployments")).json() == {"deployments": []}
                lambda_function = {"arn": "arn:aws:lambda:eu:1:function:f:1"}
                assert (await client.post(f"{base}/deployments", json=lambda_function)).status_code == 201
            assert not discovery.left.is_set()
            scope.cancel()
            await discovery.left.wait()
        assert len(admin.partition.schema.deployments) == 1

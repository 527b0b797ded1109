"""What must not end the server: each case costs at most its own connection, and the next client is served."""

import contextlib
from collections.abc import Callable

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from restate.runtime.net.http import Request, Response
from restate.runtime.net.limits import Limits
from tests.support.net_server import PATIENCE, echo, running


async def early(request: Request, response: Response) -> None:
    """Answers without reading the body."""
    await response.send(200 if request.method == "GET" or request.target == b"/alive" else 413, [])


async def test_data_after_an_early_answer() -> None:
    async with running(early) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"POST", b"/", end=False)
        await peer.flush()
        await peer.answer(stream_id)
        # The h2 package would not send on a stream that was reset.
        for _ in range(300):
            await peer.stream.send_all(DataFrame(stream_id, b"x" * 16_000).serialize())
            await peer.exchange(b"GET", b"/")
        assert peer.goaways == []
        await server.still_serves()


@pytest.mark.parametrize(
    ("path", "status"),
    [(b"/\xe4", 400), (b"/\xff", 400), (b"/a b", 400), (b"/\x7f", 400), (b"no/slash", 400), (b"*", 400)],
)
async def test_a_path_that_is_no_path(path: bytes, status: int) -> None:
    async with running() as server, await server.connect_h2() as peer:
        assert (await peer.exchange(b"GET", path)).status == status
        assert (await peer.exchange(b"POST", path, b"x")).status == status
        assert (await peer.exchange(b"GET", b"/")).status == 200
        await server.still_serves()


@pytest.mark.parametrize(
    "head",
    [
        [(b":method", b"GET"), (b":scheme", b"http")],
        [(b":path", b"/"), (b":scheme", b"http")],
        [(b":method", b"GET"), (b":path", b"/")],
        [(b":method", b"GET"), (b":path", b""), (b":scheme", b"http")],
        [(b":method", b"CONNECT"), (b":authority", b"a:1")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":status", b"200")],
        [(b":method", b"GET"), (b":method", b"PUT"), (b":path", b"/"), (b":scheme", b"http")],
        [(b":method", b"G T"), (b":path", b"/"), (b":scheme", b"http")],
        [(b":method", b"GET"), (b":path", b"/"), (b"a", b"b"), (b":scheme", b"http")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"connection", b"close")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"transfer-encoding", b"chunked")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"te", b"gzip")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"Upper", b"x")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"", b"x")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"a b", b"x")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"x", b"a\r\nb: c")],
        [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b"x", b"a\0")],
    ],
)
async def test_a_malformed_head_resets_its_stream(head: list[tuple[bytes, bytes]]) -> None:
    async with running() as server, await server.connect_h2() as peer:
        await peer.exchange(b"GET", b"/")
        stream_id = peer.begin(b"GET", b"/taken", end=False)
        peer.h2.data_to_send()  # dropped: a frame of our own goes out for that stream
        # The state of header compression is as before: nothing of the dropped block was new to both sides.
        block = b"".join(_literal(name, value) for name, value in head)
        await peer.stream.send_all(
            HeadersFrame(stream_id, block, flags=["END_HEADERS", "END_STREAM"]).serialize()
        )
        answer = await peer.answer(stream_id)
        assert (answer.status, answer.reset) == (0, ErrorCodes.PROTOCOL_ERROR)
        await server.still_serves()


def _literal(name: bytes, value: bytes) -> bytes:
    """A header without compression."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


async def test_a_header_block_that_is_too_large_is_refused() -> None:
    async with running(echo, Limits(header_block_bytes=10_000)) as server, await server.connect_h2() as peer:
        large = [(b"x-%d" % number, b"y" * 100) for number in range(150)]
        assert (await peer.exchange(b"GET", b"/", headers=large)).status == 431
        many = [(b"x", b"")] * 600
        assert (await peer.exchange(b"GET", b"/", headers=many)).status == 431
        assert (await peer.exchange(b"GET", b"/")).status == 200


async def test_a_header_block_far_too_large_ends_its_connection() -> None:
    async with running() as server, await server.connect_h2() as peer:
        peer.begin(b"GET", b"/", [(b"x-%d" % number, b"y" * 10_000) for number in range(30)])
        await peer.sees_the_end()
        await server.still_serves()


async def test_more_streams_than_allowed() -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/wait":
            await trio.sleep_forever()
        await response.send(200, [])

    async with running(handler, Limits(max_concurrent_streams=10)) as server:
        async with await server.connect_h2() as peer:
            for _ in range(20):
                peer.begin(b"GET", b"/wait")
            await peer.sees_the_end()
        await server.still_serves()


async def test_handlers_that_outlive_their_streams_count() -> None:
    running_handlers = 0
    most = 0
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        nonlocal running_handlers, most
        running_handlers += 1
        most = max(most, running_handlers)
        with trio.CancelScope(shield=True):
            await release.wait()
        running_handlers -= 1

    async with (
        running(handler, Limits(max_concurrent_streams=5)) as server,
        await server.connect_h2() as peer,
    ):
        for number in range(20):
            stream_id = peer.begin(b"GET", b"/")
            await peer.flush()
            if number >= 5:
                assert (await peer.answer(stream_id)).reset == ErrorCodes.REFUSED_STREAM
                continue
            with trio.fail_after(PATIENCE):
                while running_handlers <= number:
                    await trio.testing.wait_all_tasks_blocked(0.002)
            peer.h2.reset_stream(stream_id)
        assert most == 5
        release.set()


async def test_requests_that_are_reset_at_once_leave_nothing() -> None:
    begun = 0

    async def handler(request: Request, response: Response) -> None:
        nonlocal begun
        begun += 1
        await trio.sleep_forever()

    async with (
        running(handler, Limits(resets_per_interval=10_000)) as server,
        await server.connect_h2() as peer,
    ):
        for _ in range(30):
            for _ in range(100):
                stream_id = peer.begin(b"GET", b"/")
                peer.h2.reset_stream(stream_id)
            await peer.flush()
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert peer.goaways == []
        tasks = sum(
            len(nursery.child_tasks) for task in server.work.child_tasks for nursery in task.child_nurseries
        )
        assert tasks < 5
        assert begun < 100  # those of one read are gone before they begin


async def test_a_flood_of_resets_ends_the_connection() -> None:
    async with running(echo, Limits(resets_per_interval=100)) as server, await server.connect_h2() as peer:
        for _ in range(150):
            peer.h2.reset_stream(peer.begin(b"GET", b"/"))
        await peer.sees_the_end()
        assert peer.goaways[-1][1] == ErrorCodes.ENHANCE_YOUR_CALM
        await server.still_serves()


@pytest.mark.parametrize(
    "frame",
    [
        lambda stream: PingFrame(0, b"12345678"),
        lambda stream: SettingsFrame(0, {4: 65_535}),
        lambda stream: PriorityFrame(stream, depends_on=0, stream_weight=5),
        lambda stream: DataFrame(stream, b""),
    ],
    ids=["ping", "settings", "priority", "empty data"],
)
async def test_a_flood_of_cheap_frames_ends_the_connection(frame: Callable[[int], Frame]) -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.method == "POST" and request.target != b"/alive":
            await trio.sleep_forever()
        await response.send(200, [])

    async with (
        running(handler, Limits(control_frames_per_interval=500)) as server,
        await server.connect_h2() as peer,
    ):
        stream_id = peer.begin(b"POST", b"/", end=False)
        await peer.flush()
        flood = frame(stream_id).serialize() * 2000
        await peer.sees_the_end(flood)
        await server.still_serves()


@pytest.mark.parametrize(
    "frames",
    [
        [DataFrame(1, b"never opened")],
        [HeadersFrame(1, b"\xff\xff\xff\xff\xff\xff\xff", flags=["END_HEADERS"])],
        [HeadersFrame(2, b"\x82\x86\x84", flags=["END_HEADERS", "END_STREAM"])],
        [ContinuationFrame(1, b"")],
        [HeadersFrame(1, b"\x82\x86\x84"), PingFrame(0, b"12345678")],
        [HeadersFrame(1, b"\x82\x86\x84")] + [ContinuationFrame(1, b"")] * 1000,
        [WindowUpdateFrame(0, window_increment=2**31 - 1)],
        [RstStreamFrame(1)],
        [SettingsFrame(0, {5: 1})],
    ],
    ids=lambda frames: "+".join(type(frame).__name__ for frame in frames[:2]),
)
async def test_broken_frames_end_their_connection_only(frames: list[Frame]) -> None:
    async with running() as server:
        async with await server.connect_h2() as peer:
            await peer.sees_the_end(b"".join(frame.serialize() for frame in frames))
        await server.still_serves()


async def test_what_a_client_sends_after_its_mistake_does_not_cost_it_the_reason() -> None:
    async with running() as server, await server.connect_h2() as peer:
        await peer.stream.send_all(
            DataFrame(1, b"never opened").serialize() + PingFrame(0, b"12345678").serialize() * 10_000
        )
        received = b""
        # A connection that is reset would raise here instead of ending.
        with trio.fail_after(PATIENCE):
            while data := await peer.stream.receive_some(65_536):
                received += data
        goodbye = GoAwayFrame(0, last_stream_id=0, error_code=ErrorCodes.PROTOCOL_ERROR)
        assert received.endswith(goodbye.serialize())
        await trio.aclose_forcefully(peer.stream)
        await server.left_alone()
        await server.still_serves()


async def test_a_client_that_never_ends_after_its_mistake_is_cut_off() -> None:
    limits = Limits(linger_timeout=PATIENCE * 2, control_backlog_bytes=10_000)
    async with running(echo, limits) as server, await server.connect_h2() as peer:
        await peer.stream.send_all(DataFrame(1, b"never opened").serialize())
        with trio.fail_after(PATIENCE), contextlib.suppress(trio.BrokenResourceError):
            while True:
                await peer.stream.send_all(PingFrame(0, b"12345678").serialize() * 100)
        await server.left_alone()


async def test_garbage_after_the_preface() -> None:
    async with running() as server:
        async with await server.connect() as stream:
            # This begins a frame of 16 MB, of which not much may be kept.
            with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
                await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * (10 << 20))
        await server.still_serves()


@pytest.mark.parametrize("declared", [b"0", b"2", b"5"])
@pytest.mark.parametrize("trailers", [False, True])
async def test_a_body_that_is_not_as_long_as_declared_resets_its_stream(
    declared: bytes, trailers: bool
) -> None:
    seen: list[bytes] = []

    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/waits":
            await response.start(200, [])
        seen.append(await request.body(1_000))
        if request.target == b"/waits":
            await response.finish()
        else:
            await response.send(200, [])

    async with running(handler) as server, await server.connect_h2() as peer:
        other = peer.begin(b"POST", b"/waits", end=False)
        stream_id = peer.begin(b"POST", b"/", [(b"content-length", declared)], end=False)
        peer.h2.send_data(stream_id, b"123", end_stream=not trailers)
        if trailers:
            peer.h2.send_headers(stream_id, [(b"x-t", b"1")], end_stream=True)
        await peer.flush()
        answer = await peer.answer(stream_id)
        assert (answer.status, answer.reset) == (0, ErrorCodes.PROTOCOL_ERROR)
        assert seen == []
        peer.h2.end_stream(other)
        await peer.flush()
        assert (await peer.answer(other)).status == 200
        assert seen == [b""]


async def test_a_request_without_the_body_that_it_declares() -> None:
    async with running() as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"POST", b"/", [(b"content-length", b"3")])
        await peer.flush()
        assert (await peer.answer(stream_id)).reset == ErrorCodes.PROTOCOL_ERROR
        assert (await peer.exchange(b"POST", b"/", b"", [(b"content-length", b"0")])).status == 200


async def test_input_from_a_client_that_does_not_read_is_bounded() -> None:
    limits = Limits(control_frames_per_interval=10**9, control_backlog_bytes=10_000, write_timeout=0.1)

    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/flood":
            await response.start(200, [])
            while True:
                await response.write(b"x" * 16_384)
        await response.send(200, [])

    async with running(handler, limits) as server, await server.connect_h2() as peer:
        peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        peer.h2.update_settings({4: 2**31 - 1})
        peer.begin(b"GET", b"/flood")
        await peer.flush()
        unknown = b"\0\x40\0\x77\0\0\0\0\0" + bytes(0x4000)
        # The server stops reading, and then it gives up: else this would not end.
        with trio.fail_after(30), pytest.raises(trio.BrokenResourceError):
            await peer.stream.send_all(unknown * 4000)
        await server.still_serves()


async def test_a_crash_of_a_connection_is_logged_and_costs_nothing_else(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as server:
        async with await server.connect_h2() as peer:
            await peer.exchange(b"GET", b"/")
            with monkeypatch.context() as patch:
                patch.setattr("restate.runtime.net.h2_server.parse_head", None)
                with pytest.raises(EOFError):
                    await peer.exchange(b"GET", b"/")
        await server.still_serves()
    assert "crashed" in caplog.text

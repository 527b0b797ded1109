"""h2 by prior knowledge as a client sees it."""

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from restate.runtime.net.http import BodyTooLarge, ConnectionClosed, Request, Response
from restate.runtime.net.limits import Limits
from tests.support.net_server import H2Peer, echo, running


async def test_answers_requests_on_one_connection() -> None:
    async with running() as server, await server.connect_h2() as peer:
        for body in (b"one", b"", b"three"):
            answer = await peer.exchange(b"POST", b"/a%2Fb?x=1", body)
            assert (answer.status, answer.body, answer.reset) == (200, body, None)
            assert answer.headers[b"x-target"] == b"/a%2Fb?x=1"
            assert answer.headers[b"x-host"] == b"a"
            assert answer.headers[b"x-version"] == b"2"
            assert answer.headers[b"content-length"] == b"%d" % len(body)


async def test_an_idle_connection_keeps_no_body() -> None:
    served: list[Request] = []

    async def handler(request: Request, response: Response) -> None:
        served.append(request)
        await response.send(200, [], await request.body(1_000))

    async with running(handler) as server, await server.connect_h2() as peer:
        assert (await peer.exchange(b"POST", b"/", b"body")).body == b"body"
        await trio.testing.wait_all_tasks_blocked()
        assert not served[0].complete_body


async def test_announces_its_limits() -> None:
    limits = Limits(max_concurrent_streams=7, initial_window_bytes=100_000, header_block_bytes=5_000)
    async with running(echo, limits) as server, await server.connect_h2() as peer:
        await peer.exchange(b"GET", b"/")
        assert peer.settings[SettingCodes.MAX_CONCURRENT_STREAMS] == 7
        assert peer.settings[SettingCodes.INITIAL_WINDOW_SIZE] == 100_000
        assert peer.settings[SettingCodes.MAX_HEADER_LIST_SIZE] == 5_000
        assert peer.h2.outbound_flow_control_window == 4 << 20


async def test_a_hundred_streams_at_once() -> None:
    waiting = 0
    together = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        nonlocal waiting
        waiting += 1
        if waiting == 100:
            together.set()
        await together.wait()
        await response.send(200, [], request.target)

    async with running(handler) as server, await server.connect_h2() as peer:
        ids = [peer.begin(b"GET", b"/%d" % number) for number in range(100)]
        await peer.flush()
        for number, stream_id in enumerate(ids):
            assert (await peer.answer(stream_id)).body == b"/%d" % number


async def test_many_requests_on_one_connection() -> None:
    async with running() as server, await server.connect_h2() as peer:
        for _ in range(20):
            ids = [peer.begin(b"GET", b"/") for _ in range(50)]
            await peer.flush()
            for stream_id in ids:
                assert (await peer.answer(stream_id)).status == 200
        assert peer.goaways == []


async def test_a_large_body_both_ways() -> None:
    async with running() as server, await server.connect_h2() as peer:
        body = bytes(range(256)) * 10_000
        assert (await peer.exchange(b"POST", b"/", body)).body == body


async def test_the_body_is_read_while_it_comes() -> None:
    async def handler(request: Request, response: Response) -> None:
        assert request.complete_body is None
        await response.start(200, [])
        while piece := await request.read():
            await response.write(piece.upper())
        await response.finish([(b"x-end", b"1")])

    async with running(handler) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"POST", b"/", end=False)
        for piece in (b"ping", b"pong"):
            await peer.send_body(stream_id, piece, end=False)
            await peer.until(lambda piece=piece: peer.answers[stream_id].body.endswith(piece.upper()))  # type: ignore[misc]
        peer.h2.end_stream(stream_id)
        await peer.flush()
        answer = await peer.answer(stream_id)
        assert (answer.body, answer.trailers) == (b"PINGPONG", {b"x-end": b"1"})


async def test_the_complete_body_is_there_without_waiting() -> None:
    seen: list[bytes | None] = []

    async def handler(request: Request, response: Response) -> None:
        seen.append(request.complete_body)
        await response.send(200, [])

    async with running(handler) as server, await server.connect_h2() as peer:
        await peer.exchange(b"POST", b"/", b"abc")
        await peer.exchange(b"GET", b"/")
    assert seen == [b"abc", b""]


async def test_body_limit() -> None:
    async def handler(request: Request, response: Response) -> None:
        with pytest.raises(BodyTooLarge) as caught:
            await request.body(5)
        await response.send(413, [], b"declared" if caught.value.declared else b"counted")

    async with running(handler) as server, await server.connect_h2() as peer:
        answer = await peer.exchange(b"POST", b"/", b"123456", [(b"content-length", b"6")])
        assert (answer.status, answer.body) == (413, b"declared")
        answer = await peer.exchange(b"POST", b"/", b"123456")
        assert (answer.status, answer.body) == (413, b"counted")


async def test_trailers_only_is_one_frame() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(200, [(b"content-type", b"application/grpc"), (b"grpc-status", b"12")])

    async with running(handler) as server, await server.connect_h2() as peer:
        answer = await peer.exchange(b"POST", b"/", b"abc")
        assert answer.headers == {b"content-type": b"application/grpc", b"grpc-status": b"12"}
        assert answer.trailers == {}


async def test_head_and_statuses_without_body() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(int(request.target[1:]), [], b"12345")

    async with running(handler) as server, await server.connect_h2() as peer:
        answer = await peer.exchange(b"HEAD", b"/200")
        assert (answer.headers, answer.body) == ({b"content-length": b"5"}, b"")
        answer = await peer.exchange(b"GET", b"/204")
        assert (answer.headers, answer.body) == ({}, b"")


async def test_failing_handlers(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/started":
            await response.start(200, [])
        if request.target != b"/forgotten":
            raise LookupError("what failed")

    async with running(handler) as server, await server.connect_h2() as peer:
        assert (await peer.exchange(b"GET", b"/")).status == 500
        assert (await peer.exchange(b"GET", b"/forgotten")).status == 500
        answer = await peer.exchange(b"GET", b"/started")
        assert (answer.status, answer.reset) == (200, ErrorCodes.INTERNAL_ERROR)
        assert (await peer.exchange(b"GET", b"/")).status == 500
    assert len([r for r in caplog.records if r.exc_info]) == 3
    assert "unfinished" in caplog.text


async def test_an_early_answer_resets_the_upload_without_error() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(413, [], b"no")

    async with running(handler) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"POST", b"/", end=False)
        await peer.flush()
        answer = await peer.answer(stream_id)
        assert (answer.status, answer.body) == (413, b"no")
        await peer.until(lambda: answer.reset is not None)
        assert answer.reset == ErrorCodes.NO_ERROR


@pytest.mark.parametrize("lost", ["reset", "connection"])
async def test_a_client_that_leaves_cancels_the_handler(lost: str, caplog: pytest.LogCaptureFixture) -> None:
    cancelled = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/wait":
            try:
                await trio.sleep_forever()
            finally:
                cancelled.set()
                with trio.CancelScope(shield=True), pytest.raises(ConnectionClosed):
                    await response.send(200, [])
        await response.send(200, [])

    async with running(handler) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"GET", b"/wait")
        await peer.exchange(b"GET", b"/")
        if lost == "reset":
            peer.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
            await peer.flush()
            assert (await peer.exchange(b"GET", b"/")).status == 200
        else:
            await peer.stream.aclose()
        with trio.fail_after(30):
            await cancelled.wait()
        if lost == "connection":
            await server.left_alone()
    assert caplog.text == ""


async def test_a_reset_request_raises_in_a_shielded_reader() -> None:
    outcome: list[str] = []
    ended = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        with trio.CancelScope(shield=True):
            try:
                await request.body(1000)
            except ConnectionClosed as error:
                outcome.append(str(error))
                ended.set()
                raise

    async with running(handler) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"POST", b"/", end=False)
        await peer.flush()
        await trio.testing.wait_all_tasks_blocked()
        peer.h2.reset_stream(stream_id, ErrorCodes.CANCEL)
        await peer.flush()
        with trio.fail_after(30):
            await ended.wait()
    assert outcome == ["the client reset the stream"]


async def test_a_stalled_stream_holds_up_its_handler_only() -> None:
    written = 0

    async def handler(request: Request, response: Response) -> None:
        nonlocal written
        if request.target != b"/large":
            await response.send(200, [], b"small")
            return
        await response.start(200, [])
        for _ in range(100):
            await response.write(b"x" * 16_384)
            written += 16_384
        await response.finish()

    async with running(handler) as server, await server.connect_h2(auto_window=False) as peer:
        stream_id = peer.begin(b"GET", b"/large")
        await peer.flush()
        large = peer.answers[stream_id]
        await peer.until(lambda: len(large.body) == 65_535)
        peer.h2.increment_flow_control_window(1 << 22)
        assert (await peer.exchange(b"GET", b"/")).body == b"small"
        assert written < 65_536
        peer.h2.increment_flow_control_window(1 << 22, stream_id)
        await peer.flush()
        assert len((await peer.answer(stream_id)).body) == 100 * 16_384


async def test_a_client_that_does_not_read_grows_nothing() -> None:
    written = 0

    async def handler(request: Request, response: Response) -> None:
        nonlocal written
        if request.target == b"/alive":
            await response.send(200, [])
            return
        await response.start(200, [])
        while True:
            await response.write(b"x" * 16_384)
            written += 16_384

    async with running(handler) as server, await server.connect_h2() as peer:
        peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        for _ in range(20):
            peer.begin(b"GET", b"/")
        await peer.flush()
        held = -1
        while held != written:  # until the kernel takes no more
            held = written
            await trio.testing.wait_all_tasks_blocked(0.05)
        assert 65_536 < held < 20 << 20
        await server.still_serves()


async def test_unread_bodies_are_bounded_by_the_window() -> None:
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        if request.method == "POST":
            await release.wait()
            while await request.read():
                pass
        await response.send(200, [])

    limits = Limits(initial_window_bytes=100_000, connection_window_bytes=1 << 20)
    async with running(handler, limits) as server, await server.connect_h2() as peer:
        await peer.exchange(b"GET", b"/")  # the settings have arrived
        stream_id = peer.begin(b"POST", b"/", end=False)
        await peer.send_body(stream_id, b"x" * 100_000, end=False)
        assert peer.h2.local_flow_control_window(stream_id) == 0
        assert (await peer.exchange(b"GET", b"/")).status == 200
        assert peer.h2.local_flow_control_window(stream_id) == 0
        release.set()
        await peer.send_body(stream_id, b"y" * 300_000)
        assert (await peer.answer(stream_id)).status == 200


async def test_bodies_that_nobody_reads_do_not_use_up_the_connection() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(200, [])

    limits = Limits(connection_window_bytes=100_000)
    async with running(handler, limits) as server, await server.connect_h2() as peer:
        for _ in range(20):
            assert (await peer.exchange(b"POST", b"/", b"x" * 20_000)).status == 200


async def test_padding_is_given_back() -> None:
    async with (
        running(echo, Limits(connection_window_bytes=100_000)) as server,
        await server.connect_h2() as peer,
    ):
        for _ in range(500):
            stream_id = peer.begin(b"POST", b"/", end=False)
            peer.h2.send_data(stream_id, b"x", end_stream=True, pad_length=255)
            await peer.flush()
            assert (await peer.answer(stream_id)).body == b"x"


async def test_drain_finishes_open_streams_and_refuses_newer_ones() -> None:
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/wait":
            await release.wait()
        await response.send(200, [], request.target)

    async with running(handler) as server, await server.connect_h2() as peer:
        open_stream = peer.begin(b"GET", b"/wait")
        await peer.exchange(b"GET", b"/")
        server.drain.start()
        await peer.until(lambda: bool(peer.goaways))
        assert peer.goaways == [(2**31 - 1, 0)]
        await peer.until(lambda: len(peer.goaways) == 2)
        assert peer.goaways[1] == (3, 0)
        late = await peer.exchange(b"GET", b"/late")
        assert (late.status, late.reset) == (0, ErrorCodes.REFUSED_STREAM)
        release.set()
        assert (await peer.answer(open_stream)).body == b"/wait"
        await peer.sees_the_end()
        await peer.stream.aclose()
        with trio.fail_after(30):
            await server.drain.finished.wait()


async def test_streams_that_crossed_the_first_goaway_are_served() -> None:
    async with running(echo, Limits(drain_ping_timeout=0.2)) as server, await server.connect() as stream:
        peer = H2Peer(stream)
        await peer.open()
        await trio.testing.wait_all_tasks_blocked()
        server.drain.start()
        await trio.testing.wait_all_tasks_blocked()
        # The peer has not read the GOAWAY and the ping yet.
        stream_id = peer.begin(b"GET", b"/crossed")
        await peer.flush()
        assert (await peer.answer(stream_id)).status == 200
        await peer.until(lambda: len(peer.goaways) == 2)
        assert peer.goaways[1] == (1, 0)


async def test_drain_ends_idle_connections() -> None:
    async with running() as server, await server.connect_h2() as peer:
        await peer.exchange(b"GET", b"/")
        server.drain.start()
        await peer.sees_the_end()
        assert [last for last, _ in peer.goaways] == [2**31 - 1, 1]


async def test_a_goaway_of_the_client_lets_its_streams_finish() -> None:
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        await release.wait()
        await response.send(200, [], b"x" * 100_000)

    async with running(handler) as server, await server.connect_h2() as peer:
        stream_id = peer.begin(b"GET", b"/")
        await peer.flush()
        await trio.testing.wait_all_tasks_blocked()
        peer.h2.close_connection()
        await peer.flush()
        peer.h2.state_machine.state = type(peer.h2.state_machine.state).CLIENT_OPEN
        await trio.testing.wait_all_tasks_blocked()
        release.set()
        assert len((await peer.answer(stream_id)).body) == 100_000
        await peer.sees_the_end()


async def test_an_idle_connection_is_ended_in_order() -> None:
    async with (
        running(echo, Limits(h2_idle_timeout=0.05, tick=0.02)) as server,
        await server.connect_h2() as peer,
    ):
        await peer.exchange(b"GET", b"/")
        await peer.sees_the_end()
        assert peer.goaways[-1] == (1, 0)


async def test_a_silent_client_is_pinged_and_then_left() -> None:
    cancelled = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    limits = Limits(ping_after=0.02, ping_timeout=0.5, tick=0.01)
    async with running(handler, limits) as server, await server.connect_h2() as peer:
        peer.begin(b"GET", b"/")
        await peer.flush()
        await peer.until(lambda: peer.pings >= 3)  # it answers them
        assert not cancelled.is_set()
        with trio.fail_after(30):
            await cancelled.wait()
        await server.left_alone()


async def test_a_tick_after_a_protocol_error_is_harmless() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.start(200, [])
        while True:
            await response.write(b"x" * 16_384)

    limits = Limits(ping_after=0, tick=0.03, linger_timeout=0.1)
    async with running(handler, limits) as server, await server.connect_h2() as peer:
        # The writer is stuck, so the last words of the server take their time.
        peer.h2.increment_flow_control_window(2**31 - 1 - 65_535)
        peer.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        peer.begin(b"GET", b"/")
        await peer.flush()
        await trio.testing.wait_all_tasks_blocked(0.01)
        await peer.stream.send_all(b"\0\0\1\0\0\0\0\0\x63x")  # DATA on a stream that was never opened
        await server.left_alone()


async def test_a_header_block_longer_than_a_frame_goes_on_in_the_next() -> None:
    long = [(b"x-%d" % number, bytes([97 + number]) * 10_000) for number in range(5)]

    async def handler(request: Request, response: Response) -> None:
        await response.start(200, long)
        await response.write(b"body")
        await response.finish(long)

    async with running(handler) as server, await server.connect_h2() as peer:
        peer.h2.decoder.max_header_list_size = 1 << 20
        answer = await peer.exchange(b"GET", b"/")
    assert (answer.headers, answer.body, answer.trailers) == (dict(long), b"body", dict(long))

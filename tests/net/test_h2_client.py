"""The HTTP/2 client against a scripted peer: what a service does on its side of the connection, and what we make of it."""

from collections.abc import AsyncIterator, Callable
from functools import partial

import attrs
import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from restate.runtime.net import client as client_module
from restate.runtime.net.client import (
    Client,
    ClientError,
    ClientLimits,
    ConnectFailed,
    ConnectionLost,
    Exchange,
    ProtocolFailure,
    StreamReset,
)
from tests.support.h2_peer import H2Peer, Network

URI = "http://service.test:9080"
Settings = dict[SettingCodes, int]


@attrs.define
class Stage:
    """A client, the network it dials into, and the nursery of the test."""

    nursery: trio.Nursery
    network: Network
    monkeypatch: pytest.MonkeyPatch

    async def client(self, **limits: int) -> Client:
        client = Client(ClientLimits(**limits))
        await self.nursery.start(client.run)
        return client

    async def peer(self, settings: Settings | None = None, *, start: bool = True, **options: bool) -> H2Peer:
        peer = H2Peer(await self.network.accept(), settings, **options)
        self.nursery.start_soon(peer.serve)
        if start:
            await peer.start()
        return peer

    async def echo(self, settings: Settings | None = None) -> None:
        """Serve every connection with echoing peers."""
        while True:
            peer = await self.peer(settings)
            self.nursery.start_soon(peer.echo)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    network = Network()
    monkeypatch.setattr(client_module, "dial", network.dial)
    async with trio.open_nursery() as nursery:
        yield Stage(nursery, network, monkeypatch)
        nursery.cancel_scope.cancel()


async def post(client: Client, body: bytes | None = b"hello", *, end: bool = False) -> Exchange:
    return await client.open(URI, "POST", b"/invoke/Greeter/greet", [], body=body, end=end)


async def read_all(exchange: Exchange) -> bytes:
    body = b""
    while chunk := await exchange.receive():
        body += chunk
    return body


async def call(client: Client, body: bytes, answers: list[bytes]) -> None:
    """A whole exchange; its answer goes to `answers`."""
    async with await post(client, body, end=True) as exchange:
        answers.append(await read_all(exchange))


class Started:
    """A task's outcome, for a test that goes on while it runs."""

    def __init__(self, nursery: trio.Nursery, action: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self.value: object = None
        self.done = trio.Event()
        nursery.start_soon(self._run, action)

    async def _run(self, action: Callable[[], object]) -> None:
        try:
            self.value = await action()  # type: ignore[misc]
        except ClientError as error:
            self.error = error
        self.done.set()


async def opened(stage: Stage, client: Client, settings: Settings | None = None) -> tuple[Exchange, H2Peer]:
    """An exchange whose request has reached its peer."""
    opening = Started(stage.nursery, partial(post, client))
    peer = await stage.peer(settings)
    await opening.done.wait()
    assert isinstance(opening.value, Exchange)
    await peer.request(len(peer.requests))
    return opening.value, peer


async def test_both_directions_flow_at_the_same_time(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    async with exchange:
        request = await peer.request()
        assert request.headers == {
            b":method": b"POST",
            b":scheme": b"http",
            b":authority": b"service.test:9080",
            b":path": b"/invoke/Greeter/greet",
        }
        await peer.head(1, 200, [(b"x-restate-server", b"sdk/1")])
        head = await exchange.response()
        assert (head.status, head.header(b"x-restate-server"), head.http_version) == (200, b"sdk/1", "2")
        assert head.header(b"absent") is None
        for word in (b"one", b"two"):
            await exchange.send(word)
            while not request.body.endswith(word):
                await peer.changed()
            await peer.data(1, word.upper())
            assert await exchange.receive() == word.upper()
        assert exchange.receive_nowait() is None
        await exchange.end()
        await exchange.end()
        await peer.complete()
        await peer.data(1, b"last", end=True)
        assert await read_all(exchange) == b"last"
        assert exchange.receive_nowait() == b""
    assert request.body == b"helloonetwo"
    assert request.reset_code is None


async def test_the_first_body_shares_a_write_with_the_head(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        await read_all(exchange)
    stage.nursery.start_soon(partial(post, client, b"replay", end=True))
    await peer.request(1)
    assert peer.requests[3].body == b"replay"
    assert peer.requests[3].ended


async def test_refused_connections_are_connect_failures(stage: Stage) -> None:
    client = await stage.client()
    stage.network.refusing = True
    with pytest.raises(ConnectFailed, match="refused by the test") as caught:
        await post(client)
    assert not caught.value.processed
    assert stage.network.dialed == 1


async def test_a_client_that_does_not_run_refuses(stage: Stage) -> None:
    with pytest.raises(ConnectFailed, match="not running"):
        await post(Client())


async def test_a_goaway_lets_streams_up_to_its_id_finish_and_moves_the_others(stage: Stage) -> None:
    client = await stage.client()
    first, peer = await opened(stage, client)
    second = await post(client, b"moved")
    await peer.request(1)
    await peer.send_goaway(last_stream_id=1)
    replacement = await stage.peer()
    moved = await replacement.request()
    assert moved.body == b"moved"
    async with first, second:
        await peer.head(1)
        await first.send(b" again")
        await first.end()
        assert (await peer.complete()).body == b"hello again"
        await peer.data(1, b"finished", end=True)
        assert await read_all(first) == b"finished"
        await second.end()
        await replacement.answer(1, b"elsewhere")
        assert await read_all(second) == b"elsewhere"
    await peer.gone()
    assert not replacement.closed


async def test_frames_in_the_same_read_as_a_goaway_are_not_lost(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    peer.h2.send_headers(1, [(b":status", b"200")])
    peer.h2.send_data(1, b"after", end_stream=True)
    await peer.stream.send_all(peer.goaway_bytes(1) + peer.h2.data_to_send())
    async with exchange:
        await exchange.end()
        assert await read_all(exchange) == b"after"


async def test_bytes_not_yet_written_survive_a_goaway(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    async with exchange:
        network_recovers = stage.network.hold(0)
        await exchange.send(b" in the network")
        await trio.testing.wait_all_tasks_blocked()
        await exchange.send(b" not yet")
        await peer.send_goaway(1)
        await trio.testing.wait_all_tasks_blocked()
        network_recovers.set()
        await exchange.end()
        assert (await peer.complete()).body == b"hello in the network not yet"


async def test_a_goaway_with_an_error_ends_its_streams(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.send_goaway(1, ErrorCodes.ENHANCE_YOUR_CALM)
    with pytest.raises(ConnectionLost, match="ENHANCE_YOUR_CALM") as caught:
        await exchange.response()
    assert caught.value.processed


async def test_a_reset_fails_the_exchange_with_its_code(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.head(1)
    await peer.data(1, b"part")
    await peer.reset(1, ErrorCodes.INTERNAL_ERROR)
    await trio.testing.wait_all_tasks_blocked()
    assert await exchange.receive() == b"part"
    with pytest.raises(StreamReset, match="INTERNAL_ERROR") as caught:
        await exchange.receive()
    assert (caught.value.error_code, caught.value.processed) == (ErrorCodes.INTERNAL_ERROR, True)
    with pytest.raises(StreamReset):
        await exchange.send(b"late")


async def test_a_reset_without_error_after_the_answer_is_its_end(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.head(1)
    await peer.data(1, b"whole")
    await peer.reset(1, ErrorCodes.NO_ERROR)
    assert await read_all(exchange) == b"whole"
    await exchange.send(b"of no interest to the peer")
    await exchange.end()


async def test_a_refused_stream_is_sent_again_on_another_connection(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await exchange.send(b" world")
    await exchange.end()
    await peer.complete()
    await peer.reset(1, ErrorCodes.REFUSED_STREAM)
    replacement = await stage.peer()
    again = await replacement.complete()
    assert again.body == b"hello world"
    await replacement.answer(1, b"taken")
    async with exchange:
        assert await read_all(exchange) == b"taken"


@pytest.mark.parametrize("limits", [{}, {"resends": 1}])
async def test_a_peer_that_refuses_every_time_is_given_up(stage: Stage, limits: dict[str, int]) -> None:
    client = await stage.client(**limits)
    exchange, peer = await opened(stage, client)
    for _ in range(limits.get("resends", 3)):
        await peer.reset(1, ErrorCodes.REFUSED_STREAM)
        peer = await stage.peer()
        await peer.request()
    await peer.reset(1, ErrorCodes.REFUSED_STREAM)
    with pytest.raises(StreamReset) as caught:
        await exchange.response()
    assert not caught.value.processed


async def test_an_answered_exchange_is_not_sent_again(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.head(1)
    await exchange.response()
    await peer.reset(1, ErrorCodes.REFUSED_STREAM)
    with pytest.raises(StreamReset):
        await exchange.receive()
    assert stage.network.dialed == 1


@pytest.mark.parametrize(("size", "limits"), [(300_000, {}), (2, {"kept_body_bytes": 6})])
async def test_a_large_request_is_not_kept_to_be_sent_again(
    stage: Stage, size: int, limits: dict[str, int]
) -> None:
    client = await stage.client(**limits)
    exchange, peer = await opened(stage, client)
    with trio.move_on_after(0):
        await exchange.send(bytes(size))
    await peer.reset(1, ErrorCodes.REFUSED_STREAM)
    with pytest.raises(StreamReset) as caught:
        await exchange.response()
    assert not caught.value.processed


async def test_a_closed_connection_fails_its_exchanges(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.stream.aclose()
    with pytest.raises(ConnectionLost, match="closed the connection") as caught:
        await exchange.response()
    assert caught.value.processed


async def test_an_idle_connection_that_closes_is_replaced(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        await read_all(exchange)
    await peer.stream.aclose()
    await trio.testing.wait_all_tasks_blocked()
    _, replacement = await opened(stage, client)
    assert replacement is not peer


async def test_a_connection_that_closes_while_the_first_request_after_an_idle_time_is_under_way(
    stage: Stage,
) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        await read_all(exchange)
    second = await post(client, b"sent into a closing connection")
    await peer.stream.aclose()
    replacement = await stage.peer()
    assert (await replacement.request()).body == b"sent into a closing connection"
    second.abort()


async def test_only_as_many_streams_as_the_peer_allows(stage: Stage) -> None:
    client = await stage.client(connections_per_authority=2)
    stage.nursery.start_soon(stage.echo, {SettingCodes.MAX_CONCURRENT_STREAMS: 2})
    held = [await post(client) for _ in range(4)]
    assert stage.network.dialed == 2
    answers: list[bytes] = []
    for body in (b"fifth", b"sixth"):
        stage.nursery.start_soon(call, client, body, answers)
        await trio.testing.wait_all_tasks_blocked()
    assert answers == []
    held[1].abort()
    await trio.testing.wait_all_tasks_blocked()
    assert answers == [b"fifth", b"sixth"]
    assert stage.network.dialed == 2


async def test_waiting_exchanges_can_be_given_up(stage: Stage) -> None:
    client = await stage.client(connections_per_authority=1)
    stage.nursery.start_soon(stage.echo, {SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    held = await post(client)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(post, client, b"never sent")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    held.abort()
    answers: list[bytes] = []
    await call(client, b"next", answers)
    assert answers == [b"next"]


async def test_a_connection_is_retired_after_its_streams(stage: Stage) -> None:
    client = await stage.client(retire_after_streams=3)
    stage.nursery.start_soon(stage.echo)
    answers: list[bytes] = []
    for number in range(7):
        await call(client, b"%d" % number, answers)
    assert answers == [b"%d" % number for number in range(7)]
    assert stage.network.dialed == 3


async def test_a_retired_connection_finishes_what_it_has(stage: Stage) -> None:
    client = await stage.client(retire_after_streams=1)
    exchange, peer = await opened(stage, client)
    _, other = await opened(stage, client)
    assert not peer.closed
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        assert await read_all(exchange) == b"ok"
    await peer.gone()
    assert peer.goaway == ErrorCodes.NO_ERROR
    assert not other.closed


@pytest.mark.parametrize("size", [65_535, 65_536, 1_000_000])
async def test_large_bodies_both_ways_with_small_windows(stage: Stage, size: int) -> None:
    client = await stage.client(stream_window_bytes=65_535, connection_window_bytes=65_536)
    stage.nursery.start_soon(stage.echo, {SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    answers: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(call, client, body, answers)
        nursery.start_soon(call, client, body, answers)
    assert [answer == body for answer in answers] == [True, True]


async def test_a_sender_waits_for_the_peer(stage: Stage) -> None:
    client = await stage.client()
    opening = Started(stage.nursery, partial(post, client, b""))
    peer = await stage.peer(acknowledge=False)
    await opening.done.wait()
    exchange = opening.value
    assert isinstance(exchange, Exchange)
    await exchange.send(bytes(65_535))
    sending = Started(stage.nursery, partial(exchange.send, b"one byte more"))
    await trio.testing.wait_all_tasks_blocked()
    assert not sending.done.is_set()
    peer.h2.acknowledge_received_data(65_535, 1)
    await peer.flush()
    await sending.done.wait()
    await trio.testing.wait_all_tasks_blocked()
    assert len(peer.requests[1].body) == 65_535 + len(b"one byte more")


async def test_a_cancelled_send_is_still_sent_whole(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    with trio.move_on_after(0) as scope:
        await exchange.send(b"x" * 200_000)
    assert scope.cancelled_caught
    await exchange.end()
    assert (await peer.complete()).body == b"hello" + b"x" * 200_000


async def test_an_unread_answer_stops_the_peer(stage: Stage) -> None:
    client = await stage.client(stream_window_bytes=1000)
    exchange, peer = await opened(stage, client)
    await trio.testing.wait_all_tasks_blocked()
    await peer.head(1)
    await peer.data(1, bytes(1000))
    await trio.testing.wait_all_tasks_blocked()
    assert peer.h2.local_flow_control_window(1) == 0
    assert len(await exchange.receive()) == 1000
    await trio.testing.wait_all_tasks_blocked()
    assert peer.h2.local_flow_control_window(1) == 1000


async def test_an_aborted_exchange_frees_its_slot_and_its_windows(stage: Stage) -> None:
    client = await stage.client(
        connections_per_authority=1, stream_window_bytes=65_535, connection_window_bytes=65_536
    )
    opening = Started(stage.nursery, partial(post, client))
    peer = await stage.peer({SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    await opening.done.wait()
    exchange = opening.value
    assert isinstance(exchange, Exchange)
    for number in range(20):
        stream_id = 2 * number + 1
        await peer.request(number)
        await peer.head(stream_id)
        await peer.data(stream_id, bytes(16_000))
        await trio.testing.wait_all_tasks_blocked()
        exchange.abort()
        exchange.abort()
        await peer.data(stream_id, bytes(4_000))  # the peer does not know of the reset yet
        with pytest.raises(StreamReset, match="given up on this side"):
            await exchange.receive()
        exchange = await post(client)
        await peer.request(number + 1)
        assert (await peer.request(number)).reset_code == ErrorCodes.CANCEL
    assert stage.network.dialed == 1


async def test_leaving_the_block_by_cancellation_resets_the_stream(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    with trio.CancelScope() as scope:
        async with exchange:
            scope.cancel()
            await exchange.response()
    while (await peer.request()).reset_code is None:
        await peer.changed()
    assert peer.requests[1].reset_code == ErrorCodes.CANCEL


async def test_a_peer_that_speaks_http1_is_told_apart(stage: Stage) -> None:
    client = await stage.client()
    opening = Started(stage.nursery, partial(post, client))
    stream = await stage.network.accept()
    await stream.send_all(b"HT")
    await trio.testing.wait_all_tasks_blocked()
    await stream.send_all(b"TP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
    await opening.done.wait()
    assert isinstance(opening.error, ProtocolFailure)
    assert opening.error.http1_peer
    assert not opening.error.processed


async def test_a_frame_that_makes_no_sense_is_a_protocol_failure(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await trio.testing.wait_all_tasks_blocked()
    await peer.stream.send_all(b"\0\0\1\0\0\0\0\0\0x")  # DATA outside of any stream
    with pytest.raises(ProtocolFailure, match="broke the HTTP/2 protocol") as caught:
        await exchange.response()
    assert not caught.value.http1_peer
    await peer.gone()
    assert peer.goaway == ErrorCodes.PROTOCOL_ERROR


async def test_a_line_break_in_a_header_value_is_refused(stage: Stage) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    peer.h2.config.validate_outbound_headers = False
    await peer.head(1, 200, [(b"x-restate-server", b"a\nb")])
    with pytest.raises(ProtocolFailure):
        await exchange.response()


async def test_a_peer_that_closes_before_its_settings_is_a_connect_failure(stage: Stage) -> None:
    client = await stage.client()
    opening = Started(stage.nursery, partial(post, client))
    await (await stage.network.accept()).aclose()
    await opening.done.wait()
    assert isinstance(opening.error, ConnectFailed)
    assert "before its first HTTP/2 frame" in str(opening.error)


async def test_a_peer_without_settings_is_given_up(
    stage: Stage, autojump_clock: trio.testing.MockClock
) -> None:
    client = await stage.client()
    opening = Started(stage.nursery, partial(post, client))
    await stage.peer(start=False)
    await opening.done.wait()
    assert isinstance(opening.error, ConnectFailed)
    assert "no HTTP/2 SETTINGS within 5 s" in str(opening.error)
    assert trio.current_time() == pytest.approx(5)


async def test_a_silent_peer_is_asked_and_given_up(
    stage: Stage, autojump_clock: trio.testing.MockClock
) -> None:
    client = await stage.client()
    opening = Started(stage.nursery, partial(post, client))
    peer = await stage.peer(answer_pings=False)
    await opening.done.wait()
    exchange = opening.value
    assert isinstance(exchange, Exchange)
    start = trio.current_time()
    with pytest.raises(ConnectionLost, match="did not answer a PING"):
        await exchange.response()
    assert trio.current_time() - start == pytest.approx(60)
    assert peer.pings == 1


async def test_a_slow_peer_that_answers_pings_is_kept(
    stage: Stage, autojump_clock: trio.testing.MockClock
) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await trio.sleep(1000)
    assert peer.pings >= 15
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        assert await read_all(exchange) == b"ok"


async def test_a_ping_of_the_peer_is_answered(stage: Stage) -> None:
    client = await stage.client()
    _, peer = await opened(stage, client)
    peer.h2.ping(b"are you?")
    await peer.flush()
    await trio.testing.wait_all_tasks_blocked()
    assert peer.pongs == 1


async def test_an_idle_connection_is_closed(stage: Stage, autojump_clock: trio.testing.MockClock) -> None:
    client = await stage.client()
    exchange, peer = await opened(stage, client)
    await peer.answer(1)
    async with exchange:
        await exchange.end()
        await read_all(exchange)
    await trio.sleep(290)
    assert not peer.closed
    await trio.sleep(60)
    assert peer.closed


async def test_stopping_the_client_fails_what_is_open(stage: Stage) -> None:
    client = Client()
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run)
        exchange, _ = await opened(stage, client)
        nursery.cancel_scope.cancel()
    with pytest.raises(ConnectionLost):
        await exchange.response()
    with pytest.raises(ConnectFailed):
        await post(client)


async def test_many_exchanges_at_a_time_over_many_connections(stage: Stage) -> None:
    client = await stage.client(retire_after_streams=20, streams_per_connection=8)
    stage.nursery.start_soon(stage.echo)
    answers: list[bytes] = []
    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(call, client, b"%d" % number, answers)
    assert sorted(answers) == sorted(b"%d" % number for number in range(300))

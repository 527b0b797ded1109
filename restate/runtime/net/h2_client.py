"""An HTTP/2 connection to a deployment.

Three tasks: a reader, a writer and a watch for silence. Only the writer sends; everybody else changes the state
machine and wakes it, so that a cancelled task never cuts a frame and the frames of many streams share one call to
the system. The reader never waits for a user of a stream: what it receives is bounded by the windows.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import trio

from restate.runtime.net._h2 import errors, events, exceptions
from restate.runtime.net.exchange import (
    ClientError,
    ClientLimits,
    ConnectFailed,
    ConnectionLost,
    ProtocolFailure,
    ResponseHead,
)
from restate.runtime.net.h2_exchange import H2Exchange, error_name
from restate.runtime.net.h2_machine import H2Machine

READ_SIZE = 64 << 10
LARGEST_FIRST_FRAME = 16384


class H2Connection:
    """One connection and the exchanges on it. The pool that made it runs it.

    on_change: called when a stream has ended, and when more or fewer streams may be opened than before.
    """

    def __init__(self, stream: trio.abc.Stream, limits: ClientLimits, on_change: Callable[[], None]) -> None:
        self._stream = stream
        self._limits = limits
        self._on_change = on_change
        self._h2 = H2Machine(limits)
        # Invariant: each of these has its `connection` and `stream_id` set to this connection and its key.
        self.exchanges: dict[int, H2Exchange] = {}
        self._blocked: dict[int, H2Exchange] = {}  # those with bytes that no window or backlog had room for
        self._backlog = 0
        self._owed = 0  # received bytes of ended streams, not yet acknowledged
        self._next_id = 1
        self._limit = limits.streams_per_connection
        self._ready = trio.Event()
        self._retired = False
        self._write_broken = False
        self.failure: ClientError | None = None
        self._opening = bytearray()  # the first bytes of the peer, until it is known to speak HTTP/2
        self._received_at = self._used_at = trio.current_time()
        # True from the first stream after an idle time until the peer sends a byte.
        self._unanswered = False
        self._wake: trio.Event | None = None
        self._scope = trio.CancelScope()

    def __repr__(self) -> str:
        state = "lost" if self.failure else "retired" if self._retired else "open" if self.ready else "new"
        opened = self._next_id // 2
        return f"<H2Connection {state}, {len(self.exchanges)} of {self._limit} streams, {opened} opened>"

    @property
    def ready(self) -> bool:
        """Whether the peer's SETTINGS are here, before which its limits are unknown."""
        return self._ready.is_set()

    @property
    def usable(self) -> bool:
        """Whether streams may be opened on it, now or later."""
        return self.ready and not self._retired and self.failure is None

    @property
    def coming(self) -> bool:
        """Whether it may become usable."""
        return not self.ready and self.failure is None

    @property
    def room(self) -> int:
        """How many streams may be opened now; 0 or less means none."""
        return self._limit - len(self.exchanges) if self.usable else 0

    # Streams.

    def start(self, exchange: H2Exchange) -> None:
        """Open a stream for `exchange` and send what it has. Needs `room`."""
        assert self.room > 0
        stream_id = self._next_id
        self._next_id += 2
        if not self.exchanges and stream_id > 1:
            self._unanswered = True
        exchange.end_sent = exchange.end_wanted and not exchange.pending
        self._h2.send_headers(stream_id, exchange.headers, end_stream=exchange.end_sent)
        self.exchanges[stream_id] = exchange
        exchange.on_started(self, stream_id)
        if self._next_id // 2 >= self._limits.retire_after_streams:
            self._retired = True
        self.push(exchange)

    def push(self, exchange: H2Exchange) -> None:
        """Hand to the writer what windows and backlog have room for."""
        stream_id = exchange.stream_id
        if self.exchanges.get(stream_id) is not exchange:
            return
        if exchange.pending:
            try:
                self._push_data(exchange)
            except exceptions.StreamClosedError:
                return  # by a frame of the peer whose event comes later in the same read
        if exchange.pending:
            self._blocked[stream_id] = exchange
        else:
            self._blocked.pop(stream_id, None)
            if exchange.end_wanted and not exchange.end_sent:
                exchange.end_sent = True
                self._h2.end_stream(stream_id)
            if exchange.end_sent and exchange.ended:
                self._forget(stream_id)
        self._kick()

    def _push_data(self, exchange: H2Exchange) -> None:
        h2, pending, stream_id = self._h2, exchange.pending, exchange.stream_id
        while pending:
            # What may not wait for the writer stays with the exchanges, which makes their senders wait.
            free = self._limits.write_backlog_bytes - self._backlog
            room = min(h2.local_flow_control_window(stream_id), free)
            if room <= 0:
                return
            chunk = pending[0]
            size = min(len(chunk), room, h2.max_outbound_frame_size)
            if size == len(chunk):
                pending.popleft()
                exchange.end_sent = exchange.end_wanted and not pending
                h2.send_data(stream_id, chunk, end_stream=exchange.end_sent)
            else:
                view = memoryview(chunk)
                pending[0] = view[size:]
                h2.send_data(stream_id, view[:size])
            self._backlog += size
        exchange.on_room()

    def _push_blocked(self) -> None:
        for stream_id, exchange in list(self._blocked.items()):
            # It goes to the end of the line when it is still blocked, so that one large body starves nobody.
            del self._blocked[stream_id]
            self.push(exchange)

    def reset(self, exchange: H2Exchange) -> None:
        """RST_STREAM CANCEL if the stream is unfinished; its slot is free afterwards."""
        if self.exchanges.get(exchange.stream_id) is exchange:
            self._reset(exchange.stream_id, errors.ErrorCodes.CANCEL)

    def _reset(self, stream_id: int, error_code: errors.ErrorCodes) -> None:
        # It may be closed already, by a frame whose event comes later in the same read.
        with contextlib.suppress(exceptions.ProtocolError):
            self._h2.reset_stream(stream_id, error_code=error_code)
        self._forget(stream_id)
        self._kick()

    def acknowledge(self, size: int, stream_id: int) -> None:
        """Give received bytes back to the windows. For an ended stream only the connection's window counts."""
        if self.failure is not None:
            return
        if stream_id not in self.exchanges:
            self._owed += size
            if self._owed < min(READ_SIZE, self._limits.connection_window_bytes // 8):
                return
            size, self._owed = self._owed, 0
        self._h2.acknowledge_received_data(size, stream_id)
        self._kick()

    def _forget(self, stream_id: int) -> None:
        self.exchanges.pop(stream_id, None)
        self._blocked.pop(stream_id, None)
        self._h2.forget_if_closed(stream_id)
        if not self.exchanges:
            self._used_at = trio.current_time()
        self._on_change()
        if self._retired:
            self._close_when_empty()

    def retire(self) -> None:
        """Open no more streams; the connection closes when the last one has ended."""
        self._retired = True
        self._close_when_empty()

    def _close_when_empty(self) -> None:
        if not self.exchanges and self.failure is None:
            self._h2.close_connection()
            self._lose(ConnectionLost("the connection was closed after its last stream", processed=False))

    def _lose(self, error: ClientError, *, unanswered: bool = False) -> None:
        """Fail every exchange and end the tasks once the writer has sent what is left."""
        if self.failure is not None:
            return
        self.failure = error
        self._scope.deadline = trio.current_time() + self._limits.goodbye_timeout_s
        lost = list(self.exchanges.values())
        self.exchanges.clear()
        self._blocked.clear()
        for exchange in lost:
            exchange.on_failed(error, unanswered=unanswered)
        if self._write_broken:
            self._scope.cancel()
        self._kick()
        if self.ready:
            self._on_change()  # otherwise the pool fails those who wait, first

    # Tasks.

    async def run(self) -> None:
        """Use the connection until it ends, however that happens; closes the stream. `failure` is set afterwards."""
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(self._limits.connection_window_bytes - 65535)
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write)
                    nursery.start_soon(self._watch)
                    await self._read()
        finally:
            self._lose(ConnectionLost("the connection was given up on this side"))
            await trio.aclose_forcefully(self._stream)

    async def _read(self) -> None:
        try:
            while data := await self._stream.receive_some(READ_SIZE):
                self._received_at = trio.current_time()
                self._unanswered = False
                self._on_bytes(bytes(data))
                if self.failure is not None:
                    return
            reason = "the peer closed the connection"
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            reason = f"the connection broke: {error.__cause__ or error}"
        if not self.ready:
            self._lose(ConnectFailed(f"{reason} before its first HTTP/2 frame"))
        self._lose(ConnectionLost(reason), unanswered=self._unanswered)

    def _on_bytes(self, data: bytes) -> None:
        if self.failure is not None:
            return
        if not self.ready and not self._speaks_http2(data):
            answer = bytes(self._opening[:40])
            self._lose(
                ProtocolFailure(
                    f"expected HTTP/2 frames, the peer answered {answer!r}: it may speak HTTP/1.1 only",
                    processed=False,
                    http1_peer=True,
                )
            )
            return
        try:
            happened = self._h2.receive_data(data)
        except exceptions.ProtocolError as error:
            # The state machine has written a GOAWAY with the reason; the writer still sends it.
            self._lose(ProtocolFailure(f"the peer broke the HTTP/2 protocol: {error}"))
            return
        for event in happened:
            handle = self._HANDLERS.get(type(event))
            if handle is not None:
                handle(self, event)
        if self._h2.has_output:
            self._kick()

    def _speaks_http2(self, data: bytes) -> bool:
        """False when the first three bytes, the length of the first frame, are more than a frame may have."""
        self._opening += data[:40]
        return len(self._opening) < 3 or int.from_bytes(self._opening[:3]) <= LARGEST_FIRST_FRAME

    async def _write(self) -> None:
        try:
            while True:
                if self._h2.has_output:
                    backlog = self._backlog
                    await self._stream.send_all(self._h2.data_to_send())
                    self._backlog -= backlog
                    if self._blocked:
                        self._push_blocked()
                elif self.failure is not None:
                    self._scope.cancel()
                    return
                else:
                    self._wake = trio.Event()
                    await self._wake.wait()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The reader may still find answers, then it finds the end.
            self._retired = self._write_broken = True
            self._scope.deadline = trio.current_time() + self._limits.goodbye_timeout_s
            if self.failure is not None:
                self._scope.cancel()

    def _kick(self) -> None:
        if self._wake is not None:
            self._wake.set()
            self._wake = None

    async def _watch(self) -> None:
        """Close the connection when SETTINGS do not come, when nobody uses it, and when a PING gets no answer."""
        limits = self._limits
        with trio.move_on_after(limits.settings_timeout_s):
            await self._ready.wait()
        if not self.ready:
            self._lose(ConnectFailed(f"no HTTP/2 SETTINGS within {limits.settings_timeout_s:g} s"))
            return
        while self.failure is None:
            idle_at = math.inf if self.exchanges else self._used_at + limits.idle_timeout_s
            ping_at = self._received_at + limits.ping_interval_s
            await trio.sleep_until(min(idle_at, ping_at))
            now = trio.current_time()
            if not self.exchanges and now >= self._used_at + limits.idle_timeout_s:
                self.retire()
            elif now >= self._received_at + limits.ping_interval_s:
                await self._ping()

    async def _ping(self) -> None:
        asked_at = trio.current_time()
        self._h2.ping(b"restate?")
        self._kick()
        await trio.sleep(self._limits.ping_timeout_s)
        if self._received_at < asked_at:
            silence_s = self._limits.ping_interval_s + self._limits.ping_timeout_s
            self._lose(ConnectionLost(f"the peer sent nothing for {silence_s:g} s and did not answer a PING"))

    # Events.

    def _on_settings(self, event: events.RemoteSettingsChanged) -> None:
        self._limit = min(
            self._limits.streams_per_connection, self._h2.remote_settings.max_concurrent_streams
        )
        self._ready.set()
        self._push_blocked()
        self._on_change()

    def _on_head(self, event: events.ResponseReceived) -> None:
        exchange = self.exchanges.get(event.stream_id)
        if exchange is None:
            return
        try:
            head = _response_head(event.headers)
        except ValueError as error:
            self._reset(event.stream_id, errors.ErrorCodes.PROTOCOL_ERROR)
            exchange.on_failed(ProtocolFailure(f"the head of the answer is not valid: {error}"))
        else:
            exchange.on_head(head)

    def _on_data(self, event: events.DataReceived) -> None:
        exchange = self.exchanges.get(event.stream_id)
        if exchange is None:
            self.acknowledge(event.flow_controlled_length, event.stream_id)
        else:
            exchange.on_data(event.data, event.flow_controlled_length)

    def _on_end(self, event: events.StreamEnded) -> None:
        exchange = self.exchanges.get(event.stream_id)
        if exchange is not None:
            exchange.on_end()
            if exchange.end_sent:
                self._forget(event.stream_id)

    def _on_window(self, event: events.WindowUpdated) -> None:
        if not event.stream_id:
            self._push_blocked()
        elif event.stream_id in self._blocked:
            self.push(self._blocked[event.stream_id])

    def _on_reset(self, event: events.StreamReset) -> None:
        exchange = self.exchanges.get(event.stream_id)
        if exchange is None:
            return
        if event.error_code == errors.ErrorCodes.REFUSED_STREAM:
            # The peer takes fewer streams than it announced, or is about to leave: more would be refused as well.
            self._limit = len(self.exchanges) - 1
            self._retired = self._retired or self._limit < 1
        self._forget(event.stream_id)
        exchange.on_reset(event.error_code)

    def _on_goaway(self, event: events.ConnectionTerminated) -> None:
        self._retired = True
        last = event.last_stream_id or 0
        for stream_id in [stream_id for stream_id in self.exchanges if stream_id > last]:
            exchange = self.exchanges.pop(stream_id)
            self._blocked.pop(stream_id, None)
            exchange.on_failed(ConnectionLost("the peer closes the connection (GOAWAY)", processed=False))
        error_code = event.error_code or 0
        if error_code != errors.ErrorCodes.NO_ERROR:
            self._lose(ConnectionLost(f"the peer ended the connection with {error_name(error_code)}"))
        self._on_change()
        self._close_when_empty()

    _HANDLERS: ClassVar[dict[type[events.Event], Callable[["H2Connection", Any], None]]] = {
        events.RemoteSettingsChanged: _on_settings,
        events.ResponseReceived: _on_head,
        events.DataReceived: _on_data,
        events.StreamEnded: _on_end,
        events.WindowUpdated: _on_window,
        events.StreamReset: _on_reset,
        events.ConnectionTerminated: _on_goaway,
    }


def _response_head(headers: Sequence[tuple[bytes, bytes]]) -> ResponseHead:
    status = 0
    kept = []
    for name, value in headers:
        if name == b":status":
            status = int(value)
        elif b"\n" in value or b"\r" in value or b"\0" in value:
            raise ValueError(f"line break or zero byte in {name!r}")
        else:
            kept.append((name, value))
    if not 200 <= status <= 999:
        raise ValueError(f"expected a status from 200 to 999, got {status}")
    return ResponseHead(status, kept, "2")

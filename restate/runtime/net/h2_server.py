"""The server side of one h2 connection.

One task reads, one writes, each open request has a task. Only the writer sends: the others change the state machine and
wake it. So a cancelled request never cuts a frame, and the frames of many streams leave in one system call. The
reader never waits for a handler: the window of a stream bounds what lies unread.
"""

import logging
from typing import Any

import trio
from hyperframe.frame import GoAwayFrame

from restate.runtime.net import _h2
from restate.runtime.net.budget import Budget
from restate.runtime.net.h2_headers import MalformedHead, answer_head, check_trailers, parse_head
from restate.runtime.net.h2_server_machine import ServerMachine
from restate.runtime.net.h2_stream import H2Request, H2Response, H2Stream
from restate.runtime.net.h2_tasks import StreamTasks
from restate.runtime.net.http import ConnectionClosed, Handler, Headers, Peer, only_closed
from restate.runtime.net.limits import Limits
from restate.runtime.net.transport import Transport, end_and_discard

log = logging.getLogger("restate.net")

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_LAST_POSSIBLE_STREAM = 2**31 - 1
_DRAIN_PING = b"draining"
_ALIVE_PING = b"alive?\0\0"
_FAILED = (500, [(b"content-type", b"text/plain")], b"Internal Server Error\n")
_ErrorCodes = _h2.errors.ErrorCodes
# What the state machine raises when a stream or the connection has ended meanwhile; jh2 adds KeyError.
_GONE = (_h2.exceptions.ProtocolError, KeyError)


class _TooMuch(Exception):
    """The client does something too often."""


class H2Connection:
    """One connection. `run` is its task; the other methods are called by the listener and by the streams."""

    def __init__(self, transport: Transport, handler: Handler, limits: Limits, peer: Peer) -> None:
        self._transport = transport
        self._handler = handler
        self._limits = limits
        self._peer = peer
        self._h2 = ServerMachine(limits)
        self._streams: dict[int, H2Stream] = {}  # whose handler runs
        self._highest = 0  # stream seen
        self._accepted = _LAST_POSSIBLE_STREAM  # newer streams are refused
        self._nursery: trio.Nursery
        self._tasks: StreamTasks

        self._wake = trio.Event()  # there is something to send
        self._written = trio.Event()  # the writer has nothing left
        self._writing = False
        self._out: list[bytes] = []  # taken from the state machine already
        self._unsent = 0  # bytes of bodies handed over since the writer last took
        self._in_flight = 0  # bytes that the writer is sending
        self._backlogged: list[H2Stream] = []  # waiting for the writer
        self._heard_meanwhile = 0  # bytes received during one send

        now = trio.current_time()
        self._heard = now  # when the client last sent something
        self._pinged: float | None = None  # since then it is silent though it was asked
        self._idle_since = now  # when the last stream ended
        self._drain_asked = trio.Event()
        self._drain_seen = trio.Event()  # the client has seen our first GOAWAY
        self._stream_ended = trio.Event()
        self._resets = Budget(limits.resets_per_interval, limits.interval)
        self._control = Budget(limits.control_frames_per_interval, limits.interval)

    # For the listener.

    async def run(self, first: bytes) -> None:
        """Serve the connection, whose first bytes were read already. The caller closes the transport."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._tasks = StreamTasks(nursery, self._run_request)
            nursery.start_soon(self._write)
            nursery.start_soon(self._drain)
            await self._read(first)
            self._abandon_all()
            nursery.cancel_scope.cancel()

    def tick(self, now: float) -> None:
        """Called every now and then: ping a silent client, end a dead or idle connection."""
        limits = self._limits
        if not self._streams:
            self._tasks.dismiss()
            if now - self._idle_since > limits.h2_idle_timeout:
                self.begin_drain()
        elif self._pinged is not None:
            if now - self._pinged > limits.ping_timeout:
                self._nursery.cancel_scope.cancel()
        elif now - self._heard > limits.ping_after:
            self._pinged = now
            self._ping(_ALIVE_PING)

    def begin_drain(self) -> None:
        """Refuse new streams and end with the last one."""
        self._drain_asked.set()

    # For the streams. What is sent here is sent soon; nothing waits.

    def room(self, stream: H2Stream) -> int:
        """How many bytes of body may be sent now. If none, the stream will be woken. Raises ConnectionClosed."""
        if self._unsent + self._in_flight >= self._limits.write_backlog_bytes:
            self._backlogged.append(stream)
            return 0
        try:
            return min(self._h2.local_flow_control_window(stream.id), self._h2.max_outbound_frame_size)
        except _GONE as error:
            raise ConnectionClosed("the stream has ended") from error

    def send_headers(self, stream: H2Stream, block: Headers, end: bool) -> None:
        if stream.lost:
            raise ConnectionClosed("the client reset the stream")
        try:
            self._h2.send_headers(stream.id, block, end_stream=end)
        except _GONE as error:
            raise ConnectionClosed("the stream has ended") from error
        self._wake.set()

    def send_data(self, stream: H2Stream, data: bytes, end: bool) -> None:
        if stream.lost:
            raise ConnectionClosed("the client reset the stream")
        try:
            self._h2.send_data(stream.id, data, end_stream=end)
        except _GONE as error:
            raise ConnectionClosed("the stream has ended") from error
        self._unsent += len(data)
        self._wake.set()

    def acknowledge(self, stream_id: int, size: int) -> None:
        """Room for `size` bytes more of request body, which somebody took or nobody wants."""
        try:
            self._h2.acknowledge_received_data(size, stream_id)
        except _GONE:
            return
        self._wake_if_needed()

    # Requests.

    async def _run_request(self, stream: H2Stream) -> None:
        try:
            if not stream.lost:  # else it was reset before it could begin
                await self._answer(stream)
        except ConnectionClosed:
            pass
        finally:
            self._end(stream)

    async def _answer(self, stream: H2Stream) -> None:
        request, response = stream.request, stream.response
        try:
            await self._handler(request, response)
        except Exception as error:
            if only_closed(error):
                return
            log.exception("the handler of %s %r failed", request.method, request.target)
        else:
            if response.finished:
                return
            log.error("the handler of %s %r left its answer unfinished", request.method, request.target)
        if not response.started:
            await response.send(*_FAILED)

    def _end(self, stream: H2Stream) -> None:
        """The handler has ended: leave the stream in a clear state."""
        del self._streams[stream.id]
        unread = sum(map(len, stream.request.pending))
        if unread:
            self.acknowledge(stream.id, unread)
        stream.request.release()
        if not stream.lost:
            if not stream.response.finished:
                self._reset(stream.id, _ErrorCodes.INTERNAL_ERROR)
            elif not stream.request.arrived:
                self._reset(stream.id, _ErrorCodes.NO_ERROR)
        self._h2.forget(stream.id)
        if not self._streams:
            self._idle_since = trio.current_time()
            self._stream_ended.set()

    def _reset(self, stream_id: int, code: int) -> None:
        try:
            self._h2.reset_stream(stream_id, code)
            self._wake.set()
        except _GONE:
            pass
        finally:
            self._h2.forget(stream_id)

    # Reading.

    async def _read(self, data: bytes) -> None:
        limits = self._limits
        barren = 0  # bytes that the state machine keeps, because what they begin has not ended
        try:
            while data:
                self._wake_if_needed()  # a GOAWAY in `data` would make the state machine forget what it holds
                events = self._h2.receive_data(data)
                barren = 0 if events else barren + len(data)
                if barren > limits.control_backlog_bytes:
                    raise _TooMuch("a frame or a header block has no end")
                for event in events:
                    react = _REACTIONS.get(type(event))
                    if react is not None:
                        react(self, event)
                self._wake_if_needed()
                if self._writing:
                    # Nothing that we answer is longer than what asked for it: this bounds pings and the like from
                    # a client that does not read. The writer gives up on it in the end.
                    self._heard_meanwhile += len(data)
                    if self._heard_meanwhile > limits.control_backlog_bytes:
                        await self._flush()
                data = await self._transport.receive(limits.receive_bytes)
                self._heard = trio.current_time()
                self._pinged = None
        except (_h2.exceptions.ProtocolError, _TooMuch) as error:
            log.debug("connection of %s:%d: %s", *self._peer, error)
            if isinstance(error, _TooMuch):
                self._h2.close_connection(_ErrorCodes.ENHANCE_YOUR_CALM)
            self._wake.set()
            self._abandon_all()
            await self._linger()

    async def _linger(self) -> None:
        """Read on for a moment after the last GOAWAY, so that the client can read it."""
        limits = self._limits
        with trio.move_on_after(limits.linger_timeout):
            await self._flush()
            await end_and_discard(self._transport, limits.control_backlog_bytes, limits.receive_bytes)

    def _on_request(self, event: _h2.events.RequestReceived) -> None:
        stream_id = event.stream_id
        limits = self._limits
        if stream_id > self._accepted or len(self._streams) >= limits.max_concurrent_streams:
            self._reset(stream_id, _ErrorCodes.REFUSED_STREAM)
            return
        self._highest = stream_id
        try:
            head = parse_head(event.headers, limits.header_block_bytes, limits.header_count)
        except MalformedHead as error:
            log.debug("connection of %s:%d: malformed request: %s", *self._peer, error)
            self._reset(stream_id, _ErrorCodes.PROTOCOL_ERROR)
            self._count_reset()
            return
        if head.refusal is not None:
            self._refuse(stream_id, *head.refusal)
            return
        stream = H2Stream(self, stream_id)
        stream.request = H2Request(
            head.method, head.path, head.headers, "2", self._peer, head.content_length, stream=stream
        )
        stream.response = H2Response(stream)
        self._streams[stream_id] = stream
        self._tasks.begin(stream)

    def _refuse(self, stream_id: int, status: int, reason: str) -> None:
        """Answer without a handler, and without regard to the window: so the reason is a header."""
        block = answer_head(status, [(b"x-refused", reason.encode())])
        block.append((b"content-length", b"0"))
        try:
            self._h2.send_headers(stream_id, block, end_stream=True)
        except _GONE:
            return
        self._reset(stream_id, _ErrorCodes.NO_ERROR)

    def _on_data(self, event: _h2.events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        size = event.flow_controlled_length
        if stream is not None and event.data:
            stream.received += len(event.data)
            stream.request.pending.append(bytes(event.data))
            stream.wake_reader()
            size -= len(event.data)  # the padding, which nobody reads
            declared = stream.request.content_length
            if declared is not None and stream.received > declared:
                self._break_off(stream)
        elif not event.data and event.stream_ended is None:
            self._count_control(event)
        if size:
            self.acknowledge(event.stream_id, size)

    def _on_end(self, event: _h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        if stream.request.content_length not in (None, stream.received):
            self._break_off(stream)
            return
        stream.request.arrived = True
        stream.wake_reader()

    def _break_off(self, stream: H2Stream) -> None:
        """The body is not as long as declared: nobody may take what has come for the whole of it."""
        if not stream.lost:
            self._reset(stream.id, _ErrorCodes.PROTOCOL_ERROR)
            stream.abandon()
            self._count_reset()

    def _on_trailers(self, event: _h2.events.TrailersReceived) -> None:
        try:
            check_trailers(event.headers)
        except MalformedHead:
            self._reset(event.stream_id, _ErrorCodes.PROTOCOL_ERROR)
            self._abandon(event.stream_id)

    def _on_reset(self, event: _h2.events.StreamReset) -> None:
        self._abandon(event.stream_id)
        self._h2.forget(event.stream_id)
        self._count_reset()

    def _on_window(self, event: _h2.events.WindowUpdated) -> None:
        if event.stream_id:
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.wake_writer()
        else:
            self._wake_writers()

    def _on_settings(self, event: Any) -> None:
        self._count_control(event)
        self._wake_writers()

    def _on_ping_ack(self, event: _h2.events.PingAckReceived) -> None:
        if event.ping_data == _DRAIN_PING:
            self._drain_seen.set()

    def _on_goaway(self, event: _h2.events.ConnectionTerminated) -> None:
        self.begin_drain()  # the client opens no more streams, but waits for those that are open

    def _count_control(self, event: Any) -> None:
        if not self._control.spend():
            raise _TooMuch(f"too many events of the kind {type(event).__name__}")

    def _count_reset(self) -> None:
        if not self._resets.spend():
            raise _TooMuch("too many streams were reset")

    def _abandon(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.abandon()

    def _abandon_all(self) -> None:
        """Nothing can be answered any longer."""
        for stream in self._streams.values():
            stream.abandon()

    def _wake_writers(self) -> None:
        for stream in self._streams.values():
            stream.wake_writer()

    # Writing.

    async def _write(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake = trio.Event()
                self._writing = True
                while data := self._take():
                    await self._send(data)
                self._writing = False
                self._written.set()
        finally:
            self._abandon_all()

    async def _send(self, data: bytes) -> None:
        self._in_flight = len(data)
        self._unsent = 0
        await self._transport.send(data)
        self._in_flight = 0
        self._heard_meanwhile = 0
        backlogged, self._backlogged = self._backlogged, []
        for stream in backlogged:
            stream.wake_writer()

    def _take(self) -> bytes:
        data: bytes = self._h2.data_to_send()
        if self._out:
            self._out.append(data)
            data = b"".join(self._out)
            self._out.clear()
        return data

    def _wake_if_needed(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self._out.append(data)
            self._wake.set()

    async def _flush(self) -> None:
        """Wait until everything is sent."""
        while self._writing or self._wake.is_set():
            self._written = trio.Event()
            await self._written.wait()

    # The end.

    async def _drain(self) -> None:
        await self._drain_asked.wait()
        # The first GOAWAY only asks for no more streams. Those which the client sent before it saw that are still
        # accepted; its answer to the ping tells that it has. The ping goes first: a client that is made of h2
        # takes nothing after a GOAWAY (and forgets to answer the ping, so we wait in vain for a moment).
        self._ping(_DRAIN_PING)
        self._go_away(_LAST_POSSIBLE_STREAM)
        with trio.move_on_after(self._limits.drain_ping_timeout):
            await self._drain_seen.wait()
        self._accepted = self._highest
        self._go_away(self._highest)
        while self._streams:
            self._stream_ended = trio.Event()
            await self._stream_ended.wait()
        await self._flush()
        self._transport.send_eof()
        await trio.sleep(self._limits.linger_timeout)  # the reader ends the connection when the client does
        self._nursery.cancel_scope.cancel()

    def _ping(self, data: bytes) -> None:
        try:
            self._h2.ping(data)
        except _GONE:
            return  # a protocol error has ended the connection, whose last words are on their way
        self._wake.set()

    def _go_away(self, last_stream: int) -> None:
        # close_connection() of the state machine would stop the streams in progress.
        frame = GoAwayFrame(0)
        frame.last_stream_id = last_stream
        frame.error_code = 0
        self._out.append(self._h2.data_to_send() + frame.serialize())
        self._wake.set()


_REACTIONS: dict[type, Any] = {
    _h2.events.RequestReceived: H2Connection._on_request,
    _h2.events.DataReceived: H2Connection._on_data,
    _h2.events.StreamEnded: H2Connection._on_end,
    _h2.events.TrailersReceived: H2Connection._on_trailers,
    _h2.events.StreamReset: H2Connection._on_reset,
    _h2.events.WindowUpdated: H2Connection._on_window,
    _h2.events.RemoteSettingsChanged: H2Connection._on_settings,
    _h2.events.PingReceived: H2Connection._count_control,
    _h2.events.PriorityUpdated: H2Connection._count_control,
    _h2.events.PingAckReceived: H2Connection._on_ping_ack,
    _h2.events.ConnectionTerminated: H2Connection._on_goaway,
}

"""HTTP/1.1 exchanges: for deployments registered with HTTP/1.1, in request-response mode.

No tasks: the exchange reads and writes in the task of its caller. The request body is sent first (chunked, unless
it is complete at the start), then the answer is read. A connection is kept for the next exchange when both are
complete and the peer agrees.
"""

from collections import deque
from collections.abc import Awaitable, Callable

import httptools
import trio

from restate.runtime.net.exchange import (
    ClientError,
    ClientLimits,
    ConnectionLost,
    Exchange,
    ProtocolFailure,
    ResponseHead,
)
from restate.runtime.net.origin import Origin

READ_SIZE = 64 << 10
SEND_PIECE = 64 << 10


def _is_http2(data: bytes) -> bool:
    """Whether an answer starts as one over HTTP/2 must: with a SETTINGS frame of the connection."""
    return data[3:4] == b"\x04" and data[5:9] == bytes(4)


class H1Connection:
    """A byte stream, the parser of what comes from it, and the answer it is about."""

    def __init__(self, stream: trio.abc.Stream, limits: ClientLimits) -> None:
        self.stream = stream
        self.used = False
        self.idle_since = 0.0
        self.limits = limits
        self._parser = httptools.HttpResponseParser(self)
        self.reset()

    def reset(self) -> None:
        """Forget the last answer."""
        self.head: ResponseHead | None = None
        self.chunks: list[bytes] = []
        self.complete = False
        self.extra = False
        self._keep_alive = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take bytes from the peer. ProtocolFailure: they are no HTTP/1.1 answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if self.head is None and _is_http2(data):
                raise ProtocolFailure(
                    "expected an HTTP/1.1 answer, the peer speaks HTTP/2; register the deployment without use_http_11"
                ) from error
            cause = error.__context__ or error
            raise ProtocolFailure(f"expected an HTTP/1.1 answer, got {data[:40]!r}: {cause}") from error

    def feed_end(self) -> bool:
        """The peer ended the stream. Whether that completes the answer: one without a length ends like this."""
        if self.head is not None and not self.complete and self._ends_with_stream():
            self.complete = True
        return self.complete

    def reusable(self) -> bool:
        """Whether another exchange may follow the one that is complete."""
        return self._keep_alive and not self.extra

    def stale(self, now: float) -> bool:
        """Whether an unused connection is too old, or has something to read, which can only be its end."""
        if now - self.idle_since >= self.limits.idle_timeout_s:
            return True
        stream = self.stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        return isinstance(stream, trio.SocketStream) and stream.socket.is_readable()

    def close(self) -> None:
        """Close at once and without a goodbye, from anywhere."""
        stream = self.stream
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        if isinstance(stream, trio.SocketStream):
            stream.socket.close()

    def _ends_with_stream(self) -> bool:
        assert self.head is not None
        if self.head.header(b"content-length") is not None:
            return False
        return b"chunked" not in (self.head.header(b"transfer-encoding") or b"")

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self.complete:
            self.extra = True

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self.limits.header_list_bytes:
            raise ProtocolFailure(f"the answer's headers are over {self.limits.header_list_bytes} bytes")
        if not self.extra:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self.extra:
            self.head = ResponseHead(status, self._headers, self._parser.get_http_version())
            self._keep_alive = self._parser.should_keep_alive()
        self._headers = []

    def on_body(self, data: bytes) -> None:
        if not self.extra:
            self.chunks.append(data)

    def on_message_complete(self) -> None:
        # A 1xx answer is complete as well, and the real one follows.
        self.complete = self.complete or self.head is not None


class H1Exchange(Exchange):
    """See `Exchange`. One task uses it; `send` and `receive` at the same time are not for HTTP/1.1."""

    def __init__(self, pool: "H1Pool", connection: H1Connection, *, chunked: bool) -> None:
        self._pool = pool
        self._connection = connection
        self._chunked = chunked
        self._end_sent = not chunked
        self._failure: ClientError | None = None
        self._released = False
        # The peer does not read our request any more; it may have answered already.
        self._send_broken = False
        # What was sent, until the first byte of the answer: only for a connection that another exchange used.
        self._kept: list[bytes] | None = [] if connection.used else None

    async def send(self, data: bytes) -> None:
        if self._end_sent:
            raise RuntimeError("send() was called after end()")
        for start in range(0, len(data), SEND_PIECE):
            piece = data[start : start + SEND_PIECE]
            await self.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def end(self) -> None:
        if not self._end_sent:
            await self.write(b"0\r\n\r\n")
            self._end_sent = True

    async def response(self) -> ResponseHead:
        while self._connection.head is None:
            await self._read()
        return self._connection.head

    async def receive(self) -> bytes:
        while True:
            data = self.receive_nowait()
            if data is not None:
                await trio.lowlevel.checkpoint_if_cancelled()
                return data
            await self._read()

    def receive_nowait(self) -> bytes | None:
        connection = self._connection
        if self._released:
            return self._after_release()
        if connection.chunks:
            data = b"".join(connection.chunks)
            connection.chunks.clear()
            return data
        if self._failure is not None:
            raise self._failure
        if not connection.complete:
            return None
        self._release()
        return b""

    def abort(self) -> None:
        if not self._released:
            self._failure = self._failure or ConnectionLost("the exchange was given up on this side")
            self._released = True
            self._connection.close()

    async def write(self, data: bytes) -> None:
        """Send bytes as they are. A write cut by cancellation ends the use of the connection."""
        if self._failure is not None:
            raise self._failure
        if self._kept is not None:
            self._kept.append(data)
            if sum(map(len, self._kept)) > self._connection.limits.kept_body_bytes:
                self._kept = None
        if not self._send_broken:
            await self._send(data)

    async def _send(self, data: bytes) -> None:
        try:
            await self._connection.stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._send_broken = True  # `response` finds an early answer, or the end
        except BaseException:
            self._fail(ConnectionLost("the request was cut while it was sent"))
            raise

    async def _read(self) -> None:
        if self._failure is not None:
            raise self._failure
        connection = self._connection
        try:
            data = bytes(await connection.stream.receive_some(READ_SIZE))
            reason = "the peer closed the connection before its answer was complete"
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            data = b""
            reason = f"the connection broke: {error.__cause__ or error}"
        if data:
            self._kept = None
            try:
                connection.feed(data)
            except ProtocolFailure as failure:
                raise self._fail(failure) from failure.__cause__
        elif connection.feed_end():
            self._send_broken = True  # complete, but of no further use
        elif connection.used and self._kept is not None:
            await self._send_again(self._kept)
        else:
            raise self._fail(ConnectionLost(reason))

    async def _send_again(self, kept: list[bytes]) -> None:
        """The peer closed a connection that was idle, while our request was under way: use a new one, once."""
        self._kept = None
        self._connection.close()
        try:
            self._connection = await self._pool.connect()
        except ClientError as error:
            raise self._fail(error) from error.__cause__
        self._send_broken = False
        await self._send(b"".join(kept))

    def _fail(self, error: ClientError) -> ClientError:
        self._failure = error
        return error

    def _after_release(self) -> bytes:
        if self._failure is not None:
            raise self._failure
        return b""

    def _release(self) -> None:
        self._released = True
        if self._end_sent and not self._send_broken and self._connection.reusable():
            self._pool.give_back(self._connection)
        else:
            self._connection.close()


class H1Pool:
    """The idle HTTP/1.1 connections to one origin, newest last.

    dial: opens a byte stream, or raises ClientError. Connections in use are not limited here: the invoker limits
    its attempts.
    """

    def __init__(
        self, limits: ClientLimits, origin: Origin, dial: Callable[[], Awaitable[trio.abc.Stream]]
    ) -> None:
        self._limits = limits
        self._origin = origin
        self._dial = dial
        self._idle: deque[H1Connection] = deque()
        self._closed = False

    async def open(
        self, method: str, path: bytes, headers: list[tuple[bytes, bytes]], body: bytes | None, *, end: bool
    ) -> H1Exchange:
        """Send the head of a request, and its body as far as it is known. ClientError: no connection."""
        chunked = not end
        lines = [b"%b %b HTTP/1.1" % (method.encode(), path), b"host: " + self._origin.authority]
        lines += [b"%b: %b" % pair for pair in headers if pair[0] != b"content-length"]
        if chunked:
            lines.append(b"transfer-encoding: chunked")
        elif body or method == "POST":
            lines.append(b"content-length: %d" % len(body or b""))
        head = b"\r\n".join(lines) + b"\r\n\r\n"
        connection = self._take_idle() or await self.connect()
        exchange = H1Exchange(self, connection, chunked=chunked)
        try:
            if chunked:
                await exchange.write(head)
                await exchange.send(body or b"")
            else:
                await exchange.write(head + (body or b""))
        except BaseException:
            exchange.abort()
            raise
        return exchange

    async def connect(self) -> H1Connection:
        """A new connection."""
        return H1Connection(await self._dial(), self._limits)

    def give_back(self, connection: H1Connection) -> None:
        """Keep a connection for the next exchange."""
        if self._closed or len(self._idle) >= self._limits.h1_idle_connections:
            connection.close()
            return
        connection.reset()
        connection.used = True
        connection.idle_since = trio.current_time()
        self._idle.append(connection)

    def close(self) -> None:
        """Close what is idle, now and later."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _take_idle(self) -> H1Connection | None:
        now = trio.current_time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.stale(now):
                return connection
            connection.close()
        return None

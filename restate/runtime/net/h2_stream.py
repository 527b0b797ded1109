"""One request and its answer on an h2 connection."""

from typing import TYPE_CHECKING

import attrs
import trio

from restate.runtime.net.h2_headers import answer_head, outgoing
from restate.runtime.net.http import ConnectionClosed, Headers, Request, Response

if TYPE_CHECKING:
    from restate.runtime.net.h2_server import H2Connection

_BODYLESS = frozenset((204, 304))


@attrs.define(eq=False)
class H2Request(Request):
    """A request whose pieces the reader of the connection puts down; the window of the stream bounds them."""

    _stream: "H2Stream" = attrs.field(kw_only=True)

    async def _more(self) -> None:
        await self._stream.wait_readable()

    def _taken(self, size: int) -> None:
        self._stream.connection.acknowledge(self._stream.id, size)


class H2Stream:
    """What the connection knows of one request in progress."""

    __slots__ = (
        "_readable",
        "_writable",
        "connection",
        "id",
        "lost",
        "received",
        "request",
        "response",
        "scope",
    )

    def __init__(self, connection: "H2Connection", stream_id: int) -> None:
        self.connection = connection
        self.id = stream_id
        self.scope: trio.CancelScope  # around the handler
        self.lost = False  # reset by the client, or its connection is gone
        self.received = 0  # bytes of the body
        self.request: H2Request
        self.response: H2Response
        self._readable: trio.Event | None = None
        self._writable: trio.Event | None = None

    async def wait_readable(self) -> None:
        """Until the request has a new piece or its end."""
        if self.lost:
            raise ConnectionClosed("the client reset the stream")
        self._readable = trio.Event()
        await self._readable.wait()

    def wake_reader(self) -> None:
        if self._readable is not None:
            self._readable.set()
            self._readable = None

    async def wait_writable(self) -> int:
        """Until bytes may be sent; how many. Raises ConnectionClosed."""
        while True:
            if self.lost:
                raise ConnectionClosed("the client reset the stream")
            room = self.connection.room(self)
            if room > 0:
                return room
            self._writable = trio.Event()
            await self._writable.wait()

    def wake_writer(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def abandon(self) -> None:
        """The client is gone: end the handler. One that is shielded gets ConnectionClosed instead."""
        self.lost = True
        self.wake_reader()
        self.wake_writer()
        self.scope.cancel()


class H2Response(Response):
    """The answer on one stream."""

    __slots__ = ("_bodyless", "_stream")

    def __init__(self, stream: H2Stream) -> None:
        super().__init__()
        self._stream = stream
        self._bodyless = stream.request.method == "HEAD"

    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        block = answer_head(status, headers)
        # An answer of gRPC without messages is its trailers, in which a length has no place.
        if status not in _BODYLESS and not any(name == b"grpc-status" for name, _ in headers):
            block.append((b"content-length", b"%d" % len(body)))
        if self._bodyless or status in _BODYLESS:
            body = b""
        self._head(block, end=not body)
        if body:
            await self._data(body, end=True)

    async def start(self, status: int, headers: Headers) -> None:
        block = answer_head(status, headers)
        block += [field for field in headers if field[0] == b"content-length"]
        self._bodyless = self._bodyless or status in _BODYLESS
        self._head(block, end=False)

    async def write(self, data: bytes) -> None:
        if not self.started or self.finished:
            raise RuntimeError("expected write between start and finish")
        if data and not self._bodyless:
            await self._data(data, end=False)

    async def finish(self, trailers: Headers | None = None) -> None:
        if not self.started or self.finished:
            raise RuntimeError("expected finish once, after start")
        self.finished = True
        if trailers:
            self._stream.connection.send_headers(self._stream, outgoing(trailers), end=True)
        else:
            self._stream.connection.send_data(self._stream, b"", end=True)

    def _head(self, block: Headers, end: bool) -> None:
        if self.started:
            raise RuntimeError("expected one answer, got a second one")
        self._stream.connection.send_headers(self._stream, block, end)
        self.started = True
        self.finished = end

    async def _data(self, data: bytes, end: bool) -> None:
        stream = self._stream
        offset = 0
        while offset < len(data):
            room = await stream.wait_writable()
            piece = data[offset : offset + room]
            offset += len(piece)
            last = end and offset == len(data)
            stream.connection.send_data(stream, piece, last)
            if last:
                self.finished = True

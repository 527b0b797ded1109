"""Where the messages of a caller come from, in each protocol."""

from collections import deque

from restate.runtime.grpc_server.packing import unpacked
from restate.runtime.net.http import Request
from restate.runtime.rpc.compression import is_gzip, too_large
from restate.runtime.rpc.frames import HEAD_BYTES, FrameReader
from restate.runtime.rpc.grpc_web import TextReader
from restate.runtime.rpc.status import Code, RpcError


class FramedSource:
    """Messages of gRPC and gRPC-Web. limit: of one message in bytes, compressed and not."""

    def __init__(
        self, request: Request, *, encoding: bytes | None, limit: int, text: bool, single: bool
    ) -> None:
        """single: the method takes exactly one message, and `next` sees to it."""
        self._request = request
        self._encoding = encoding
        self._limit = limit
        self._reader = FrameReader(limit)
        self._text = TextReader() if text else None
        self._single = single
        self._waiting: deque[bytes] = deque()  # read ahead
        self._begun = False  # a message was asked for
        self._ended = False

    async def next(self) -> bytes | None:
        if self._waiting:
            return self._waiting.popleft()
        first = not self._begun
        self._begun = True
        message = await self._next()
        if first and self._single:
            if message is None:
                raise RpcError(Code.UNIMPLEMENTED, "expected one message, got none")
            if await self._next() is not None:
                raise RpcError(Code.UNIMPLEMENTED, "expected one message, got more")
        return message

    async def read_all(self) -> None:
        """Take everything that the caller sends before the first message is looked at. The limit holds for the sum."""
        size = 0
        while (message := await self._next()) is not None:
            size += HEAD_BYTES + len(message)  # empty ones take room, too
            if size > self._limit:
                raise too_large(self._limit)
            self._waiting.append(message)

    async def _next(self) -> bytes | None:
        while (found := self._reader.take()) is None:
            if self._ended:
                return None
            await self._feed()
        return await self._unpacked(found.message) if found.compressed else found.message

    async def _feed(self) -> None:
        piece = await self._request.read()
        if not piece:
            self._ended = True
            if self._text is not None:
                self._text.end()
            self._reader.end()
        elif self._text is not None:
            self._reader.feed(self._text.feed(piece))
        else:
            self._reader.feed(piece)

    async def _unpacked(self, message: bytes) -> bytes:
        if self._encoding is None or not is_gzip(self._encoding):
            raise RpcError(
                Code.INTERNAL, "a message is marked as compressed, but grpc-encoding names no coding"
            )
        return await unpacked(message, self._encoding, self._limit)


class BodySource:
    """The one message of a Connect POST. limit: of the body in bytes, compressed and not."""

    def __init__(self, request: Request, *, encoding: bytes | None, limit: int) -> None:
        self._request = request
        self._encoding = encoding
        self._limit = limit
        self._taken = False

    async def next(self) -> bytes | None:
        if self._taken:
            return None
        self._taken = True
        body = await self._request.body(self._limit)
        # The handler may take long, and what it makes of a long body is as long again.
        self._request.release()
        return await unpacked(body, self._encoding, self._limit)


class ValueSource:
    """The one message of a Connect GET. limit: in bytes, decompressed."""

    def __init__(self, message: bytes, *, encoding: bytes | None = None, limit: int) -> None:
        self._message: bytes | None = message
        self._encoding = encoding
        self._limit = limit

    async def next(self) -> bytes | None:
        message, self._message = self._message, None
        return None if message is None else await unpacked(message, self._encoding, self._limit)

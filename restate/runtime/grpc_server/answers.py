"""How replies and errors leave in each protocol."""

from abc import ABC, abstractmethod

from restate.runtime.grpc_server.packing import packed
from restate.runtime.net.http import Headers, Response
from restate.runtime.rpc import connect, grpc, grpc_web
from restate.runtime.rpc.compression import ACCEPTED, UnsupportedCoding
from restate.runtime.rpc.frames import COMPRESSED, frame, frame_head
from restate.runtime.rpc.protocols import Protocol, Wire
from restate.runtime.rpc.status import Profile, RpcError

_OK = list(grpc.OK_TRAILERS)
_LONG = 65_536  # bytes of a message that is not copied to stand behind the head of its frame


class Answer(ABC):
    """One answer: `reply` or `fail` alone; or `start`, any number of `message`, and `finish` or `fail`.

    `initial` and `trailing` are metadata as they stand on the wire. Every method raises ConnectionClosed.
    """

    def __init__(self, response: Response, wire: Wire, *, compress: bool, headers: Headers) -> None:
        """compress: with gzip. headers: of every answer, whatever its content."""
        self._response = response
        self._wire = wire
        self._compress = compress
        self._headers = headers
        self.started = False
        self.writing = False  # within `message`: to stop now would cut it

    @abstractmethod
    async def reply(self, message: bytes, initial: Headers, trailing: Headers) -> None:
        """Success of a unary method."""

    @abstractmethod
    async def start(self, initial: Headers) -> None: ...

    @abstractmethod
    async def message(self, message: bytes) -> None: ...

    @abstractmethod
    async def finish(self, trailing: Headers) -> None:
        """Success after `start`."""

    @abstractmethod
    async def fail(self, error: RpcError, initial: Headers, trailing: Headers) -> None:
        """An error, before or after `start`."""


class GrpcAnswer(Answer):
    """gRPC on h2: headers, messages, trailers."""

    def _head(self, initial: Headers) -> Headers:
        head = [(b"content-type", self._wire.content_type), *self._headers]
        if self._compress:
            head.append((b"grpc-encoding", b"gzip"))
        head += initial
        return head

    async def _frame(self, message: bytes) -> bytes:
        return frame(await packed(message), COMPRESSED) if self._compress else frame(message)

    async def reply(self, message: bytes, initial: Headers, trailing: Headers) -> None:
        response = self._response
        await response.start(200, self._head(initial))
        if len(message) < _LONG or self._compress:
            await response.write(await self._frame(message))
        else:
            await response.write(frame_head(len(message)))
            await response.write(message)
        await response.finish(_OK + trailing)

    async def start(self, initial: Headers) -> None:
        self.started = True
        await self._response.start(200, self._head(initial))

    async def message(self, message: bytes) -> None:
        self.writing = True
        await self._response.write(await self._frame(message))
        self.writing = False

    async def finish(self, trailing: Headers) -> None:
        await self._response.finish(_OK + trailing)

    async def fail(self, error: RpcError, initial: Headers, trailing: Headers) -> None:
        """Headers and trailers without a message between them, so that a client can tell the two kinds of metadata."""
        if not self.started:
            await self._response.start(200, self._head(initial) + _accepted(error, b"grpc-accept-encoding"))
        await self._response.finish(grpc.error_trailers(error) + trailing)


class GrpcWebAnswer(GrpcAnswer):
    """gRPC-Web: the trailers are the last frame of the body."""

    def _body(self, data: bytes) -> bytes:
        return grpc_web.encode_text(data) if self._wire.text else data

    async def reply(self, message: bytes, initial: Headers, trailing: Headers) -> None:
        trailers = grpc_web.trailer_frame(_OK + trailing)
        if self._compress:
            frames = await self._frame(message) + trailers
        else:
            frames = b"".join((frame_head(len(message)), message, trailers))
        await self._response.send(200, self._head(initial), self._body(frames))

    async def message(self, message: bytes) -> None:
        self.writing = True
        await self._response.write(self._body(await self._frame(message)))
        self.writing = False

    async def finish(self, trailing: Headers) -> None:
        await self._end(_OK + trailing)

    async def fail(self, error: RpcError, initial: Headers, trailing: Headers) -> None:
        trailers = grpc.error_trailers(error) + trailing
        if self.started:
            await self._end(trailers)
        else:
            head = self._head(initial) + _accepted(error, b"grpc-accept-encoding")
            await self._response.send(200, head, self._body(grpc_web.trailer_frame(trailers)))

    async def _end(self, trailers: Headers) -> None:
        await self._response.write(self._body(grpc_web.trailer_frame(trailers)))
        await self._response.finish()


class ConnectAnswer(Answer):
    """Connect unary: the bare message, or an error in JSON. Trailing metadata are headers with a prefix."""

    def __init__(
        self, response: Response, wire: Wire, profile: Profile, *, compress: bool, headers: Headers
    ) -> None:
        super().__init__(response, wire, compress=compress, headers=headers)
        self._profile = profile

    async def reply(self, message: bytes, initial: Headers, trailing: Headers) -> None:
        head = [(b"content-type", self._wire.content_type), *self._headers, *initial]
        head += connect.trailing(trailing)
        if self._compress:
            head.append((b"content-encoding", b"gzip"))
            message = await packed(message)
        await self._response.send(200, head, message)

    async def fail(self, error: RpcError, initial: Headers, trailing: Headers) -> None:
        status, body = connect.error_body(error, self._profile)
        head = [(b"content-type", b"application/json"), *self._headers, *initial, *error.metadata]
        head += connect.trailing(trailing) + _accepted(error, b"accept-encoding")
        await self._response.send(status, head, body)

    async def start(self, initial: Headers) -> None:
        raise RuntimeError("expected a unary method: streams are not served over Connect")

    async def message(self, message: bytes) -> None:
        raise RuntimeError("expected a unary method: streams are not served over Connect")

    async def finish(self, trailing: Headers) -> None:
        raise RuntimeError("expected a unary method: streams are not served over Connect")


def framed_answer(response: Response, wire: Wire, *, compress: bool, headers: Headers) -> Answer:
    """For gRPC or gRPC-Web."""
    kind = GrpcAnswer if wire.protocol is Protocol.GRPC else GrpcWebAnswer
    return kind(response, wire, compress=compress, headers=headers)


def _accepted(error: RpcError, name: bytes) -> Headers:
    """Which content coding would have been understood."""
    return [(name, ACCEPTED)] if isinstance(error, UnsupportedCoding) else []

"""The request and the response that a handler sees, the same for HTTP/1.0, HTTP/1.1 and h2.

A handler is `async (request, response) -> None`. It answers with one `response.send(...)`, or with
`start`, any number of `write` and `finish`. It may answer before it has read the body.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

import attrs

Headers = list[tuple[bytes, bytes]]
Peer = tuple[str, int]

# Headers that describe the connection or the framing. The protocol writes them, never a handler.
FRAMING_HEADERS = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"content-length")
)


class ConnectionClosed(Exception):
    """The client went away, reset the stream, or sent bytes that cannot be read on. Nothing can be answered."""


class MalformedBody(ConnectionClosed):
    """The framing of an HTTP/1.1 request body is broken. The listener answers 400 if nothing was started."""


def only_closed(error: Exception) -> bool:
    """Whether nothing but ConnectionClosed is in this error, which a nursery of the handler may have wrapped."""
    if isinstance(error, ExceptionGroup):
        return error.split(ConnectionClosed)[1] is None
    return isinstance(error, ConnectionClosed)


class BodyTooLarge(Exception):
    """The request body is longer than the handler accepts.

    `declared` tells that the content-length already says so and that nothing was read.
    """

    def __init__(self, limit: int, declared: bool) -> None:
        super().__init__(f"expected a request body of at most {limit} bytes, got a longer one")
        self.limit = limit
        self.declared = declared


@attrs.define(eq=False)
class Request:
    """One request: its head, and its body as it arrives.

    `target` is the raw path and query as sent, but in ASCII: other characters are percent-encoded. `headers` are
    lower-case and in order, without pseudo headers.
    The protocol appends to `pending` and sets `arrived`; its subclass waits for either in `_more`.
    """

    method: str
    target: bytes
    headers: Headers
    http_version: str
    peer: Peer
    content_length: int | None = None  # as declared by the client
    pending: list[bytes] = attrs.field(factory=list)  # pieces of the body that nobody has read yet
    arrived: bool = False  # the whole body is here, read or not
    _touched: bool = False  # a piece was read
    _whole: bytes | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header with this lower-case name."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    async def read(self) -> bytes:
        """The next piece of the body, `b""` at its end. Raises ConnectionClosed if the end cannot come."""
        while not self.pending:
            if self.arrived:
                return b""
            await self._more()
        self._touched = True
        piece = self.pending.pop(0)
        self._taken(len(piece))
        return piece

    async def body(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes. Raises BodyTooLarge or ConnectionClosed."""
        if self.content_length is not None and self.content_length > limit:
            raise BodyTooLarge(limit, declared=True)
        whole = self.complete_body
        if whole is None:
            whole = self._whole = await self._collect(limit)
        if len(whole) > limit:
            raise BodyTooLarge(limit, declared=False)
        return whole

    @property
    def complete_body(self) -> bytes | None:
        """The whole body if it has arrived and was not read in pieces, else None. Never waits."""
        if self._whole is None and self.arrived and not self._touched:
            if len(self.pending) > 1:
                self.pending[:] = [b"".join(self.pending)]
            self._whole = self.pending[0] if self.pending else b""
        return self._whole

    def take_body(self) -> bytes:
        """The whole body, which `body` has returned before. The request lets go of it, and so it can be taken once."""
        whole = self.complete_body
        if whole is None:
            raise RuntimeError("expected take_body after the whole body has arrived")
        self.release()
        return whole

    def release(self) -> None:
        """Let go of the body once the request is answered: the connection may keep the request for long after that."""
        self.pending.clear()
        self._whole = None

    async def _collect(self, limit: int) -> bytes:
        parts = []
        size = 0
        while piece := await self.read():
            parts.append(piece)
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit, declared=False)
        return b"".join(parts)

    async def _more(self) -> None:
        """Wait until `pending` or `arrived` has changed. Raises ConnectionClosed if neither can."""
        raise ConnectionClosed("the body was cut")

    def _taken(self, size: int) -> None:
        """The handler took `size` bytes of body."""


class Response(ABC):
    """One answer. Every method raises ConnectionClosed when the client is gone."""

    __slots__ = ("finished", "started")

    def __init__(self) -> None:
        self.started = False  # the status is decided: no other one can be sent
        self.finished = False  # the last byte is handed over

    @abstractmethod
    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        """The whole answer at once. Content-length is added; the body is left out for HEAD."""

    @abstractmethod
    async def start(self, status: int, headers: Headers) -> None:
        """The head of an answer whose body follows by `write`."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """A piece of the body. Waits while the client is slower than we are."""

    @abstractmethod
    async def finish(self, trailers: Headers | None = None) -> None:
        """The end of the body. Trailers are sent on h2 only."""


Handler = Callable[[Request, Response], Awaitable[None]]

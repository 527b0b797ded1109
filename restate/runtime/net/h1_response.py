"""Answers in HTTP/1.1."""

import http
from typing import TYPE_CHECKING

from restate.runtime.net.date import http_date
from restate.runtime.net.h1_request import H1Request
from restate.runtime.net.http import FRAMING_HEADERS, Headers, Response

if TYPE_CHECKING:
    from restate.runtime.net.h1 import H1Connection

_status_lines: dict[int, bytes] = {}
_BODYLESS = frozenset((204, 304))
_CLOSE = b"connection: close\r\n"
_KEEP = b"connection: keep-alive\r\n"  # only HTTP/1.0 needs to be told
_LONG = 65_536  # bytes of a body that is not copied to leave together with its head


def _status_line(status: int) -> bytes:
    line = _status_lines.get(status)
    if line is None:
        if not 200 <= status <= 999:
            raise ValueError(f"expected a final status of three digits, got {status}")
        phrase = http.HTTPStatus(status).phrase if status in http.HTTPStatus.__members__.values() else ""
        line = _status_lines[status] = f"HTTP/1.1 {status} {phrase}\r\n".encode()
    return line


def _head(status: int, headers: Headers, *own: bytes) -> bytes:
    """The head, with the date and our own complete header lines last. Raises ValueError for a value that would end its line."""
    lines = [_status_line(status)]
    lines += [b"%b: %b\r\n" % header for header in headers if header[0] not in FRAMING_HEADERS]
    lines.append(b"date: %b\r\n" % http_date())
    lines += own
    head = b"".join(lines)
    # Each line has one end: more of them are injected ones.
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise ValueError(f"expected header values without line ends and zero bytes, got {headers!r}")
    return head + b"\r\n"


def refusal(status: int, reason: str) -> bytes:
    """A complete answer to something that is no request. The connection is closed after it."""
    body = reason.encode() + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    return _head(status, headers, b"content-length: %d\r\n" % len(body), _CLOSE) + body


class H1Response(Response):
    """The answer to one request. Nothing is buffered: a slow client holds up the handler."""

    __slots__ = ("_chunked", "_connection", "_left", "closing", "request")

    def __init__(self, connection: "H1Connection", request: H1Request) -> None:
        self.started = False
        self.finished = False
        self._connection = connection
        self.request = request
        self._chunked = False
        self._left: int | None = None  # bytes of body that the declared content-length still allows
        self.closing = False  # the connection cannot be used after this answer

    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        if status in _BODYLESS:
            head = self._begin(status, headers, b"")
        else:
            head = self._begin(status, headers, b"content-length: %d\r\n" % len(body))
            if self.request.method != "HEAD":
                if len(body) >= _LONG:
                    self.finished = True
                    await self._connection.send(head)
                    await self._connection.send(body)
                    return
                head += body
        self.finished = True
        await self._connection.send(head)

    async def start(self, status: int, headers: Headers) -> None:
        declared = next((value for name, value in headers if name == b"content-length"), None)
        framing = b""
        if status in _BODYLESS:
            self._left = 0
        elif declared is not None:
            self._left = int(declared)
            framing = b"content-length: %d\r\n" % self._left
        elif self.request.http_version == "1.1":
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        else:
            self.closing = True  # the end of the connection is the end of the body
        await self._connection.send(self._begin(status, headers, framing))

    async def write(self, data: bytes) -> None:
        if not self.started or self.finished:
            raise RuntimeError("expected write between start and finish")
        if not data or self.request.method == "HEAD":
            return
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise ValueError(f"the body is {-self._left} bytes longer than the declared content-length")
        await self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def finish(self, trailers: Headers | None = None) -> None:
        if not self.started or self.finished:
            raise RuntimeError("expected finish once, after start")
        self.finished = True
        if self.request.method == "HEAD":
            return
        if self._chunked:
            await self._connection.send(b"0\r\n\r\n")
        elif self._left:
            self.closing = True  # the client must not wait for the missing bytes

    def _begin(self, status: int, headers: Headers, framing: bytes) -> bytes:
        if self.started:
            raise RuntimeError("expected one answer, got a second one")
        request = self.request
        closing = self.closing or self._connection.must_close(request)
        own = [framing] if framing else []
        if closing:
            own.append(_CLOSE)
        elif request.http_version == "1.0":
            own.append(_KEEP)
        head = _head(status, headers, *own)
        self.started = True
        self.closing = closing
        return head

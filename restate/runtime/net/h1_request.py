"""Bytes to HTTP/1.x requests: httptools, and the rules it does not have. Nothing here waits."""

from collections import deque
from collections.abc import Awaitable, Callable

import attrs
import httptools

from restate.runtime.net.http import Headers, Peer, Request
from restate.runtime.net.limits import Limits
from restate.runtime.net.target import RequestLines

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
_NOTED = frozenset((b"host", b"content-length", b"transfer-encoding", b"expect"))


class RequestRefused(Exception):
    """A request breaks a rule. The connection answers `status` with the reason and is closed."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@attrs.define(eq=False)
class H1Request(Request):
    """A request whose body is pulled from the connection as the handler reads it."""

    keep_alive: bool = True  # the client wants to go on after this one
    awaits_continue: bool = False  # the client holds the body back until we ask for it
    _pull: Callable[["H1Request"], Awaitable[None]] = attrs.field(kw_only=True)

    async def _more(self) -> None:
        await self._pull(self)


class RequestParser:
    """The requests of one connection, in order.

    `feed` takes bytes. A request joins `ready` when its head is complete; the body of the newest may still be on
    its way. After a `failure` nothing more is parsed.
    """

    def __init__(self, limits: Limits, peer: Peer, pull: Callable[[H1Request], Awaitable[None]]) -> None:
        self._limits = limits
        self._peer = peer
        self._pull = pull
        self.ready: deque[H1Request] = deque()
        self.failure: RequestRefused | None = None
        self.in_head = False  # a part of a head has arrived, but not its end
        self._request: H1Request | None = None  # the newest, whose body is arriving
        self._resuming = False  # the head being parsed is our own, see _skip_upgrade
        self._lines = RequestLines()
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Parse all of `data`. Never raises; look at `failure`."""
        continued = self.in_head
        if self._lines.open or not (continued or self._in_body):
            data = self._lines.read(data, begun=continued)
            if not data:
                return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._skip_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, RequestRefused):
                raise
            self.failure = error.__context__
        except httptools.HttpParserError as error:
            self.failure = RequestRefused(400, f"malformed request: {error}")
        if self.in_head and continued:
            # The piece in which a head begins may hold other requests before it. It is not counted; a complete
            # head is measured exactly.
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.header_block_bytes and self.failure is None:
                self.failure = self._head_too_large()

    @property
    def _in_body(self) -> bool:
        return self._request is not None and not self._request.arrived

    def _head_too_large(self) -> RequestRefused:
        return RequestRefused(431, f"expected a head of at most {self._limits.header_block_bytes} bytes")

    # Callbacks of httptools, in the order of a request.

    def on_message_begin(self) -> None:
        if self._resuming:
            return
        self.in_head = True
        self._head_bytes = 0
        self._url = b""
        self._size = 0
        self._headers: Headers = []
        self._noted: dict[bytes, bytes] = {}

    def on_url(self, part: bytes) -> None:
        if not self._resuming:
            self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            return  # a trailer, or our own head
        name = name.lower()
        value = value.rstrip(b" \t")  # the parser has left out only what stands before it
        self._size += len(name) + len(value) + 4
        if name in _NOTED:
            if name == b"host" and name in self._noted:
                raise RequestRefused(400, "expected one Host header, got several")
            self._noted[name] = value
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._resuming:
            self._resuming = False
            return
        self.in_head = False
        parser = self._parser
        noted = self._noted
        method = parser.get_method()
        version = parser.get_http_version()
        self._check_head(method, version)
        length = noted.get(b"content-length")
        self._request = request = H1Request(
            _METHODS.get(method) or method.decode(),
            self._url if self._url.startswith(b"/") else _origin_form(self._url),
            self._headers,
            version,
            self._peer,
            content_length=None if length is None else int(length),
            keep_alive=parser.should_keep_alive(),
            awaits_continue=b"expect" in noted and noted[b"expect"].lower() == b"100-continue",
            pull=self._pull,
        )
        self.ready.append(request)

    def on_body(self, data: bytes) -> None:
        if self._request is not None:
            self._request.pending.append(data)

    def on_message_complete(self) -> None:
        if self._request is not None:
            self._request.arrived = True
            self._request.awaits_continue = False

    def _check_head(self, method: bytes, version: str) -> None:
        limits = self._limits
        if method == b"CONNECT":
            raise RequestRefused(400, "expected a request, got CONNECT")
        if self._size + len(self._url) > limits.header_block_bytes:
            raise self._head_too_large()
        if len(self._headers) > limits.header_count:
            raise RequestRefused(431, f"expected at most {limits.header_count} headers")
        if version == "1.1":
            if b"host" not in self._noted:
                raise RequestRefused(400, "expected a Host header, got none")
        elif version != "1.0":
            # A request line without a version counts as 0.9.
            raise RequestRefused(
                400 if version == "0.9" else 505, f"expected HTTP/1.0 or HTTP/1.1, got HTTP/{version}"
            )
        coding = self._noted.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise RequestRefused(501, "expected no transfer coding other than chunked")

    def _skip_upgrade(self, rest: bytes) -> None:
        """Go on with HTTP/1.1 after a request that offers another protocol.

        httptools ends at the head of such a request and takes its body (Java's client sends one with `Upgrade: h2c`)
        for the other protocol. A fresh parser gets a head with the same framing, and then what follows.
        """
        request = self._request
        assert request is not None
        self._parser = httptools.HttpRequestParser(self)
        framing = b""
        if b"transfer-encoding" in self._noted:
            framing = b"transfer-encoding: chunked"
        elif request.content_length:
            framing = b"content-length: %d" % request.content_length
        if framing:
            request.arrived = False
            self._resuming = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        if rest:
            self.feed(rest)


def _origin_form(url: bytes) -> bytes:
    """The path and query of an absolute URL; `*` stays."""
    if url == b"*":
        return url
    scheme, mark, rest = url.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        raise RequestRefused(400, "expected a request target that begins with / or http://")
    for index, byte in enumerate(rest):
        if byte in b"/?":
            return rest[index:] if byte == 0x2F else b"/" + rest[index:]
    return b"/"

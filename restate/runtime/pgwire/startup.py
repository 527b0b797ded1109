"""The packets before the first frame: encryption, cancellation, version and parameters, then the password."""

import attrs

from restate.runtime.pgwire import sent
from restate.runtime.pgwire.errors import (
    BAD_AUTHORIZATION,
    NOT_SUPPORTED,
    PROTOCOL_VIOLATION,
    FatalError,
    HangUpError,
    PgError,
)
from restate.runtime.pgwire.received import Reader

SSL_REQUEST = 80877103
GSS_REQUEST = 80877104
CANCEL_REQUEST = 80877102

_LONGEST_SECRET = 256


@attrs.frozen
class Say:
    """Bytes for the client, before anything else is read."""

    data: bytes


@attrs.frozen
class StartTls:
    """Say yes, then go on inside of TLS. What came before the handshake is gone."""


@attrs.frozen
class Cancel:
    """Cancel what the connection with this number and secret does, and end this one without an answer."""

    process_id: int
    secret: bytes


@attrs.frozen
class Hello:
    """A client. parameters: ((name, value), ...) without user and database. answer: to be sent before all else."""

    user: str
    parameters: tuple[tuple[str, str], ...]
    answer: bytes


Event = Say | StartTls | Cancel | Hello


class Startup:
    """Ends with Cancel or Hello; `rest` is then what came after it.

    size_limit: of a packet. tls: whether it can be had.
    """

    def __init__(self, size_limit: int, *, tls: bool) -> None:
        self._size_limit = size_limit
        self._tls = tls
        self._asked: set[int] = set()
        self._buffer = bytearray()

    @property
    def rest(self) -> bytes:
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Event | None:
        """None if more bytes are needed. Raises HangUpError and FatalError."""
        if len(self._buffer) < 4:
            return None
        size = int.from_bytes(self._buffer[:4], "big")
        if not 8 <= size <= self._size_limit:
            raise HangUpError(f"a first packet of {size} bytes is none of this protocol")
        if len(self._buffer) < size:
            return None
        code, body = int.from_bytes(self._buffer[4:8], "big"), bytes(self._buffer[8:size])
        del self._buffer[:size]
        if code in (SSL_REQUEST, GSS_REQUEST):
            return self._encryption(code, body)
        if code == CANCEL_REQUEST:
            return _cancel(body)
        return _hello(code, body)

    def _encryption(self, code: int, body: bytes) -> Event:
        if body or code in self._asked:
            raise HangUpError("encryption was asked for twice")
        self._asked.add(code)
        if code == SSL_REQUEST and self._tls:
            # What a man in the middle may have put in front of the handshake must not count as sent inside of it.
            self._buffer.clear()
            self._asked.add(GSS_REQUEST)
            return StartTls()
        return Say(b"N")


def _cancel(body: bytes) -> Cancel:
    if not 4 + 4 <= len(body) <= 4 + _LONGEST_SECRET:
        raise HangUpError("a cancel request has a number and a secret")
    return Cancel(int.from_bytes(body[:4], "big"), body[4:])


def _hello(code: int, body: bytes) -> Hello:
    major, minor = code >> 16, code & 0xFFFF
    if major != 3:
        message = f"unsupported frontend protocol {major}.{minor}: server supports 3.0 to 3.0"
        raise FatalError(NOT_SUPPORTED, message)
    parameters = _parameters(body)
    if dict(parameters).get("replication", "false").lower() not in ("false", "off", "no", "0"):
        raise FatalError(NOT_SUPPORTED, "replication is not supported: this server answers queries only")
    options = [name for name, _ in parameters if name.startswith("_pq_.")]
    user = dict(parameters).get("user", "")
    if not user:
        raise FatalError(BAD_AUTHORIZATION, "no PostgreSQL user name specified in startup packet")
    kept = tuple(
        (name, value)
        for name, value in parameters
        if name not in ("user", "database", "replication") and not name.startswith("_pq_.")
    )
    return Hello(user, kept, sent.negotiate_protocol(options) if minor or options else b"")


def _parameters(body: bytes) -> list[tuple[str, str]]:
    reader = Reader(body)
    found: list[tuple[str, str]] = []
    try:
        while name := reader.text():
            found.append((name, reader.text()))
        reader.end()
    except PgError as error:
        raise FatalError(
            PROTOCOL_VIOLATION,
            "invalid startup packet layout: expected names and values, each ended by a zero byte",
        ) from error
    return found

"""The bodies of a client's messages → values. Every function raises PgError for a body that is not what it should be."""

import struct

import attrs

from restate.runtime.pgwire.errors import BAD_ENCODING, BAD_VALUE, PgError, protocol_violation


@attrs.frozen
class Parse:
    """Prepare a statement. oids: of parameter types, as many as the client likes to say; 0 for unknown."""

    name: str
    sql: str
    oids: tuple[int, ...]


@attrs.frozen
class Bind:
    """Make a portal. *_formats: whether binary; none means all text, one counts for all. values: None is NULL."""

    portal: str
    statement: str
    parameter_formats: tuple[bool, ...]
    values: tuple[bytes | None, ...]
    result_formats: tuple[bool, ...]


@attrs.frozen
class Named:
    """What Describe and Close are about: a statement, or else a portal."""

    is_statement: bool
    name: str


@attrs.frozen
class Execute:
    """Run a portal. max_rows: 0 means all."""

    portal: str
    max_rows: int


class Reader:
    """Takes values from the front of a body."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def text(self) -> str:
        """NUL-terminated."""
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise protocol_violation("invalid string in message")
        raw, self._at = self._body[self._at : end], end + 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            wrong = " ".join(f"0x{byte:02x}" for byte in raw[error.start : error.end][:4])
            raise PgError(BAD_ENCODING, f'invalid byte sequence for encoding "UTF8": {wrong}') from error

    def take(self, size: int) -> bytes:
        if size < 0 or self._at + size > len(self._body):
            raise protocol_violation("insufficient data left in message")
        taken = self._body[self._at : self._at + size]
        self._at += size
        return taken

    def int16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def int32(self) -> int:
        """Signed."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def integers(self, format_char: str) -> tuple[int, ...]:
        """A count of two bytes and so many integers, each as the letter of `struct` says."""
        count = self.int16()
        layout = struct.Struct(f">{count}{format_char}")
        return layout.unpack(self.take(layout.size))

    def formats(self) -> tuple[bool, ...]:
        codes = self.integers("h")
        wrong = next((code for code in codes if code not in (0, 1)), None)
        if wrong is not None:
            raise PgError(BAD_VALUE, f"unsupported format code: {wrong}")
        return tuple(code == 1 for code in codes)

    def end(self) -> None:
        if self._at != len(self._body):
            raise protocol_violation("invalid message format: there is more than belongs to it")


def query(body: bytes) -> str:
    reader = Reader(body)
    sql = reader.text()
    reader.end()
    return sql


def parse(body: bytes) -> Parse:
    reader = Reader(body)
    message = Parse(reader.text(), reader.text(), reader.integers("I"))
    reader.end()
    return message


def bind(body: bytes) -> Bind:
    reader = Reader(body)
    portal, statement, parameter_formats = reader.text(), reader.text(), reader.formats()
    values: list[bytes | None] = []
    for _ in range(reader.int16()):
        size = reader.int32()
        values.append(None if size == -1 else reader.take(size))
    message = Bind(portal, statement, parameter_formats, tuple(values), reader.formats())
    reader.end()
    return message


def named(body: bytes, message_name: str) -> Named:
    """Describe or Close, as the name says."""
    reader = Reader(body)
    kind = reader.take(1)
    if kind not in (b"S", b"P"):
        raise protocol_violation(f"invalid {message_name} message subtype {kind[0]}")
    message = Named(kind == b"S", reader.text())
    reader.end()
    return message


def execute(body: bytes) -> Execute:
    reader = Reader(body)
    message = Execute(reader.text(), max(reader.int32(), 0))
    reader.end()
    return message


def nothing(body: bytes) -> None:
    """Sync, Flush, Terminate."""
    Reader(body).end()

"""What the server says → bytes."""

import struct
from collections.abc import Sequence

from restate.runtime.pgwire.engine import Column
from restate.runtime.pgwire.errors import PgError

AUTHENTICATED = b"R\0\0\0\x08\0\0\0\0"
PARSE_COMPLETE = b"1\0\0\0\x04"
BIND_COMPLETE = b"2\0\0\0\x04"
CLOSE_COMPLETE = b"3\0\0\0\x04"
NO_DATA = b"n\0\0\0\x04"
EMPTY_QUERY = b"I\0\0\0\x04"
PORTAL_SUSPENDED = b"s\0\0\0\x04"

_COLUMN = struct.Struct(">ihihih")


def message(tag: bytes, body: bytes) -> bytes:
    return tag + (len(body) + 4).to_bytes(4, "big") + body


def _text(text: str) -> bytes:
    # Text that cannot be sent as it is must not break the stream: it may be made of what a client sent.
    return text.replace("\0", "").encode("utf-8", "replace") + b"\0"


def ask_sasl(mechanism: str) -> bytes:
    return message(b"R", b"\0\0\0\x0a" + _text(mechanism) + b"\0")


def sasl_continue(data: bytes) -> bytes:
    return message(b"R", b"\0\0\0\x0b" + data)


def sasl_final(data: bytes) -> bytes:
    return message(b"R", b"\0\0\0\x0c" + data)


def negotiate_protocol(unknown_options: Sequence[str]) -> bytes:
    """We speak 3.0, and do not know these options."""
    names = b"".join(_text(name) for name in unknown_options)
    return message(b"v", (196608).to_bytes(4, "big") + len(unknown_options).to_bytes(4, "big") + names)


def backend_key(process_id: int, secret: bytes) -> bytes:
    return message(b"K", process_id.to_bytes(4, "big") + secret)


def parameter_status(name: str, value: str) -> bytes:
    return message(b"S", _text(name) + _text(value))


def ready(status: bytes) -> bytes:
    """status: I idle, T in a transaction, E in a failed one."""
    return b"Z\0\0\0\x05" + status


def command_complete(tag: str) -> bytes:
    return message(b"C", _text(tag))


def parameter_description(oids: Sequence[int]) -> bytes:
    return message(b"t", struct.pack(f">H{len(oids)}I", len(oids), *oids))


def row_description(columns: Sequence[Column], binary: Sequence[bool]) -> bytes:
    """binary: for each column."""
    parts = [len(columns).to_bytes(2, "big")]
    for column, is_binary in zip(columns, binary, strict=True):
        parts += (_text(column.name), _COLUMN.pack(0, 0, column.oid, column.size, -1, is_binary))
    return message(b"T", b"".join(parts))


def data_row(values: Sequence[str]) -> bytes:
    """Texts; their binary form is the same."""
    parts = [len(values).to_bytes(2, "big")]
    for value in values:
        raw = value.encode()
        parts += (len(raw).to_bytes(4, "big"), raw)
    return message(b"D", b"".join(parts))


def error(failure: PgError, severity: str | None = None) -> bytes:
    """severity: instead of the error's own."""
    return message(b"E", _fields(failure, severity or failure.severity))


def warning(sqlstate: str, text: str) -> bytes:
    return message(b"N", _fields(PgError(sqlstate, text), "WARNING"))


def _fields(failure: PgError, severity: str) -> bytes:
    fields = {
        b"S": severity,
        b"V": severity,
        b"C": failure.sqlstate,
        b"M": failure.message,
        b"D": failure.detail,
        b"H": failure.hint,
        b"P": None if failure.position is None else str(failure.position),
    }
    return b"".join(key + _text(value) for key, value in fields.items() if value is not None) + b"\0"

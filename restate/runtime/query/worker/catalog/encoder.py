"""Rows of the catalog as DataRow messages, and bound values for SQLite."""

import datetime as dt
import struct
from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa

from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog.arrays import array_text, items
from restate.runtime.query.worker.catalog.session import Environment
from restate.runtime.query.worker.postgres_binary import array_bytes, numeric_bytes
from restate.runtime.query.worker.postgres_text import float_text

_NULL = b"\xff\xff\xff\xff"
_FLOAT8_DIGITS = 15
_EPOCH = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


def bound(value: object) -> object:
    """What `parameters.decode` gives, as a value SQLite takes."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if value is None or isinstance(value, str | bytes | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    if isinstance(value, list):
        return array_text(value)
    return value.isoformat(" ") if isinstance(value, dt.datetime) else str(value)


def encode_rows(
    rows: Sequence[tuple[object, ...]], types: Sequence[int], binary: Sequence[bool], environment: Environment
) -> bytes:
    encoders = [
        _binary_encoder(oid) if flag else _text_encoder(oid, environment)
        for oid, flag in zip(types, binary, strict=True)
    ]
    head = len(types).to_bytes(2, "big")
    parts: list[bytes] = []
    for row in rows:
        cells = [
            _NULL if value is None else _sized(encode(value))
            for value, encode in zip(row, encoders, strict=True)
        ]
        size = 6 + sum(map(len, cells))
        parts += (b"D", size.to_bytes(4, "big"), head, *cells)
    return b"".join(parts)


def _sized(cell: bytes) -> bytes:
    return len(cell).to_bytes(4, "big") + cell


def _text_encoder(oid: int, environment: Environment) -> Callable[[object], bytes]:
    if oid == oids.BOOL:
        return lambda value: b"t" if _truth(value) else b"f"
    if oid == oids.BYTEA:
        return lambda value: (
            b"\\x" + value.hex().encode() if isinstance(value, bytes) else str(value).encode()
        )
    return lambda value: _text(environment.printed(oid, value)).encode()


def _text(value: object) -> str:
    return float_text(repr(value), _FLOAT8_DIGITS) if isinstance(value, float) else str(value)


def _truth(value: object) -> bool:
    return value not in (0, "0", "f", "false", "")


_WIDTHS = {
    oids.INT2: 2,
    oids.INT4: 4,
    oids.INT8: 8,
    oids.OID: 4,
    oids.REGCLASS: 4,
    oids.REGTYPE: 4,
    24: 4,
    28: 4,
    4089: 4,
    4096: 4,
}


def _binary_encoder(oid: int) -> Callable[[object], bytes]:
    element = oids.ELEMENTS.get(oid)
    if element is not None:
        encode = _binary_encoder(element)
        return lambda value: array_bytes([None if i is None else encode(i) for i in items(value)], element)
    if oid == oids.BOOL:
        return lambda value: b"\x01" if _truth(value) else b"\x00"
    if oid in _WIDTHS:
        width = _WIDTHS[oid]
        return lambda value: _number(value).to_bytes(width, "big", signed=_number(value) < 0)
    if oid == oids.NUMERIC:
        return lambda value: numeric_bytes(Decimal(str(value)))
    if oid in (oids.FLOAT4, oids.FLOAT8):
        return lambda value: struct.pack("!f" if oid == oids.FLOAT4 else "!d", float(str(value)))
    if oid == oids.TIMESTAMPTZ:
        return lambda value: _timestamp(dt.datetime.fromisoformat(f"{value}:00"))
    if oid == oids.TIMESTAMP:
        return lambda value: _timestamp(dt.datetime.fromisoformat(f"{value}+00:00"))
    if oid == oids.DATE:
        return lambda value: struct.pack("!i", (dt.date.fromisoformat(str(value)) - _EPOCH.date()).days)
    return lambda value: value if isinstance(value, bytes) else str(value).encode()


def _number(value: object) -> int:
    """A regproc is stored by its name and has no number."""
    return int(str(value)) if str(value).lstrip("-").isdigit() else 0


def _timestamp(moment: dt.datetime) -> bytes:
    since = moment - _EPOCH
    return (since // dt.timedelta(microseconds=1)).to_bytes(8, "big", signed=True)

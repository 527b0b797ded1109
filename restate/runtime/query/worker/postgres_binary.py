"""Arrow columns in PostgreSQL's binary format."""

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from restate.runtime.query.worker.big_endian import big_endian
from restate.runtime.query.worker.oids import ELEMENTS, type_oid
from restate.runtime.query.worker.postgres_text import (
    BYTES,
    groups,
    intervals,
    is_bytes,
    is_plain_list,
    json_text,
)

_EPOCH_US = pa.scalar(946_684_800_000_000, pa.int64())
"""2000-01-01 UTC in microseconds since 1970."""
_EPOCH_DAYS = pa.scalar(10_957, pa.int32())
_NAN = b"\x00\x00\x00\x00\xc0\x00\x00\x00"
_INFINITY = {False: b"\x00\x00\x00\x00\xd0\x00\x00\x20", True: b"\x00\x00\x00\x00\xf0\x00\x00\x20"}
_NEGATIVE = 0x4000

_WIDENED: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (kinds.is_int8, pa.int16()),
    (kinds.is_uint8, pa.int16()),
    (kinds.is_uint16, pa.int32()),
    (kinds.is_uint32, pa.int64()),
    (kinds.is_float16, pa.float32()),
)
"""Types that have no width of their own in PostgreSQL."""


def binary_column(column: pa.Array) -> pa.Array:
    """large_binary of the values; NULL stays NULL."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return binary_column(column.cast(kind.value_type))
    if is_bytes(kind) or kinds.is_string(kind) or kinds.is_large_string(kind):
        return column.cast(BYTES)
    if kinds.is_string_view(kind):
        return column.cast(pa.large_string()).cast(BYTES)
    if kinds.is_boolean(kind):
        return pc.if_else(column, pa.scalar(b"\x01", BYTES), pa.scalar(b"\x00", BYTES))
    if kinds.is_timestamp(kind) or kinds.is_date64(kind):
        zone = kind.tz if kinds.is_timestamp(kind) else None
        micros = column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
        return big_endian(pc.subtract(micros, _EPOCH_US))
    if kinds.is_date32(kind):
        return big_endian(pc.subtract(column.cast(pa.int32()), _EPOCH_DAYS))
    if kinds.is_time(kind):
        return big_endian(column.cast(pa.time64("us"), safe=False).cast(pa.int64()))
    if (kinds.is_integer(kind) and not kinds.is_uint64(kind)) or kinds.is_floating(kind):
        widened = next((wider for matches, wider in _WIDENED if matches(kind)), kind)
        return big_endian(column.cast(widened))
    return _each(column)


def _each(column: pa.Array) -> pa.Array:
    """For the rare types, whose values are made one by one."""
    values, encode = _encoder(column)
    return pa.array([None if value is None else encode(value) for value in values], BYTES)


def _encoder(column: pa.Array) -> tuple[Sequence[object], Callable[..., bytes]]:
    """Values in Python, and what encodes one."""
    kind = column.type
    if kinds.is_uint64(kind):
        return column.to_pylist(), _whole_bytes
    if kinds.is_decimal(kind):
        return column.to_pylist(), numeric_bytes
    if kinds.is_duration(kind) or kinds.is_interval(kind):
        return intervals(column), _interval_bytes
    if is_plain_list(kind):
        oid = ELEMENTS[type_oid(kind)]
        elements = column.flatten()
        if kinds.is_integer(kind.value_type) and not kinds.is_uint64(kind.value_type):
            elements = elements.cast(pa.int64())
        return groups(column, binary_column(elements).to_pylist()), lambda values: array_bytes(values, oid)
    return column.to_pylist(), lambda value: json_text(value).encode()


def numeric_bytes(value: int | Decimal) -> bytes:
    """int16 digit count, weight, sign and scale, then the digits to base 10000, the one before the point having weight 0."""
    number = Decimal(value)
    if number.is_nan():
        return _NAN
    if number.is_infinite():
        return _INFINITY[number.is_signed()]
    whole, _, fraction = format(abs(number), "f").partition(".")
    scale = len(fraction)
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-scale // 4) * 4, "0")
    text = whole + fraction
    digits = [int(text[at : at + 4]) for at in range(0, len(text), 4)]
    weight = len(whole) // 4 - 1
    while digits and digits[0] == 0:
        del digits[0]
        weight -= 1
    while digits and digits[-1] == 0:
        del digits[-1]
    if not digits:
        weight = 0
    sign = _NEGATIVE if number < 0 else 0
    head = (len(digits), weight, sign, scale)
    return b"".join(part.to_bytes(2, "big", signed=part < 0) for part in (*head, *digits))


def _whole_bytes(value: int) -> bytes:
    """As `numeric_bytes`, five times as fast, for the partition keys that stand in every row."""
    digits: list[int] = []
    while value:
        value, digit = divmod(value, 10_000)
        digits.append(digit)
    weight = len(digits) - 1
    while digits and digits[0] == 0:
        del digits[0]
    return struct.pack(f"!4H{len(digits)}H", len(digits), max(weight, 0), 0, 0, *reversed(digits))


def array_bytes(elements: Sequence[bytes | None], oid: int) -> bytes:
    """One dimension, from 1; an empty array has none. oid: of the elements, which are encoded."""
    has_null = any(element is None for element in elements)
    head = (1 if elements else 0, int(has_null), oid)
    parts = [part.to_bytes(4, "big") for part in head]
    if elements:
        parts += [len(elements).to_bytes(4, "big"), (1).to_bytes(4, "big")]
    for element in elements:
        parts.append(b"\xff\xff\xff\xff" if element is None else len(element).to_bytes(4, "big") + element)
    return b"".join(parts)


def _interval_bytes(interval: tuple[int, int, int]) -> bytes:
    months, days, micros = interval
    return b"".join(
        (
            micros.to_bytes(8, "big", signed=True),
            days.to_bytes(4, "big", signed=True),
            months.to_bytes(4, "big", signed=True),
        )
    )

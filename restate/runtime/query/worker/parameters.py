"""What a client binds to `$n`, as the value that the engines take.

Types we do not know are taken as text, which the engine coerces to what the place in the statement needs.
"""

import datetime as dt
import json
import re
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import pyarrow as pa

from restate.runtime.query.errors import BAD_VALUE, QueryError
from restate.runtime.query.worker import oids

BAD_BINARY = "22P03"

_UTC = dt.UTC
_POSTGRES_EPOCH = dt.datetime(2000, 1, 1)
_TRUE = frozenset({"t", "tr", "tru", "true", "y", "ye", "yes", "on", "1"})
_FALSE = frozenset({"f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0"})
_INT64 = range(-(2**63), 2**63)
_UINT64 = range(2**64)
_INTEGER_RANGES = {
    oids.INT2: range(-(2**15), 2**15),
    oids.INT4: range(-(2**31), 2**31),
    oids.INT8: _INT64,
    oids.OID: range(2**32),
}
_TYPE_NAMES = {
    **{oids.BOOL: "boolean", oids.BYTEA: "bytea", oids.INT2: "smallint", oids.INT4: "integer", oids.INT8: "bigint"},
    **{oids.OID: "oid", oids.FLOAT4: "real", oids.FLOAT8: "double precision", oids.NUMERIC: "numeric"},
    **{oids.DATE: "date", oids.TIME: "time", oids.TIMESTAMP: "timestamp", oids.UUID: "uuid"},
    **{oids.TIMESTAMPTZ: "timestamp with time zone", oids.INTERVAL: "interval"},
}  # fmt: skip
_OFFSET = re.compile(r"([+-])(\d{2})(?::?(\d{2}))?(?::?(\d{2}))?$")
_INTERVAL_UNITS = {
    **{"year": (12, 0, 0), "mon": (1, 0, 0), "month": (1, 0, 0), "week": (0, 7, 0), "day": (0, 1, 0)},
    **{"hour": (0, 0, 3_600_000_000), "min": (0, 0, 60_000_000), "minute": (0, 0, 60_000_000)},
    **{"sec": (0, 0, 1_000_000), "second": (0, 0, 1_000_000), "millisecond": (0, 0, 1000), "microsecond": (0, 0, 1)},
}  # fmt: skip
"""{unit: (months, days, microseconds)}."""
_INTERVAL_PART = re.compile(
    r"\s*(?:([+-]?\d+(?:\.\d+)?)\s*([a-z]+)|([+-])?(\d+):(\d{2})(?::(\d{2}(?:\.\d+)?))?)\s*", re.IGNORECASE
)


def decode(oid: int, value: bytes | None, binary: bool) -> object:
    """A Python value or pyarrow scalar. oid: 0 or an unknown one is text. Raises QueryError 22P02, 22P03, 08P01, 22021."""
    if value is None:
        return None
    element = oids.ELEMENTS.get(oid)
    if element is not None:
        return _binary_array(value) if binary else _text_array(element, _text(value))
    return _from_binary(oid, value) if binary else _from_text(oid, _text(value))


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise QueryError(
            'invalid byte sequence for encoding "UTF8"; send parameters as UTF-8', "22021"
        ) from error
    if "\x00" in text:
        raise QueryError('invalid byte sequence for encoding "UTF8": 0x00', "22021")
    return text


# Text.


def _from_text(oid: int, text: str) -> object:
    parse = _TEXT_FORMS.get(oid)
    if parse is None:
        return text
    try:
        return parse(oid, text)
    except (ValueError, KeyError, InvalidOperation, OverflowError) as error:
        raise QueryError(f'invalid input syntax for type {_TYPE_NAMES[oid]}: "{text}"', BAD_VALUE) from error


def _bool_text(_: int, text: str) -> bool:
    word = text.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(word)


def _integer_text(oid: int, text: str) -> int:
    number = int(text)
    if number not in _INTEGER_RANGES[oid]:
        raise QueryError(f'value "{text.strip()}" is out of range for type {_TYPE_NAMES[oid]}', "22003")
    return number


def _numeric_text(_: int, text: str) -> object:
    return _numeric(Decimal(text.strip()))


def _numeric(number: Decimal) -> object:
    """Whole numbers stay integers: a partition key is compared as UInt64, and only then is a point lookup seen."""
    if not number.is_finite():
        return float(number)
    if number == number.to_integral_value():
        whole = int(number)
        if whole in _INT64:
            return whole
        if whole in _UINT64:
            return pa.scalar(whole, pa.uint64())
    return number


def _float_text(_: int, text: str) -> float:
    return float(text)


def _bytea_text(_: int, text: str) -> bytes:
    r"""`\x` and hex, or the older form with `\\` and `\ooo`."""
    if text.startswith("\\x"):
        return bytes.fromhex(text[2:])
    return re.sub(
        rb"\\(\\|[0-3][0-7]{2})",
        lambda m: b"\\" if m[1] == b"\\" else bytes((int(m[1], 8),)),
        text.encode(),
    )


def _date_text(_: int, text: str) -> dt.date:
    return dt.date.fromisoformat(text.strip())


def _time_text(_: int, text: str) -> dt.time:
    return dt.time.fromisoformat(text.strip())


def _timestamp_text(oid: int, text: str) -> dt.datetime:
    moment = _moment(text.strip())
    if oid == oids.TIMESTAMP:
        return moment.replace(tzinfo=None)
    return moment.replace(tzinfo=_UTC) if moment.tzinfo is None else moment.astimezone(_UTC)


def _moment(text: str) -> dt.datetime:
    """ISO 8601 with a space or `T`; the offset may be hours only, as PostgreSQL prints it."""
    offset = _OFFSET.search(text)
    if offset and ":" in text[: offset.start()]:
        sign, hours, minutes, seconds = offset.groups(default="00")
        text = f"{text[: offset.start()].strip()}{sign}{hours}:{minutes}:{seconds}"
    return dt.datetime.fromisoformat(text)


def _interval_text(_: int, text: str) -> object:
    months, days, micros = 0, 0, Decimal(0)
    at = 0
    while at < len(text):
        part = _INTERVAL_PART.match(text, at)
        if part is None:
            raise ValueError(text)
        at = part.end()
        if part[1]:
            unit = part[2].lower()
            per_month, per_day, per_micro = _INTERVAL_UNITS[unit if unit in _INTERVAL_UNITS else unit[:-1]]
            count = Decimal(part[1])
            months += int(count * per_month)
            days += int(count * per_day)
            micros += count * per_micro
        else:
            sign = -1 if part[3] == "-" else 1
            seconds = int(part[4]) * 3600 + int(part[5]) * 60 + Decimal(part[6] or 0)
            micros += sign * seconds * 1_000_000
    if not text.strip():
        raise ValueError(text)
    return _interval(months, days, int(micros))


def _interval(months: int, days: int, micros: int) -> object:
    return pa.scalar((months, days, micros * 1000), pa.month_day_nano_interval())


def _uuid_text(_: int, text: str) -> str:
    return str(uuid.UUID(text.strip()))


_TEXT_FORMS: dict[int, Callable[[int, str], object]] = {
    oids.BOOL: _bool_text,
    oids.INT2: _integer_text,
    oids.INT4: _integer_text,
    oids.INT8: _integer_text,
    oids.OID: _integer_text,
    oids.NUMERIC: _numeric_text,
    oids.FLOAT4: _float_text,
    oids.FLOAT8: _float_text,
    oids.BYTEA: _bytea_text,
    oids.DATE: _date_text,
    oids.TIME: _time_text,
    oids.TIMESTAMP: _timestamp_text,
    oids.TIMESTAMPTZ: _timestamp_text,
    oids.INTERVAL: _interval_text,
    oids.UUID: _uuid_text,
}


def _text_array(element: int, text: str) -> list[object]:
    return [None if item is None else _from_text(element, item) for item in parse_array(text)]


def parse_array(text: str) -> list[str | None]:
    """The elements of `{a,"b c",NULL}`, of one dimension. Raises QueryError 22P02."""
    body = text.strip()
    if not (body.startswith("{") and body.endswith("}")):
        raise QueryError(f'malformed array literal: "{text}"; expected {{...}}', BAD_VALUE)
    found: list[str | None] = []
    at, end = 1, len(body) - 1
    while at < end:
        item, at = _array_item(body, at, text)
        found.append(item)
        if at < end and body[at] != ",":
            raise QueryError(f'malformed array literal: "{text}"; expected a comma', BAD_VALUE)
        at += 1
    return found


def _array_item(body: str, at: int, text: str) -> tuple[str | None, int]:
    """(element, place behind it)."""
    while body[at].isspace():
        at += 1
    quoted = body[at] == '"'
    at += quoted
    start, characters = at, []
    while at < len(body):
        char = body[at]
        if char == "\\":
            at += 1
            characters.append(body[at])
        elif quoted and char == '"':
            at += 1
            while body[at].isspace():
                at += 1
            return "".join(characters), at
        elif not quoted and char in ",}":
            word = "".join(characters).rstrip()
            return (None if word.upper() == "NULL" and at - start >= 4 else word), at
        elif not quoted and char in '{"':
            raise QueryError(f'malformed array literal: "{text}"; only one dimension is supported', BAD_VALUE)
        else:
            characters.append(char)
        at += 1
    raise QueryError(f'malformed array literal: "{text}"; a quote is not closed', BAD_VALUE)


# Binary.


def _from_binary(oid: int, value: bytes) -> object:
    form = _BINARY_FORMS.get(oid)
    if form is None:
        return _text(value)
    size, unpack = form
    if size is not None and len(value) != size:
        raise QueryError(
            f"incorrect binary data format: type {_TYPE_NAMES.get(oid, oid)} takes {size} bytes, {len(value)} came",
            BAD_BINARY,
        )
    try:
        return unpack(value)
    except (struct.error, ValueError, OverflowError, IndexError) as error:
        raise QueryError(
            f"incorrect binary data format for type {_TYPE_NAMES.get(oid, oid)}: {value.hex()}", BAD_BINARY
        ) from error


def _signed(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _timestamp_binary(value: bytes) -> dt.datetime:
    return _POSTGRES_EPOCH + dt.timedelta(microseconds=_signed(value))


def _interval_binary(value: bytes) -> object:
    micros, days, months = struct.unpack("!qii", value)
    return _interval(months, days, micros)


def _numeric_binary(value: bytes) -> object:
    count, weight, sign, scale = struct.unpack_from("!HhHH", value)
    if sign == 0xC000:
        return float("nan")
    if sign in (0xD000, 0xF000):
        return float("inf") if sign == 0xD000 else float("-inf")
    digits = struct.unpack_from(f"!{count}H", value, 8)
    if sign not in (0, 0x4000) or len(value) != 8 + 2 * count or any(digit > 9999 for digit in digits):
        raise ValueError(value)
    number = sum(
        (Decimal(digit).scaleb(4 * (weight - place)) for place, digit in enumerate(digits)), Decimal(0)
    )
    number = round(number, scale)
    return _numeric(-number if sign else number)


def _jsonb_binary(value: bytes) -> str:
    if value[0] != 1:
        raise ValueError(value)
    json.loads(value[1:])
    return value[1:].decode()


_BINARY_FORMS: dict[int, tuple[int | None, Callable[[bytes], object]]] = {
    oids.BOOL: (1, lambda value: value != b"\x00"),
    oids.INT2: (2, _signed),
    oids.INT4: (4, _signed),
    oids.INT8: (8, _signed),
    oids.OID: (4, lambda value: int.from_bytes(value, "big")),
    oids.FLOAT4: (4, lambda value: struct.unpack("!f", value)[0]),
    oids.FLOAT8: (8, lambda value: struct.unpack("!d", value)[0]),
    oids.NUMERIC: (None, _numeric_binary),
    oids.BYTEA: (None, bytes),
    oids.DATE: (4, lambda value: (_POSTGRES_EPOCH + dt.timedelta(days=_signed(value))).date()),
    oids.TIME: (8, lambda value: (dt.datetime.min + dt.timedelta(microseconds=_signed(value))).time()),
    oids.TIMESTAMP: (8, _timestamp_binary),
    oids.TIMESTAMPTZ: (8, lambda value: _timestamp_binary(value).replace(tzinfo=_UTC)),
    oids.INTERVAL: (16, _interval_binary),
    oids.UUID: (16, lambda value: str(uuid.UUID(bytes=value))),
    oids.JSONB: (None, _jsonb_binary),
}
"""{oid: (bytes it must have or None, how they are read)}."""


def _binary_array(value: bytes) -> list[object]:
    try:
        dimensions, _, element = struct.unpack_from("!iiI", value)
        if dimensions == 0:
            return []
        if dimensions != 1:
            raise QueryError("arrays of more than one dimension are not supported", "0A000")
        (count,) = struct.unpack_from("!i", value, 12)
        found, at = [], 20
        for _ in range(count):
            (size,) = struct.unpack_from("!i", value, at)
            at += 4
            if size < -1 or at + max(size, 0) > len(value):
                raise ValueError(size)
            found.append(None if size == -1 else _from_binary(element, value[at : at + size]))
            at += max(size, 0)
    except (struct.error, ValueError) as error:
        raise QueryError(f"incorrect binary data format of an array: {value.hex()}", BAD_BINARY) from error
    if at != len(value):
        raise QueryError(f"incorrect binary data format of an array: {value.hex()}", BAD_BINARY)
    return found

"""Rows as JSON objects, in the form that the command line of the modern generation reads (sql.md §2.2).

NULL has no key. Times are RFC 3339, with `Z` if they have a zone; durations ISO 8601; bytes lower-case hex.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
_EPOCH = dt.datetime(1970, 1, 1)
_PYTHON_MS = range(-62_135_596_800_000, 253_402_300_800_000)
"""The years 1 to 9999, which Python has times for."""
_FEW_ROWS = 64
"""Up to so many rows, Arrow's functions cost more than they save."""
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_ZONE = pa.scalar("Z")
_NOTHING = pa.scalar("")

OPENING = b'{"rows":['
CLOSING = b"]}"


class JsonRows:
    """Encodes the batches of one result. Before the first row OPENING, after the last CLOSING."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._first = True

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The rows, with a comma before all but the first of the result."""
        # Of fifty columns of an invocation, most are NULL in every row.
        filled = [place for place, column in enumerate(batch.columns) if column.null_count < len(column)]
        names = [self._names[place] for place in filled]
        columns = [_values(batch.column(place)) for place in filled]
        objects: list[dict[str, Any]]
        if not columns:
            objects = [{}] * batch.num_rows
        elif any(batch.column(place).null_count for place in filled):
            objects = [
                {name: value for name, value in zip(names, row, strict=True) if value is not None}
                for row in zip(*columns, strict=True)
            ]
        else:
            objects = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        text = _encode(objects)[1:-1]
        if not self._first and objects:
            text = b"," + text
        self._first = self._first and not objects
        return text


def _values(column: pa.Array) -> list[Any]:
    """What the JSON encoder takes."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return _values(column.dictionary_decode())
    if kinds.is_timestamp(kind):
        return _timestamps(column)
    if kinds.is_duration(kind):
        # Retentions are the same few in every row.
        per_second, numbers = _UNITS[kind.unit], _integers(column)
        texts = {number: _each(number, lambda raw: duration_text(raw, per_second)) for number in set(numbers)}
        return [texts[number] for number in numbers]
    convert = _converter(kind)
    values: list[Any] = column.to_pylist()
    return values if convert is None else [_each(value, convert) for value in values]


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    return None if value is None else convert(value)


def _integers(column: pa.Array) -> list[int | None]:
    values: list[int | None] = column.cast(pa.int64()).to_pylist()
    return values


def _timestamps(column: pa.Array) -> list[str | None]:
    zoned = column.type.tz is not None
    if len(column) <= _FEW_ROWS and column.type.unit == "ms":
        numbers = _integers(column)
        if all(number is None or number in _PYTHON_MS for number in numbers):
            suffix = "Z" if zoned else ""
            return [_each(number, lambda raw: milliseconds_text(raw) + suffix) for number in numbers]
    texts = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    texts = pc.replace_substring(texts, " ", "T")
    # Arrow prints all digits of the fraction; here it has none, or three, six or nine.
    for group in range(_DIGITS[column.type.unit] // 3, 0, -1):
        end = "000" if group > 1 else ".000"
        texts = pc.if_else(pc.ends_with(texts, end), pc.utf8_slice_codeunits(texts, 0, -len(end)), texts)
    if zoned:
        texts = pc.binary_join_element_wise(texts, _ZONE, _NOTHING)
    found: list[str | None] = texts.to_pylist()
    return found


def milliseconds_text(value: int) -> str:
    """Of a time since 1970 in the years 1 to 9999, without zone."""
    seconds, rest = divmod(value, 1000)
    text = (_EPOCH + dt.timedelta(seconds=seconds)).isoformat()
    return f"{text}.{rest:03d}" if rest else text


def duration_text(value: int, per_second: int) -> str:
    """`PT86400S`, `-PT0.5S`."""
    seconds, rest = divmod(abs(value), per_second)
    digits = len(str(per_second)) - 1
    fraction = f".{rest:0{digits}d}".rstrip("0") if rest else ""
    return f"{'-' if value < 0 else ''}PT{seconds}{fraction}S"


def _converter(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """None: as it is."""
    if kinds.is_binary(kind) or kinds.is_large_binary(kind) or kinds.is_fixed_size_binary(kind):
        return bytes.hex
    if kinds.is_binary_view(kind):
        return bytes.hex
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        inner = _converter(kind.value_type)
        return None if inner is None else lambda values: [_each(value, inner) for value in values]
    if (
        kinds.is_struct(kind)
        or kinds.is_timestamp(kind)
        or kinds.is_duration(kind)
        or kinds.is_interval(kind)
    ):
        return _nested
    if kinds.is_map(kind):
        return lambda pairs: {str(key): _nested(value) for key, value in pairs}
    if kinds.is_date(kind) or kinds.is_time(kind):
        return _nested
    return None


def _nested(value: Any) -> Any:
    """A value inside another one, of whatever type."""
    match value:
        case bytes():
            return value.hex()
        case dt.datetime():
            text = value.replace(tzinfo=None).isoformat()
            return text if value.tzinfo is None else f"{text}Z"
        case dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return duration_text(round(value / dt.timedelta(microseconds=1)), 1_000_000)
        case pa.MonthDayNano():
            return interval_text(value.months, value.days, value.nanoseconds)
        case list():
            return [_nested(inner) for inner in value]
        case dict():
            return {key: _nested(inner) for key, inner in value.items() if inner is not None}
    return value


def interval_text(months: int, days: int, nanoseconds: int) -> str:
    """`1 mons 2 days 3 hours 0.5 secs`, without what is zero."""
    sign = -1 if nanoseconds < 0 else 1
    minutes, rest = divmod(abs(nanoseconds), 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    parts = [(months, "mons"), (days, "days"), (sign * hours, "hours"), (sign * minutes, "mins")]
    texts = [f"{number} {unit}" for number, unit in parts if number]
    if rest:
        texts.append(f"{sign * rest / 1e9:g} secs")
    return " ".join(texts) or "0 secs"

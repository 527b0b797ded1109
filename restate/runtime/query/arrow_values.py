"""Arrow values as what JSON can hold, for the JSON form of a result and for the tables of our own command line.

Times are RFC 3339, with `Z` if they have a zone; durations ISO 8601; bytes lower-case hex (sql.md §2.2). Whole columns are
converted, those inside lists and structs as well: Python's own times know neither nanoseconds nor the years after 9999.
"""

import datetime as dt
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

_EPOCH = dt.datetime(1970, 1, 1)
_PYTHON_MS = range(-62_135_596_800_000, 253_402_300_800_000)
"""The years 1 to 9999, which Python has times for."""
_FEW_ROWS = 64
"""Up to so many rows, Arrow's functions cost more than they save."""
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DIGITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
_ZONE = pa.scalar("Z")
_NOTHING = pa.scalar("")


def values(column: pa.Array) -> list[Any]:
    """Text, numbers (also decimal.Decimal), booleans, lists, dicts without what is NULL, and None."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return values(column.dictionary_decode())
    if kinds.is_timestamp(kind):
        return _timestamps(column)
    if kinds.is_duration(kind):
        # Retentions are the same few in every row.
        per_second, numbers = _UNITS[kind.unit], _integers(column)
        texts = {number: _each(number, lambda raw: duration_text(raw, per_second)) for number in set(numbers)}
        return [texts[number] for number in numbers]
    if kinds.is_map(kind):
        return _maps(column)
    if kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind):
        return _lists(column)
    if kinds.is_struct(kind):
        return _structs(column)
    if kinds.is_date(kind):
        return list(column.cast(pa.string()).to_pylist())
    if kinds.is_time(kind):
        return _without_zeros(column.cast(pa.string()), kind.unit).to_pylist()  # type: ignore[no-any-return]
    found: list[Any] = column.to_pylist()
    convert = _converter(kind)
    return found if convert is None else [_each(value, convert) for value in found]


def _each(value: Any, convert: Callable[[Any], Any]) -> Any:
    return None if value is None else convert(value)


def _integers(column: pa.Array) -> list[int | None]:
    found: list[int | None] = column.cast(pa.int64()).to_pylist()
    return found


def _timestamps(column: pa.Array) -> list[str | None]:
    zoned, unit = column.type.tz is not None, column.type.unit
    if len(column) <= _FEW_ROWS and unit == "ms":
        numbers = _integers(column)
        if all(number is None or number in _PYTHON_MS for number in numbers):
            suffix = "Z" if zoned else ""
            return [_each(number, lambda raw: milliseconds_text(raw) + suffix) for number in numbers]
    texts = column.cast(pa.timestamp(unit)).cast(pa.string())
    texts = _without_zeros(pc.replace_substring(texts, " ", "T"), unit)
    if zoned:
        texts = pc.binary_join_element_wise(texts, _ZONE, _NOTHING)
    found: list[str | None] = texts.to_pylist()
    return found


def _without_zeros(texts: pa.Array, unit: str) -> pa.Array:
    """Arrow prints all digits of a fraction; here it has none, or three, six or nine."""
    for group in range(_DIGITS[unit] // 3, 0, -1):
        end = "000" if group > 1 else ".000"
        texts = pc.if_else(pc.ends_with(texts, end), pc.utf8_slice_codeunits(texts, 0, -len(end)), texts)
    return texts


def _lists(column: pa.Array) -> list[list[Any] | None]:
    inner = iter(values(column.flatten()))
    return [_each(length, lambda count: list(islice(inner, count))) for length in _lengths(column)]


def _lengths(column: pa.Array) -> Iterable[int | None]:
    lengths: list[int | None] = pc.list_value_length(column).to_pylist()
    return lengths


def _structs(column: pa.Array) -> list[dict[str, Any] | None]:
    names = [column.type.field(place).name for place in range(column.type.num_fields)]
    fields = [values(field) for field in column.flatten()]
    there = column.is_valid().to_pylist()
    return [
        {name: field[row] for name, field in zip(names, fields, strict=True) if field[row] is not None}
        if there[row]
        else None
        for row in range(len(there))
    ]


def _maps(column: pa.Array) -> list[dict[str, Any] | None]:
    kind = column.type
    # Arrow has no functions for maps; as lists of pairs they are all there.
    pair = pa.struct([("key", kind.key_type), ("value", kind.item_type)])
    pairs = values(column.cast(pa.list_(pair)))
    return [
        _each(row, lambda found: {str(each["key"]): each.get("value") for each in found}) for row in pairs
    ]


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
    if kinds.is_interval(kind):
        return lambda value: interval_text(value.months, value.days, value.nanoseconds)
    return None


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

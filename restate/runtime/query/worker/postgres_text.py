"""Arrow columns in PostgreSQL's text format."""

import json
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from restate.runtime.query.worker.oids import is_list

BYTES = pa.large_binary()
"""Of every encoded column; offsets of 64 bits, because one batch may hold more than 2 GiB of text."""

_NEEDS_QUOTES = re.compile(r'[{}",\\\s]|^$|^null$', re.IGNORECASE)
_US_PER_S = 1_000_000
_MICROSECONDS = pa.timestamp("us")
_UTC = pa.scalar("+00")
_NOTHING = pa.scalar("")
_TRUE, _FALSE = pa.scalar("t"), pa.scalar("f")
_FIXED_DIGITS = {pa.float16(): 6, pa.float32(): 6, pa.float64(): 15}
"""PostgreSQL prints a float in scientific form if its exponent is below -4, or this or above."""


def text_column(column: pa.Array, timezone: str) -> pa.Array:
    """large_binary of the texts; NULL stays NULL. timezone: for timestamps that have a zone."""
    kind = column.type
    if kinds.is_dictionary(kind):
        return text_column(column.cast(kind.value_type), timezone)
    if kinds.is_string(kind) or kinds.is_large_string(kind):
        return column.cast(BYTES)
    if (
        kinds.is_string_view(kind)
        or kinds.is_integer(kind)
        or kinds.is_date32(kind)
        or kinds.is_decimal(kind)
    ):
        return column.cast(pa.string()).cast(BYTES)
    if kinds.is_boolean(kind):
        return pc.if_else(column, _TRUE, _FALSE).cast(BYTES)
    if kinds.is_timestamp(kind) or kinds.is_date64(kind):
        return _timestamps(column, timezone).cast(BYTES)
    if kinds.is_time(kind):
        return _trimmed(column.cast(pa.time64("us"), safe=False)).cast(BYTES)
    return _each(column, timezone)


def _each(column: pa.Array, timezone: str) -> pa.Array:
    """For the rare types, whose values are made one by one."""
    if is_plain_list(column.type):
        return _lists(column, timezone)
    values, text = _printer(column)
    return pa.array([None if value is None else text(value).encode() for value in values], BYTES)


def _printer(column: pa.Array) -> tuple[Sequence[object], Callable[..., str]]:
    """Values in Python, and what prints one."""
    kind = column.type
    if kinds.is_floating(kind):
        digits = _FIXED_DIGITS[kind]
        return column.cast(pa.string()).to_pylist(), lambda text: float_text(text, digits)
    if is_bytes(kind):
        return column.cast(BYTES).to_pylist(), lambda value: "\\x" + value.hex()
    if kinds.is_duration(kind) or kinds.is_interval(kind):
        return intervals(column), lambda interval: interval_text(*interval)
    return column.to_pylist(), json_text


def is_bytes(kind: pa.DataType) -> bool:
    return bool(
        kinds.is_binary(kind)
        or kinds.is_large_binary(kind)
        or kinds.is_binary_view(kind)
        or kinds.is_fixed_size_binary(kind)
    )


def is_plain_list(kind: pa.DataType) -> bool:
    """Whether it is sent as an array; a list of lists or structs is sent as JSON."""
    return is_list(kind) and not kinds.is_nested(kind.value_type)


def intervals(column: pa.Array) -> list[tuple[int, int, int] | None]:
    """Durations and intervals as (months, days, microseconds)."""
    if kinds.is_duration(column.type):
        micros = column.cast(pa.duration("us"), safe=False).cast(pa.int64()).to_pylist()
        return [None if us is None else (0, 0, us) for us in micros]
    return [None if v is None else (v.months, v.days, int(v.nanoseconds / 1000)) for v in column.to_pylist()]


def groups(column: pa.Array, values: Sequence[bytes | None]) -> list[list[bytes | None] | None]:
    """The elements of each list of the column; values: of `column.flatten()`, encoded."""
    found: list[list[bytes | None] | None] = []
    start = 0
    for size in pc.list_value_length(column).to_pylist():
        if size is None:
            found.append(None)
        else:
            found.append(list(values[start : start + size]))
            start += size
    return found


def _lists(column: pa.Array, timezone: str) -> pa.Array:
    lists = groups(column, text_column(column.flatten(), timezone).to_pylist())
    return pa.array([None if elements is None else _list_text(elements) for elements in lists], BYTES)


def _list_text(elements: Sequence[bytes | None]) -> bytes:
    return (
        b"{" + b",".join(b"NULL" if e is None else element_text(e.decode()).encode() for e in elements) + b"}"
    )


def element_text(text: str) -> str:
    """An element inside of `{...}`, quoted where it must be."""
    if not _NEEDS_QUOTES.search(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _timestamps(column: pa.Array, timezone: str) -> pa.Array:
    zone = column.type.tz if kinds.is_timestamp(column.type) else None
    if zone is None:
        return _trimmed(column.cast(_MICROSECONDS, safe=False))
    if timezone.upper() == "UTC":
        return pc.binary_join_element_wise(_trimmed(column.cast(_MICROSECONDS, safe=False)), _UTC, _NOTHING)
    instants = column.cast(_microseconds(timezone), safe=False)
    here = pc.local_timestamp(instants)
    offsets = pc.subtract(here.cast(pa.int64()), instants.cast(pa.int64())).dictionary_encode()
    texts = pa.array([offset_text(us // _US_PER_S) for us in offsets.dictionary.to_pylist()], pa.string())
    return pc.binary_join_element_wise(_trimmed(here), texts.take(offsets.indices), _NOTHING)


@cache
def _microseconds(timezone: str) -> pa.DataType:
    """Remembered: Arrow looks for a package that is not installed each time."""
    return pa.timestamp("us", timezone)


def _trimmed(times: pa.Array) -> pa.Array:
    """Text without the zeros at the end; Arrow prints all six digits of microseconds."""
    return pc.utf8_rtrim(pc.utf8_rtrim(times.cast(pa.string()), "0"), ".")


def offset_text(seconds: int) -> str:
    """`+00`, `-03:30`, as PostgreSQL prints the distance from UTC."""
    sign = "-" if seconds < 0 else "+"
    minutes, second = divmod(abs(seconds), 60)
    hour, minute = divmod(minutes, 60)
    text = f"{sign}{hour:02}"
    if minute or second:
        text += f":{minute:02}"
    return f"{text}:{second:02}" if second else text


def float_text(text: str, fixed_digits: int) -> str:
    """The shortest digits, as Arrow found them, in PostgreSQL's layout."""
    named = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    if text in named:
        return named[text]
    number = Decimal(text)
    if number == 0:
        return "-0" if number.is_signed() else "0"
    exponent = number.adjusted()
    if -4 <= exponent < fixed_digits:
        fixed = format(number, "f")
        return fixed.rstrip("0").rstrip(".") if "." in fixed else fixed
    digits = "".join(map(str, number.as_tuple().digits)).rstrip("0")
    mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
    return f"{'-' if number < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02}"


def interval_text(months: int, days: int, micros: int) -> str:
    """As `IntervalStyle` postgres prints it: `1 year 2 mons -3 days +04:05:06.5`."""
    years, months = _split(months, 12)
    parts: list[str] = []
    behind_negative = False
    for count, unit in ((years, "year"), (months, "mon"), (days, "day")):
        if count:
            sign = "+" if behind_negative and count > 0 else ""
            parts.append(f"{sign}{count} {unit}{'' if count == 1 else 's'}")
            behind_negative = count < 0
    if micros or not parts:
        sign = "-" if micros < 0 else "+" if behind_negative else ""
        parts.append(sign + _clock_text(abs(micros)))
    return " ".join(parts)


def _clock_text(micros: int) -> str:
    seconds, micros = divmod(micros, _US_PER_S)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return text + f".{micros:06}".rstrip("0") if micros else text


def _split(number: int, unit: int) -> tuple[int, int]:
    """Division that rounds to zero, so that both parts have the sign of the number."""
    whole = abs(number) // unit
    rest = abs(number) % unit
    return (whole, rest) if number >= 0 else (-whole, -rest)


def json_text(value: object) -> str:
    """For what PostgreSQL has no type for."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_json_default)


def _json_default(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)

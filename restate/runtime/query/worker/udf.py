"""The JSON functions that the modern generation offers in SQL, in their forms with one key.

A key is the name of a member, or the place in an array as a number. What is not there, or not JSON, gives NULL.
"""

import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from datafusion import ScalarUDF, udf

Function = Callable[[Any], Any]


def _parse(text: str | None) -> Any:
    try:
        return None if text is None else json.loads(text)
    except (ValueError, RecursionError):
        return None


def _get(text: str | None, key: str | None) -> Any:
    value = _parse(text)
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and key is not None and key.isascii() and key.isdigit():
        place = int(key)
        return value[place] if place < len(value) else None
    return None


def _dump(value: Any) -> str | None:
    return None if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else _dump(value)


def _integer(value: Any) -> int | None:
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return value if fits else None


def _float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def _array(value: Any) -> list[str | None] | None:
    return [_dump(item) for item in value] if isinstance(value, list) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, dict | list) else None


def _member(name: str, kind: pa.DataType, convert: Function) -> ScalarUDF:
    """A function of a JSON text and a key."""

    def apply(texts: pa.Array, names: pa.Array) -> pa.Array:
        pairs = zip(texts.to_pylist(), names.to_pylist(), strict=True)
        return pa.array([convert(_get(text, key)) for text, key in pairs], kind)

    return udf(apply, [pa.utf8(), pa.utf8()], kind, "immutable", name)


def _whole(name: str, kind: pa.DataType, convert: Function) -> ScalarUDF:
    """A function of a JSON text."""

    def apply(texts: pa.Array) -> pa.Array:
        return pa.array([convert(_parse(text)) for text in texts.to_pylist()], kind)

    return udf(apply, [pa.utf8()], kind, "immutable", name)


def _contains(texts: pa.Array, names: pa.Array) -> pa.Array:
    found = []
    for text, key in zip(texts.to_pylist(), names.to_pylist(), strict=True):
        value = _parse(text)
        found.append(key in value if isinstance(value, dict) else _get(text, key) is not None)
    return pa.array(found, pa.bool_())


def _from_scalar(texts: pa.Array) -> pa.Array:
    return pa.array([_dump(text) for text in texts.to_pylist()], pa.utf8())


def _keys(value: Any) -> list[str] | None:
    return list(value) if isinstance(value, dict) else None


FUNCTIONS: tuple[ScalarUDF, ...] = (
    _member("json_get", pa.utf8(), _dump),
    _member("json_get_json", pa.utf8(), _dump),
    _member("json_get_str", pa.utf8(), lambda value: value if isinstance(value, str) else None),
    _member("json_get_int", pa.int64(), _integer),
    _member("json_get_float", pa.float64(), _float),
    _member("json_get_bool", pa.bool_(), lambda value: value if isinstance(value, bool) else None),
    _member("json_get_array", pa.list_(pa.utf8()), _array),
    _member("json_as_text", pa.utf8(), _text),
    udf(_contains, [pa.utf8(), pa.utf8()], pa.bool_(), "immutable", "json_contains"),
    _whole("json_length", pa.uint64(), _length),
    _whole("json_len", pa.uint64(), _length),
    _whole("json_object_keys", pa.list_(pa.utf8()), _keys),
    _whole("json_keys", pa.list_(pa.utf8()), _keys),
    udf(_from_scalar, [pa.utf8()], pa.utf8(), "immutable", "json_from_scalar"),
)

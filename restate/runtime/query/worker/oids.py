"""Which PostgreSQL type stands for an Arrow type on the wire.

UInt64 is numeric, because partition keys lie above 2^63 for half of all rows; int8 would print them as negative.
"""

from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa
import pyarrow.types as kinds

BOOL, BYTEA, CHAR, NAME, INT8, INT2, INT4, TEXT, OID = 16, 17, 18, 19, 20, 21, 23, 25, 26
JSON, FLOAT4, FLOAT8, UNKNOWN, BPCHAR, VARCHAR = 114, 700, 701, 705, 1042, 1043
DATE, TIME, TIMESTAMP, TIMESTAMPTZ, INTERVAL, TIMETZ = 1082, 1083, 1114, 1184, 1186, 1266
NUMERIC, REGCLASS, REGTYPE, UUID, JSONB = 1700, 2205, 2206, 2950, 3802

SIZES: dict[int, int] = {
    **{BOOL: 1, CHAR: 1, NAME: 64, INT8: 8, INT2: 2, INT4: 4, OID: 4, FLOAT4: 4, FLOAT8: 8, DATE: 4, TIME: 8},
    **{
        TIMESTAMP: 8,
        TIMESTAMPTZ: 8,
        INTERVAL: 16,
        TIMETZ: 12,
        UUID: 16,
        REGCLASS: 4,
        REGTYPE: 4,
        UNKNOWN: -2,
    },
}
"""{oid: bytes of a value}; a type that is not here has values of any length (-1)."""

ARRAYS: dict[int, int] = {
    **{BOOL: 1000, BYTEA: 1001, CHAR: 1002, NAME: 1003, INT2: 1005, INT4: 1007, TEXT: 1009, INT8: 1016, OID: 1028},
    **{JSON: 199, FLOAT4: 1021, FLOAT8: 1022, BPCHAR: 1014, VARCHAR: 1015, DATE: 1182, TIME: 1183, TIMESTAMP: 1115},
    **{TIMESTAMPTZ: 1185, INTERVAL: 1187, TIMETZ: 1270, NUMERIC: 1231, REGCLASS: 2210, REGTYPE: 2211, UUID: 2951},
    JSONB: 3807,
}  # fmt: skip
"""{oid of an element: oid of its array}."""

ELEMENTS: dict[int, int] = {array: element for element, array in ARRAYS.items()}

_KINDS: tuple[tuple[Callable[[pa.DataType], bool], int], ...] = (
    (kinds.is_boolean, BOOL),
    (kinds.is_int8, INT2),
    (kinds.is_int16, INT2),
    (kinds.is_uint8, INT2),
    (kinds.is_int32, INT4),
    (kinds.is_uint16, INT4),
    (kinds.is_int64, INT8),
    (kinds.is_uint32, INT8),
    (kinds.is_uint64, NUMERIC),
    (kinds.is_decimal, NUMERIC),
    (kinds.is_float16, FLOAT4),
    (kinds.is_float32, FLOAT4),
    (kinds.is_float64, FLOAT8),
    (kinds.is_string, TEXT),
    (kinds.is_large_string, TEXT),
    (kinds.is_string_view, TEXT),
    (kinds.is_binary, BYTEA),
    (kinds.is_large_binary, BYTEA),
    (kinds.is_binary_view, BYTEA),
    (kinds.is_fixed_size_binary, BYTEA),
    (kinds.is_date32, DATE),
    (kinds.is_date64, TIMESTAMP),
    (kinds.is_time, TIME),
    (kinds.is_duration, INTERVAL),
    (kinds.is_interval, INTERVAL),
)


@lru_cache(256)
def type_oid(arrow_type: pa.DataType) -> int:
    """The oid under which values of this type are sent. Types without a counterpart are sent as JSON text (25)."""
    if kinds.is_timestamp(arrow_type):
        return TIMESTAMP if arrow_type.tz is None else TIMESTAMPTZ
    if kinds.is_dictionary(arrow_type):
        return type_oid(arrow_type.value_type)
    if is_list(arrow_type):
        return _list_oid(arrow_type.value_type)
    return next((oid for matches, oid in _KINDS if matches(arrow_type)), TEXT)


def column_type(arrow_type: pa.DataType) -> tuple[int, int]:
    """(oid, bytes of a value or -1), as RowDescription states them."""
    oid = type_oid(arrow_type)
    return oid, size_of(oid)


def size_of(oid: int) -> int:
    return SIZES.get(oid, -1)


def is_list(arrow_type: pa.DataType) -> bool:
    return bool(
        kinds.is_list(arrow_type) or kinds.is_large_list(arrow_type) or kinds.is_fixed_size_list(arrow_type)
    )


def _list_oid(element: pa.DataType) -> int:
    """Integers of every width travel as int8[], the one integer array that every driver knows by itself."""
    if is_list(element) or kinds.is_nested(element):
        return TEXT
    oid = type_oid(element)
    return ARRAYS[INT8 if oid in (INT2, INT4) else oid]

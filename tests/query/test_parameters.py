"""What a client binds: text and binary forms of every type, and what is wrong with bad ones."""

import contextlib
import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker import oids
from restate.runtime.query.worker.parameters import decode, parse_array

BERLIN = dt.timezone(dt.timedelta(hours=1))
MOMENT = dt.datetime(2026, 11, 23, 2, 48, 0, 870000)


def plain(value: object) -> Any:
    return value.as_py() if isinstance(value, pa.Scalar) else value


@pytest.mark.parametrize(
    ("oid", "text", "expected"),
    [
        (0, "any", "any"),
        (oids.TEXT, "", ""),
        (oids.VARCHAR, "é", "é"),
        (oids.JSON, '{"a": 1}', '{"a": 1}'),
        (oids.BOOL, "t", True),
        (oids.BOOL, " FALSE ", False),
        (oids.BOOL, "on", True),
        (oids.INT2, "-5", -5),
        (oids.INT8, " 7 ", 7),
        (oids.OID, "4294967295", 4294967295),
        (oids.NUMERIC, "18446744073709551615", 2**64 - 1),
        (oids.NUMERIC, "1.50", Decimal("1.50")),
        (oids.NUMERIC, "10.00", 10),
        (oids.FLOAT8, "1e3", 1000.0),
        (oids.FLOAT8, "-Infinity", float("-inf")),
        (oids.BYTEA, "\\x00ff", b"\x00\xff"),
        (oids.BYTEA, "a\\\\b\\001", b"a\\b\x01"),
        (oids.DATE, "2026-11-23", dt.date(2026, 11, 23)),
        (oids.TIME, "02:48:00.5", dt.time(2, 48, 0, 500000)),
        (oids.TIMESTAMP, "2026-11-23 02:48:00.87", MOMENT),
        (oids.TIMESTAMPTZ, "2026-11-23 02:48:00.87", MOMENT.replace(tzinfo=dt.UTC)),
        (oids.TIMESTAMPTZ, "2026-11-23 03:48:00.87+01", MOMENT.replace(tzinfo=dt.UTC)),
        (oids.TIMESTAMPTZ, "2026-11-23T02:48:00.87Z", MOMENT.replace(tzinfo=dt.UTC)),
        (oids.TIMESTAMPTZ, "2026-11-23", dt.datetime(2026, 11, 23, tzinfo=dt.UTC)),
        (oids.INTERVAL, "1 year 2 mons -3 days 04:05:06.5", (14, -3, 14_706_500_000_000)),
        (oids.INTERVAL, "90 seconds", (0, 0, 90_000_000_000)),
        (oids.INTERVAL, "-01:00", (0, 0, -3_600_000_000_000)),
        (oids.UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (oids.ARRAYS[oids.INT4], "{1,NULL,3}", [1, None, 3]),
        (oids.ARRAYS[oids.TEXT], '{a,"b \\"c",NULL,"NULL"}', ["a", 'b "c', None, "NULL"]),
        (oids.ARRAYS[oids.CHAR], "{r,p,f}", ["r", "p", "f"]),
        (oids.ARRAYS[oids.TEXT], "{}", []),
    ],
)
def test_text_is_read(oid: int, text: str, expected: object) -> None:
    found = plain(decode(oid, text.encode(), False))
    assert (tuple(found) if isinstance(expected, tuple) else found) == expected


@pytest.mark.parametrize(
    ("oid", "value", "expected"),
    [
        (0, b"any", "any"),
        (oids.BOOL, b"\x01", True),
        (oids.INT2, b"\xff\xff", -1),
        (oids.INT4, b"\x00\x00\x00\x05", 5),
        (oids.INT8, b"\x80" + bytes(7), -(2**63)),
        (oids.OID, b"\xff\xff\xff\xff", 2**32 - 1),
        (oids.FLOAT4, b"\x3f\xc0\x00\x00", 1.5),
        (oids.FLOAT8, b"\xc0" + bytes(7), -2.0),
        (oids.BYTEA, b"\x00\xff", b"\x00\xff"),
        (oids.DATE, (9823).to_bytes(4, "big"), dt.date(2026, 11, 23)),
        (oids.TIME, (1).to_bytes(8, "big"), dt.time(0, 0, 0, 1)),
        (oids.TIMESTAMP, bytes(8), dt.datetime(2000, 1, 1)),
        (oids.TIMESTAMPTZ, bytes(7) + b"\x01", dt.datetime(2000, 1, 1, 0, 0, 0, 1, tzinfo=dt.UTC)),
        (oids.INTERVAL, (3).to_bytes(8, "big") + b"\xff\xff\xff\xfe" + b"\x00\x00\x00\x01", (1, -2, 3000)),
        (oids.UUID, bytes(15) + b"\x01", "00000000-0000-0000-0000-000000000001"),
        (oids.JSONB, b'\x01{"a":1}', '{"a":1}'),
        (oids.VARCHAR, "é".encode(), "é"),
    ],
)
def test_binary_is_read(oid: int, value: bytes, expected: object) -> None:
    found = plain(decode(oid, value, True))
    assert (tuple(found) if isinstance(expected, tuple) else found) == expected


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("oid", [0, oids.INT4, oids.TEXT, oids.ARRAYS[oids.TEXT]])
def test_null_has_no_type(oid: int, binary: bool) -> None:
    assert decode(oid, None, binary) is None


@pytest.mark.parametrize(
    ("oid", "text", "sqlstate"),
    [
        (oids.BOOL, "maybe", "22P02"),
        (oids.INT4, "x", "22P02"),
        (oids.INT4, "", "22P02"),
        (oids.INT4, "2147483648", "22003"),
        (oids.INT2, "-32769", "22003"),
        (oids.NUMERIC, "1.2.3", "22P02"),
        (oids.FLOAT8, "abc", "22P02"),
        (oids.BYTEA, "\\xzz", "22P02"),
        (oids.DATE, "23.11.2026", "22P02"),
        (oids.TIMESTAMPTZ, "yesterday", "22P02"),
        (oids.INTERVAL, "", "22P02"),
        (oids.INTERVAL, "3 parsecs", "22P02"),
        (oids.UUID, "1", "22P02"),
        (oids.ARRAYS[oids.INT4], "1,2", "22P02"),
        (oids.ARRAYS[oids.INT4], "{1,x}", "22P02"),
        (oids.ARRAYS[oids.INT4], "{1,2", "22P02"),
        (oids.ARRAYS[oids.TEXT], "{{a},{b}}", "22P02"),
        (oids.ARRAYS[oids.TEXT], '{"a}', "22P02"),
        (oids.ARRAYS[oids.TEXT], '{"a"b}', "22P02"),
        (oids.TEXT, "a\x00b", "22021"),
    ],
)
def test_bad_text_names_the_type_and_has_its_sqlstate(oid: int, text: str, sqlstate: str) -> None:
    with pytest.raises(QueryError) as caught:
        decode(oid, text.encode(), False)
    assert caught.value.sqlstate == sqlstate


@pytest.mark.parametrize(
    ("oid", "value", "sqlstate"),
    [
        (oids.INT4, b"\x00", "22P03"),
        (oids.INT8, bytes(4), "22P03"),
        (oids.BOOL, b"", "22P03"),
        (oids.NUMERIC, bytes(3), "22P03"),
        (oids.NUMERIC, b"\x00\x02" + bytes(6), "22P03"),
        (oids.TIMESTAMP, b"\x7f" + b"\xff" * 7, "22P03"),
        (oids.JSONB, b"\x02{}", "22P03"),
        (oids.JSONB, b"", "22P03"),
        (oids.ARRAYS[oids.INT4], bytes(3), "22P03"),
        (oids.ARRAYS[oids.INT4], b"\x00\x00\x00\x01" + bytes(8) + b"\x7f\xff\xff\xff" + bytes(4), "22P03"),
        (oids.TEXT, b"\xff", "22021"),
    ],
)
def test_bad_binary_has_its_sqlstate(oid: int, value: bytes, sqlstate: str) -> None:
    with pytest.raises(QueryError) as caught:
        decode(oid, value, True)
    assert caught.value.sqlstate == sqlstate


@given(
    st.sampled_from(sorted({0, *oids.SIZES, *oids.ARRAYS, *oids.ELEMENTS})),
    st.binary(max_size=60),
    st.booleans(),
)
def test_any_bytes_give_a_value_or_a_query_error(oid: int, value: bytes, binary: bool) -> None:
    with contextlib.suppress(QueryError):
        decode(oid, value, binary)


@given(st.text(max_size=30))
def test_any_text_gives_an_array_or_a_query_error(text: str) -> None:
    with contextlib.suppress(QueryError):
        parse_array("{" + text + "}")

"""Record batches as DataRow messages; the texts are PostgreSQL 15's own."""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.query.worker import oids
from restate.runtime.query.worker.parameters import decode
from restate.runtime.query.worker.postgres_rows import RowEncoder

ZONED = pa.timestamp("ms", "+00:00")


def rows_of(data: bytes) -> list[list[bytes | None]]:
    """What a client reads."""
    rows, at = [], 0
    while at < len(data):
        kind, size, columns = struct.unpack_from("!cih", data, at)
        assert kind == b"D"
        end, at = at + 1 + size, at + 7
        row: list[bytes | None] = []
        for _ in range(columns):
            (length,) = struct.unpack_from("!i", data, at)
            at += 4
            row.append(None if length == -1 else data[at : at + length])
            at += max(length, 0)
        assert at == end
        rows.append(row)
    return rows


def encoded(column: pa.Array, *, binary: bool = False, timezone: str = "UTC") -> list[bytes | None]:
    batch = pa.record_batch({"c": column})
    return [row[0] for row in rows_of(RowEncoder(batch.schema, [binary], timezone).encode(batch))]


def text(values: list[Any], kind: pa.DataType, timezone: str = "UTC") -> list[str | None]:
    found = encoded(pa.array(values, kind), timezone=timezone)
    return [None if cell is None else cell.decode() for cell in found]


def micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // (datetime.resolution)


MOMENT_MS = 1_795_402_080_870
"""2026-11-23 02:48:00.870 UTC."""


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.bool_(), [True, False, None], ["t", "f", None]),
        (pa.uint64(), [2**64 - 1, 0, None], ["18446744073709551615", "0", None]),
        (pa.int8(), [-128], ["-128"]),
        (pa.decimal128(5, 2), [Decimal("1.50"), Decimal("-0.05")], ["1.50", "-0.05"]),
        (pa.float64(), [1e15, 1e14, 1e-5, 0.1, -2.0, -0.0], ["1e+15", "100000000000000", "1e-05", "0.1", "-2", "-0"]),
        (pa.float64(), [float("nan"), float("inf"), float("-inf"), 1.5e300], ["NaN", "Infinity", "-Infinity", "1.5e+300"]),
        (pa.float32(), [1e6, 1e5, 0.1, None], ["1e+06", "100000", "0.1", None]),
        (pa.string(), ["", "zürich", None], ["", "zürich", None]),
        (pa.string_view(), ["view", None], ["view", None]),
        (pa.large_string(), ["large", None], ["large", None]),
        (pa.binary(), [b"\x00\xff", b"", None], ["\\x00ff", "\\x", None]),
        (pa.binary(2), [b"ab", None], ["\\x6162", None]),
        (ZONED, [MOMENT_MS, 0, None], ["2026-11-23 02:48:00.87+00", "1970-01-01 00:00:00+00", None]),
        (pa.timestamp("ns"), [1_999], ["1970-01-01 00:00:00.000001"]),
        (pa.timestamp("s"), [60], ["1970-01-01 00:01:00"]),
        (pa.date64(), [86_400_000], ["1970-01-02 00:00:00"]),
        (pa.date32(), [1, None], ["1970-01-02", None]),
        (pa.time64("us"), [10_080_500_000, None], ["02:48:00.5", None]),
        (pa.time32("s"), [60], ["00:01:00"]),
        (pa.duration("ms"), [86_400_000, 1, 0, -1500, None], ["24:00:00", "00:00:00.001", "00:00:00", "-00:00:01.5", None]),
        (pa.month_day_nano_interval(), [(14, -3, 1_500_000_000), (1, 2, 0), (-1, 2, -1_000_000_000), None],
         ["1 year 2 mons -3 days +00:00:01.5", "1 mon 2 days", "-1 mons +2 days -00:00:01", None]),
        (pa.list_(pa.uint32()), [[3, None], [], None], ["{3,NULL}", "{}", None]),
        (pa.list_(pa.string()), [["a", "", "NULL", "x y", None, 'q"\\', "{,}"]], ['{a,"","NULL","x y",NULL,"q\\"\\\\","{,}"}']),
        (pa.list_(ZONED), [[MOMENT_MS]], ['{"2026-11-23 02:48:00.87+00"}']),
        (pa.list_(pa.bool_(), 2), [[True, False]], ["{t,f}"]),
        (pa.list_(pa.list_(pa.int64())), [[[1], [2, None]]], ["[[1],[2,null]]"]),
        (pa.struct([("a", pa.int64()), ("b", pa.binary())]), [{"a": 1, "b": b"\xff"}], ['{"a":1,"b":"ff"}']),
        (pa.null(), [None], [None]),
        (pa.dictionary(pa.int32(), pa.string()), ["x", None], ["x", None]),
    ],
    ids=str,
)  # fmt: skip
def test_text_is_what_postgres_prints(
    kind: pa.DataType, values: list[Any], expected: list[str | None]
) -> None:
    assert text(values, kind) == expected


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", ["2026-11-23 03:48:00.87+01", "2026-07-01 02:00:00+02"]),
        ("Asia/Kolkata", ["2026-11-23 08:18:00.87+05:30", "2026-07-01 05:30:00+05:30"]),
        ("America/St_Johns", ["2026-11-22 23:18:00.87-03:30", "2026-06-30 21:30:00-02:30"]),
        ("utc", ["2026-11-23 02:48:00.87+00", "2026-07-01 00:00:00+00"]),
    ],
)
def test_a_timestamp_is_printed_in_the_zone_of_the_session(zone: str, expected: list[str]) -> None:
    summer_ms = micros(datetime(2026, 7, 1, tzinfo=UTC)) // 1000
    assert text([MOMENT_MS, summer_ms], ZONED, zone) == expected


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        (pa.bool_(), [True, False, None], ["01", "00", None]),
        (pa.int8(), [-1, None], ["ffff", None]),
        (pa.uint8(), [255], ["00ff"]),
        (pa.int32(), [-2], ["fffffffe"]),
        (pa.uint16(), [65535], ["0000ffff"]),
        (pa.uint32(), [2**32 - 1], ["00000000ffffffff"]),
        (pa.float32(), [1.5], ["3fc00000"]),
        (pa.float64(), [-2.0, None], ["c000000000000000", None]),
        (pa.uint64(), [0, 10000, 2**64 - 1], [
            "0000000000000000", "00010001000000000001", "00050004000000000734" + "1a58" + "02e1" + "03bb" + "064f",
        ]),
        (pa.decimal128(9, 4), [Decimal("-12345.6700")], ["0003000140000004" + "0001" + "0929" + "1a2c"]),
        (pa.string(), ["é"], ["c3a9"]),
        (pa.string_view(), ["é"], ["c3a9"]),
        (pa.binary(), [b"\x01"], ["01"]),
        (pa.date32(), [10957, 0], ["00000000", "ffffd533"]),
        (pa.time64("us"), [1], ["0000000000000001"]),
        (pa.duration("s"), [-1], ["fffffffffff0bdc0" + "00000000" + "00000000"]),
        (pa.month_day_nano_interval(), [(1, -2, 3000)], ["0000000000000003" + "fffffffe" + "00000001"]),
        (pa.list_(pa.uint32()), [[3], [], [None]], [
            "00000001" "00000000" "00000014" "00000001" "00000001" "00000008" "0000000000000003",
            "00000000" "00000000" "00000014",
            "00000001" "00000001" "00000014" "00000001" "00000001" "ffffffff",
        ]),
        (pa.struct([("a", pa.int64())]), [{"a": 1}], [b'{"a":1}'.hex()]),
        (pa.null(), [None], [None]),
        (pa.dictionary(pa.int32(), pa.int64()), [5], ["0000000000000005"]),
    ],
    ids=str,
)  # fmt: skip
def test_binary_is_what_postgres_sends(
    kind: pa.DataType, values: list[Any], expected: list[str | None]
) -> None:
    found = encoded(pa.array(values, kind), binary=True)
    assert [None if cell is None else cell.hex() for cell in found] == expected


def test_a_binary_timestamp_counts_from_the_year_2000() -> None:
    values = [946_684_800_001, 0, None]
    assert encoded(pa.array(values, ZONED), binary=True) == [
        (1000).to_bytes(8, "big"),
        (-946_684_800_000_000).to_bytes(8, "big", signed=True),
        None,
    ]


def test_columns_in_both_formats_stand_in_one_row() -> None:
    batch = pa.record_batch({"a": pa.array([1, None], pa.int64()), "b": pa.array(["x", "y"])})
    data = RowEncoder(batch.schema, [True, False], "UTC").encode(batch)
    assert rows_of(data) == [[(1).to_bytes(8, "big"), b"x"], [None, b"y"]]


@pytest.mark.parametrize("binary", [False, True])
def test_a_slice_of_a_batch_gives_its_own_rows_only(binary: bool) -> None:
    batch = pa.record_batch(
        {
            "n": pa.array([1, 2, None, 4], pa.int32()),
            "s": pa.array(["a", None, "c", "d"]),
            "l": pa.array([[1], [2, 3], None, []], pa.list_(pa.int64())),
            "t": pa.array([1, None, 3, 4], ZONED),
            "b": pa.array([True, None, False, True]),
        }
    )
    encoder = RowEncoder(batch.schema, [binary] * 5, "UTC")
    whole = rows_of(encoder.encode(batch))
    assert rows_of(encoder.encode(batch.slice(1, 2))) == whole[1:3]
    assert encoder.encode(batch.slice(4)) == b""


def test_rows_without_columns_are_rows() -> None:
    batch = pa.record_batch({"a": [1, 2, 3]}).select([])
    assert rows_of(RowEncoder(batch.schema, [], "UTC").encode(batch)) == [[], [], []]


def test_a_result_without_rows_is_no_bytes() -> None:
    schema = pa.schema([("a", pa.list_(pa.string())), ("b", pa.uint64()), ("c", ZONED)])
    batch = pa.RecordBatch.from_pylist([], schema)
    for binary in (False, True):
        assert RowEncoder(schema, [binary] * 3, "Europe/Berlin").encode(batch) == b""


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20))
def test_a_numeric_in_binary_is_read_as_the_same_number(number: Decimal) -> None:
    (cell,) = encoded(pa.array([number], pa.decimal128(30, 4)), binary=True)
    found: Any = decode(oids.NUMERIC, cell, True)
    assert (found.as_py() if isinstance(found, pa.Scalar) else Decimal(found)) == number


@given(st.integers(0, 2**64 - 1))
def test_a_whole_number_in_binary_is_the_same_from_both_types(number: int) -> None:
    whole = encoded(pa.array([number], pa.uint64()), binary=True)
    assert whole == encoded(pa.array([Decimal(number)], pa.decimal128(20, 0)), binary=True)


@given(st.lists(st.none() | st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))))
def test_an_array_is_read_as_the_same_texts_in_both_formats(texts: list[str | None]) -> None:
    column = pa.array([texts], pa.list_(pa.string()))
    for binary in (False, True):
        (cell,) = encoded(column, binary=binary)
        assert decode(oids.ARRAYS[oids.TEXT], cell, binary) == texts

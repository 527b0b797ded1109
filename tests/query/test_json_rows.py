"""Rows as JSON (sql.md §2.2)."""

import datetime as dt
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from restate.runtime.query.arrow_values import duration_text, interval_text, values
from restate.runtime.query.worker.json_rows import CLOSING, OPENING, JsonRows

MS_ZONED = pa.timestamp("ms", "+00:00")
NS = pa.timestamp("ns")
MOMENT_MS = 1_795_402_361_250


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.uint64(), 2**64 - 1, b"18446744073709551615"),
        (pa.int64(), -1, b"-1"),
        (pa.bool_(), True, b"true"),
        (pa.float64(), 1.5, b"1.5"),
        (pa.float64(), float("inf"), b"null"),
        (pa.float64(), float("nan"), b"null"),
        (pa.utf8(), 'a"b\n', b'"a\\"b\\n"'),
        (pa.string_view(), "é", '"é"'.encode()),
        (pa.binary(), b"\x00\xff", b'"00ff"'),
        (MS_ZONED, MOMENT_MS, b'"2026-11-23T02:52:41.250Z"'),
        (MS_ZONED, MOMENT_MS - 250, b'"2026-11-23T02:52:41Z"'),
        (MS_ZONED, -1, b'"1969-12-31T23:59:59.999Z"'),
        (pa.timestamp("ms"), MOMENT_MS, b'"2026-11-23T02:52:41.250"'),
        (NS, MOMENT_MS * 10**6 + 1, b'"2026-11-23T02:52:41.250000001"'),
        (NS, MOMENT_MS * 10**6, b'"2026-11-23T02:52:41.250"'),
        (NS, (MOMENT_MS - 250) * 10**6, b'"2026-11-23T02:52:41"'),
        (pa.timestamp("us", "UTC"), MOMENT_MS * 1000 + 20, b'"2026-11-23T02:52:41.250020Z"'),
        (pa.timestamp("s"), MOMENT_MS // 1000, b'"2026-11-23T02:52:41"'),
        (MS_ZONED, 253_402_300_800_000, b'"10000-01-01T00:00:00Z"'),
        (pa.duration("ms"), 86_400_000, b'"PT86400S"'),
        (pa.duration("ms"), 1_500, b'"PT1.5S"'),
        (pa.date32(), dt.date(2026, 11, 23), b'"2026-11-23"'),
        (pa.decimal128(5, 2), Decimal("1.50"), b"1.50"),
        (pa.list_(pa.uint32()), [1, 2], b"[1,2]"),
        (pa.list_(pa.binary()), [b"\x01"], b'["01"]'),
        (pa.struct([("a", pa.int32()), ("b", pa.utf8())]), {"a": 1, "b": None}, b'{"a":1}'),
        (pa.list_(NS), [1, None], b'["1970-01-01T00:00:00.000000001",null]'),
        (pa.list_(pa.list_(pa.int8())), [[1], None, []], b"[[1],null,[]]"),
        (pa.list_(pa.int8(), 2), [1, 2], b"[1,2]"),
        (
            pa.struct([("a", pa.struct([("b", pa.duration("ms"))]))]),
            {"a": {"b": 1}},
            b'{"a":{"b":"PT0.001S"}}',
        ),
        (pa.map_(pa.int8(), NS), [(1, 1), (2, None)], b'{"1":"1970-01-01T00:00:00.000000001","2":null}'),
        (pa.date32(), 6_000_000, b'"18397-06-11"'),
        (pa.time64("ns"), 1_001, b'"00:00:00.000001001"'),
        (pa.time64("us"), 45_296_000_000, b'"12:34:56"'),
        (pa.dictionary(pa.int8(), pa.utf8()), "x", b'"x"'),
        (pa.month_day_nano_interval(), (0, 0, 3_600_000_000_000), b'"1 hours"'),
    ],
    ids=str,
)
@pytest.mark.parametrize("copies", [1, 100])
def test_values_have_their_form(kind: pa.DataType, value: Any, expected: bytes, copies: int) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([value] * copies, kind)], names=["x"])
    rows = JsonRows(batch.schema)
    assert rows.encode(batch) == b",".join([b'{"x":' + expected + b"}"] * copies)


@pytest.mark.parametrize(
    "kind",
    [pa.list_(NS), pa.list_(pa.int8(), 2), pa.map_(pa.utf8(), pa.int8()), pa.struct([("a", NS)])],
    ids=str,
)
def test_null_in_place_of_what_is_nested_shifts_nothing(kind: pa.DataType) -> None:
    filled: Any = [[1, 2], [3, 4]]
    if pa.types.is_map(kind):
        filled = [[("a", 1)], [("a", 2)]]
    elif pa.types.is_struct(kind):
        filled = [{"a": 1}, {"a": 2}]
    column = pa.array([filled[0], None, filled[1]], kind)
    first, second = (values(pa.array([each], kind)) for each in filled)
    assert values(column) == [*first, None, *second]
    assert values(column.slice(1)) == [None, *second]


def test_null_has_no_key() -> None:
    batch = pa.RecordBatch.from_pylist([{"a": 1, "b": None}, {"a": None, "b": "x"}])
    assert JsonRows(batch.schema).encode(batch) == b'{"a":1},{"b":"x"}'


def test_rows_with_and_without_a_value_stand_side_by_side() -> None:
    batch = pa.RecordBatch.from_pylist(
        [{"a": 1, "b": None, "c": "x"}, {"a": None, "b": None, "c": "y"}],
        pa.schema([("a", pa.int64()), ("b", pa.int64()), ("c", pa.utf8())]),
    )
    assert JsonRows(batch.schema).encode(batch) == b'{"a":1,"c":"x"},{"c":"y"}'


def test_pieces_make_one_text() -> None:
    batch = pa.RecordBatch.from_pylist([{"a": 1}, {"a": 2}])
    empty = batch.slice(0, 0)
    rows = JsonRows(batch.schema)
    text = OPENING + b"".join(rows.encode(each) for each in (empty, batch, empty, batch)) + CLOSING
    assert msgspec.json.decode(text) == {"rows": [{"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}]}


def test_rows_without_columns_are_rows_all_the_same() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["a"]).select([])
    assert JsonRows(batch.schema).encode(batch) == b"{},{}"


def test_durations_and_intervals_are_told_with_their_sign() -> None:
    assert duration_text(-500, 1000) == "-PT0.5S"
    assert duration_text(0, 1000) == "PT0S"
    assert interval_text(14, -2, -60_000_000_000) == "14 mons -2 days -1 mins"
    assert interval_text(0, 0, 0) == "0 secs"
    assert interval_text(0, 0, 1_500_000_000) == "1.5 secs"

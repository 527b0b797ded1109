"""Arrow types in PostgreSQL's terms (sql.md §4.7)."""

import pyarrow as pa
import pytest

from restate.runtime.query.worker import oids
from restate.runtime.query.worker.oids import column_type

UTC = "+00:00"


@pytest.mark.parametrize(
    ("arrow_type", "expected"),
    [
        (pa.bool_(), (16, 1)),
        (pa.int8(), (21, 2)),
        (pa.int16(), (21, 2)),
        (pa.uint8(), (21, 2)),
        (pa.int32(), (23, 4)),
        (pa.uint16(), (23, 4)),
        (pa.int64(), (20, 8)),
        (pa.uint32(), (20, 8)),
        (pa.uint64(), (1700, -1)),
        (pa.decimal128(20, 2), (1700, -1)),
        (pa.decimal256(40, 2), (1700, -1)),
        (pa.float16(), (700, 4)),
        (pa.float32(), (700, 4)),
        (pa.float64(), (701, 8)),
        (pa.string(), (25, -1)),
        (pa.large_string(), (25, -1)),
        (pa.string_view(), (25, -1)),
        (pa.binary(), (17, -1)),
        (pa.large_binary(), (17, -1)),
        (pa.binary_view(), (17, -1)),
        (pa.binary(4), (17, -1)),
        (pa.timestamp("ms", UTC), (1184, 8)),
        (pa.timestamp("ns"), (1114, 8)),
        (pa.date64(), (1114, 8)),
        (pa.date32(), (1082, 4)),
        (pa.time64("us"), (1083, 8)),
        (pa.duration("ms"), (1186, 16)),
        (pa.month_day_nano_interval(), (1186, 16)),
        (pa.null(), (25, -1)),
        (pa.dictionary(pa.int32(), pa.int64()), (20, 8)),
        (pa.list_(pa.string()), (1009, -1)),
        (pa.list_(pa.uint32()), (1016, -1)),
        (pa.list_(pa.int16()), (1016, -1)),
        (pa.large_list(pa.bool_()), (1000, -1)),
        (pa.list_(pa.uint64()), (1231, -1)),
        (pa.list_(pa.timestamp("ms", UTC)), (1185, -1)),
        (pa.list_(pa.list_(pa.int64())), (25, -1)),
        (pa.struct([("a", pa.int64())]), (25, -1)),
        (pa.map_(pa.string(), pa.int64()), (25, -1)),
    ],
    ids=str,
)
def test_every_arrow_type_has_a_type_and_a_length(arrow_type: pa.DataType, expected: tuple[int, int]) -> None:
    assert column_type(arrow_type) == expected


def test_no_two_elements_share_an_array_type() -> None:
    assert len(oids.ELEMENTS) == len(oids.ARRAYS)

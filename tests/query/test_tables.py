"""The columns of every table, compared with those of the official server 1.7.12, and with the documentation of 0.8.

`official_columns.json` is what 1.7.12 says in `information_schema.columns`, in its order.
"""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from restate.runtime.query.worker.sources import all_sources
from restate.runtime.query.worker.tables import BY_NAME, TABLES, TIMESTAMP
from restate.runtime.query.worker.world import World
from restate.runtime.storage.secondary import Secondary

OFFICIAL: dict[str, list[list[str]]] = json.loads(
    Path(__file__).with_name("official_columns.json").read_text()
)
TYPES: dict[str, pa.DataType] = {
    "LargeUtf8": pa.utf8(),
    "LargeBinary": pa.binary(),
    "Utf8": pa.utf8(),
    "UInt64": pa.uint64(),
    "UInt32": pa.uint32(),
    "Boolean": pa.bool_(),
    'Timestamp(ms, "+00:00")': TIMESTAMP,
    "Duration(ms)": pa.duration("ms"),
    "List(LargeUtf8)": pa.list_(pa.utf8()),
    "List(UInt32)": pa.list_(pa.uint32()),
}

CLASSIC: dict[str, str] = {
    "sys_status": "partition_key service method service_key status id invoked_by invoked_by_service invoked_by_id"
    " pinned_deployment_id trace_id journal_size created_at modified_at",
    "sys_invocation_state": "partition_key service service_key id in_flight retry_count last_start_at last_failure"
    " last_error_code next_retry_at last_attempt_deployment_id",
    "sys_inbox": "partition_key service method service_key id sequence_number created_at invoked_by"
    " invoked_by_service invoked_by_id trace_id",
    "sys_journal": "partition_key service service_key index entry_type completed invoked_service invoked_method"
    " invoked_service_key invoked_id sleep_wakeup_at",
    "state": "partition_key service service_key key value_utf8 value",
    "sys_service": "name revision public deployment_id instance_type",
    "sys_deployment": "id ty endpoint created_at",
}
"""{table: columns that queries of the classic generation name}."""


@pytest.mark.parametrize("table", OFFICIAL)
def test_modern_columns_are_there_first_and_in_their_order(table: str) -> None:
    schema = BY_NAME[table].schema
    expected = [(name, TYPES[kind]) for name, kind in OFFICIAL[table]]
    assert [(field.name, field.type) for field in schema][: len(expected)] == expected


@pytest.mark.parametrize("table", CLASSIC)
def test_classic_columns_are_there(table: str) -> None:
    assert set(CLASSIC[table].split()) <= set(BY_NAME[table].schema.names)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_column_may_be_null_and_has_a_name_of_its_own(table: object) -> None:
    schema = table.schema  # type: ignore[attr-defined]
    assert all(field.nullable for field in schema)
    assert len(set(schema.names)) == len(schema)


def test_every_table_has_rows_from_somewhere(tmp_path: Path) -> None:
    sources = all_sources(World(Secondary(tmp_path, tmp_path)))
    assert {name: source.schema for name, source in sources.items()} == {
        table.name: table.schema for table in TABLES
    }


def test_only_the_view_is_a_view() -> None:
    assert [table.name for table in TABLES if table.view] == ["sys_invocation"]

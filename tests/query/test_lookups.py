"""Which rows are read for a filter, and that what it finds is the same however it is written: pushed down to the table,
or applied by the engine to every row.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from restate.runtime.model.ids import InvocationId, format_invocation_id, partition_key_of_key
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import CommandRow, EventRow
from restate.runtime.model.promise import PromiseRow
from restate.runtime.query.worker.session import Session
from restate.runtime.query.worker.sources import all_sources
from restate.runtime.query.worker.world import World
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.storage.secondary import Row, Secondary
from restate.runtime.tables.api import Tables
from tests.query.workers import invocation_id, record

COUNT = 280
KEYS = ("k0", "k1", "k0/h", "k", "", "ä\x00b", None)
SERVICES = ("Obj", "Ob", "Plain")


class CountedReads:
    """A store that counts the rows that are read. rows: since it was set to 0."""

    def __init__(self, store: Secondary) -> None:
        self._store = store
        self.rows = 0

    def catch_up(self) -> None:
        self._store.catch_up()

    def get(self, table: str, key: bytes) -> bytes | None:
        self.rows += 1
        return self._store.get(table, key)

    def get_many(self, table: str, row_keys: Sequence[bytes]) -> list[bytes | None]:
        self.rows += len(row_keys)
        return self._store.get_many(table, row_keys)

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[Row]:
        return self._store.scan(table, start, end)

    def chunks(self, table: str, prefix: bytes, sizes: Iterator[int]) -> Iterator[list[Row]]:
        for chunk in self._store.chunks(table, prefix, sizes):
            self.rows += len(chunk)
            yield chunk

    def counts(self, table: str, sizes: Iterator[int]) -> Iterator[int]:
        return self._store.counts(table, sizes)


class Asked:
    """A session over some hundred invocations of objects with similar names."""

    def __init__(self, folder: Path, store: RocksStore) -> None:
        tables = Tables(store)
        self.ids = [self._fill(tables, number) for number in range(COUNT)]
        store.write(tables.take_writes())
        self.reads = CountedReads(Secondary(folder / "db", folder / "secondary"))
        world = World(cast("Secondary", self.reads))
        world.begin(1)
        self._session = Session(world, all_sources(world), memory_bytes=64 << 20, spill_home=folder)

    def _fill(self, tables: Tables, number: int) -> InvocationId:
        key = KEYS[number % len(KEYS)]
        service = "Plain" if key is None else SERVICES[number % 2]
        each = invocation_id(number, key or str(number))
        status = list(Status)[number % 6]
        idempotency_key = f"i{number}" if number % 3 else None
        tables.invocations.put(
            each,
            record(number, status, service, key, idempotency_key=idempotency_key, inbox_seq=number),
            None,
        )
        tables.journal.append(each, 0, CommandRow(0x0400, 0, 1, b""))
        tables.events.append(each, 0, EventRow("Paused", 0, number, '{"ty":"Paused"}'))
        if key is not None:
            place = partition_key_of_key(key), service, key
            name = f"n{number % 20}"
            tables.state.put(*place, name.encode(), b"%d" % number)
            tables.promises.put(*place, name, PromiseRow(None))
            tables.locks.put(*place, each)
            if status is Status.INBOXED:
                tables.inbox.push(*place, number, each)
        return each

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        self.reads.rows = 0
        frame = self._session.plan(sql, parameters)
        batches = self._session.execute(frame, sql)
        return sorted((tuple(row.values()) for batch in batches for row in batch.to_pylist()), key=repr)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("lookups")
    store = RocksStore.open(folder / "db")
    try:
        yield Asked(folder, store)
    finally:
        store.close()


ONE, TWO = (format_invocation_id(invocation_id(number, KEYS[number % 7] or "")) for number in (2, 9))
PARTITION = int.from_bytes(partition_key_of_key("k1"), "big")
ID_FORMS = (
    "{column} = '{one}'",
    "'{one}' = {column}",
    "{column} in ('{one}', '{two}', 'inv_1x', 'x', '')",
    "({column} = '{one}' or {column} = '{two}')",
    "{column}::text = '{one}'",
    "{column} = any(array['{one}', '{two}'])",
    "{column} = 'x'",
    "({column} = '{one}' and {column} != '{two}')",
)
TABLES_BY_ID = {
    "sys_invocation": "id",
    "sys_invocation_status": "id",
    "sys_status": "id",
    "sys_journal": "id",
    "sys_journal_events": "id",
    "sys_inbox": "id",
    "sys_keyed_service_status": "invocation_id",
    "sys_idempotency": "invocation_id",
}
TARGETS = ("Obj/k0/greet", "Obj/k0/h/greet", "Ob/k1/greet", "Obj//greet", "Ob/ä\x00b/greet")
INVOCATIONS = [
    *(f"target = '{target}'" for target in TARGETS),
    "target in ('Obj/k0/greet', 'Obj/k0/h/greet', 'Obj/k0/other')",
    "target = 'Obj/k0/greet' or target = 'Ob/k0/greet'",
    "target = 'Obj/k0/greet' and status = 'completed'",
    "target = 'Obj/k0/greet' and target_service_name = 'Ob'",
    "target = 'Obj/k0/greet' and target_service_name = 'Obj' and target_service_key in ('k0', 'k1')",
    "target like 'Obj/k0/greet'",
    "target = ''",
    "target_service_name = 'Obj' and target_service_key = 'k'",
    "target_service_name in ('Obj', 'Ob') and target_service_key in ('k', 'k0')",
]
WHOLE_SERVICES = [
    "target = 'Obj'",
    "target = 'Plain/greet'",
    "target in ('Plain/greet', 'Plain/other')",
    "target in ('Plain/greet', 'Plain/k/greet', 'Plain')",
    "target_service_name = 'Ob'",
    "target_service_name = 'Ob' and target = 'Ob/k1/greet'",
    "target_service_name = repeat('x', 70000)",
    "target = repeat('x', 70000)",
]
OPEN = [
    "target_service_key = 'k0'",
    "target_service_key is null",
    "target is null or target_service_name = 'Ob'",
    "not (target = 'Obj/k0/greet')",
    "target != 'Obj/k0/greet' and target_service_name != 'Plain'",
    "target = 'Obj/k0/greet' or status = 'paused'",
    "status = 'suspended'",
    "status in ('suspended', 'paused')",
    "status not in ('suspended', 'paused', 'completed')",
    "status = 'ready' and target_service_name = 'Obj'",
    "created_at > timestamp '2026-11-18T10:40:00.300Z'",
    "created_at between '2026-11-18T10:40:00.100Z' and '2026-11-18T10:40:00.200Z' and status = 'completed'",
    "journal_size > 2 or idempotency_key = 'i4'",
    "idempotency_key = 'i4'",
    "idempotency_key in ('i4', null)",
    "null::text = id",
    "false",
    "true",
]
OBJECTS = [
    "service_name = 'Obj' and service_key = 'k0'",
    "service_name = 'Ob' and service_key in ('k0', 'k')",
    "service = 'Obj' and service_key = ''",
    "service_name = 'Obj' and service_key = 'k0/h' and service = 'Obj'",
    "service_key = 'k1'",
    f"service_key = 'k1' and partition_key = {PARTITION}",
    f"partition_key = {PARTITION}",
    "service_name = repeat('x', 70000) and service_key = 'k'",
]
NAMED = [
    "service_name = 'Obj' and service_key = 'k0' and key = 'n0'",
    "service = 'Obj' and service_key = 'k0' and key in ('n', 'n1', 'n14')",
    "service_name in ('Obj', 'Ob') and service_key in ('k0', 'k1') and key = 'n8'",
    "service_key = 'k1' and key = 'n8'",
]


def both(asked: Asked, table: str, condition: str) -> list[tuple[Any, ...]]:
    """What the condition finds, as it is and out of the reach of the table."""
    columns = "id, target, status, created_at" if table.startswith("sys_invocation") else "*"
    found = asked.rows(f"select {columns} from {table} where {condition}")
    read = asked.reads.rows
    assert found == asked.rows(f"select {columns} from {table} where coalesce({condition}, false)")
    asked.reads.rows = read
    return found


@pytest.mark.parametrize("form", ID_FORMS)
@pytest.mark.parametrize("table", TABLES_BY_ID)
def test_ids_are_looked_up_in_every_form(asked: Asked, table: str, form: str) -> None:
    condition = form.format(column=TABLES_BY_ID[table], one=ONE, two=TWO)
    found = both(asked, table, condition)
    assert len(found) <= 2
    assert asked.reads.rows <= 10


@pytest.mark.parametrize("table", TABLES_BY_ID)
def test_parameters_are_looked_up_too(asked: Asked, table: str) -> None:
    column = TABLES_BY_ID[table]
    every = asked.rows(f"select {column} from {table}")
    assert every
    for (each,) in every[:: len(every) // 5]:
        assert asked.rows(f"select {column} from {table} where {column} = $1", each) == [(each,)]
        assert asked.reads.rows <= 4
        assert asked.rows(f"select {column} from {table} where {column} = any($1)", [each, "x"]) == [(each,)]
        assert asked.reads.rows <= 4


@pytest.mark.parametrize("condition", INVOCATIONS)
@pytest.mark.parametrize("table", ["sys_invocation", "sys_invocation_status"])
def test_invocations_of_an_object_are_looked_up(asked: Asked, table: str, condition: str) -> None:
    both(asked, table, condition)
    assert asked.reads.rows < COUNT * 2 / 3


@pytest.mark.parametrize("condition", [*WHOLE_SERVICES, *OPEN])
@pytest.mark.parametrize("table", ["sys_invocation", "sys_invocation_status"])
def test_other_conditions_find_the_same_wherever_they_are_applied(
    asked: Asked, table: str, condition: str
) -> None:
    both(asked, table, condition)


@pytest.mark.parametrize("condition", OBJECTS)
@pytest.mark.parametrize("table", ["state", "sys_inbox"])
def test_rows_of_an_object_are_looked_up(asked: Asked, table: str, condition: str) -> None:
    both(asked, table, condition)
    assert asked.reads.rows < COUNT * 2 / 3


@pytest.mark.parametrize("condition", NAMED)
@pytest.mark.parametrize("table", ["state", "sys_promise"])
def test_one_key_of_an_object_is_looked_up(asked: Asked, table: str, condition: str) -> None:
    condition = condition if table == "state" else condition.replace("service =", "service_name =")
    found = both(asked, table, condition)
    assert found
    assert asked.reads.rows < len(found) + 40


def test_nothing_is_found_twice(asked: Asked) -> None:
    for table in ("state", "sys_promise", "sys_inbox", "sys_keyed_service_status"):
        listed = "('Obj', 'Ob', 'Obj/')"
        rows = asked.rows(
            f"select * from {table} where service_name in {listed} and service_key in ('k0', 'k0/h', 'k', '')"
        )
        assert len(rows) == len(set(rows)) > 0


@pytest.mark.parametrize(
    "sql",
    [
        "select id from sys_invocation where target_service_name = repeat('x', 70000)",
        "select invocation_id from sys_idempotency where service_name = repeat('ä', 40000)",
        "select key from state where service_name = repeat('x', 70000) and service_key = 'k'",
    ],
)
def test_a_name_that_no_service_can_have_is_no_error(asked: Asked, sql: str) -> None:
    assert asked.rows(sql) == []

import pytest

from restate.runtime.model.journal import JournalRow
from restate.runtime.model.result import CalleeId, Failure, StateKeys, Success
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.tables.builders import ID, OTHER_ID, command, completion, signal


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def tables(store: MemoryStore) -> Tables:
    return Tables(store)


def test_rows_come_back_in_order_and_within_bounds(tables: Tables, store: MemoryStore) -> None:
    rows: list[JournalRow] = [command(b"%d" % index, index) for index in range(40)]
    for index, row in enumerate(rows):
        tables.journal.append(ID, index, row)
        if index == 20:
            store.write(tables.take_writes())
    tables.journal.append(OTHER_ID, 0, command(b"other"))
    assert tables.journal.read(ID, 0, 40) == rows
    assert tables.journal.read(ID, 15, 25) == rows[15:25]
    assert tables.journal.read(ID, 15, 39) == rows[15:39]
    assert tables.journal.read(ID, 38, 45) == rows[38:]
    assert tables.journal.read(ID, 5, 5) == []
    assert tables.journal.get(ID, 7) == rows[7]
    assert tables.journal.get(ID, 40) is None


def test_completion_ids_lead_to_the_command_that_they_belong_to(tables: Tables) -> None:
    tables.journal.append(ID, 0, command())
    tables.journal.append(ID, 1, command(), (1, 2))
    assert tables.journal.command_of(ID, 1) == 1
    assert tables.journal.command_of(ID, 2) == 1
    assert tables.journal.command_of(ID, 3) is None
    assert tables.journal.command_of(OTHER_ID, 1) is None


def test_notifications_are_found_by_id_with_how_they_went(tables: Tables) -> None:
    rows = [
        completion(1, Success(b"x")),
        completion(2),
        completion(3, Failure(1, "no")),
        completion(4, StateKeys(())),
        completion(5, CalleeId(OTHER_ID)),
    ]
    for index, row in enumerate(rows):
        tables.journal.append(ID, index, row)
    places = [tables.journal.notification_of(ID, False, key) for key in range(1, 7)]
    assert places == [(0, True), (1, True), (2, False), (3, None), (4, None), None]
    assert tables.journal.notification_of(ID, True, 1) is None


def test_a_signal_that_comes_again_keeps_its_first_place(tables: Tables, store: MemoryStore) -> None:
    tables.journal.append(ID, 0, signal(1))
    tables.journal.append(ID, 1, signal("go", Failure(1, "no")))
    store.write(tables.take_writes())
    tables.journal.append(ID, 2, signal(1, Failure(1, "no")))
    tables.journal.append(ID, 3, signal("go"))
    assert tables.journal.notification_of(ID, True, 1) == (0, True)
    assert tables.journal.notification_of(ID, True, "go") == (1, False)
    assert len(tables.journal.read(ID, 0, 4)) == 4


@pytest.mark.parametrize("length", [None, 3])
def test_delete_removes_rows_and_index_written_or_not_and_nothing_else(
    tables: Tables, store: MemoryStore, length: int | None
) -> None:
    tables.journal.append(OTHER_ID, 0, command(), (1,))
    store.write(tables.take_writes())
    kept = store.dump()
    tables.journal.append(ID, 0, command(), (1,))
    store.write(tables.take_writes())
    tables.journal.append(ID, 1, completion(1))
    tables.journal.append(ID, 2, signal("go"))
    tables.journal.delete(ID, length)
    assert tables.journal.read(ID, 0, 3) == []
    assert tables.journal.notification_of(ID, True, "go") is None
    tables.journal.append(ID, 0, command(b"again"))
    assert tables.journal.read(ID, 0, 3) == [command(b"again")]
    tables.journal.delete(ID)
    store.write(tables.take_writes())
    assert store.dump() == kept


def test_a_long_journal_is_deleted_by_two_writes(tables: Tables, store: MemoryStore) -> None:
    tables.journal.append(OTHER_ID, 0, command(), (1,))
    store.write(tables.take_writes())
    kept = store.dump()
    for index in range(200):
        tables.journal.append(ID, index, command(), (index,))
    store.write(tables.take_writes())
    tables.journal.delete(ID, 200)
    writes = tables.take_writes()
    assert [(table, key) for table, key, _ in writes] == [("journal", ID), ("jidx", ID)]
    store.write(writes)
    assert store.dump() == kept


def test_sleeps_are_found_until_they_are_over_and_calls_for_ever(tables: Tables) -> None:
    sleeps = [command(b"%d" % number, code=0x040C) for number in range(2)]
    calls = [command(b"call", code=0x040D), command(b"send", code=0x040E)]
    for index, (row, ids) in enumerate(zip([*sleeps, *calls], [(1,), (2,), (3, 4), ()], strict=True)):
        tables.journal.append(ID, index, row, ids)
    assert tables.journal.waiting(ID) == sleeps
    assert tables.journal.children(ID) == calls
    tables.journal.append(ID, 4, signal(2))
    tables.journal.append(ID, 5, completion(1, code=0x800C))
    tables.journal.append(ID, 6, completion(4, code=0x800D))
    assert tables.journal.waiting(ID) == sleeps[1:]
    assert tables.journal.children(ID) == calls
    assert tables.journal.waiting(OTHER_ID) == tables.journal.children(OTHER_ID) == []


def test_a_classic_awakeable_waits_until_a_signal_with_its_index_comes(tables: Tables) -> None:
    awakeable, call = command(b"awakeable", code=0x0C03), command(b"call", code=0x0C01)
    tables.journal.append(ID, 0, awakeable, (0,))
    tables.journal.append(ID, 1, call, (1,))
    assert tables.journal.waiting(ID) == [awakeable, call]
    tables.journal.append(ID, 2, signal("0"))
    tables.journal.append(ID, 3, signal(0))
    assert tables.journal.waiting(ID) == [call]
    assert tables.journal.children(ID) == []

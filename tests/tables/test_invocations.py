from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.errors import StorageDamaged
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.tables.builders import ID, OTHER_ID, TARGET, record


def _written(tables: Tables, store: MemoryStore) -> Tables:
    store.write(tables.take_writes())
    return Tables(store)


def test_a_record_can_be_read_before_and_after_it_is_written() -> None:
    store = MemoryStore()
    tables = Tables(store)
    assert tables.invocations.get(ID) is None
    tables.invocations.put(ID, record(), None)
    assert tables.invocations.get(ID) == record()
    assert list(tables.invocations.scan()) == [(ID, record())]
    assert store.dump() == {}
    assert _written(tables, store).invocations.get(ID) == record()


def test_a_record_changed_twice_in_a_batch_is_written_once() -> None:
    tables = Tables(MemoryStore())
    first, second = record(modified_ms=11), record(modified_ms=12)
    tables.invocations.put(ID, first, None)
    assert [invocation for invocation, _ in tables.invocations.heads()] == [ID]
    tables.invocations.put(ID, second, first)
    assert tables.invocations.get(ID) == second
    writes = [key for table, key, _ in tables.take_writes() if table == "inv"]
    assert writes == [ID]
    assert tables.take_writes() == []


def test_deleting_leaves_no_row_in_any_table() -> None:
    store = MemoryStore()
    tables = Tables(store)
    tables.invocations.put(ID, record(), None)
    store.write(tables.take_writes())
    tables.invocations.put(ID, record(modified_ms=11), record())
    tables.invocations.delete(ID, record(modified_ms=11))
    assert tables.invocations.get(ID) is None
    assert list(tables.invocations.scan()) == []
    store.write(tables.take_writes())
    assert store.dump() == {}


def test_running_lists_exactly_the_invoked_ones_with_their_incarnation() -> None:
    tables = Tables(MemoryStore())
    tables.invocations.put(ID, record(Status.INBOXED, incarnation=7), None)
    assert list(tables.invocations.running()) == []
    tables.invocations.put(ID, record(Status.INVOKED, incarnation=7), record(Status.INBOXED, incarnation=7))
    assert list(tables.invocations.running()) == [(ID, 7)]
    tables.invocations.put(ID, record(Status.SUSPENDED, incarnation=7), record(Status.INVOKED, incarnation=7))
    assert list(tables.invocations.running()) == []


def test_a_new_incarnation_of_the_same_id_replaces_every_row() -> None:
    tables = Tables(MemoryStore())
    other = Target("Other", "run", "w", ServiceType.WORKFLOW, HandlerType.WORKFLOW)
    tables.invocations.put(ID, record(incarnation=1), None)
    tables.invocations.put(ID, record(incarnation=2, target=other), record(incarnation=1))
    assert list(tables.invocations.running()) == [(ID, 2)]
    assert list(tables.invocations.of_service("Counter")) == []
    assert list(tables.invocations.of_service("Other")) == [(ID, Status.INVOKED, 10)]


def test_invocations_are_listed_by_service_and_key() -> None:
    tables = Tables(MemoryStore())
    keyless = msgspec.structs.replace(TARGET, service="Greeter", key=None)
    tables.invocations.put(ID, record(), None)
    tables.invocations.put(OTHER_ID, record(Status.PAUSED, target=keyless), None)
    assert list(tables.invocations.of_service("Counter")) == [(ID, Status.INVOKED, 10)]
    assert list(tables.invocations.of_service("Counter", "key")) == [(ID, Status.INVOKED, 10)]
    assert list(tables.invocations.of_service("Counter", "ke")) == []
    assert list(tables.invocations.of_service("Greeter")) == [(OTHER_ID, Status.PAUSED, 10)]


def test_heads_are_the_first_columns() -> None:
    tables = Tables(MemoryStore())
    tables.invocations.put(ID, record(Status.PAUSED), None)
    [(invocation, head)] = tables.invocations.heads()
    assert (invocation, head.status, head.target, head.incarnation) == (ID, Status.PAUSED, TARGET, 1)


def test_a_listing_shows_the_moment_of_its_call() -> None:
    tables = Tables(MemoryStore())
    tables.invocations.put(ID, record(), None)
    listings = (
        tables.invocations.scan(),
        tables.invocations.heads(),
        tables.invocations.running(),
        tables.invocations.of_service("Counter"),
    )
    tables.invocations.put(OTHER_ID, record(), None)
    assert [len(list(listing)) for listing in listings] == [1, 1, 1, 1]


def test_a_row_that_cannot_be_read_is_an_error() -> None:
    store = MemoryStore()
    store.write([("inv", ID, b"\x01\xff")])
    with pytest.raises(StorageDamaged, match="invocation"):
        Tables(store).invocations.get(ID)


_STEPS = st.lists(
    st.tuples(st.sampled_from([ID, OTHER_ID]), st.none() | st.sampled_from(Status), st.booleans()),
    max_size=15,
)


@given(_STEPS)
def test_the_indexes_always_agree_with_the_records(
    steps: list[tuple[InvocationId, Status | None, bool]],
) -> None:
    store = MemoryStore()
    tables = Tables(store)
    model: dict[InvocationId, InvocationRecord] = {}
    before: Counter[Status] = Counter()
    for number, (invocation, status, write) in enumerate(steps):
        previous = tables.invocations.get(invocation)
        assert previous == model.get(invocation)
        if status is not None:
            incarnation = number if previous is None else previous.incarnation
            model[invocation] = record(status, incarnation=incarnation, modified_ms=number)
            tables.invocations.put(invocation, model[invocation], previous)
        elif previous is not None:
            tables.invocations.delete(invocation, model.pop(invocation))
        if write:
            tables = _written(tables, store)
            before = Counter(row.status for row in model.values())
        statuses = Counter(row.status for row in model.values())
        assert Counter(tables.invocations.statuses()) == statuses
        assert tables.invocations.changes == {each: statuses[each] - before[each] for each in Status}
        assert list(tables.invocations.scan()) == sorted(model.items())
        running = [
            (invocation, row.incarnation)
            for invocation, row in sorted(model.items())
            if row.status is Status.INVOKED
        ]
        assert list(tables.invocations.running()) == running
        by_service = [(invocation, row.status, row.created_ms) for invocation, row in sorted(model.items())]
        assert list(tables.invocations.of_service("Counter")) == by_service

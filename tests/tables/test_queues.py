import pytest

from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.tables.builders import ID, OTHER_ID


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def tables(store: MemoryStore) -> Tables:
    return Tables(store)


def test_timers_are_read_in_due_order_page_by_page(tables: Tables, store: MemoryStore) -> None:
    timers = [
        TimerKey(1, TimerKind.PURGE, ID, 0),
        TimerKey(2, TimerKind.DELAYED_START, OTHER_ID, 0),
        TimerKey(2, TimerKind.SLEEP, ID, 1),
        TimerKey(2, TimerKind.SLEEP, ID, 2),
        TimerKey(256, TimerKind.SLEEP, ID, 0),
    ]
    for number, timer in enumerate(reversed(timers)):
        tables.timers.put(timer, number)
        if number == 2:
            store.write(tables.take_writes())
    assert [key for key, _ in tables.timers.read(None, 10)] == timers
    assert tables.timers.read(None, 2) == [(timers[0], 4), (timers[1], 3)]
    assert tables.timers.read(timers[1], 2) == [(timers[2], 2), (timers[3], 1)]
    assert tables.timers.read(timers[4], 2) == []
    tables.timers.delete(timers[2])
    assert tables.timers.get(timers[2]) is None
    assert tables.timers.get(timers[3]) == 1
    assert tables.timers.read(timers[1], 1) == [(timers[3], 1)]


def test_the_outbox_is_first_in_first_out(tables: Tables, store: MemoryStore) -> None:
    assert tables.outbox.read(5) == []
    for seq in (255, 256, 257):
        tables.outbox.push(seq, b"%d" % seq)
    store.write(tables.take_writes())
    assert tables.outbox.read(2) == [(255, b"255"), (256, b"256")]
    tables.outbox.delete(255)
    tables.outbox.push(258, b"258")
    assert [seq for seq, _ in tables.outbox.read(10)] == [256, 257, 258]
    tables.outbox.push(3, b"3")
    assert tables.outbox.read(1) == [(3, b"3")]


def test_the_last_number_of_each_producer_is_kept(tables: Tables, store: MemoryStore) -> None:
    assert tables.dedup.get("kafka/t/0") is None
    tables.dedup.put("kafka/t/0", 0)
    tables.dedup.put("kafka/t/1", 9)
    store.write(tables.take_writes())
    assert (tables.dedup.get("kafka/t/0"), tables.dedup.get("kafka/t/1")) == (0, 9)


def test_schema_rows_are_opaque(tables: Tables, store: MemoryStore) -> None:
    tables.schema.put(b"b", b"1")
    tables.schema.put(b"a", b"")
    store.write(tables.take_writes())
    tables.schema.put(b"c", b"3")
    tables.schema.delete(b"b")
    assert list(tables.schema.scan()) == [(b"a", b""), (b"c", b"3")]
    assert (tables.schema.get(b"a"), tables.schema.get(b"b")) == (b"", None)


def test_counters_begin_at_nothing_and_go_on_after_a_restart(tables: Tables, store: MemoryStore) -> None:
    assert tables.counters.get("seq") == 0
    assert [tables.counters.next("seq") for _ in range(3)] == [1, 2, 3]
    tables.counters.set("last_now", 2**63)
    assert (tables.counters.get("seq"), tables.counters.get("last_now")) == (3, 2**63)
    writes = tables.take_writes()
    assert len(writes) == 2
    store.write(writes)
    assert tables.take_writes() == []
    after = Tables(store)
    assert after.counters.next("seq") == 4
    assert after.counters.get("last_now") == 2**63

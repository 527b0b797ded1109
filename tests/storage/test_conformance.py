"""What every store must do; the same tests for each."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restate.runtime.storage.api import TABLES, DeleteUpTo, StorageError, Store, Write
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.storage.rocksdb import RocksStore

Reopen = Callable[[Store], Store]


def _reopen_memory(store: Store) -> Store:
    assert isinstance(store, MemoryStore)
    store.close()
    return store.crash()


@pytest.fixture(params=["memory", "rocksdb"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, Reopen]]:
    """A new store, and what closes and opens it again."""
    opened: list[Store] = []

    def open_rocks() -> Store:
        opened.append(RocksStore.open(tmp_path / "db"))
        return opened[-1]

    def reopen_rocks(store: Store) -> Store:
        store.close()
        return open_rocks()

    if request.param == "memory":
        yield MemoryStore(), _reopen_memory
    else:
        yield open_rocks(), reopen_rocks
    for store in opened:
        store.close()


@pytest.fixture
def store(engine: tuple[Store, Reopen]) -> Store:
    return engine[0]


def test_a_missing_key_is_none_and_an_empty_value_is_not(store: Store) -> None:
    store.write([("inv", b"empty", b"")])
    assert store.get("inv", b"empty") == b""
    assert store.get("inv", b"missing") is None
    assert list(store.scan("inv", b"", None)) == [(b"empty", b"")]


def test_every_table_is_there_and_keeps_its_rows_apart(store: Store) -> None:
    store.write([(table, b"key", table.encode()) for table in TABLES if table != "meta"])
    for table in TABLES:
        if table != "meta":
            assert list(store.scan(table, b"", None)) == [(b"key", table.encode())]


def test_an_unknown_table_is_an_error_and_nothing_of_the_write_stays(store: Store) -> None:
    with pytest.raises(StorageError, match="expected one of the tables"):
        store.get("nonsense", b"key")
    with pytest.raises(StorageError, match="expected one of the tables"):
        store.scan("nonsense", b"", None)
    with pytest.raises(StorageError, match="expected one of the tables"):
        store.write([("inv", b"key", b"value"), ("nonsense", b"key", b"value")])
    assert store.get("inv", b"key") is None


def test_a_scan_is_in_byte_order_and_leaves_its_end_out(store: Store) -> None:
    keys = [b"b", b"a\xff\xff", b"a\xff", b"\xff", b"", b"a\x00", b"a", b"\xff\xff"]
    store.write([("inv", key, b"") for key in keys])
    assert [key for key, _ in store.scan("inv", b"", None)] == sorted(keys)
    assert [key for key, _ in store.scan("inv", b"a", b"b")] == [b"a", b"a\x00", b"a\xff", b"a\xff\xff"]
    assert [key for key, _ in store.scan("inv", b"\xff", None)] == [b"\xff", b"\xff\xff"]
    assert list(store.scan("inv", b"b", b"b")) == []
    assert list(store.scan("inv", b"c", b"b")) == []


def test_the_last_write_to_a_key_wins_in_one_write_and_over_several(store: Store) -> None:
    store.write([("inv", b"1", b"old"), ("inv", b"1", b"new"), ("inv", b"2", b"x"), ("inv", b"2", None)])
    assert list(store.scan("inv", b"", None)) == [(b"1", b"new")]
    store.write([("inv", b"1", None), ("inv", b"missing", None)])
    assert list(store.scan("inv", b"", None)) == []
    store.write([("inv", b"1", b"again")])
    assert store.get("inv", b"1") == b"again"


def test_a_range_is_deleted_with_its_start_and_without_its_end(engine: tuple[Store, Reopen]) -> None:
    store, reopen = engine
    store.write([*(("inv", key, b"x") for key in (b"a", b"b", b"b\xff", b"c")), ("run", b"b", b"x")])
    store.write([("inv", b"b1", b"x"), ("inv", b"b", DeleteUpTo(b"c")), ("inv", b"b2", b"x")])
    assert [key for key, _ in store.scan("inv", b"", None)] == [b"a", b"b2", b"c"]
    assert store.get("inv", b"b") is None
    store = reopen(store)
    assert [key for key, _ in store.scan("inv", b"", None)] == [b"a", b"b2", b"c"]
    assert store.get("run", b"b") == b"x"


def test_a_scan_does_not_see_writes_after_its_creation(store: Store) -> None:
    store.write([("inv", b"1", b"a"), ("inv", b"2", b"b"), ("inv", b"3", b"c")])
    scan = store.scan("inv", b"", None)
    store.write(
        [("inv", b"0", b"new"), ("inv", b"2", b"changed"), ("inv", b"3", None), ("inv", b"4", b"new")]
    )
    assert list(scan) == [(b"1", b"a"), (b"2", b"b"), (b"3", b"c")]


def test_rows_are_there_after_a_restart(engine: tuple[Store, Reopen]) -> None:
    store, reopen = engine
    store.write([("inv", b"1", b"a"), ("state", b"\xff\xff", b"\x00")])
    store.write([("inv", b"1", None), ("inv", b"2", b"b")])
    store = reopen(store)
    assert list(store.scan("inv", b"", None)) == [(b"2", b"b")]
    assert store.get("state", b"\xff\xff") == b"\x00"
    store.write([("inv", b"3", b"c")])
    store = reopen(store)
    assert [key for key, _ in store.scan("inv", b"", None)] == [b"2", b"3"]


def test_close_may_be_called_twice_and_while_a_scan_is_open(engine: tuple[Store, Reopen]) -> None:
    store, reopen = engine
    store.write([("inv", b"1", b"a"), ("inv", b"2", b"b")])
    scan = store.scan("inv", b"", None)
    next(scan)
    store.close()
    assert reopen(store).get("inv", b"2") == b"b"


async def test_the_flusher_makes_writes_durable(engine: tuple[Store, Reopen]) -> None:
    store, reopen = engine
    async with store.flusher() as flush:
        for number in range(3):
            store.write([("inv", bytes([number]), b"x")])
            with trio.fail_after(10):
                await flush()
        await flush()
    assert len(list(reopen(store).scan("inv", b"", None))) == 3


_KEYS = st.binary(max_size=3) | st.sampled_from([b"\xff", b"\xff\xff", b"a\xff"])
_BATCHES = st.lists(
    st.lists(
        st.tuples(st.sampled_from(["inv", "state"]), _KEYS, st.none() | st.binary(max_size=3)), max_size=8
    ),
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=_BATCHES, start=_KEYS, end=st.none() | _KEYS)
def test_a_store_is_a_sorted_dictionary(
    store: Store, batches: list[list[Write]], start: bytes, end: bytes | None
) -> None:
    store.write([(table, key, None) for table in ("inv", "state") for key, _ in store.scan(table, b"", None)])
    model: dict[tuple[str, bytes], bytes] = {}
    for batch in batches:
        store.write(batch.copy())
        for table, key, value in batch:
            if value is None:
                model.pop((table, key), None)
            else:
                assert isinstance(value, bytes)
                model[table, key] = value
    for table in ("inv", "state"):
        rows = sorted((key, value) for (name, key), value in model.items() if name == table)
        inside = [(key, value) for key, value in rows if key >= start and (end is None or key < end)]
        assert list(store.scan(table, start, end)) == inside
        assert all(store.get(table, key) == value for key, value in rows)

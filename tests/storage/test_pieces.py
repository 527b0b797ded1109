"""Long values: what RocksDB is given of them, what is read back, and what is left once they are gone."""

import os
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict

from restate.runtime.errors import StorageDamaged
from restate.runtime.maintenance.backup import back_up
from restate.runtime.storage import pieces
from restate.runtime.storage.api import META, TABLES, DeleteUpTo
from restate.runtime.storage.pieces import LONG_BYTES, LongValue
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.storage.secondary import Secondary, secondary

LONG = os.urandom(LONG_BYTES + 12_345)
OTHER = os.urandom(3 * LONG_BYTES)
SHORT = LONG[: LONG_BYTES - 1]
LARGEST_PIECE = 1.1 * (1 << 20)


def _stored(path: Path) -> dict[tuple[str, bytes], bytes]:
    """{table and key: value} of everything in a closed database, as RocksDB has it."""
    options = Options(raw_mode=True)
    db = Rdict(str(path), options, dict.fromkeys(TABLES, options))
    found: dict[tuple[str, bytes], bytes] = {}
    for name in TABLES:
        rows: Any = db.get_column_family(name).items()
        found.update({(name, key): value for key, value in rows})
    db.close()
    return found


def _lengths(path: Path) -> list[int]:
    return [len(value) for value in _stored(path).values()]


def _own_keys(store: RocksStore) -> set[bytes]:
    return {key.partition(b"/")[0] for key, _ in store.scan(META, b"", None)}


@pytest.mark.parametrize("size", [LONG_BYTES, LONG_BYTES + 1, 5 << 20, 32_000_000, 33 << 20])
def test_the_pieces_of_a_value_are_of_a_megabyte_and_the_first_makes_the_batch_grow_well(size: int) -> None:
    value = memoryview(bytes(size))
    long = LongValue.of(7, 1, size)
    parts = [piece for _, piece in long.split(bytes(value))]
    assert sum(map(len, parts)) == size
    assert max(map(len, parts)) <= LARGEST_PIECE
    assert LongValue.noted(long.note) == long
    # Doubled from the first piece on, the room for the whole value comes with at most half of it to copy.
    room = len(parts[0])
    while room * 2 < size:
        room *= 2
    assert room <= 0.54 * size
    assert room * 2 >= size + len(parts) * 64


def test_no_value_that_rocksdb_gets_is_long(store: RocksStore, path: Path) -> None:
    store.write([("state", b"a", LONG), ("inv", b"b", OTHER), ("state", b"c", bytes(20 << 20))])
    store.close()
    assert max(_lengths(path)) <= LARGEST_PIECE
    assert sum(_lengths(path)) < len(LONG) + len(OTHER) + (20 << 20) + 1000


def test_what_is_nearly_long_is_stored_as_it_always_was(store: RocksStore, path: Path) -> None:
    store.write([("state", b"a", SHORT)])
    store.close()
    assert _stored(path)["state", b"a"] == SHORT


def test_a_long_value_stored_whole_by_an_earlier_version_is_read_replaced_and_deleted(
    store: RocksStore, path: Path
) -> None:
    store.close()
    options = Options(raw_mode=True)
    db = Rdict(str(path), options, dict.fromkeys(TABLES, options))
    for key in (b"a", b"b", b"c"):
        db.get_column_family("state")[key] = LONG
    db.close()
    store = RocksStore.open(path)
    try:
        assert store.get("state", b"a") == LONG
        with secondary(path) as reader:
            assert list(reader.scan("state", b"b", None)) == [(b"b", LONG), (b"c", LONG)]
        store.write([("state", b"a", OTHER), ("state", b"b", None)])
        assert list(store.scan("state", b"", None)) == [(b"a", OTHER), (b"c", LONG)]
    finally:
        store.close()


def test_it_is_read_back_by_key_and_by_scan_also_after_a_restart(store: RocksStore, path: Path) -> None:
    store.write([("state", b"a", b"1"), ("state", b"b", LONG), ("state", b"c", b"3"), ("lock", b"b", b"4")])
    rows = [(b"a", b"1"), (b"b", LONG), (b"c", b"3")]
    assert store.get("state", b"b") == LONG
    assert store.get("lock", b"b") == b"4"
    assert list(store.scan("state", b"", None)) == rows
    store.close()
    store = RocksStore.open(path)
    try:
        assert store.get("state", b"b") == LONG
        assert list(store.scan("state", b"", None)) == rows
        assert list(store.scan("state", b"b", b"c")) == rows[1:2]
    finally:
        store.close()


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ([("state", b"a", None)], None),
        ([("state", b"a", b"short")], b"short"),
        ([("state", b"a", OTHER)], OTHER),
        ([("state", b"", DeleteUpTo(b"b"))], None),
        ([("state", b"a", OTHER), ("state", b"a", None)], None),
        ([("state", b"a", None), ("state", b"a", OTHER)], OTHER),
        ([("state", b"", DeleteUpTo(b"b")), ("state", b"a", OTHER)], OTHER),
    ],
)
@pytest.mark.parametrize("reopened", [False, True])
def test_its_pieces_go_with_it(
    path: Path, change: list[tuple[str, bytes, bytes | DeleteUpTo | None]], left: bytes | None, reopened: bool
) -> None:
    store = RocksStore.open(path)
    try:
        before = _own_keys(store)
        store.write([("state", b"a", LONG)])
        assert _own_keys(store) == before | {b"long", b"piece"}
        if reopened:
            store.close()
            store = RocksStore.open(path)
        store.write(list(change))
        assert store.get("state", b"a") == left
        assert [value for _, value in store.scan("state", b"", None)] == ([] if left is None else [left])
        found = [key for key, _ in store.scan(META, b"piece/", b"piece0")]
        assert len(found) == (len(list(LongValue.of(0, 0, len(OTHER)).piece_keys())) if left == OTHER else 0)
        store.write([("state", b"a", None)])
        assert _own_keys(store) == before
    finally:
        store.close()


def test_a_range_leaves_what_is_outside_of_it(store: RocksStore) -> None:
    store.write([("state", b"a", LONG), ("state", b"b", LONG), ("lock", b"a", LONG), ("state", b"c", OTHER)])
    store.write([("state", b"a", DeleteUpTo(b"c"))])
    assert [store.get(table, key) for table, key in (("state", b"a"), ("state", b"b"))] == [None, None]
    assert (store.get("lock", b"a"), store.get("state", b"c")) == (LONG, OTHER)


def test_a_scan_sees_the_value_that_was_there_when_it_began(store: RocksStore) -> None:
    store.write([("state", b"a", LONG), ("state", b"b", LONG)])
    rows = store.scan("state", b"", None)
    assert next(rows) == (b"a", LONG)
    store.write([("state", b"b", OTHER)])
    assert list(rows) == [(b"b", LONG)]
    assert store.get("state", b"b") == OTHER


def test_a_scan_begun_before_the_first_long_value_does_not_see_it(store: RocksStore) -> None:
    store.write([("state", b"a", b"1")])
    rows = store.scan("state", b"", None)
    store.write([("state", b"a", LONG)])
    assert list(rows) == [(b"a", b"1")]


READERS: dict[str, Callable[[Secondary], list[bytes | None]]] = {
    "get": lambda reader: [reader.get("state", b"a"), reader.get("state", b"b"), reader.get("state", b"c")],
    "get_many": lambda reader: reader.get_many("state", [b"a", b"b", b"c"]),
    "scan": lambda reader: [value for _, value in reader.scan("state", b"", None)] + [None],
    "chunks": lambda reader: [
        *(value for chunk in reader.chunks("state", b"", repeat(16)) for _, value in chunk),
        None,
    ],
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_other_processes_read_it(
    store: RocksStore, path: Path, read: Callable[[Secondary], list[bytes | None]]
) -> None:
    with secondary(path) as reader:
        store.write([("state", b"a", LONG), ("state", b"b", b"2")])
        reader.catch_up()
        assert read(reader) == [LONG, b"2", None]
        store.write([("state", b"a", OTHER)])
        assert read(reader) == [LONG, b"2", None]
        reader.catch_up()
        assert read(reader) == [OTHER, b"2", None]
        store.write([("state", b"a", b"1")])
        reader.catch_up()
        assert read(reader) == [b"1", b"2", None]


def test_a_chunk_ends_with_the_first_long_values(store: RocksStore, path: Path) -> None:
    store.write([("state", bytes((number,)), LONG) for number in range(12)])
    with secondary(path) as reader:
        lengths = [len(chunk) for chunk in reader.chunks("state", b"", repeat(100))]
    assert sum(lengths) == 12
    assert max(lengths) <= 8


def test_a_backup_has_it(store: RocksStore, path: Path, tmp_path: Path) -> None:
    store.write([("state", b"a", LONG), ("state", b"b", b"2"), ("inv", b"c", OTHER)])
    copy = tmp_path / "copy"
    assert back_up(path, copy) == 3
    other = RocksStore.open(copy / "db")
    try:
        assert list(other.scan("state", b"", None)) == [(b"a", LONG), (b"b", b"2")]
        assert other.get("inv", b"c") == OTHER
        other.write([("state", b"a", None), ("inv", b"c", None)])
        assert b"piece" not in _own_keys(other)
    finally:
        other.close()


def test_a_missing_piece_is_damage(store: RocksStore) -> None:
    store.write([("state", b"a", LONG)])
    key = next(key for key, _ in store.scan(META, b"piece/", b"piece0"))
    store.write([(META, key, None)])
    with pytest.raises(StorageDamaged, match="expected a long value of"):
        store.get("state", b"a")
    with pytest.raises(StorageDamaged, match="expected a long value of"):
        list(store.scan("state", b"", None))


def test_a_note_that_cannot_be_read_is_damage() -> None:
    with pytest.raises(StorageDamaged, match="where a long value is"):
        LongValue.noted(LongValue.of(1, 0, LONG_BYTES).note[:-1])


def test_the_values_of_tables_are_no_notes() -> None:
    assert not pieces.is_note(b"")
    assert not pieces.is_note(b"\x01" + LongValue.of(1, 0, LONG_BYTES).note)
    assert pieces.is_note(LongValue.of(1, 0, LONG_BYTES).note)

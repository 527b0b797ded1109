from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import pytest

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.storage.api import META, StorageError
from restate.runtime.storage.rocksdb import FORMAT_KEY, NUMBER, RocksStore
from restate.runtime.storage.secondary import Secondary, secondary


def test_rows_that_are_only_in_the_log_are_seen(store: RocksStore, path: Path) -> None:
    store.write([("state", b"a", b"1"), ("state", b"b", b"2"), ("state", b"c", b"3")])
    with secondary(path) as reader:
        assert reader.get("state", b"a") == b"1"
        assert reader.get("state", b"x") is None
        assert list(reader.scan("state", b"a", b"c")) == [(b"a", b"1"), (b"b", b"2")]
        assert list(reader.scan("state", b"b", None)) == [(b"b", b"2"), (b"c", b"3")]


def test_later_writes_are_not_seen(store: RocksStore, path: Path) -> None:
    store.write([("state", b"a", b"1")])
    with secondary(path) as reader:
        rows = reader.scan("state", b"", None)
        store.write([("state", b"a", b"2"), ("lock", b"a", b"2")])
        assert list(rows) == [(b"a", b"1")]
        assert reader.get("lock", b"a") is None


def test_reading_leaves_the_folder_as_it_was(store: RocksStore, path: Path) -> None:
    before = sorted(each.name for each in path.iterdir())
    with secondary(path):
        pass
    assert sorted(each.name for each in path.iterdir()) == before


def test_a_folder_without_a_database_is_refused_and_stays_empty(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="found none"), secondary(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_another_format_is_refused(store: RocksStore, path: Path) -> None:
    store.write([(META, FORMAT_KEY, NUMBER.pack(7))])
    with pytest.raises(StorageFormatError, match="found version 7"), secondary(path):
        pass


def test_a_damaged_file_is_an_error(path: Path) -> None:
    RocksStore.open(path).close()
    manifest = max(path.glob("MANIFEST-*"))
    manifest.write_bytes(b"\0" * 100)
    with pytest.raises((StorageDamaged, StorageError)), secondary(path):
        pass


def test_a_catch_up_shows_what_was_written_since(store: RocksStore, path: Path, tmp_path: Path) -> None:
    reader = Secondary(path, tmp_path / "home")
    reader.catch_up()
    store.write([("state", b"a", b"1"), ("lock", b"a", b"2")])
    assert reader.get_many("state", [b"a", b"b"]) == [None, None]
    reader.catch_up()
    assert reader.get_many("state", [b"b", b"a"]) == [None, b"1"]
    assert reader.get("lock", b"a") == b"2"
    reader.close()
    reader.catch_up()
    assert reader.get("state", b"a") == b"1"
    reader.close()


def test_chunks_have_the_rows_under_a_prefix_and_few_megabytes(store: RocksStore, path: Path) -> None:
    small = [("state", b"a%03d" % number, b"s") for number in range(100)]
    large = [("state", b"b%03d" % number, bytes(900_000)) for number in range(9)]
    store.write([*small, ("state", b"c", b"")])
    for row in large:
        store.write([row])
    with secondary(path) as reader:
        chunks = list(reader.chunks("state", b"a", repeat(64)))
        assert [len(chunk) for chunk in chunks] == [64, 36]
        assert [row for chunk in chunks for row in chunk] == [(key, value) for _, key, value in small]
        chunks = list(reader.chunks("state", b"b", repeat(64)))
        assert [row for chunk in chunks for row in chunk] == [(key, value) for _, key, value in large]
        assert max(sum(len(value) for _, value in chunk) for chunk in chunks) < 9 * 900_000
        assert list(reader.counts("state", repeat(64))) == [64, 46]


@pytest.mark.parametrize("table", ["events", "inbox"])
def test_other_tables_that_may_have_long_values_are_read_alike(
    store: RocksStore, path: Path, table: str
) -> None:
    """A stack trace, a patch of state that waits."""
    rows = [(table, b"%03d" % number, b"x" * (1 << 20)) for number in range(12)]
    rows.append((table, b"999", b"y" * (3 << 20)))
    for row in rows:
        store.write([row])
    with secondary(path) as reader:
        chunks = list(reader.chunks(table, b"", repeat(1000)))
    assert [row for chunk in chunks for row in chunk] == [(key, value) for _, key, value in rows]
    assert len(chunks) >= 3


def test_an_unreadable_file_is_never_the_end_of_the_rows(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([("state", b"%06d" % number, b"v" * 1000) for number in range(500)])
    store.write([("state", b"%06d" % number, b"v" * 1000) for number in range(500, 900)])
    store.close()
    table = max(path.glob("*.sst"), key=lambda file: file.stat().st_size)
    data = bytearray(table.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\xff" * 2000
    table.write_bytes(data)
    with secondary(path) as reader:
        whole: list[Callable[[], Iterator[object]]] = [
            lambda: reader.counts("state", repeat(64)),
            lambda: reader.chunks("state", b"", repeat(64)),
            lambda: reader.scan("state", b"", None),
        ]
        for read in whole:
            with pytest.raises(StorageError, match="reading table 'state'"):
                list(read())

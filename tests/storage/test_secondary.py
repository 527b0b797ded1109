from collections.abc import Iterator
from pathlib import Path

import pytest

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.storage.api import META, StorageError
from restate.runtime.storage.rocksdb import FORMAT_KEY, NUMBER, RocksStore
from restate.runtime.storage.secondary import secondary


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db"


@pytest.fixture
def store(path: Path) -> Iterator[RocksStore]:
    store = RocksStore.open(path)
    yield store
    store.close()


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

import os
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from restate.runtime.errors import StorageDamaged, StorageFormatError, StorageLocked
from restate.runtime.storage.api import META, TABLES, StorageError
from restate.runtime.storage.rocksdb import RocksOptions, RocksStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "base" / "db"


def _image(path: Path, name: str) -> Path:
    """What a crash at this moment would leave."""
    image = path.with_name(name)
    shutil.copytree(path, image)
    (image / "LOCK").unlink()
    return image


def _current_log(path: Path) -> Path:
    return max(path.glob("*.log"))


def _disk_size(path: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in path.iterdir())


def _keys(store: RocksStore) -> list[bytes]:
    return [key for key, _ in store.scan("inv", b"", None)]


def test_an_empty_database_is_small(store: RocksStore, path: Path) -> None:
    store.write([("inv", b"1", b"a")])
    store.flush()
    assert _disk_size(path) < 1 << 20


def test_a_second_open_names_the_directory_in_one_line(store: RocksStore, path: Path) -> None:
    with pytest.raises(StorageLocked) as caught:
        RocksStore.open(path)
    assert str(caught.value) == f"the database '{path}' is in use by another process"
    assert caught.value.code == "RT0005"
    store.write([("inv", b"1", b"a")])


def test_the_lock_is_free_after_close_though_a_scan_was_left_open(path: Path) -> None:
    for _ in range(3):
        store = RocksStore.open(path)
        store.write([("inv", b"1", b"a"), ("inv", b"2", b"a")])
        scan = store.scan("inv", b"", None)
        next(scan)
        store.close()


def test_the_lock_is_free_after_an_open_that_failed(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([(META, b"format_version", (2).to_bytes(8, "big"))])
    store.close()
    for _ in range(2):
        with pytest.raises(StorageFormatError, match=r"expected storage format version 1 .* found version 2"):
            RocksStore.open(path)


def test_rows_without_a_format_version_are_refused(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([(META, b"format_version", None)])
    store.close()
    with pytest.raises(StorageFormatError, match="without a version") as caught:
        RocksStore.open(path)
    assert caught.value.code == "RT0009"


def test_tables_of_a_newer_version_are_refused(path: Path) -> None:
    path.parent.mkdir(parents=True)
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.create_missing_column_families(True)
    names = (*TABLES, "from_the_future")
    db = Rdict(str(path), options, {name: options for name in names})
    for name in names:
        db.get_column_family(name).close()
    db.close()
    with pytest.raises(StorageFormatError, match="from_the_future"):
        RocksStore.open(path)


def test_a_database_of_an_older_version_gets_the_tables_it_lacks(path: Path) -> None:
    store = RocksStore.open(path)
    store.write([("inv", b"1", b"a")])
    store.close()
    options = Options(raw_mode=True)
    db = Rdict(str(path), options)
    db.drop_column_family("events")
    db.close()
    store = RocksStore.open(path)
    store.write([("events", b"1", b"a")])
    assert _keys(store) == [b"1"]
    store.close()


def test_a_log_damaged_in_its_middle_is_noticed(store: RocksStore, path: Path) -> None:
    for number in range(200):
        store.write([("inv", b"%03d" % number, b"x" * 100)])
    store.flush()
    image = _image(path, "image")
    log = _current_log(image)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    for _ in range(2):
        with pytest.raises(
            StorageDamaged, match=r"expected 201 writes, found 1?\d\d; restore a backup"
        ) as caught:
            RocksStore.open(image)
        assert "\n" not in str(caught.value)
    (image / "COMMITTED").unlink()
    spared = RocksStore.open(image)
    assert 0 < len(_keys(spared)) < 200
    spared.close()


def test_losing_the_end_of_the_log_is_fine_if_it_was_not_flushed(store: RocksStore, path: Path) -> None:
    store.write([("inv", b"1", b"a")])
    store.flush()
    store.write([("inv", b"2", b"b")])
    image = _image(path, "image")
    log = _current_log(image)
    os.truncate(log, log.stat().st_size - 5)
    spared = RocksStore.open(image)
    assert _keys(spared) == [b"1"]
    spared.write([("inv", b"3", b"c")])
    spared.flush()
    again = RocksStore.open(_image(image, "again"))
    assert _keys(again) == [b"1", b"3"]
    again.close()
    spared.close()


def test_losing_the_end_of_the_log_is_noticed_if_it_was_flushed(store: RocksStore, path: Path) -> None:
    store.write([("inv", b"1", b"a")])
    store.write([("inv", b"2", b"b")])
    store.flush()
    image = _image(path, "image")
    log = _current_log(image)
    os.truncate(log, log.stat().st_size - 5)
    with pytest.raises(StorageDamaged, match="expected 3 writes, found 2"):
        RocksStore.open(image)


def test_a_mark_that_was_never_written_counts_as_nothing(path: Path) -> None:
    RocksStore.open(path).close()
    (path / "COMMITTED").write_bytes(b"")
    RocksStore.open(path).close()


def _database_with_tables(path: Path) -> Path:
    """Rows in a table file of several blocks; returns that file."""
    store = RocksStore.open(path)
    store.write([("inv", b"%04d" % number, os.urandom(500)) for number in range(1000)])
    store.close()
    # A reopen merges the log into tables.
    RocksStore.open(path).close()
    return max(path.glob("*.sst"), key=lambda file: file.stat().st_size)


def test_a_scan_over_a_corrupt_block_is_an_error_and_not_a_short_answer(path: Path) -> None:
    table = _database_with_tables(path)
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 0xFF
    table.write_bytes(content)
    store = RocksStore.open(path)
    scan = store.scan("inv", b"", None)
    seen: list[tuple[bytes, bytes]] = []
    with pytest.raises(StorageError, match="Corruption") as caught:
        seen.extend(scan)
    assert caught.value.code == "RT0009"
    assert 0 < len(seen) < 1000
    with pytest.raises(StorageError, match=r"reading table 'inv' .*Corruption"):
        [store.get("inv", b"%04d" % number) for number in range(1000)]
    store.close()


def test_damaged_files_are_named_at_open(path: Path) -> None:
    RocksStore.open(path).close()
    (path / "CURRENT").write_bytes(b"nonsense\n")
    with pytest.raises((StorageDamaged, StorageError), match="db'"):
        RocksStore.open(path)


def test_a_directory_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot open the database '.*file/db'"):
        RocksStore.open(tmp_path / "file" / "db")


def _log_sizes(path: Path) -> dict[str, int]:
    sizes = {}
    for log in path.glob("*.log"):
        # RocksDB may delete an old log at any time.
        with suppress(FileNotFoundError):
            sizes[log.name] = log.stat().st_size
    return sizes


def test_the_log_file_of_every_write_is_known(path: Path) -> None:
    options = RocksOptions(table_write_buffer_size=64 << 10, wal_size=128 << 10)
    store = RocksStore.open(path, options)
    seen = set()
    for number in range(400):
        before = _log_sizes(path)
        store.write([("inv" if number % 3 else "run", b"%d" % number, os.urandom(2000))])
        grown = {name for name, size in _log_sizes(path).items() if size > before.get(name, 0)}
        _, logs = store._take_logs()
        assert grown == {f"{log:06}.log" for log in logs}
        seen |= grown
    assert len(seen) > 3
    store.close()


def test_a_scan_keeps_its_end_while_memory_is_reused(store: RocksStore) -> None:
    rows = [(f"{number:06}".encode(), b"v") for number in range(1000)]
    store.write([("state", key, value) for key, value in rows])
    for start in range(0, 1000, 10):
        found = []
        for row in store.scan("state", f"{start:06}".encode(), f"{start + 10:06}".encode()):
            found.append((row, [bytes(6) for _ in range(50)], [bytes(40) for _ in range(50)]))
        assert [row for row, _, _ in found] == rows[start : start + 10]


def test_indexes_and_filters_are_in_parts_that_fit_into_the_cache(tmp_path: Path) -> None:
    RocksStore.open(tmp_path / "db").close()
    written = max((tmp_path / "db").glob("OPTIONS-*")).read_text()
    assert "partition_filters=true" in written
    assert "index_type=kTwoLevelIndexSearch" in written
    assert "partition_filters=false" not in written, "in every table"

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from restate.runtime.maintenance.backup import BackupError, back_up
from restate.runtime.storage.api import META, TABLES, StorageError
from restate.runtime.storage.rocksdb import RocksStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RocksStore]:
    store = RocksStore.open(tmp_path / "data" / "db")
    yield store
    store.close()


def rows_of(store: RocksStore) -> dict[str, list[tuple[bytes, bytes]]]:
    return {table: list(store.scan(table, b"", None)) for table in TABLES if table != META}


def test_a_copy_of_an_open_database_has_all_its_rows(store: RocksStore, tmp_path: Path) -> None:
    for number in range(40):
        store.write([("state", b"%d" % n, bytes(1000)) for n in range(number * 50, number * 50 + 50)])
    store.write([("lock", b"a", b"b"), ("fsm", b"boot", b"1"), ("state", b"7", None)])
    assert back_up(tmp_path / "data" / "db", tmp_path / "copy") == 2001
    copy = RocksStore.open(tmp_path / "copy" / "db")
    try:
        assert rows_of(copy) == rows_of(store)
    finally:
        copy.close()
    assert [each.name for each in tmp_path.iterdir() if "unfinished" in each.name] == []


def test_a_copy_goes_on_counting_its_own_writes(store: RocksStore, tmp_path: Path) -> None:
    store.write([("state", b"a", b"1")])
    store.flush()
    back_up(tmp_path / "data" / "db", tmp_path / "copy")
    for _ in range(2):
        copy = RocksStore.open(tmp_path / "copy" / "db")
        copy.write([("state", b"b", b"2")])
        copy.flush()
        copy.close()


def test_a_directory_with_something_in_it_is_refused(store: RocksStore, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    target.mkdir()
    (target / "mine").write_text("x")
    with pytest.raises(BackupError, match="has something in it"):
        back_up(tmp_path / "data" / "db", target)
    assert [each.name for each in target.iterdir()] == ["mine"]


def test_an_unfinished_copy_of_before_is_replaced(store: RocksStore, tmp_path: Path) -> None:
    (tmp_path / "copy.unfinished" / "db").mkdir(parents=True)
    (tmp_path / "copy.unfinished" / "db" / "CURRENT").write_text("half")
    (tmp_path / "copy").mkdir()
    back_up(tmp_path / "data" / "db", tmp_path / "copy")
    assert (tmp_path / "copy" / "db" / "CURRENT").read_text() != "half"
    assert not (tmp_path / "copy.unfinished").exists()


def test_without_a_database_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="found none"):
        back_up(tmp_path / "db", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_directory_that_cannot_be_written_is_named(store: RocksStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BackupError, match="cannot write the backup"):
        back_up(tmp_path / "data" / "db", tmp_path / "file" / "copy")


def test_a_place_inside_of_the_database_is_refused(store: RocksStore, tmp_path: Path) -> None:
    database = tmp_path / "data" / "db"
    (tmp_path / "link").symlink_to(database)
    before = {path.name for path in database.iterdir()}
    for place in (database / "copy", tmp_path / "link" / "copy"):
        with pytest.raises(BackupError, match="outside of the database"):
            back_up(database, place)
    assert {path.name for path in database.iterdir()} == before


@pytest.mark.parametrize("place", [".", "", "../here"])
def test_the_working_directory_can_be_the_place(
    store: RocksStore, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    back_up(tmp_path / "data" / "db", Path(place))
    assert (tmp_path / "here" / "db" / "CURRENT").exists()


def test_a_name_that_is_too_long_is_an_error_of_the_backup(store: RocksStore, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="cannot write the backup"):
        back_up(tmp_path / "data" / "db", tmp_path / ("a" * 300))


def test_a_copy_that_fails_leaves_nothing(
    store: RocksStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: RocksStore, batch: object) -> None:
        raise StorageError("No space left on device")

    store.write([("state", b"a", b"1")])
    monkeypatch.setattr(RocksStore, "write", fail)
    with pytest.raises(BackupError, match="No space left"):
        back_up(tmp_path / "data" / "db", tmp_path / "copies" / "one")
    assert list((tmp_path / "copies").iterdir()) == []


def test_two_backups_at_one_place_do_not_mix(store: RocksStore, tmp_path: Path) -> None:
    # Locks of one process do not exclude each other, so the other backup is another process.
    script = (
        "import sys, time; from pathlib import Path; from restate.runtime.storage.rocksdb import RocksStore;"
        " store = RocksStore.open(Path(sys.argv[1])); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "copy.unfinished" / "db")], stdout=subprocess.PIPE
    ) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == b"open\n"
            with pytest.raises(BackupError, match=f"another backup, by process {other.pid}"):
                back_up(tmp_path / "data" / "db", tmp_path / "copy")
            assert (tmp_path / "copy.unfinished" / "db" / "CURRENT").exists()
        finally:
            other.kill()

from collections.abc import Iterator
from pathlib import Path

import pytest

from restate.runtime.maintenance import data
from restate.runtime.model.ids import InvocationId
from restate.runtime.schema.registry import Registry
from restate.runtime.storage.api import TABLES
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables

HOLDER = InvocationId(bytes(24))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RocksStore]:
    store = RocksStore.open(tmp_path / "db")
    yield store
    store.close()


def test_no_data_is_no_problem(tmp_path: Path) -> None:
    findings, registry = data.check(tmp_path / "db")
    assert [finding.level for finding in findings] == ["ok"]
    assert registry.version == Registry.EMPTY.version


def test_the_rows_of_all_tables_are_read() -> None:
    assert set(data.DECODERS) == set(TABLES)


def test_a_lost_file_of_rows_is_a_problem(tmp_path: Path) -> None:
    store = RocksStore.open(tmp_path / "db")
    store.write([("state", b"a", b"\x01b")])
    store.close()
    RocksStore.open(tmp_path / "db").close()  # which writes the rows of the log into a file of the table
    next((tmp_path / "db").glob("*.sst")).unlink()
    (finding,), _ = data.check(tmp_path / "db")
    assert (finding.level, "RT0009" in finding.text) == ("problem", True)


def test_a_damaged_file_of_rows_is_a_problem(tmp_path: Path) -> None:
    store = RocksStore.open(tmp_path / "db")
    store.write([("state", b"%d" % number, b"\x01" + bytes(1000)) for number in range(100)])
    store.close()
    RocksStore.open(tmp_path / "db").close()
    largest = max((tmp_path / "db").glob("*.sst"), key=lambda path: path.stat().st_size)
    with largest.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 100)
    (finding,), _ = data.check(tmp_path / "db")
    assert (finding.level, "Corruption" in finding.text, "RT0009" in finding.text) == ("problem", True, True)


def test_half_a_store_is_a_problem(tmp_path: Path) -> None:
    RocksStore.open(tmp_path / "db").close()
    (tmp_path / "db" / "CURRENT").unlink()
    before = {path.name for path in (tmp_path / "db").iterdir()}
    (finding,), _ = data.check(tmp_path / "db")
    assert (finding.level, "CURRENT" in finding.text, "RT0009" in finding.text) == ("problem", True, True)
    assert {path.name for path in (tmp_path / "db").iterdir()} == before


def test_a_place_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    (finding,), _ = data.check(tmp_path / ("a" * 300) / "db")
    assert finding.level == "problem"
    assert "too long" in finding.text


def test_sound_data_is_counted(store: RocksStore, tmp_path: Path) -> None:
    tables = Tables(store)
    tables.state.put(bytes(8), "S", "k", b"name", b"value")
    store.write(tables.take_writes())
    findings, _ = data.check(tmp_path / "db")
    assert [finding.level for finding in findings] == ["ok", "ok", "ok"]
    assert "1 states" in findings[0].text


def test_a_row_that_cannot_be_read_is_a_problem(store: RocksStore, tmp_path: Path) -> None:
    store.write([("journal", b"x", b"\x01rubbish")])
    (finding,), _ = data.check(tmp_path / "db")
    assert finding.level == "problem"
    assert "journal row" in finding.text


def test_a_lock_without_a_living_holder_is_a_problem(store: RocksStore, tmp_path: Path) -> None:
    tables = Tables(store)
    tables.locks.put(bytes(8), "S", "k", HOLDER)
    store.write(tables.take_writes())
    findings, _ = data.check(tmp_path / "db")
    assert "1 objects are locked by an invocation that has ended" in [
        f.text for f in findings if f.level == "problem"
    ]


def test_a_run_entry_without_its_invocation_is_a_problem(store: RocksStore, tmp_path: Path) -> None:
    store.write([("run", HOLDER, b"\x01" + bytes(8))])
    findings, _ = data.check(tmp_path / "db")
    assert [f.subject for f in findings if f.level == "problem"] == ["running"]

import os
from pathlib import Path

import pytest

from restate.runtime import observation
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.telemetry.metrics import Metrics


@pytest.fixture
def observed(tmp_path: Path) -> Metrics:
    metrics = Metrics()
    store = RocksStore.open(tmp_path / "db")
    try:
        observation.observe_storage(metrics, store, tmp_path / "db")
    finally:
        store.close()
    return metrics


def test_the_log_and_the_free_space_are_read_from_the_disk(observed: Metrics, tmp_path: Path) -> None:
    (tmp_path / "db" / "000999.log").write_bytes(bytes(1234))
    ((_, size),) = observed.storage.log_bytes.read()
    assert size >= 1234
    ((_, free),) = observed.storage.disk_free_bytes.read()
    assert free > 0


def test_a_log_that_is_deleted_meanwhile_counts_nothing(observed: Metrics, tmp_path: Path) -> None:
    for path in (tmp_path / "db").glob("*.log"):
        path.unlink()
    (tmp_path / "db" / "000999.log").symlink_to(tmp_path / "gone")
    assert list(observed.storage.log_bytes.read()) == [((), 0)]


def test_what_cannot_be_read_is_left_out(
    observed: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "scandir", exhausted)
    monkeypatch.setattr(os, "statvfs", exhausted)
    assert list(observed.storage.log_bytes.read()) == []
    assert list(observed.storage.disk_free_bytes.read()) == []

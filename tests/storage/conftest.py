"""A database of a test of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from restate.runtime.storage.rocksdb import RocksStore


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db"


@pytest.fixture
def store(path: Path) -> Iterator[RocksStore]:
    store = RocksStore.open(path)
    yield store
    store.close()

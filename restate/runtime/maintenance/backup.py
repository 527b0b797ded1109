"""A copy of a server's data while it runs: all rows as of one moment, in a new database that a server starts from.

The rows are read by a secondary instance, so the server neither knows nor waits. The copy is made beside its place and
moved there when it is whole and on disk: a backup that was killed leaves none.
"""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from restate.runtime.config import Config
from restate.runtime.errors import RestateError
from restate.runtime.storage.api import META, TABLES, Write
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.storage.secondary import Secondary, secondary

_BATCH_BYTES = 512 << 10


class BackupError(RestateError):
    """There is no backup; what was there before is as it was."""


def run(config: Config, directory: Path) -> None:
    """`back_up`, and say so on standard output."""
    started = time.perf_counter()
    rows = back_up(config.base_dir / "db", directory)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    seconds = time.perf_counter() - started
    print(
        f"{rows} rows, {size / (1 << 20):.1f} MiB, in {seconds:.1f} s; start from them with --base-dir {directory}"
    )


def back_up(database: Path, directory: Path) -> int:
    """Copy the database to `directory`/db, which must not exist yet. Returns the number of rows.

    Raises BackupError, and what `secondary` and the store raise.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise BackupError(
            f"expected a new or empty directory for the backup, '{directory}' has something in it"
        )
    unfinished = directory.with_name(f"{directory.name}.unfinished")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        if unfinished.exists():
            shutil.rmtree(unfinished)
        with secondary(database) as reader:
            rows = _copy(reader, unfinished / "db")
        if directory.exists():
            directory.rmdir()
        _sync(unfinished / "db")
        _sync(unfinished)
        unfinished.rename(directory)
        _sync(directory.parent)
    except OSError as error:
        raise BackupError(f"cannot write the backup '{directory}': {error}") from error
    return rows


def _copy(reader: Secondary, path: Path) -> int:
    """All rows but those that a store has of itself. Durable when it returns."""
    store = RocksStore.open(path)
    copied = 0
    try:
        for batch in _batches(reader):
            store.write(batch)
            copied += len(batch)
    finally:
        store.close()
    return copied


def _batches(reader: Secondary) -> Iterator[list[Write]]:
    batch: list[Write] = []
    size = 0
    for table in TABLES:
        if table == META:
            continue
        for key, value in reader.scan(table, b"", None):
            batch.append((table, key, value))
            size += len(key) + len(value)
            if size > _BATCH_BYTES:
                yield batch
                batch, size = [], 0
    if batch:
        yield batch


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

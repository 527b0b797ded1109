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
from restate.runtime.storage.api import META, TABLES, StorageError, Write
from restate.runtime.storage.precheck import holder
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

    Raises BackupError, and what `secondary` raises.
    """
    # Without links and dots, so that the last part is a name, and that of the folder that is moved into place.
    place = Path(os.path.realpath(directory))
    try:
        unfinished = _prepare(place, Path(os.path.realpath(database)))
        try:
            rows = _copied(database, unfinished / "db")
            if place.exists():
                place.rmdir()
            _sync(unfinished / "db")
            _sync(unfinished)
            unfinished.rename(place)
        except BaseException:
            # Half a copy is of no use, and may be what fills the disk.
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        _sync(place.parent)
    except OSError as error:
        raise BackupError(f"cannot write the backup '{directory}': {error}") from error
    return rows


def _prepare(place: Path, database: Path) -> Path:
    """Where the copy is made: nothing is there now. Raises BackupError, OSError."""
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise BackupError(f"expected a new or empty directory for the backup, '{place}' has something in it")
    if database in (place, *place.parents):
        raise BackupError(f"expected a place outside of the database for the backup, got '{place}'")
    unfinished = place.with_name(f"{place.name}.unfinished")
    process = holder(unfinished / "db")
    if process is not None:
        raise BackupError(f"another backup, by process {process}, is being made at '{place}'")
    place.parent.mkdir(parents=True, exist_ok=True)
    if unfinished.exists():
        shutil.rmtree(unfinished)
    return unfinished


def _copied(database: Path, path: Path) -> int:
    """Raises BackupError, and what `secondary` raises."""
    try:
        with secondary(database) as reader:
            return _copy(reader, path)
    except OSError as error:
        raise BackupError(f"cannot read the database '{database}': {error}") from error


def _copy(reader: Secondary, path: Path) -> int:
    """All rows but those that a store has of itself. Durable when it returns. Raises BackupError."""
    copied = 0
    try:
        store = RocksStore.open(path)
        try:
            for batch in _batches(reader):
                copied += len(batch)
                store.write(batch)  # which empties it
        finally:
            store.close()
    except (StorageError, OSError) as error:
        raise BackupError(f"cannot copy the rows: {error}") from error
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

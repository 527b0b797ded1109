"""The database of a server, running or not, read by another process: a RocksDB secondary instance, which cannot write.

All reads between two calls of `catch_up` see the same rows. No snapshots: a secondary does not keep them (sql.md §6.1).
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rocksdict import AccessType, Options, Rdict, ReadOptions

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.storage.api import META, TABLES, StorageError
from restate.runtime.storage.rocksdb import FORMAT_KEY, FORMAT_VERSION, NUMBER

_ENGINE_FILES = ("CURRENT", "IDENTITY")


class Secondary:
    """Reads of all tables, by `tables.view.Reads`. Use `secondary`."""

    def __init__(self, database: Path, home: Path) -> None:
        """Raises StorageError, StorageDamaged, StorageFormatError."""
        self._path = database
        try:
            options = _options()
            columns = {name: options for name in Rdict.list_cf(str(database))}
            self._db = Rdict(str(database), options, columns, access_type=AccessType.secondary(str(home)))
            self._tables = {name: self._db.get_column_family(name) for name in columns if name != "default"}
            # What the files alone show may be older than the log.
            self._db.try_catch_up_with_primary()
        except Exception as error:
            kind = StorageDamaged if "Corruption" in str(error) else StorageError
            raise kind(f"cannot read the database '{database}': {error}") from error
        self._check_format()

    def get(self, table: str, key: bytes) -> bytes | None:
        """Raises StorageError."""
        try:
            value: bytes | None = self._tables[table].get(key)
        except Exception as error:
            raise StorageError(f"reading table '{table}' in '{self._path}': {error}") from error
        return value

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Raises StorageError, also at the end of a scan that could not see all rows."""
        options = ReadOptions()
        if end is not None:
            options.set_iterate_upper_bound(end)
        try:
            rows = self._tables[table].iter(options)
            rows.seek(start)
            while rows.valid():
                yield rows.key(), rows.value()
                rows.next()
            rows.status()
        except Exception as error:
            raise StorageError(f"scanning table '{table}' in '{self._path}': {error}") from error

    def close(self) -> None:
        for handle in (*self._tables.values(), self._db):
            with suppress(Exception):
                handle.close()
        self._tables = {}

    def _check_format(self) -> None:
        missing = [name for name in TABLES if name not in self._tables]
        found = None if META in missing else self.get(META, FORMAT_KEY)
        if missing or found != NUMBER.pack(FORMAT_VERSION):
            version = "none" if found is None else str(int.from_bytes(found, "big"))
            self.close()
            raise StorageFormatError(
                f"expected storage format version {FORMAT_VERSION} in '{self._path}', found version {version}"
                + (f" without the tables {', '.join(missing)}" if missing else "")
            )


@contextmanager
def secondary(database: Path) -> Iterator[Secondary]:
    """The rows as they are now. Raises StorageError, StorageDamaged, StorageFormatError."""
    if not all((database / name).exists() for name in _ENGINE_FILES):
        raise StorageError(f"expected a database in '{database}', found none")
    home = Path(tempfile.mkdtemp(prefix="restate-secondary-"))
    try:
        reader = Secondary(database, home)
        try:
            yield reader
        finally:
            reader.close()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _options() -> Options:
    options = Options(raw_mode=True)
    # A file that the server deletes after a compaction can then be read to the end.
    options.set_max_open_files(-1)
    options.set_keep_log_file_num(1)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    options.set_skip_stats_update_on_db_open(True)
    return options

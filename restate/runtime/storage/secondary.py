"""The database of a server, running or not, read by another process: a RocksDB secondary instance, which cannot write.

All reads between two calls of `catch_up` see the same rows: iterators keep their view, and nothing moves without a
catch-up. No snapshots: a secondary does not keep them (sql.md §6.1).
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, ReadOptions

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.storage.api import META, TABLES, StorageError
from restate.runtime.storage.pieces import LongValue, directory, is_note, reading
from restate.runtime.storage.rocksdb import FORMAT_KEY, FORMAT_VERSION, NUMBER
from restate.runtime.tables.keys import EVENTS, INBOX, INV, JOURNAL, PROMISE, STATE, prefix_end

_ENGINE_FILES = ("CURRENT", "IDENTITY")
_LARGE = frozenset({INV, JOURNAL, STATE, PROMISE, EVENTS, INBOX})
"""Tables whose values come from users and may have megabytes."""
_CHUNK_BYTES = 4 << 20
_PORTION_BYTES = 1 << 20
_MOST_IN_PORTION = 512

Row = tuple[bytes, bytes]


class Secondary:
    """Reads of all tables, by `tables.view.Reads` and in chunks. Sees nothing before the first `catch_up`."""

    def __init__(self, database: Path, home: Path, cache_bytes: int = 16 << 20) -> None:
        """home: a folder of its own for RocksDB's log. cache_bytes: of data blocks; index and filter blocks stay outside,
        with the files that are all kept open.
        """
        self._cache_bytes = cache_bytes
        self._path = database
        self._home = home
        self._db: Rdict | None = None
        self._tables: dict[str, Rdict] = {}
        self._has_long = False

    def catch_up(self) -> None:
        """See everything that is in the server's log now. Raises StorageError, StorageDamaged, StorageFormatError."""
        if self._db is not None:
            try:
                self._db.try_catch_up_with_primary()
            except Exception:
                # A table that is new since, or a log that was deleted too early: start over.
                self.close()
        if self._db is None:
            self._open()
        self._has_long = any(directory(lambda start, end: self._rows(META, start, end)))

    def get(self, table: str, key: bytes) -> bytes | None:
        """Raises StorageError."""
        try:
            value: bytes | None = self._tables[table].get(key)
            return self._whole(value)
        except StorageDamaged:
            raise
        except Exception as error:
            raise self._failed(table, error) from error

    def get_many(self, table: str, row_keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under `row_keys`, in their order. Raises StorageError."""
        try:
            values: Any = self._tables[table].get(list(row_keys))
            found: list[bytes | None] = values
            return [self._whole(value) for value in found] if self._has_long else found
        except StorageDamaged:
            raise
        except Exception as error:
            raise self._failed(table, error) from error

    def _whole(self, stored: bytes | None) -> bytes | None:
        """What was stored, in place of a note that leads to it."""
        if not self._has_long or stored is None or not is_note(stored):
            return stored
        return LongValue.noted(stored).join(self._tables[META].get)

    def _joiner(self) -> Callable[[bytes], bytes] | None:
        """As `_whole`, for rows as they are now; None: there are no notes."""
        if not self._has_long:
            return None
        read = reading(self._tables[META].iter())
        return lambda stored: LongValue.noted(stored).join(read) if is_note(stored) else stored

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[Row]:
        """Rows with start <= key < end (None: to the last), in key order.

        Raises StorageError, also at the end of a scan that could not see all rows.
        """
        join = self._joiner()
        for key, stored in self._rows(table, start, end):
            yield key, stored if join is None else join(stored)

    def _rows(self, table: str, start: bytes, end: bytes | None) -> Iterator[Row]:
        try:
            rows = self._tables[table].iter(_until(end))
            rows.seek(start)
            while rows.valid():
                yield rows.key(), rows.value()
                rows.next()
            rows.status()
        except Exception as error:
            raise self._failed(table, error) from error

    def chunks(self, table: str, prefix: bytes, sizes: Iterator[int]) -> Iterator[list[Row]]:
        """The rows whose keys start with `prefix`, in key order; each chunk as long as the next of `sizes`.

        Raises StorageError, also when not all rows could be read.
        """
        options = _bounded(prefix)
        cf = self._tables[table]
        onward = prefix
        try:
            rows: Any = cf.items(from_key=prefix, read_opt=options)
            take = (
                _Portions(rows, self._joiner()).take
                if table in _LARGE
                else lambda size: list(islice(rows, size))
            )
            while chunk := take(next(sizes)):
                onward = chunk[-1][0] + b"\x00"
                yield chunk
            _check_end(cf, table, onward, options)
        except Exception as error:
            raise self._failed(table, error) from error

    def counts(self, table: str, sizes: Iterator[int]) -> Iterator[int]:
        """How long the chunks of all rows are. Raises StorageError as `chunks` does."""
        options = _bounded(b"")
        cf = self._tables[table]
        onward = b""
        try:
            found: Any = cf.keys(read_opt=options)
            while chunk := list(islice(found, next(sizes))):
                onward = chunk[-1] + b"\x00"
                yield len(chunk)
            _check_end(cf, table, onward, options)
        except Exception as error:
            raise self._failed(table, error) from error

    def close(self) -> None:
        """Twice is fine; `catch_up` opens again."""
        for handle in self._tables.values():
            with suppress(Exception):
                handle.close()
        self._tables = {}
        if self._db is not None:
            with suppress(Exception):
                self._db.close()
            self._db = None

    def _open(self) -> None:
        try:
            options = _options(self._cache_bytes)
            columns = {name: options for name in Rdict.list_cf(str(self._path))}
            secondary = AccessType.secondary(str(self._home))
            self._db = Rdict(str(self._path), options, columns, access_type=secondary)
            self._tables = {name: self._db.get_column_family(name) for name in columns if name != "default"}
            # The state of the files alone may be older than the log.
            self._db.try_catch_up_with_primary()
        except Exception as error:
            self.close()
            kind = StorageDamaged if "Corruption" in str(error) else StorageError
            raise kind(f"cannot read the database '{self._path}': {error}") from error
        self._check_format()

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

    def _failed(self, table: str, error: Exception) -> StorageError:
        return StorageError.of(f"reading table '{table}' in '{self._path}'", error)


@contextmanager
def secondary(database: Path) -> Iterator[Secondary]:
    """The rows as they are now. Raises StorageError, StorageDamaged, StorageFormatError."""
    if not all((database / name).exists() for name in _ENGINE_FILES):
        raise StorageError(f"expected a database in '{database}', found none")
    home = Path(tempfile.mkdtemp(prefix="restate-secondary-"))
    reader = Secondary(database, home)
    try:
        reader.catch_up()
        yield reader
    finally:
        reader.close()
        shutil.rmtree(home, ignore_errors=True)


class _Portions:
    """Takes rows in portions that are as long as the last ones were small, so that no chunk has many megabytes."""

    def __init__(self, rows: Iterator[Row], join: Callable[[bytes], bytes] | None) -> None:
        """join: gives the value for what is stored; None: it is the same."""
        self._rows = rows if join is None else ((key, join(stored)) for key, stored in rows)
        self._portion = 8

    def take(self, size: int) -> list[Row]:
        """At most `size` rows, fewer if they are large; none at the end."""
        chunk: list[Row] = []
        total = 0
        while len(chunk) < size and total < _CHUNK_BYTES:
            portion = list(islice(self._rows, min(self._portion, size - len(chunk))))
            if not portion:
                break
            chunk += portion
            found = sum([len(value) for _, value in portion])
            total += found
            fitting = len(portion) * _PORTION_BYTES // (found + 1)
            self._portion = max(1, min(fitting, 2 * self._portion, _MOST_IN_PORTION))
        return chunk


def _bounded(prefix: bytes) -> ReadOptions:
    """For a scan of the keys that start with `prefix`."""
    options = _until(prefix_end(prefix))
    if not prefix:
        # A scan of everything would push all else out of the cache.
        options.fill_cache(False)  # type: ignore[call-arg]  # the stub has a property
    return options


def _until(end: bytes | None) -> ReadOptions:
    options = ReadOptions()
    if end is not None:
        options.set_iterate_upper_bound(end)
    return options


def _check_end(cf: Rdict, table: str, onward: bytes, options: ReadOptions) -> None:
    """The fast iterators end in silence where a file cannot be read. Raises StorageError if rows are left."""
    check = cf.iter(options)
    check.seek(onward)
    complete = not check.valid()
    check.status()
    if not complete:
        raise StorageError(f"expected no rows from {onward.hex()} on, found some")


def _options(cache_bytes: int) -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(cache_bytes))
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(blocks)
    # A file that the server deletes after a compaction can then be read to the end.
    options.set_max_open_files(-1)
    # By default every catch-up starts 15 threads for each table, which takes 10 ms.
    options.set_max_file_opening_threads(1)
    options.set_keep_log_file_num(1)
    options.set_max_log_file_size(1 << 20)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    options.set_skip_stats_update_on_db_open(True)
    return options

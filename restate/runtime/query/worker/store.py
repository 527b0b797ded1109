"""The server's database, read as a RocksDB secondary instance: it cannot write, and sees what it last caught up with.

All reads between two calls of `catch_up` see the same rows: iterators keep their view, and nothing moves without a
catch-up. So one query at a time; no snapshots, which a secondary does not keep (sql.md §6.1).
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from rocksdict import AccessType, BlockBasedOptions, Cache, Options, Rdict, ReadOptions

from restate.runtime.errors import RestateError
from restate.runtime.tables import keys
from restate.runtime.tables.keys import prefix_end

_LARGE = frozenset({keys.INV, keys.JOURNAL, keys.STATE, keys.PROMISE})
"""Tables whose values come from users and may have megabytes."""
_CHUNK_BYTES = 4 << 20
_PORTION_BYTES = 1 << 20
_MOST_IN_PORTION = 512

Row = tuple[bytes, bytes]


class ReadError(RestateError):
    """The database could not be read."""


class Secondary:
    """Reads of all tables. home: a folder of its own for RocksDB's log. cache_bytes: of data blocks; index and filter
    blocks stay outside, with the files that are all kept open.
    """

    def __init__(self, database: Path, home: Path, cache_bytes: int = 16 << 20) -> None:
        self._cache_bytes = cache_bytes
        self._database = database
        self._home = home
        self._db: Rdict | None = None
        self._tables: dict[str, Rdict] = {}

    def catch_up(self) -> None:
        """See everything that is in the server's log now. Raises ReadError."""
        if self._db is not None:
            try:
                self._db.try_catch_up_with_primary()
            except Exception:
                # A table that is new since, or a log that was deleted too early: start over.
                self._close()
        if self._db is None:
            self._open()

    def get(self, table: str, key: bytes) -> bytes | None:
        """Raises ReadError."""
        try:
            value: bytes | None = self._tables[table].get(key)
        except Exception as error:
            raise _failed(table, error) from error
        return value

    def get_many(self, table: str, row_keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under `row_keys`, in their order. Raises ReadError."""
        try:
            values: Any = self._tables[table].get(list(row_keys))
        except Exception as error:
            raise _failed(table, error) from error
        found: list[bytes | None] = values
        return found

    def chunks(self, table: str, prefix: bytes, sizes: Iterator[int]) -> Iterator[list[Row]]:
        """The rows whose keys start with `prefix`, in key order; each chunk as long as the next of `sizes`.

        Raises ReadError, also when not all rows could be read.
        """
        options = _bounded(prefix)
        cf = self._tables[table]
        onward = prefix
        try:
            rows: Any = cf.items(from_key=prefix, read_opt=options)
            take = _Portions(rows).take if table in _LARGE else lambda size: list(islice(rows, size))
            while chunk := take(next(sizes)):
                onward = chunk[-1][0] + b"\x00"
                yield chunk
            _check_end(cf, table, onward, options)
        except Exception as error:
            raise _failed(table, error) from error

    def counts(self, table: str, sizes: Iterator[int]) -> Iterator[int]:
        """How long the chunks of all rows are. Raises ReadError as `chunks` does."""
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
            raise _failed(table, error) from error

    def _open(self) -> None:
        try:
            names = Rdict.list_cf(str(self._database))
            options = _options(self._cache_bytes)
            self._db = Rdict(
                str(self._database),
                options,
                {name: options for name in names},
                access_type=AccessType.secondary(str(self._home)),
            )
            self._tables = {name: self._db.get_column_family(name) for name in names}
            # The state of the files alone may be older than the log.
            self._db.try_catch_up_with_primary()
        except Exception as error:
            self._close()
            raise ReadError(f"cannot open the database for reading: {error}") from error

    def _close(self) -> None:
        for handle in self._tables.values():
            with suppress(Exception):
                handle.close()
        self._tables = {}
        if self._db is not None:
            with suppress(Exception):
                self._db.close()
            self._db = None


class _Portions:
    """Takes rows in portions that are as long as the last ones were small, so that no chunk has many megabytes."""

    def __init__(self, rows: Iterator[Row]) -> None:
        self._rows = rows
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
    options = ReadOptions()
    end = prefix_end(prefix)
    if end is not None:
        options.set_iterate_upper_bound(end)
    if not prefix:
        # A scan of everything would push all else out of the cache.
        options.fill_cache(False)  # type: ignore[call-arg]  # the stub has a property
    return options


def _check_end(cf: Rdict, table: str, onward: bytes, options: ReadOptions) -> None:
    """The fast iterators end in silence where a file cannot be read. Raises ReadError if rows are left."""
    check = cf.iter(options)
    check.seek(onward)
    complete = not check.valid()
    check.status()
    if not complete:
        raise ReadError(f"expected no rows from {onward.hex()} on, found some")


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


def _failed(table: str, error: Exception) -> ReadError:
    return ReadError(f"reading table '{table}': {error}")

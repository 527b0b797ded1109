"""The store on RocksDB, by rocksdict in raw mode."""

import mmap
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NoReturn
from weakref import WeakSet

import attrs
from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from restate.runtime.errors import RestateError, StorageDamaged, StorageFormatError, StorageLocked
from restate.runtime.storage.api import META, TABLES, DeleteUpTo, Flush, StorageError, Write
from restate.runtime.storage.log_flusher import log_flusher
from restate.runtime.storage.log_tracker import LogTracker
from restate.runtime.storage.pieces import (
    LONG_BYTES,
    LongValue,
    Place,
    directory,
    directory_key,
    is_note,
    reading,
)

FORMAT_VERSION = 1
FORMAT_KEY = b"format_version"
_WRITES_KEY = b"writes"
MARK_FILE = "COMMITTED"
NUMBER = struct.Struct(">Q")
MARK = struct.Struct(">QQ")
"""Number of writes that the log must give back, and the format version, which can so be read without opening."""


@attrs.frozen
class RocksOptions:
    """Memory and file sizes in bytes, for all tables together unless they say otherwise."""

    cache_size: int = 32 << 20
    write_buffers_size: int = 32 << 20
    table_write_buffer_size: int = 8 << 20
    wal_size: int = 64 << 20
    background_jobs: int = 2
    open_files: int | None = None
    """None: all files of tables."""
    first_wal_block_size: int = 128 << 10
    """What the log reserves on disk at a time until it is first rotated; keeps an empty directory small."""


class RocksStore:
    """A Store in a directory of its own, open by one process at a time.

    Each write also stores its number; after each flush the number goes into a memory-mapped file beside the tables. That
    file is a lower bound of what the log must give back, so that a log which lost its middle is noticed at the next open.
    """

    @classmethod
    def open(cls, path: Path, options: RocksOptions | None = None) -> "RocksStore":
        """Open the database, or create it, parent folders included. About 15 ms.

        Raises StorageLocked (another process has it), StorageFormatError (another version wrote it), StorageDamaged
        (files are corrupt, or acknowledged writes are missing), StorageError (anything else).
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            options = options or RocksOptions()
            store = cls(path, _open_database(path, options), options.table_write_buffer_size)
            try:
                store._check_format()
                store._check_mark()
                store._load_long()
            except BaseException:
                store._release()
                raise
        except OSError as error:
            raise StorageError(f"cannot open the database '{path}': {error}") from error
        return store

    def __init__(self, path: Path, db: Rdict, table_write_buffer_size: int) -> None:
        """Use `open`."""
        self._path = path
        self._db = db
        self._table_write_buffer_size = table_write_buffer_size
        self._tables = {name: db.get_column_family(name) for name in TABLES}
        self._handles = {name: db.get_column_family_handle(name) for name in TABLES}
        self._scans: WeakSet[_Scan] = WeakSet()
        self._log = LogTracker(path)
        self._writes = 0
        self._mark: mmap.mmap | None = None
        # {table: {key: where its long value is}}, of all there are; as in the store's own table.
        self._long: dict[str, dict[bytes, LongValue]] = {name: {} for name in TABLES}

    def _load_long(self) -> None:
        for (table, key), long in directory(lambda start, end: self.scan(META, start, end)):
            self._long[table][key] = long

    def get(self, table: str, key: bytes) -> bytes | None:
        long_values = self._long.get(table)
        if long_values:
            long = long_values.get(key)
            if long is not None:
                return long.join(lambda piece: self._get(META, piece))
        return self._get(table, key)

    def _get(self, table: str, key: bytes) -> bytes | None:
        try:
            value: bytes | None = self._tables[table].get(key)
        except Exception as error:
            self._fail(f"reading table '{table}'", error)
        return value

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        if end is not None and end <= start:
            return iter(())
        try:
            options = ReadOptions()
            if end is not None:
                options.set_iterate_upper_bound(end)
            # The iterator is a consistent view from here on; snapshots of rocksdict are not (building-blocks §4.2).
            rows = self._tables[table].iter(options)
            rows.seek(start)
            # Made at the same time, so that it sees the pieces of what the other one sees.
            pieces = self._tables[META].iter() if self._long[table] else None
        except Exception as error:
            self._fail(f"scanning table '{table}'", error)
        scan = _Scan(rows, table, options, pieces)
        self._scans.add(scan)
        return scan

    def write(self, writes: list[Write]) -> None:
        rows = len(writes)
        number = self._writes + 1
        try:
            batch, long_bytes = self._batch(writes, number)
            batch.put(_WRITES_KEY, NUMBER.pack(number), self._handles[META])
            self._db.write(batch)
            del batch
            self._log.written()
            if long_bytes >= self._table_write_buffer_size:
                # The next write would begin to move it to a file; by then it can be gone from memory.
                self._tables[META].flush(False)
        except Exception as error:
            self._fail(f"writing {rows} rows", error)
        self._writes = number

    def _batch(self, writes: list[Write], number: int) -> tuple[WriteBatch, int]:
        """Of copies, so each value is let go of as soon as it is in. Also tells the bytes of all long values.

        number: of the write.
        """
        handles = self._handles
        batch = WriteBatch(raw_mode=True)
        long_values = long_bytes = 0
        writes.reverse()
        while writes:
            table, key, value = writes.pop()
            if self._long[table]:
                self._delete_pieces(batch, table, key, value)
            if value is None:
                batch.delete(key, handles[table])
            elif isinstance(value, DeleteUpTo):
                batch.delete_range(key, value.end, handles[table])
            elif len(value) < LONG_BYTES:
                batch.put(key, value, handles[table])
            else:
                long = LongValue.of(number, long_values, len(value))
                long_values += 1
                long_bytes += long.size
                self._put_pieces(batch, (table, key), long, value)
        return batch, long_bytes

    def _put_pieces(self, batch: WriteBatch, place: Place, long: LongValue, value: bytes) -> None:
        own = self._handles[META]
        batch.put(place[1], long.note, self._handles[place[0]])
        batch.put(directory_key(place), long.note, own)
        for key, piece in long.split(value):
            batch.put(key, piece, own)
        self._long[place[0]][place[1]] = long

    def _delete_pieces(
        self, batch: WriteBatch, table: str, key: bytes, value: bytes | DeleteUpTo | None
    ) -> None:
        """Of the long values that a write replaces or deletes."""
        long_values = self._long[table]
        replaced = [key] if key in long_values else []
        if isinstance(value, DeleteUpTo):
            replaced = [each for each in long_values if key <= each < value.end]
        for each in replaced:
            own = self._handles[META]
            batch.delete(directory_key((table, each)), own)
            for piece in long_values.pop(each).piece_keys():
                batch.delete(piece, own)

    def flush(self) -> None:
        number = self._writes
        try:
            self._db.flush_wal(True)
        except Exception as error:
            self._fail("flushing the log", error)
        self._flushed(number)

    def flusher(self) -> AbstractAsyncContextManager[Flush]:
        return log_flusher(
            self._path, take_logs=self._take_logs, flushed=self._flushed, flush_in_thread=self.flush
        )

    def _take_logs(self) -> tuple[int, Sequence[int]]:
        return self._writes, self._log.take()

    def _flushed(self, number: int) -> None:
        if self._mark is not None:
            self._mark[: NUMBER.size] = NUMBER.pack(number)

    def figure(self, name: str, table: str) -> int:
        try:
            return self._tables[table].property_int_value(name) or 0
        except Exception as error:
            self._fail(f"reading '{name}' of table '{table}'", error)

    def close(self) -> None:
        if not self._tables:
            return
        try:
            self.flush()
        finally:
            self._release()

    def _check_format(self) -> None:
        found = self.get(META, FORMAT_KEY)
        if found is None:
            if self._db.latest_sequence_number() != 0:
                raise StorageFormatError(
                    f"expected storage format version {FORMAT_VERSION} in '{self._path}', found rows without a version",
                    code="RT0009",
                )
            self.write([(META, FORMAT_KEY, NUMBER.pack(FORMAT_VERSION))])
            self._db.flush_wal(True)
        elif found != NUMBER.pack(FORMAT_VERSION):
            number = int.from_bytes(found, "big")
            raise StorageFormatError(
                f"expected storage format version {FORMAT_VERSION} in '{self._path}', found version {number}"
            )

    def _check_mark(self) -> None:
        """Compare the number of writes with the file's, then map it."""
        stored = self.get(META, _WRITES_KEY)
        self._writes = 0 if stored is None else int.from_bytes(stored, "big")
        mark_path = self._path / MARK_FILE
        mark_path.touch()
        with mark_path.open("r+b") as file:
            content = file.read(NUMBER.size)
            # Shorter: the process died while it made the file, before anything was acknowledged.
            acknowledged = NUMBER.unpack(content)[0] if len(content) == NUMBER.size else 0
            if self._writes < acknowledged:
                raise StorageDamaged(
                    f"the log in '{self._path}' is damaged: expected {acknowledged} writes, found {self._writes};"
                    f" restore a backup, or delete {MARK_FILE} there to go on without the missing writes"
                )
            file.seek(0)
            file.write(MARK.pack(acknowledged, FORMAT_VERSION))
            file.truncate()
            file.flush()
            self._mark = mmap.mmap(file.fileno(), MARK.size)

    def _release(self) -> None:
        # The lock is held until the last reference to a table, handle or iterator is gone.
        for scan in list(self._scans):
            scan.stop()
        self._scans.clear()
        self._handles.clear()
        handles = [*self._tables.values(), self._db]
        self._tables.clear()
        failure: Exception | None = None
        for handle in handles:
            # On a disk that refuses, each one fails, and all are closed all the same.
            try:
                handle.close()
            except Exception as error:
                failure = failure or error
        self._log.close()
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if failure is not None:
            self._fail("closing the tables", failure)

    def _fail(self, doing: str, error: Exception) -> NoReturn:
        if isinstance(error, KeyError):
            raise StorageError(
                f"{doing}: expected one of the tables {', '.join(TABLES)}, got {error}"
            ) from error
        raise StorageError.of(f"{doing} in '{self._path}'", error) from error


class _Scan:
    """Rows of one iterator; ends with an error, not with silence, if not all of them could be read."""

    __slots__ = ("__weakref__", "_options", "_pieces", "_rows", "_table")

    def __init__(self, rows: RdictIter, table: str, options: ReadOptions, pieces: RdictIter | None) -> None:
        """pieces: of the store's own table; None: there are none."""
        self._rows: RdictIter | None = rows
        self._pieces = pieces
        self._table = table
        # The iterator points into the upper bound that the options own; without them it would end anywhere.
        self._options = options

    def __iter__(self) -> "_Scan":
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        rows = self._rows
        if rows is None:
            raise StopIteration
        if rows.valid():
            key: bytes = rows.key()
            value: bytes = rows.value()
            rows.next()
            if self._pieces is not None and is_note(value):
                value = LongValue.noted(value).join(reading(self._pieces))
            return key, value
        # An iterator holds files and the lock of the database.
        self._rows = self._pieces = None
        try:
            rows.status()
        except Exception as error:
            raise StorageError.of(f"scanning table '{self._table}'", error) from error
        raise StopIteration

    def stop(self) -> None:
        self._rows = self._pieces = None


def _open_database(path: Path, options: RocksOptions) -> Rdict:
    buffers = WriteBufferManager(options.first_wal_block_size, False)
    database_options = _database_options(options, buffers)
    try:
        db = Rdict(str(path), database_options, {name: database_options for name in TABLES})
    except Exception as error:
        raise _open_error(path, str(error)) from error
    # The log reserves disk in blocks as large as the write buffers; the block of the log that is open now stays small.
    buffers.set_buffer_size(options.write_buffers_size)
    return db


def _database_options(options: RocksOptions, buffers: WriteBufferManager) -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(Cache(options.cache_size))
    blocks.set_block_size(16 << 10)
    blocks.set_bloom_filter(10, False)
    # The cache is split into shards of half a megabyte. The filter of a file with 500,000 rows is larger, and would be
    # read from disk for every row that is looked up; in parts it stays.
    blocks.set_index_type(BlockBasedIndexType.two_level_index_search())
    blocks.set_partition_filters(True)
    blocks.set_metadata_block_size(4 << 10)
    blocks.set_pin_top_level_index_and_filter(True)
    blocks.set_cache_index_and_filter_blocks(True)
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(True)
    rocks = Options(raw_mode=True)
    rocks.create_if_missing(True)
    rocks.create_missing_column_families(True)
    rocks.set_block_based_table_factory(blocks)
    rocks.set_compression_type(DBCompressionType.lz4())
    rocks.set_write_buffer_manager(buffers)
    rocks.set_write_buffer_size(options.table_write_buffer_size)
    rocks.set_max_write_buffer_number(3)
    rocks.set_max_total_wal_size(options.wal_size)
    rocks.set_max_background_jobs(options.background_jobs)
    rocks.set_max_open_files(-1 if options.open_files is None else options.open_files)
    # Every open leaves a text log behind.
    rocks.set_keep_log_file_num(3)
    rocks.set_max_log_file_size(1 << 20)
    rocks.set_manifest_preallocation_size(64 << 10)
    rocks.set_max_manifest_file_size(4 << 20)
    rocks.set_stats_dump_period_sec(0)
    rocks.set_stats_persist_period_sec(0)
    rocks.set_skip_stats_update_on_db_open(True)
    return rocks


def _open_error(path: Path, text: str) -> RestateError:
    line = " ".join(text.split())
    if "lock hold by current process" in line or "While lock file" in line:
        return StorageLocked(f"the database '{path}' is in use by another process")
    if "Column families not opened" in line:
        return StorageFormatError(f"'{path}' has tables this version does not know: {line}")
    if "Corruption" in line or "No such file" in line:
        return StorageDamaged(f"the database '{path}' is damaged: {line}; restore a backup")
    return StorageError(f"cannot open the database '{path}': {line}")

"""The store in memory: for tests, and for servers whose data need not outlive them."""

import threading
from bisect import bisect_left, insort
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import trio

from restate.runtime.storage.api import TABLES, DeleteUpTo, Flush, StorageError, Write


class _Rows:
    """One table: values by key, and the keys in order."""

    __slots__ = ("keys", "values")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        # Invariant: the same keys as `values`, ascending.
        self.keys: list[bytes] = []

    def set(self, key: bytes, value: bytes | DeleteUpTo | None) -> None:
        if isinstance(value, DeleteUpTo):
            places = slice(bisect_left(self.keys, key), bisect_left(self.keys, value.end))
            for deleted in self.keys[places]:
                del self.values[deleted]
            del self.keys[places]
        elif value is not None:
            if key not in self.values:
                insort(self.keys, key)
            self.values[key] = value
        elif self.values.pop(key, None) is not None:
            del self.keys[bisect_left(self.keys, key)]


class MemoryStore:
    """A Store without a file. It remembers which writes a flush has covered, so that a crash can be played.

    tables: the table names that may be used; others are an error, as they are in RocksDB.
    """

    def __init__(self, tables: Sequence[str] = TABLES) -> None:
        self._tables = {name: _Rows() for name in tables}
        self._flushed = {name: _Rows() for name in tables}
        self._unflushed: list[tuple[Write, ...]] = []
        # Writes are added on the Trio thread while a flush may take them in another.
        self._lock = threading.Lock()

    @property
    def unflushed(self) -> int:
        """How many writes a crash could lose."""
        return len(self._unflushed)

    def get(self, table: str, key: bytes) -> bytes | None:
        return self._rows(table).values.get(key)

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        rows = self._rows(table)
        last = len(rows.keys) if end is None else bisect_left(rows.keys, end)
        # The list is what makes the scan consistent: it does not see later writes.
        return iter([(key, rows.values[key]) for key in rows.keys[bisect_left(rows.keys, start) : last]])

    def write(self, writes: list[Write]) -> None:
        batch = tuple(writes)
        writes.clear()
        for table, _, _ in batch:
            self._rows(table)
        for table, key, value in batch:
            self._tables[table].set(key, value)
        with self._lock:
            self._unflushed.append(batch)

    def flush(self) -> None:
        with self._lock:
            batches, self._unflushed = self._unflushed, []
            for batch in batches:
                for table, key, value in batch:
                    self._flushed[table].set(key, value)

    @asynccontextmanager
    async def flusher(self) -> AsyncIterator[Flush]:
        async def flush() -> None:
            # Not in a thread: the tests' clock jumps when no task can run, and does not know of threads.
            await trio.lowlevel.checkpoint()
            self.flush()

        yield flush

    def figure(self, name: str, table: str) -> int:
        return 0

    def close(self) -> None:
        self.flush()

    def crash(self, keep: int = 0) -> "MemoryStore":
        """The store as a restart after a crash finds it: what was flushed, and the first `keep` writes that were not.

        A log is lost from its end only, so that no other selection is possible. This object stays as it is.
        """
        survivor = MemoryStore(tuple(self._tables))
        with self._lock:
            for name, rows in self._flushed.items():
                survivor.write([(name, key, rows.values[key]) for key in rows.keys])
            for batch in self._unflushed[:keep]:
                survivor.write(list(batch))
        survivor.flush()
        return survivor

    def dump(self) -> dict[str, list[tuple[bytes, bytes]]]:
        """{table: rows in key order} of every table that has rows; what tests compare."""
        return {
            name: [(key, rows.values[key]) for key in rows.keys]
            for name, rows in self._tables.items()
            if rows.keys
        }

    def _rows(self, table: str) -> _Rows:
        rows = self._tables.get(table)
        if rows is None:
            raise StorageError(f"expected one of the tables {', '.join(self._tables)}, got '{table}'")
        return rows

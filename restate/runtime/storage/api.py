"""The Store protocol, and the errors of both stores."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, Self

from restate.runtime.errors import RestateError
from restate.runtime.tables.api import DeleteUpTo, Write

__all__ = ["META", "TABLES", "DeleteUpTo", "Flush", "StorageError", "Store", "Write"]

Flush = Callable[[], Awaitable[None]]
"""Makes all writes durable that were made before the call. A checkpoint; finishes though cancelled. Raises StorageError."""

META = "meta"
"""The table of the store itself: format version and number of writes. Nobody else reads or writes it."""

TABLES = (
    META, "fsm", "inv", "run", "inv_svc", "journal", "jidx", "events", "lock", "inbox", "state", "promise", "timers",
    "outbox", "dedup", "schema",
)  # fmt: skip
"""Every table there is (engine.md §8.2). Adding one is compatible; the others need a new format version."""


class StorageError(RestateError):
    """Reading or writing the store failed. After a failed write or flush the process must end: memory is ahead of it.

    It has the code of damage where RocksDB has found some; else none.
    """

    @classmethod
    def of(cls, doing: str, error: Exception) -> Self:
        """doing: what failed, and where. error: RocksDB's, which tells by its text what is wrong."""
        text = str(error)
        return cls(f"{doing}: {text}", code="RT0009" if "Corruption" in text else None)


class Store(Protocol):
    """Ordered tables of bytes. All methods but `flush` are called on one thread, the Trio one."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The latest value, durable or not. About a microsecond. Raises StorageError."""
        ...

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        """Rows with start <= key < end (None: to the last), in key order, as they are now: later writes do not show.

        Raises StorageError, also at the end of a scan that could not see all rows. For thousands of rows, put a
        checkpoint between; dropping the iterator frees it.
        """
        ...

    def write(self, writes: list[Write]) -> None:
        """Empties the list, so that long values are not held twice. All or nothing; visible at once, durable after the next flush. Carried out in order: the last write to a key wins. Under 1 MB each,
        because the whole process waits. Raises StorageError.
        """
        ...

    def flush(self) -> None:
        """Make all writes durable that returned before this call. Blocks; may run in any thread, one at a time. Raises
        StorageError.
        """
        ...

    def flusher(self) -> AbstractAsyncContextManager[Flush]:
        """The same without blocking the loop. One at a time, and no other flush beside it; leave it before `close`."""
        ...

    def figure(self, name: str, table: str) -> int:
        """A number that RocksDB keeps about a table, or of the whole database, by its name there; 0 where there is none.
        May be asked in any thread, but not during or after `close`.
        """
        ...

    def close(self) -> None:
        """Flush and release everything, the lock included. No other method may be called afterwards; twice is fine."""
        ...

"""One table of the store with the pending writes of the current batch on top."""

from collections.abc import Iterator
from typing import Protocol

from restate.runtime.tables.keys import prefix_end

Rows = Iterator[tuple[bytes, bytes]]


class Reads(Protocol):
    """What tables need of a store; the meaning is that of `storage.api.Store`."""

    def get(self, table: str, key: bytes) -> bytes | None: ...

    def scan(self, table: str, start: bytes, end: bytes | None) -> Rows: ...


class Base:
    """The store, and the views that have pending writes."""

    __slots__ = ("changed", "store")

    def __init__(self, store: Reads) -> None:
        self.store = store
        # Invariant: exactly the views with pending writes, in the order of their first one.
        self.changed: list[View] = []


class View:
    """Reads see the pending writes, deletions included. pending: {key: value, or None for deleted}."""

    __slots__ = ("_changed", "_get", "_store", "name", "pending")

    def __init__(self, base: Base, name: str) -> None:
        self.name = name
        self.pending: dict[bytes, bytes | None] = {}
        self._changed = base.changed
        self._store = base.store
        self._get = base.store.get

    def get(self, key: bytes) -> bytes | None:
        if key in self.pending:
            return self.pending[key]
        return self._get(self.name, key)

    def put(self, key: bytes, value: bytes) -> None:
        if not self.pending:
            self._changed.append(self)
        self.pending[key] = value

    def delete(self, key: bytes) -> None:
        if not self.pending:
            self._changed.append(self)
        # Also for a key put in this batch: whether the store has an older value is not worth a read.
        self.pending[key] = None

    def scan(self, start: bytes, end: bytes | None) -> Rows:
        """Rows with start <= key < end (None: to the last), in key order, as of this call."""
        stored = self._store.scan(self.name, start, end)
        if not self.pending:
            return stored
        pending = sorted(
            item for item in self.pending.items() if item[0] >= start and (end is None or item[0] < end)
        )
        return _merge(stored, pending) if pending else stored

    def scan_prefix(self, prefix: bytes) -> Rows:
        """Rows whose key starts with `prefix`, in key order."""
        return self.scan(prefix, prefix_end(prefix))


def _merge(stored: Rows, pending: list[tuple[bytes, bytes | None]]) -> Rows:
    row = next(stored, None)
    for key, value in pending:
        while row is not None and row[0] < key:
            yield row
            row = next(stored, None)
        if row is not None and row[0] == key:
            row = next(stored, None)
        if value is not None:
            yield key, value
    if row is not None:
        yield row
        yield from stored

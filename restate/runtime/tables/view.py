"""One table of the store with the pending writes of the current batch on top."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Protocol

import attrs

from restate.runtime.tables.keys import prefix_end

Rows = Iterator[tuple[bytes, bytes]]


@attrs.frozen
class DeleteUpTo:
    """As the value of a write: delete every row from its key on and below `end`."""

    end: bytes


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
    """Reads see the pending writes, deletions included.

    ranges: [(start, end), ...] that were deleted before `pending`, {key: value, or None for deleted}.
    """

    __slots__ = ("_changed", "_get", "_order", "_store", "name", "pending", "ranges")

    def __init__(self, base: Base, name: str) -> None:
        self.name = name
        self.pending: dict[bytes, bytes | None] = {}
        self.ranges: list[tuple[bytes, bytes]] = []
        # The first keys of `pending`, those that were there at the last scan, in key order.
        self._order: list[bytes] = []
        self._changed = base.changed
        self._store = base.store
        self._get = base.store.get

    def get(self, key: bytes) -> bytes | None:
        if key in self.pending:
            return self.pending[key]
        if self.ranges and _inside(self.ranges, key):
            return None
        return self._get(self.name, key)

    def put(self, key: bytes, value: bytes) -> None:
        if not self.pending:
            self._change()
        self.pending[key] = value

    def delete(self, key: bytes) -> None:
        if not self.pending:
            self._change()
        # Also for a key put in this batch: whether the store has an older value is not worth a read.
        self.pending[key] = None

    def delete_range(self, start: bytes, end: bytes) -> None:
        """Delete start <= key < end, however many. Reads pay for it until a compaction, so not for a few rows."""
        self._change()
        for key in [key for key in self.pending if start <= key < end]:
            del self.pending[key]
        self._order.clear()
        self.ranges.append((start, end))

    def _change(self) -> None:
        if not self.pending and not self.ranges:
            self._changed.append(self)

    def scan(self, start: bytes, end: bytes | None) -> Rows:
        """Rows with start <= key < end (None: to the last), in key order, as of this call."""
        stored = self._store.scan(self.name, start, end)
        if self.ranges:
            ranges = tuple(self.ranges)
            stored = (row for row in stored if not _inside(ranges, row[0]))
        if not self.pending:
            return stored
        order = self._pending_in_order()
        last = len(order) if end is None else bisect_left(order, end)
        pending = [(key, self.pending[key]) for key in order[bisect_left(order, start) : last]]
        return _merge(stored, pending) if pending else stored

    def take(self) -> Iterator[tuple[bytes, bytes | DeleteUpTo | None]]:
        """The pending writes as (key, value), ranges first; with the last one they are gone from here."""
        for start, end in self.ranges:
            yield start, DeleteUpTo(end)
        yield from self.pending.items()
        self.ranges.clear()
        self.pending.clear()
        self._order.clear()

    def _pending_in_order(self) -> list[bytes]:
        # A record that ends a thousand others scans thousands of times; sorting anew each time would take a second.
        order = self._order
        fresh = len(self.pending) - len(order)
        if fresh > len(order):
            order[:] = sorted(self.pending)
        else:
            for key in islice(reversed(self.pending), fresh):
                insort(order, key)
        return order

    def scan_prefix(self, prefix: bytes) -> Rows:
        """Rows whose key starts with `prefix`, in key order."""
        return self.scan(prefix, prefix_end(prefix))


def _inside(ranges: Sequence[tuple[bytes, bytes]], key: bytes) -> bool:
    return any(start <= key < end for start, end in ranges)


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

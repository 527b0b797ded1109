"""What belongs to one object: its lock, inbox, state and promises.

partition_key is always that of the object's key, 8 bytes, which is not always the one in the invocation's id.
"""

from collections.abc import Iterator

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.promise import PromiseRow
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Base, View

_MAX_HEADS = 4096


class Locks:
    """`lock`: the exclusive invocation that has the object."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.LOCK)

    def get(self, partition_key: bytes, service: str, key: str) -> InvocationId | None:
        raw = self._view.get(keys.object_prefix(partition_key, service, key))
        return None if raw is None else rows.decode_invocation_id(raw)

    def put(self, partition_key: bytes, service: str, key: str, invocation: InvocationId) -> None:
        self._view.put(keys.object_prefix(partition_key, service, key), rows.encode_bytes(invocation))

    def delete(self, partition_key: bytes, service: str, key: str) -> None:
        self._view.delete(keys.object_prefix(partition_key, service, key))

    def holders(self) -> Iterator[InvocationId]:
        """Of every lock there is."""
        return (rows.decode_invocation_id(raw) for _, raw in self._view.scan(b"", None))


class Inbox:
    """`inbox`: what waits for the lock, in the order of seq, which grows over all objects and is never used twice."""

    __slots__ = ("_heads", "_view")

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.INBOX)
        # {object prefix: a key that no live row of the object is below}. Every entry that was popped leaves a tombstone;
        # without a place to start, finding the head of a busy object would walk over all of them.
        self._heads: dict[bytes, bytes] = {}

    def push(self, partition_key: bytes, service: str, key: str, seq: int, entry: rows.InboxEntry) -> None:
        prefix = keys.object_prefix(partition_key, service, key)
        row_key = prefix + keys.number_key(seq)
        if row_key < self._heads.get(prefix, b""):
            del self._heads[prefix]
        self._view.put(row_key, rows.encode_inbox_entry(entry))

    def head(self, partition_key: bytes, service: str, key: str) -> tuple[int, rows.InboxEntry] | None:
        """The entry that is next, left in place."""
        prefix = keys.object_prefix(partition_key, service, key)
        start = self._heads.get(prefix, prefix)
        for row_key, raw in self._view.scan(start, keys.prefix_end(prefix)):
            if len(self._heads) >= _MAX_HEADS:
                self._heads.clear()
            self._heads[prefix] = row_key
            return int.from_bytes(row_key[-8:], "big"), rows.decode_inbox_entry(raw)
        return None

    def delete(self, partition_key: bytes, service: str, key: str, seq: int) -> None:
        self._view.delete(keys.object_prefix(partition_key, service, key) + keys.number_key(seq))


class State:
    """`state`: the user's key-values of an object."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.STATE)

    def get(self, partition_key: bytes, service: str, key: str, name: bytes) -> bytes | None:
        raw = self._view.get(keys.object_prefix(partition_key, service, key) + name)
        return None if raw is None else rows.decode_bytes(raw)

    def put(self, partition_key: bytes, service: str, key: str, name: bytes, value: bytes) -> None:
        self._view.put(keys.object_prefix(partition_key, service, key) + name, rows.encode_bytes(value))

    def delete(self, partition_key: bytes, service: str, key: str, name: bytes) -> None:
        self._view.delete(keys.object_prefix(partition_key, service, key) + name)

    def all(self, partition_key: bytes, service: str, key: str) -> list[tuple[bytes, bytes]]:
        """[(name, value), ...] in the order of names."""
        prefix = keys.object_prefix(partition_key, service, key)
        size = len(prefix)
        return [(row_key[size:], rows.decode_bytes(raw)) for row_key, raw in self._view.scan_prefix(prefix)]

    def clear(self, partition_key: bytes, service: str, key: str) -> None:
        for row_key, _ in self._view.scan_prefix(keys.object_prefix(partition_key, service, key)):
            self._view.delete(row_key)


class Promises:
    """`promise`: the durable promises of a workflow key."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.PROMISE)

    def get(self, partition_key: bytes, service: str, key: str, name: str) -> PromiseRow | None:
        raw = self._view.get(keys.object_prefix(partition_key, service, key) + name.encode())
        return None if raw is None else rows.PROMISE.decode(raw)

    def put(self, partition_key: bytes, service: str, key: str, name: str, row: PromiseRow) -> None:
        row_key = keys.object_prefix(partition_key, service, key) + name.encode()
        self._view.put(row_key, rows.PROMISE.encode(row))

    def all(self, partition_key: bytes, service: str, key: str) -> list[tuple[str, PromiseRow]]:
        """[(name, row), ...] in the order of names."""
        prefix = keys.object_prefix(partition_key, service, key)
        size = len(prefix)
        return [
            (row_key[size:].decode(), rows.PROMISE.decode(raw))
            for row_key, raw in self._view.scan_prefix(prefix)
        ]

    def delete_all(self, partition_key: bytes, service: str, key: str) -> None:
        for row_key, _ in self._view.scan_prefix(keys.object_prefix(partition_key, service, key)):
            self._view.delete(row_key)

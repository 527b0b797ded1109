"""Invocation records, with the two indexes that must never differ from them."""

from collections.abc import Iterator

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Base, View


class Invocations:
    """`inv`: record by id. `run`: exactly the Invoked ones. `inv_svc`: by service and key."""

    __slots__ = ("_by_service", "_records", "_running", "_unencoded", "changes")

    def __init__(self, base: Base) -> None:
        self._records = View(base, keys.INV)
        self._running = View(base, keys.RUN)
        self._by_service = View(base, keys.INV_SVC)
        # Records are immutable, so one that was put is given back as it is, and encoded once however often it changes
        # in a batch. It overrides what the view has.
        self._unencoded: dict[InvocationId, InvocationRecord] = {}
        self.changes = dict.fromkeys(Status, 0)
        """By how many there are more of each status than when this object was made; only for metrics."""

    def get(self, invocation: InvocationId) -> InvocationRecord | None:
        record = self._unencoded.get(invocation)
        if record is not None:
            return record
        raw = self._records.get(invocation)
        return None if raw is None else rows.INVOCATION.decode(raw)

    def put(
        self, invocation: InvocationId, record: InvocationRecord, previous: InvocationRecord | None
    ) -> None:
        """previous: what is stored under the id now. Target and creation time of an incarnation never change."""
        self._unencoded[invocation] = record
        created = previous is None or previous.incarnation != record.incarnation
        if previous is not None and created and previous.target != record.target:
            self._by_service.delete(_service_key(invocation, previous))
        if created or previous is None or previous.status is not record.status:
            self._by_service.put(
                _service_key(invocation, record), rows.encode_service_entry(record.status, record.created_ms)
            )
            self.changes[record.status] += 1
            if previous is not None:
                self.changes[previous.status] -= 1
        if record.status is Status.INVOKED:
            if created or previous is None or previous.status is not Status.INVOKED:
                self._running.put(invocation, rows.encode_number(record.incarnation))
        elif previous is not None and previous.status is Status.INVOKED:
            self._running.delete(invocation)

    def delete(self, invocation: InvocationId, previous: InvocationRecord) -> None:
        """previous: what is stored under the id now. The journal is deleted on its own."""
        self.changes[previous.status] -= 1
        self._unencoded.pop(invocation, None)
        self._records.delete(invocation)
        self._by_service.delete(_service_key(invocation, previous))
        if previous.status is Status.INVOKED:
            self._running.delete(invocation)

    def scan(self) -> Iterator[tuple[InvocationId, InvocationRecord]]:
        """All, by id, thus by partition key."""
        self.encode()
        return (
            (InvocationId(key), rows.INVOCATION.decode(raw)) for key, raw in self._records.scan(b"", None)
        )

    def heads(self) -> Iterator[tuple[InvocationId, rows.InvocationHead]]:
        """As `scan`, with the leading columns only."""
        self.encode()
        return (
            (InvocationId(key), rows.INVOCATION_HEAD.decode(raw))
            for key, raw in self._records.scan(b"", None)
        )

    def running(self) -> Iterator[tuple[InvocationId, int]]:
        """Id and incarnation of everything Invoked; what a start has to resume."""
        return ((InvocationId(key), rows.decode_number(raw)) for key, raw in self._running.scan(b"", None))

    def statuses(self) -> Iterator[Status]:
        """Of all, without reading their records."""
        return (rows.decode_service_entry(raw)[0] for _, raw in self._by_service.scan(b"", None))

    def of_service(self, service: str, key: str | None = None) -> Iterator[tuple[InvocationId, Status, int]]:
        """(id, status, created ms) of a service's invocations, or of those of one key."""
        entries = self._by_service.scan_prefix(keys.service_prefix(service, key))
        return ((InvocationId(row_key[-24:]), *rows.decode_service_entry(raw)) for row_key, raw in entries)

    def encode(self) -> None:
        """Make the pending writes complete."""
        for invocation, record in self._unencoded.items():
            self._records.put(invocation, rows.INVOCATION.encode(record))
        self._unencoded.clear()


def _service_key(invocation: InvocationId, record: InvocationRecord) -> bytes:
    return keys.service_prefix(record.target.service, record.target.key) + invocation

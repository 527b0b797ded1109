"""Invocation records, with the two indexes that must never differ from them."""

from collections.abc import Iterator

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Reads, View


class Invocations:
    """`inv`: record by id. `run`: exactly the Invoked ones. `inv_svc`: by service and key."""

    __slots__ = ("_by_service", "_records", "_running", "_unencoded")

    def __init__(self, store: Reads) -> None:
        self._records = View(store, keys.INV)
        self._running = View(store, keys.RUN)
        self._by_service = View(store, keys.INV_SVC)
        # Records are immutable, so one that was put is given back as it is, and encoded once however often it changes
        # in a batch. Invariant: no id is both here and in the pending writes of `_records`.
        self._unencoded: dict[InvocationId, InvocationRecord] = {}

    @property
    def views(self) -> tuple[View, ...]:
        """The tables with their pending writes, complete."""
        self._encode()
        return self._records, self._running, self._by_service

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
        self._records.pending.pop(invocation, None)
        created = previous is None or previous.incarnation != record.incarnation
        if previous is not None and created and previous.target != record.target:
            self._by_service.delete(_service_key(invocation, previous))
        if created or previous is None or previous.status is not record.status:
            self._by_service.put(
                _service_key(invocation, record), rows.encode_service_entry(record.status, record.created_ms)
            )
        if record.status is Status.INVOKED:
            if created or previous is None or previous.status is not Status.INVOKED:
                self._running.put(invocation, rows.encode_number(record.incarnation))
        elif previous is not None and previous.status is Status.INVOKED:
            self._running.delete(invocation)

    def delete(self, invocation: InvocationId, previous: InvocationRecord) -> None:
        """previous: what is stored under the id now. The journal is deleted on its own."""
        self._unencoded.pop(invocation, None)
        self._records.delete(invocation)
        self._by_service.delete(_service_key(invocation, previous))
        if previous.status is Status.INVOKED:
            self._running.delete(invocation)

    def scan(self) -> Iterator[tuple[InvocationId, InvocationRecord]]:
        """All, by id, thus by partition key."""
        self._encode()
        for key, raw in self._records.scan(b"", None):
            yield InvocationId(key), rows.INVOCATION.decode(raw)

    def heads(self) -> Iterator[tuple[InvocationId, rows.InvocationHead]]:
        """As `scan`, with the leading columns only."""
        self._encode()
        for key, raw in self._records.scan(b"", None):
            yield InvocationId(key), rows.INVOCATION_HEAD.decode(raw)

    def running(self) -> Iterator[tuple[InvocationId, int]]:
        """Id and incarnation of everything Invoked; what a start has to resume."""
        for key, raw in self._running.scan(b"", None):
            yield InvocationId(key), rows.decode_number(raw)

    def of_service(self, service: str, key: str | None = None) -> Iterator[tuple[InvocationId, Status, int]]:
        """(id, status, created ms) of a service's invocations, or of those of one key."""
        for raw_key, raw in self._by_service.scan_prefix(keys.service_prefix(service, key)):
            yield InvocationId(raw_key[-24:]), *rows.decode_service_entry(raw)

    def _encode(self) -> None:
        for invocation, record in self._unencoded.items():
            self._records.put(invocation, rows.INVOCATION.encode(record))
        self._unencoded.clear()


def _service_key(invocation: InvocationId, record: InvocationRecord) -> bytes:
    return keys.service_prefix(record.target.service, record.target.key) + invocation

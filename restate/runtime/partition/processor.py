"""The loop that is the only writer.

It drains waiting records, applies them in order over one overlay, and hands the writes with their actions to the
committer, which performs the actions once the writes are on disk. It does not wait for the disk itself: the next batch
is applied while the previous one is flushed (settled.md #1).
"""

from collections import deque

import trio

from restate.runtime.engine.actions import Action
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import Boot, DrainOutbox, Record
from restate.runtime.model.clock import Clock
from restate.runtime.partition.handle import Durable, Partition
from restate.runtime.storage.commit import Committer
from restate.runtime.tables.api import Tables
from restate.runtime.telemetry.metrics import UNREAD, Metrics

Item = tuple[Record | None, Durable | None]


class Processor:
    """Owns the engine and the writing end of the store."""

    def __init__(
        self,
        partition: Partition,
        tables: Tables,
        committer: Committer,
        clock: Clock,
        *,
        batch_records: int,
        batch_bytes: int,
        metrics: Metrics = UNREAD,
    ) -> None:
        self._partition = partition
        self._tables = tables
        self._committer = committer
        self._clock = clock
        self._machine = Machine()
        self._applied = metrics.partition.applied
        self._batch_sizes = metrics.storage.batch_records
        self._machine.tally.most = metrics.label_set_limit
        metrics.partition.ended.read = self._machine.tally.numbers
        self._batch_records = batch_records
        self._batch_bytes = batch_bytes

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Process records until cancelled. Reports started once the recovery of the last run is queued."""
        self._apply(deque([(Boot(), None)]))
        await self._committer.barrier()
        task_status.started()
        channel = self._partition.receive_channel
        while True:
            batch = deque([await channel.receive()])
            size = self._fill(batch)
            if size >= self._batch_bytes:
                # Trio's loop holds what a task was given until the task waits again: here, a long record.
                await trio.lowlevel.cancel_shielded_checkpoint()
            if self._partition.outbox_waits:
                self._partition.outbox_waits = False
                batch.append((DrainOutbox(self._batch_records), None))
            self._apply(batch)

    def _fill(self, batch: "deque[Item]") -> int:
        """Add what waits, up to the limits. Returns the size of all, see `_size`."""
        size = _size(batch[0][0])
        while len(batch) < self._batch_records and size < self._batch_bytes:
            try:
                item = self._partition.receive_channel.receive_nowait()
            except trio.WouldBlock:
                break
            batch.append(item)
            size += _size(item[0])
        return size

    def _apply(self, batch: "deque[Item]") -> None:
        """Empties the batch: what a record holds is let go of once it is applied, for it may be long."""
        now_ms = self._clock.now_ms()
        self._batch_sizes.observe(len(batch))
        actions: list[Action] = []
        durable: list[Durable] = []
        while batch:
            record, callback = batch.popleft()
            if record is not None:
                self._applied.add(type(record).__name__)
                actions += self._machine.apply(record, now_ms, self._tables)
            if callback is not None:
                durable.append(callback)
            del record
        self._committer.write(self._tables.take_writes(), actions, durable)


def _size(record: Record | None) -> int:
    """Roughly the bytes a record adds to a write: its payload; the fixed part does not count."""
    effect = getattr(record, "effect", record)
    payload = getattr(effect, "raw", None) or getattr(effect, "body", None)
    return len(payload) if payload is not None else 0

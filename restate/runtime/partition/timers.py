"""Durable timers: the store holds all of them in order, memory holds the first few, one task waits for the first.

Invariant: every stored timer at or below `_boundary` that has not been proposed is in `_keys`; when `_boundary` is None
that is every stored timer.
"""

from bisect import bisect_left, insort

import trio

from restate.runtime.engine.actions import SetTimer, UnsetTimer
from restate.runtime.engine.records import TimerFired
from restate.runtime.model.clock import Clock
from restate.runtime.model.timer import TimerKey
from restate.runtime.partition.handle import Partition
from restate.runtime.tables.api import Tables


class Timers:
    """Proposes TimerFired when a timer is due, never early. A deleted timer fires as a no-op at worst."""

    def __init__(self, partition: Partition, reader: Tables, clock: Clock, *, in_memory: int) -> None:
        self._partition = partition
        self._reader = reader
        self._clock = clock
        self._in_memory = in_memory
        self._keys: list[TimerKey] = []
        self._boundary: TimerKey | None = None
        self._changed = trio.CancelScope()

    def set(self, action: SetTimer) -> None:
        """A timer is stored and durable."""
        key = action.key
        if self._boundary is not None and key > self._boundary:
            return
        first = self._keys[0] if self._keys else None
        at = bisect_left(self._keys, key)
        if at == len(self._keys) or self._keys[at] != key:
            insort(self._keys, key)
        if len(self._keys) > self._in_memory:
            self._keys.pop()
            self._boundary = self._keys[-1]
        if first is None or key < first:
            self._changed.cancel()

    def unset(self, action: UnsetTimer) -> None:
        """A timer is deleted."""
        at = bisect_left(self._keys, action.key)
        if at < len(self._keys) and self._keys[at] == action.key:
            del self._keys[at]

    def waiting(self) -> int:
        """How many are in memory."""
        return len(self._keys)

    def overdue(self) -> int:
        """How many of these are due. May be asked in any thread."""
        now_ms = self._clock.now_ms()
        return bisect_left(self._keys, now_ms, key=_due_ms)

    async def run(self) -> None:
        """Load, wait, propose, until cancelled."""
        self._load(None)
        while True:
            if not self._keys and self._boundary is not None:
                self._load(self._boundary)
            await self._wait_until_due()
            now_ms = self._clock.now_ms()
            while self._keys and self._keys[0].due_ms <= now_ms:
                await self._partition.propose(TimerFired(self._keys.pop(0)))

    def _load(self, after: TimerKey | None) -> None:
        """Read the next page. What was set before the first one is stored, so it is in that page or above it."""
        self._keys = [key for key, _ in self._reader.timers.read(after, self._in_memory)]
        self._boundary = self._keys[-1] if len(self._keys) == self._in_memory else None

    async def _wait_until_due(self) -> None:
        with trio.CancelScope() as self._changed:
            if self._keys:
                await self._clock.sleep_until(self._keys[0].due_ms)
            else:
                await trio.sleep_forever()


def _due_ms(key: TimerKey) -> int:
    return key.due_ms

"""Group commit: writes are numbered, one flush covers all that were made before it began, actions wait for it."""

from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import attrs
import trio

from restate.runtime.storage.api import StorageError, Store, Write
from restate.runtime.telemetry.metrics import UNREAD, StorageMetrics


@attrs.frozen
class _Held:
    """What may happen once write `number` is durable."""

    number: int
    actions: Sequence[Any]
    durable: Sequence[Callable[[], None]]


class Committer:
    """Writes at once, acts once it is durable (settled.md #1, #2).

    perform: carries out the actions of one write, in order; called on the Trio thread, must not block, and what it
    raises ends the process. Owned by the task of `run`, which must not be cancelled before the last writer is gone.
    """

    def __init__(
        self,
        store: Store,
        perform: Callable[[Sequence[Any]], None],
        metrics: StorageMetrics = UNREAD.storage,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._perform = perform
        # Invariant: numbers ascend; all are above last_flushed, or equal to it while `run` is about to perform them.
        self._held: deque[_Held] = deque()
        self._acting = False
        self._dirty = trio.Event()
        self._flushed = trio.Event()
        self._failed = False
        self.last_written = 0
        """Number of the last write of this process; the first is 1."""
        self.last_flushed = 0
        """Number of the last write that is durable."""

    def write(
        self, writes: list[Write], actions: Sequence[Any], durable: Sequence[Callable[[], None]] = ()
    ) -> int:
        """Write now, which empties the list; run `actions`, then the callbacks, once a flush covers it and after those of all earlier writes.

        Returns the number of the write. Without writes there is no new number: what was read counts, so the actions
        wait for the last write, and run before this returns if that is durable. Raises StorageError: end the process.
        """
        self._refuse_if_failed()
        if writes:
            try:
                self._store.write(writes)
            except BaseException:
                self._failed = True
                raise
            self.last_written += 1
        held = _Held(self.last_written, actions, durable)
        if self._held or self._acting or self.last_flushed < self.last_written:
            self._held.append(held)
            self._dirty.set()
        else:
            self._act(held)
        return self.last_written

    async def barrier(self) -> None:
        """Return once every write made before this call is durable, and its actions have run. A checkpoint.

        Raises StorageError if the log cannot be written any more.
        """
        number = self.last_written
        await trio.lowlevel.checkpoint()
        while self.last_flushed < number:
            self._refuse_if_failed()
            await self._flushed.wait()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Flush whenever something is unflushed, until cancelled. Raises what a flush or an action raises."""
        try:
            async with self._store.flusher() as flush:
                task_status.started()
                while True:
                    await self._dirty.wait()
                    self._dirty = trio.Event()
                    number = self.last_written
                    if self.last_flushed < number:
                        began = perf_counter()
                        await flush()
                        self._metrics.flush_seconds.observe(perf_counter() - began)
                        self._metrics.flush_writes.observe(number - self.last_flushed)
                        self.last_flushed = number
                    self._act_on_flushed()
                    self._wake()
        except Exception:
            self._failed = True
            self._wake()
            raise

    def _act_on_flushed(self) -> None:
        while self._held and self._held[0].number <= self.last_flushed:
            self._act(self._held.popleft())

    def _act(self, held: _Held) -> None:
        # An action may write: what it adds is held back until the actions before it are done.
        self._acting = True
        try:
            if held.actions:
                self._perform(held.actions)
            for callback in held.durable:
                callback()
        finally:
            self._acting = False

    def _wake(self) -> None:
        flushed, self._flushed = self._flushed, trio.Event()
        flushed.set()

    def _refuse_if_failed(self) -> None:
        if self._failed:
            raise StorageError("an earlier write of the log failed; expected the process to end")

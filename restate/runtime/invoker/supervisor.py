"""Which invocations run now: the concurrency limit, the queue before it, and the retries of each."""

import logging
from collections.abc import Iterator
from time import perf_counter

import trio

from restate.runtime.engine.actions import (
    AbortAttempt,
    AckCommand,
    JournalGrew,
    PauseAttempt,
    ResumeAttempt,
    StartAttempt,
)
from restate.runtime.invoker.effects import Effects
from restate.runtime.invoker.failure import AttemptFailure, LastFailure
from restate.runtime.invoker.queue import FairQueue
from restate.runtime.invoker.retry import Retries
from restate.runtime.invoker.run import Run
from restate.runtime.invoker.status import AttemptStatus, status_of
from restate.runtime.invoker.task import AttemptTask
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.net.client import ClientError
from restate.runtime.tables.api import Tables
from restate.runtime.telemetry.metrics import UNREAD, InvokerMetrics

log = logging.getLogger("restate.invoker")


class Supervisor:
    """Implements `invoker.handle.Invoker`. Attempts run as children of the nursery it is given."""

    def __init__(
        self,
        nursery: trio.Nursery,
        task: AttemptTask,
        retries: Retries,
        effects: Effects,
        reader: Tables,
        *,
        concurrency_limit: int,
        metrics: InvokerMetrics = UNREAD.invoker,
    ) -> None:
        self._metrics = metrics
        self._nursery = nursery
        self._task = task
        self._retries = retries
        self._effects = effects
        self._reader = reader
        self._free = concurrency_limit
        self._runs: dict[InvocationId, Run] = {}
        self._waiting = FairQueue()
        self._draining = False
        self._idle = trio.Event()

    # -- what the partition asks for -----------------------------------------------------------------------------

    def start(self, action: StartAttempt) -> None:
        """Begin now or queue up. The latest token wins: an older run of the same id has ended already."""
        self._metrics.enqueued.value += 1
        record = action.record
        run = Run(action.id, action.token, record, record.journal_length, pinned=record.pin is not None)
        self._runs[action.id] = run
        self._waiting.append(run)
        self._fill()

    def abort(self, action: AbortAttempt) -> None:
        run = self._runs.get(action.id)
        # The abort of an older attempt, which spoke too late, is not meant for the one that runs now.
        if run is not None and action.token in (None, run.token):
            run.tell("cut: it was killed, has ended, or runs anew")
            del self._runs[action.id]
            run.aborted = True
            run.scope.cancel()

    def acknowledge(self, action: AckCommand) -> None:
        run = self._runs.get(action.id)
        if run is not None and run.token == action.token:
            run.acks.append(action.command_index)
            self._wake(run)

    def grew(self, action: JournalGrew) -> None:
        run = self._runs.get(action.id)
        if run is not None and run.token == action.token:
            run.visible = max(run.visible, action.length)
            self._wake(run)

    def pause(self, action: PauseAttempt) -> None:
        run = self._runs.get(action.id)
        if run is None or run.token != action.token:
            return
        run.pausing = True
        run.tell("is to pause")
        if run.holds_slot:
            run.retry_now.cancel()
            self._wake(run)
        else:
            # It has not begun, and may wait long for its turn.
            del self._runs[run.id]
            run.aborted = True
            self._nursery.start_soon(self._retries.pause, run, None)

    def resume(self, action: ResumeAttempt) -> None:
        run = self._runs.get(action.id)
        if run is not None and run.token == action.token:
            run.pausing = False
            run.retry_now.cancel()

    # -- shutdown ------------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Start nothing new, ask running attempts to suspend, return when the last one has ended.

        What does not run any more is still Invoked on disk and starts again with the next server.
        """
        self._draining = True
        for run in self._runs.values():
            if run.stream is not None:
                self._nursery.start_soon(_end_request, run)
            else:
                # It waits for a retry or a connection: nothing that could be lost, and maybe long.
                run.scope.cancel()
        while any(run.holds_slot for run in self._runs.values()):
            self._idle = trio.Event()
            await self._idle.wait()

    def is_running(self, invocation: InvocationId) -> bool:
        """Whether an attempt that runs now, or is about to be retried, may still bring the invocation's outcome."""
        run = self._runs.get(invocation)
        return run is not None and run.holds_slot

    def waiting(self) -> int:
        """How many invocations wait for a slot. May be asked in any thread."""
        return len(self._waiting)

    # -- introspection -------------------------------------------------------------------------------------------

    def status(self, invocation: InvocationId) -> AttemptStatus | None:
        """None for an invocation that the invoker does not have, or has not begun with."""
        run = self._runs.get(invocation)
        return None if run is None else status_of(run)

    def statuses(self) -> Iterator[AttemptStatus]:
        """Of all invocations that were begun. Those that begin or end meanwhile may be missing, or be told still."""
        for run in tuple(self._runs.values()):
            status = status_of(run)
            if status is not None:
                yield status

    # -- running -------------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        while self._free > 0 and self._waiting and not self._draining:
            run = self._waiting.popleft()
            if not run.aborted:
                self._free -= 1
                self._metrics.slots_acquired.value += 1
                run.holds_slot = True
                self._nursery.start_soon(self._run, run)

    def _release(self, run: Run) -> None:
        """The run needs its slot no longer: it has ended, or only reads the rest of its stream."""
        if run.holds_slot:
            run.holds_slot = False
            self._free += 1
            self._metrics.slots_released.value += 1
            self._idle.set()
            self._fill()

    async def _run(self, run: Run) -> None:
        try:
            with run.scope:
                await self._attempts(run)
        finally:
            self._finished(run)

    def _finished(self, run: Run) -> None:
        if self._runs.get(run.id) is run:
            del self._runs[run.id]
        self._release(run)

    async def _attempts(self, run: Run) -> None:
        """Attempt after attempt, until one ends with a terminal effect or the policy gives up."""
        failure = None
        while not run.pausing:
            failure = await self._attempt(run)
            if failure is None:
                return
            run.last_failure = LastFailure.of(failure)
            run.retry_now = trio.CancelScope()
            # A retry reads the journal anew: all that the failed attempt has reported must be in it, and on disk.
            await self._effects.settle()
            if not await self._may_retry(run, failure):
                return
        await self._retries.pause(run, failure)

    async def _may_retry(self, run: Run, failure: AttemptFailure) -> bool:
        """Wait for the next try; False when there will be none here, or none before the next start of the server."""
        if self._draining or not await self._retries.again(run, failure):
            return False
        return await self._reload(run)

    async def _attempt(self, run: Run) -> AttemptFailure | None:
        """One attempt; None when a terminal effect was proposed."""
        self._metrics.tasks.add("started", "")
        began = perf_counter()
        try:
            await self._task.attempt(run, ended=self._finished, opened=self._wake)
        except AttemptFailure as failure:
            return failure
        except Exception as error:
            # An attempt may crash, the server does not (design §3): our bug is this invocation's failed attempt.
            log.exception("an attempt crashed", extra=run.log_fields())
            return AttemptFailure(code="RT0007", message=f"the server failed to run the attempt: {error!r}")
        except trio.Cancelled:
            self._metrics.tasks.add("aborted", "")
            raise
        finally:
            self._metrics.seconds.observe(perf_counter() - began)
            run.stream = None
            run.in_flight = False
            run.acks.clear()
        return None

    async def _reload(self, run: Run) -> bool:
        record = self._reader.invocations.get(run.id)
        await self._effects.settle()
        if self._draining or record is None or record.status is not Status.INVOKED:
            return False
        run.record = record
        run.pinned = record.pin is not None
        run.visible = max(run.visible, record.journal_length)
        return True

    def _wake(self, run: Run) -> None:
        """Have everything sent to the SDK that it may see by now; and, for a pause, have it asked to suspend."""
        stream = run.stream
        if (
            stream is not None
            and not stream.sending
            and not stream.closed
            and (run.acks or stream.cursor < run.visible or run.pausing)
        ):
            stream.sending = True
            self._nursery.start_soon(self._send, run)

    async def _send(self, run: Run) -> None:
        stream = run.stream
        if stream is None:
            return
        try:
            while not stream.closed and (run.acks or stream.cursor < run.visible):
                rows = self._reader.journal.read(run.id, stream.cursor, run.visible)
                stream.cursor = run.visible
                acks, run.acks = run.acks, []
                data = b"".join(map(stream.attempt.ack, acks)) + stream.attempt.notify(rows)
                if data:
                    stream.touch()
                    self._metrics.sent_bytes.value += len(data)
                    await stream.exchange.send(data)
            if run.pausing:
                await stream.end_request()
        except ClientError:
            # The task that reads this stream meets the same error and decides what follows.
            run.tell("cannot send to the service")
        finally:
            stream.sending = False


async def _end_request(run: Run) -> None:
    try:
        if run.stream is not None:
            await run.stream.end_request()
    except ClientError:
        run.tell("cannot end the request to the service")

"""The worker processes: who gets one, who waits for one, when one ends.

A worker runs one query at a time. Workers start when they are needed and end when they are not.
"""

import logging
import shutil
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from restate.runtime.query import errors, frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.settings import PoolSettings
from restate.runtime.query.worker_process import WorkerGone, WorkerProcess
from restate.runtime.query.worker_query import Query

log = logging.getLogger("restate.query")


@attrs.define(eq=False)
class _Worker:
    """idle_since: when it became free. query: what it runs, None while it is free. queries: that it has run."""

    process: WorkerProcess
    idle_since: float = 0.0
    query: Query | None = None
    queries: int = 0


@attrs.define(eq=False)
class _Waiter:
    """Somebody in the queue. Gets a worker, or the right to start one (None), or an error."""

    event: trio.Event = attrs.field(factory=trio.Event)
    given: "_Worker | QueryError | None" = None

    def give(self, what: "_Worker | QueryError | None") -> None:
        self.given = what
        self.event.set()


class Workers:
    """All of them. `run` keeps them."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        # Invariant: the workers that there are, and those that somebody is about to start.
        self._count = 0
        self._waiters: deque[_Waiter] = deque()
        self._numbers = 0
        self._nursery: trio.Nursery | None = None
        self._ended = False
        self._busy = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep workers for those who ask, until cancelled; then end them all."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                # What a killed server has left behind.
                home = self._settings.worker.home
                await trio.to_thread.run_sync(lambda: shutil.rmtree(home, ignore_errors=True))
                task_status.started()
                try:
                    await self._look_after_workers()
                finally:
                    # Before the nursery closes, which lets other tasks run once more.
                    self._ended = True
        finally:
            self._ended = True
            for waiter in self._waiters:
                waiter.give(_shutting_down())
            self._waiters.clear()
            for worker in tuple(self._workers):
                await worker.process.end()

    async def _look_after_workers(self) -> None:
        while True:
            # Without workers nothing here costs anything.
            await self._busy.wait()
            self._busy = trio.Event()
            while self._workers:
                await trio.sleep(self._settings.look_around_s)
                self._look_around()

    def counts(self) -> dict[str, int]:
        """{busy or idle: workers}. This and the next may be asked in any thread."""
        idle = len(self._idle)
        return {"busy": max(0, len(self._workers) - idle), "idle": idle}

    def waiting(self) -> int:
        """How many queries wait for a worker."""
        return len(self._waiters)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Query]:
        """A query for a free worker, which is held until the context is left. Raises QueryError."""
        worker = await self._acquire()
        self._numbers += 1
        query = Query(worker.process, self._numbers, (), self._settings)
        worker.query = query
        worker.queries += 1
        try:
            yield query
        finally:
            worker.query = None
            # At the end of the server `run` ends all workers, and its nursery takes no more tasks.
            if self._ended or query.ended or self._nursery is None or worker.process.broken:
                self._release(worker)
            else:
                self._nursery.start_soon(self._stop, worker, query.number)

    async def _stop(self, worker: _Worker, number: int) -> None:
        """Tell the worker that nobody wants the rows; kill it if it does not listen."""
        with trio.move_on_after(self._settings.cancel_grace_s) as scope:
            try:
                await worker.process.send(frames.Cancel(number))
                while isinstance(await worker.process.receive(), frames.RowsFrame | frames.Opened):
                    continue
            except WorkerGone:
                log.debug("a query worker ended while its query was cancelled")
        if scope.cancelled_caught:
            worker.process.kill()
        self._release(worker)

    async def _acquire(self) -> _Worker:
        """A free worker. Raises QueryError."""
        if self._nursery is None or self._ended:
            raise _shutting_down()
        while self._idle:
            worker = self._idle.pop()
            if not worker.process.broken:
                return worker
        if self._count < self._settings.worker_limit:
            self._count += 1
            return await self._start()
        if len(self._waiters) >= self._settings.queue_limit:
            raise QueryError(
                "more queries are waiting than query.queue allows; try again later", errors.TOO_MANY
            )
        waiter = _Waiter()
        self._waiters.append(waiter)
        try:
            await waiter.event.wait()
        except BaseException:
            self._give_back(waiter)
            raise
        if isinstance(waiter.given, QueryError):
            raise waiter.given
        return await self._start() if waiter.given is None else waiter.given

    def _give_back(self, waiter: _Waiter) -> None:
        """Whoever waited has left, perhaps after it was their turn."""
        if not waiter.event.is_set():
            self._waiters.remove(waiter)
        elif isinstance(waiter.given, _Worker):
            self._release(waiter.given)
        elif waiter.given is None:
            self._room()

    async def _start(self) -> _Worker:
        """A new worker; its place is counted already. Raises QueryError."""
        self._numbers += 1
        try:
            worker = _Worker(await WorkerProcess.start(self._settings.worker, self._numbers))
        except BaseException:
            self._room()
            raise
        if self._nursery is None or self._ended:
            await worker.process.end()
            raise _shutting_down()
        self._workers.add(worker)
        self._busy.set()
        self._nursery.start_soon(self._watch, worker)
        return worker

    async def _watch(self, worker: _Worker) -> None:
        """Clear up after a process that has ended, for whatever reason."""
        await worker.process.wait()
        self._workers.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        await worker.process.end()
        self._room()

    def _room(self) -> None:
        """One worker less: the next in the queue may start one."""
        if self._waiters and not self._ended:
            self._waiters.popleft().give(None)
        else:
            self._count -= 1

    def _release(self, worker: _Worker) -> None:
        """The worker is free for the next query, unless it is of no use any more."""
        if worker.process.broken or worker.queries >= self._settings.queries_per_worker:
            worker.process.kill()
        elif self._waiters:
            self._waiters.popleft().give(worker)
        else:
            worker.idle_since = trio.current_time()
            self._idle.append(worker)

    def _look_around(self) -> None:
        """End workers that nobody needs, and queries whose rows nobody takes."""
        now = trio.current_time()
        for worker in tuple(self._idle):
            if now - worker.idle_since >= self._settings.idle_timeout_s:
                self._idle.remove(worker)
                worker.process.kill()
        for worker in self._workers:
            query = worker.query
            if query is None or query.waits_since is None:
                continue
            if now - query.waits_since >= self._settings.take_timeout_s:
                query.abandoned = True
                worker.process.kill()


def _shutting_down() -> QueryError:
    return QueryError("terminating connection because the server is shutting down", errors.SHUTTING_DOWN)

"""The query workers, as the ports see them: describe a statement, run one, take its rows as bytes that are ready to send.

A worker is a process of its own (`query.worker`): a query may use up its processor, its memory or its process, and the
server serves on. One worker runs one query at a time; workers start when they are needed and end when they are not.
"""

import logging
import shutil
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import attrs
import trio

from restate.runtime.query import errors, frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.live import Snapshot
from restate.runtime.query.worker_process import WorkerGone, WorkerProcess, WorkerSettings

log = logging.getLogger("restate.query")

_MOST_DESCRIBED = 256
_LONGEST_DESCRIBED = 16_384


class Output(Enum):
    """The form of the rows."""

    POSTGRES = "postgres"
    """Whole DataRow messages."""
    ARROW = "arrow"
    """An Arrow IPC stream, in pieces: schema, batches, end."""
    ARROW_DATES = "arrow with dates"
    """The same with Date64 in place of timestamps, for the command line of the classic generation."""
    JSON = "json"
    """`{"rows":[...]}`, in pieces."""


@attrs.frozen
class Parameter:
    """A value for `$n`, as a Postgres client sends it. oid: of its type, 0 for unknown. value: None is NULL."""

    oid: int
    value: bytes | None
    binary: bool


@attrs.frozen
class Column:
    """A column of a result in the terms of Postgres. oid, size: of its type; size -1 means variable."""

    name: str
    oid: int
    size: int


@attrs.frozen
class Description:
    """What a statement takes and gives. parameters: type oids of $1, $2, ..."""

    parameters: tuple[int, ...]
    columns: tuple[Column, ...]


@attrs.frozen
class SessionInfo:
    """What a statement may know of the connection it came over. settings: ((name, value), ...) as SHOW tells them.
    process_id: by which the client may cancel; 0 if it cannot.
    """

    user: str
    timezone: str = "UTC"
    settings: tuple[tuple[str, str], ...] = ()
    process_id: int = 0


@attrs.frozen
class Statement:
    """One statement, as it was sent. catalog: it is about pg_catalog, which is emulated apart from the data."""

    sql: str
    catalog: bool = False


@attrs.frozen
class Rows:
    """A piece of a result. count: rows in it; a piece without rows opens or closes the form."""

    data: bytes
    count: int


@attrs.frozen
class PoolSettings:
    """worker_limit: processes; each runs one query. queue_limit: queries that wait for one. Times are in seconds.
    timeout_s: how long a query may compute, its client's time not counted. take_timeout_s: how long a client may leave
    it waiting. idle_timeout_s: after which a worker without work ends. cancel_grace_s: for a query that nobody wants to
    end. longest_sql: characters of a statement. look_around_s: between two looks for what has had its time.
    queries_per_worker: after which another one takes its place, because the engine's memory grows a little with each.
    """

    worker: WorkerSettings
    worker_limit: int
    queue_limit: int
    timeout_s: float
    take_timeout_s: float
    idle_timeout_s: float
    cancel_grace_s: float = 0.25
    longest_sql: int = 1 << 20
    look_around_s: float = 1.0
    queries_per_worker: int = 1_000


@attrs.define(eq=False)
class _Worker:
    """idle_since: when it became free. query: what it runs, None while it is free. queries: that it has run."""

    process: WorkerProcess
    idle_since: float = 0.0
    query: "Query | None" = None
    queries: int = 0


@attrs.define(eq=False)
class _Waiter:
    """Somebody in the queue. Gets a worker, or the right to start one (None), or an error."""

    event: trio.Event = attrs.field(factory=trio.Event)
    given: "_Worker | QueryError | None" = None

    def give(self, what: "_Worker | QueryError | None") -> None:
        self.given = what
        self.event.set()


class Query:
    """A running query. Its worker is held until the context of `Pool.open` is left."""

    def __init__(
        self, process: WorkerProcess, number: int, columns: tuple[Column, ...], settings: PoolSettings
    ) -> None:
        self.columns = columns
        self.number = number
        self.ended = False
        """The worker has said so; else it must be told to stop."""
        self.waits_since: float | None = None
        """Since when the client has not asked for rows; None while the worker computes."""
        self.abandoned = False
        self._process = process
        self._settings = settings
        self._left_s = settings.timeout_s

    async def next(self, max_rows: int | None = None) -> Rows | None:
        """The next piece, with at most max_rows rows; None at the end, and again after it. Raises QueryError."""
        if self.ended:
            return None
        reply = await self.ask(frames.Fetch(max_rows))
        match reply:
            case frames.RowsFrame(data, count):
                return Rows(data, count)
            case frames.Finished():
                self.ended = True
                return None
            case _:
                raise AssertionError(f"expected rows or their end from a query worker, got {reply}")

    async def ask(self, request: frames.Request) -> frames.Reply | frames.RowsFrame:
        """Send the request, take the answer. Raises QueryError, also that of the worker."""
        await self.tell(request)
        started = trio.current_time()
        with trio.move_on_after(self._left_s) as scope:
            try:
                reply = await self._process.receive()
            except WorkerGone:
                raise await self._death() from None
        self._left_s -= trio.current_time() - started
        if scope.cancelled_caught:
            raise QueryError(
                f"canceling statement due to query.timeout ({self._settings.timeout_s:g} s)", errors.CANCELED
            )
        self.waits_since = trio.current_time()
        if isinstance(reply, frames.Failed):
            self.ended = True
            raise QueryError(reply.message, reply.sqlstate, position=reply.position, hint=reply.hint)
        return reply

    async def tell(self, request: frames.Request) -> None:
        """Raises QueryError."""
        self.waits_since = None
        try:
            await self._process.send(request)
        except WorkerGone:
            raise await self._death() from None

    async def _death(self) -> QueryError:
        if self.abandoned:
            return QueryError(
                f"the rows were not taken for {self._settings.take_timeout_s:g} s, so the query was ended",
                errors.IDLE,
            )
        with trio.move_on_after(1.0):
            await self._process.wait()
        reason = self._process.last_words()
        log.warning("a query ended its worker: %s", reason)
        cause = "because it is nested too deeply" if _is_overflow(reason) else "for want of memory"
        return QueryError(
            f"the query ended its worker process, probably {cause}; other queries are not affected",
            errors.WORKER_DIED,
        )


class Pool:
    """All workers. Live: what the invoker has in memory. durable: returns once everything written so far is on disk."""

    def __init__(
        self, settings: PoolSettings, *, live: Snapshot, durable: Callable[[], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._live = live
        self._durable = durable
        self._idle: list[_Worker] = []
        self._workers: set[_Worker] = set()
        # Invariant: the workers that there are, and those that somebody is about to start.
        self._count = 0
        self._waiters: deque[_Waiter] = deque()
        self._numbers = 0
        self._nursery: trio.Nursery | None = None
        self._ended = False
        self._busy = trio.Event()
        self._described: OrderedDict[tuple[Statement, tuple[int, ...]], Description] = OrderedDict()

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

    def workers(self) -> dict[str, int]:
        """{busy or idle: workers}. This and the next may be asked in any thread."""
        idle = len(self._idle)
        return {"busy": max(0, len(self._workers) - idle), "idle": idle}

    def waiting(self) -> int:
        """How many queries wait for a worker."""
        return len(self._waiters)

    # -- asking --------------------------------------------------------------------------------------------------

    async def describe(
        self, statement: Statement, parameter_oids: Sequence[int], session: SessionInfo
    ) -> Description:
        """What the statement takes and gives, without running it. parameter_oids: as far as the client knows them, 0
        for unknown. Raises QueryError.
        """
        key = (statement, tuple(parameter_oids))
        found = self._described.get(key)
        if found is not None:
            self._described.move_to_end(key)
            return found
        self._check_size(statement)
        async with self._running() as query:
            request = frames.Describe(
                statement.sql, statement.catalog, tuple(parameter_oids), _session(session)
            )
            reply = await query.ask(request)
            query.ended = True
        assert isinstance(reply, frames.Described)
        description = Description(reply.parameters, _columns(reply.columns))
        if len(statement.sql) <= _LONGEST_DESCRIBED:
            self._described[key] = description
            if len(self._described) > _MOST_DESCRIBED:
                self._described.popitem(last=False)
        return description

    @asynccontextmanager
    async def open(
        self,
        statement: Statement,
        parameters: Sequence[Parameter],
        output: Output,
        binary_columns: Sequence[bool] | bool,
        session: SessionInfo,
    ) -> AsyncIterator[Query]:
        """Run a statement. Leaving the context cancels what still runs, and does not wait for that. Raises QueryError,
        also for a statement that cannot be planned.

        binary_columns: for POSTGRES, which columns are sent in binary form; one value counts for all.
        """
        self._check_size(statement)
        async with self._running() as query:
            dates = output is Output.ARROW_DATES
            opened = await query.ask(
                frames.Execute(
                    query.number,
                    statement.sql,
                    statement.catalog,
                    tuple(frames.Value(each.oid, each.value, each.binary) for each in parameters),
                    Output.ARROW.value if dates else output.value,
                    binary_columns if isinstance(binary_columns, bool) else tuple(binary_columns),
                    _session(session),
                    dates,
                )
            )
            assert isinstance(opened, frames.Opened)
            # Rows show before they are durable; nobody may see one that could still be lost (settled.md #2).
            await self._durable()
            live = tuple(self._live()) if opened.needs_live else ()
            await query.tell(frames.Go(live))
            query.columns = _columns(opened.columns)
            query.waits_since = trio.current_time()
            yield query

    def _check_size(self, statement: Statement) -> None:
        most = self._settings.longest_sql
        if len(statement.sql) > most:
            raise QueryError(
                f"expected a statement of at most {most} characters, got {len(statement.sql)}",
                errors.TOO_LARGE,
            )

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[Query]:
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

    # -- workers -------------------------------------------------------------------------------------------------

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


def _is_overflow(last_words: str) -> bool:
    """Of the stack: a thread of the engine says so, the one that plans cannot."""
    return "SIGSEGV" in last_words or "overflowed its stack" in last_words


def _shutting_down() -> QueryError:
    return QueryError("terminating connection because the server is shutting down", errors.SHUTTING_DOWN)


def _session(session: SessionInfo) -> frames.Session:
    return frames.Session(session.user, session.timezone, session.settings, session.process_id)


def _columns(columns: Sequence[frames.ColumnOf]) -> tuple[Column, ...]:
    return tuple(Column(column.name, column.oid, column.size) for column in columns)

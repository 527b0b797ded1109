"""One query that a worker runs."""

import logging

import trio

from restate.runtime.query import errors, frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.settings import PoolSettings
from restate.runtime.query.statement import Column, Rows
from restate.runtime.query.worker_process import WorkerGone, WorkerProcess

log = logging.getLogger("restate.query")


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
        overflow = _is_overflow(reason)
        cause = "because it is nested too deeply" if overflow else "for want of memory"
        return QueryError(
            f"the query ended its worker process, probably {cause}; other queries are not affected",
            errors.WORKER_DIED,
            hint=None if overflow else errors.less_or_more("query.address_space"),
        )


def _is_overflow(last_words: str) -> bool:
    """Of the stack: a thread of the engine says so, the one that plans cannot."""
    return "SIGSEGV" in last_words or "overflowed its stack" in last_words

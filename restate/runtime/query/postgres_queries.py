"""A query of a Postgres client, in a task of its own: portals may end in any order, contexts of one task cannot."""

import logging
from typing import TypeVar

import trio

from restate.runtime.pgwire.engine import Open
from restate.runtime.query.errors import INTERNAL, QueryError
from restate.runtime.query.pool import Pool
from restate.runtime.query.statement import Column, Output, Parameter, Rows, SessionInfo, Statement

log = logging.getLogger("restate.query")

T = TypeVar("T")


class RunningQuery:
    """Opened by `run`; asked by one other task."""

    def __init__(self, pool: Pool, wanted: Open, session: SessionInfo) -> None:
        self._pool = pool
        self._wanted = wanted
        self._session = session
        self._scope = trio.CancelScope()
        self._error: QueryError | None = None
        self._tell_columns, self._columns = trio.open_memory_channel[tuple[Column, ...]](1)
        self._ask, self._asked = trio.open_memory_channel[int | None](1)
        self._tell_rows, self._rows = trio.open_memory_channel[Rows | None](1)

    async def run(self) -> None:
        """Hold the worker until `close`. Never raises: what goes wrong is told to the task that asks."""
        try:
            with self._scope:
                await self._serve()
        except* QueryError as failed:
            self._error = _first(failed)
        except* Exception:
            log.exception("a query of the postgres port crashed")
        finally:
            self._tell_columns.close()
            self._tell_rows.close()

    async def _serve(self) -> None:
        wanted = self._wanted
        statement = Statement(wanted.statement.sql, wanted.statement.catalog)
        parameters = [Parameter(each.oid, each.value, each.binary) for each in wanted.parameters]
        async with self._pool.open(
            statement, parameters, Output.POSTGRES, wanted.binary, self._session
        ) as query:
            await self._tell_columns.send(query.columns)
            async for most in self._asked:
                await self._tell_rows.send(await query.next(most))

    async def columns(self) -> tuple[Column, ...]:
        """Once. Raises QueryError."""
        return await self._answer(self._columns)

    async def next(self, most: int | None) -> Rows | None:
        """At most so many rows; None at the end. Raises QueryError."""
        try:
            self._ask.send_nowait(most)
        except (trio.BrokenResourceError, trio.WouldBlock):
            raise self._failure() from None
        return await self._answer(self._rows)

    def close(self) -> None:
        """Let go of the worker; does not wait for it."""
        self._scope.cancel()

    async def _answer(self, channel: trio.MemoryReceiveChannel[T]) -> T:
        try:
            return await channel.receive()
        except trio.EndOfChannel:
            raise self._failure() from None

    def _failure(self) -> QueryError:
        return self._error or QueryError("the query ended before it was asked to", INTERNAL)


def _first(group: BaseExceptionGroup[QueryError]) -> QueryError:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error

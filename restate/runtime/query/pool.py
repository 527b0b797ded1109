"""The query workers, as the ports see them: describe a statement, run one, take its rows as bytes that are ready to send.

A worker is a process of its own (`query.worker`): a query may use up its processor, its memory or its process, and the
server serves on.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio

from restate.runtime.query import errors, frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.live import Snapshot
from restate.runtime.query.settings import PoolSettings
from restate.runtime.query.statement import Column, Description, Output, Parameter, SessionInfo, Statement
from restate.runtime.query.worker_query import Query
from restate.runtime.query.workers import Workers

_MOST_DESCRIBED = 256
_LONGEST_DESCRIBED = 16_384


class Pool:
    """Answers statements. Live: what the invoker has in memory. durable: returns once everything written so far is on
    disk.
    """

    def __init__(
        self, settings: PoolSettings, *, live: Snapshot, durable: Callable[[], Awaitable[None]]
    ) -> None:
        self._settings = settings
        self._live = live
        self._durable = durable
        self._workers = Workers(settings)
        self._described: OrderedDict[tuple[Statement, tuple[int, ...]], Description] = OrderedDict()

    async def run(self, *, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep workers for those who ask, until cancelled; then end them all."""
        await self._workers.run(task_status=task_status)

    def workers(self) -> dict[str, int]:
        """{busy or idle: workers}. This and the next may be asked in any thread."""
        return self._workers.counts()

    def waiting(self) -> int:
        """How many queries wait for a worker."""
        return self._workers.waiting()

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
        async with self._workers.running() as query:
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
        async with self._workers.running() as query:
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


def _session(session: SessionInfo) -> frames.Session:
    return frames.Session(session.user, session.timezone, session.settings, session.process_id)


def _columns(columns: Sequence[frames.ColumnOf]) -> tuple[Column, ...]:
    return tuple(Column(column.name, column.oid, column.size) for column in columns)

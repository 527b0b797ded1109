"""The query workers, as the ports see them: describe a statement, run one, take its rows as bytes that are ready to send.

A worker is a process of its own (`query.worker`): a query may use up its processor, its memory or its process, and the
server serves on. One worker runs one query at a time; workers start when they are needed and end when they are not.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import attrs
import trio


class Output(Enum):
    """The form of the rows."""

    POSTGRES = "postgres"
    """Whole DataRow messages."""
    ARROW = "arrow"
    """An Arrow IPC stream, in pieces: schema, batches, end."""
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
    """What a statement may know of the connection it came over. settings: ((name, value), ...) as SHOW tells them."""

    user: str
    timezone: str = "UTC"
    settings: tuple[tuple[str, str], ...] = ()


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


class Query:
    """A running query. Its worker is held until the context of `Pool.open` is left."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self.columns = columns

    async def next(self, max_rows: int | None = None) -> Rows | None:
        """The next piece, with at most max_rows rows; None at the end, and again after it. Raises QueryError."""
        raise NotImplementedError


class Pool:
    """All workers."""

    async def run(self, *, task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep workers for those who ask, until cancelled; then end them all."""
        raise NotImplementedError

    async def describe(
        self, statement: Statement, parameter_oids: Sequence[int], session: SessionInfo
    ) -> Description:
        """What the statement takes and gives, without running it. parameter_oids: as far as the client knows them, 0
        for unknown. Raises QueryError.
        """
        raise NotImplementedError

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
        yield Query(())

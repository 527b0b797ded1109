"""Query workers that are none: a few statements with known answers, for tests of the port alone.

select 42                   one int4
select 'text'               one text
select $1 [, $2 ...]        the parameters, as they came
rows N [SIZE]               N rows of an int4 and a text of SIZE bytes, 100 rows a piece at most
hang                        no row, ever
hang after N                N rows, then nothing more
fail SQLSTATE [POSITION]    that error, when it is planned
break SQLSTATE N            that error, after N rows
die                         an exception that is no QueryError
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from restate.runtime.query.errors import UNDEFINED_TABLE, QueryError
from restate.runtime.query.pool import (
    Column,
    Description,
    Output,
    Parameter,
    Pool,
    Query,
    Rows,
    SessionInfo,
    Statement,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

INT4 = (23, 4)
TEXT = (25, -1)

_ROWS = re.compile(r"(?:rows|hang after|break \w{5}) (\d+)(?: (\d+))?$")
_PIECE = 100


@attrs.define
class _Plan:
    columns: tuple[Column, ...]
    oids: tuple[int, ...] = ()


def _plan(sql: str) -> _Plan:
    """Raises QueryError."""
    if match := re.match(r"fail (\w{5})(?: (\d+))?$", sql):
        position = None if match[2] is None else int(match[2])
        raise QueryError(f"failed as it was told: {match[1]}", match[1], position=position, hint="Do not.")
    if re.match(r"select -?\d+$", sql):
        return _Plan((Column("value", *INT4),))
    if sql.startswith("select $1"):
        count = sql.count("$")
        return _Plan(tuple(Column(f"p{n + 1}", *TEXT) for n in range(count)), (TEXT[0],) * count)
    if sql.startswith("select '") or sql == "select pg_catalog.version()":
        return _Plan((Column("text", *TEXT),))
    if re.match(r"(rows|hang|break \w{5} |die)", sql):
        return _Plan((Column("n", *INT4), Column("fill", *TEXT)))
    table = sql.split()[-1]
    raise QueryError(f"table 'restate.public.{table}' not found", UNDEFINED_TABLE)


class _FakeQuery(Query):
    def __init__(
        self,
        pool: FakePool,
        statement: Statement,
        parameters: Sequence[Parameter],
        binary: Sequence[bool] | bool,
    ) -> None:
        self._sql = statement.sql
        self.columns = _plan(self._sql).columns
        self._pool = pool
        self._binary = [binary] * len(self.columns) if isinstance(binary, bool) else list(binary)
        self._rows = self._values(parameters)

    async def next(self, max_rows: int | None = None) -> Rows | None:
        await trio.lowlevel.checkpoint()
        self._pool.fetches.append(max_rows)
        most = _PIECE if max_rows is None else min(max_rows, _PIECE)
        rows = [row for _, row in zip(range(most), self._rows, strict=False)]
        if rows:
            return Rows(b"".join(rows), len(rows))
        if self._sql.startswith("hang"):
            await trio.sleep_forever()
        if self._sql.startswith("break"):
            raise QueryError("broke as it was told", self._sql.split()[1])
        if self._sql == "die":
            raise RuntimeError("died as it was told")
        return None

    def _values(self, parameters: Sequence[Parameter]) -> Iterator[bytes]:
        if self._sql.startswith("select '"):
            yield self._row([self._sql[8:-1].encode()])
        elif self._sql.startswith("select pg_"):
            yield self._row([b"PostgreSQL 15.0 (fake)"])
        elif self._sql.startswith("select $"):
            yield self._row([parameter.value for parameter in parameters])
        elif self._sql.startswith("select "):
            yield self._row([self._int(int(self._sql[7:]))])
        elif match := _ROWS.match(self._sql):
            for n in range(int(match[1])):
                yield self._row([self._int(n), b"x" * int(match[2] or 0)])

    def _int(self, value: int) -> bytes:
        return value.to_bytes(4, "big", signed=True) if self._binary[0] else str(value).encode()

    def _row(self, values: list[bytes | None]) -> bytes:
        body = len(values).to_bytes(2, "big")
        for value in values:
            body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
        return b"D" + (len(body) + 4).to_bytes(4, "big") + body


class FakePool(Pool):
    """workers: how many queries run at a time; further ones wait. open_queries: of those. What it was asked is kept."""

    def __init__(self, workers: int = 4) -> None:
        self._capacity = trio.CapacityLimiter(workers)
        self.open_queries = 0
        self.statements: list[Statement] = []
        self.fetches: list[int | None] = []
        self.sessions: list[SessionInfo] = []

    async def describe(
        self, statement: Statement, parameter_oids: Sequence[int], session: SessionInfo
    ) -> Description:
        await trio.lowlevel.checkpoint()
        self.statements.append(statement)
        plan = _plan(statement.sql)
        known = dict(enumerate(parameter_oids))
        return Description(tuple(known.get(n) or oid for n, oid in enumerate(plan.oids)), plan.columns)

    @asynccontextmanager
    async def open(
        self,
        statement: Statement,
        parameters: Sequence[Parameter],
        output: Output,
        binary_columns: Sequence[bool] | bool,
        session: SessionInfo,
    ) -> AsyncIterator[Query]:
        assert output is Output.POSTGRES
        self.statements.append(statement)
        self.sessions.append(session)
        async with self._capacity:
            query = _FakeQuery(self, statement, parameters, binary_columns)
            self.open_queries += 1
            try:
                yield query
            finally:
                self.open_queries -= 1

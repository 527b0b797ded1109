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
from itertools import islice
from typing import TYPE_CHECKING

import attrs
import trio

from restate.runtime.query.errors import UNDEFINED_TABLE, QueryError
from restate.runtime.query.pool import Pool
from restate.runtime.query.statement import (
    Column,
    Description,
    Output,
    Parameter,
    Rows,
    SessionInfo,
    Statement,
)
from restate.runtime.query.worker_query import Query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

INT4 = (23, 4)
TEXT = (25, -1)

_PIECE = 100
_ROWS = re.compile(r"(?:rows|hang after|break \w{5}) (\d+)(?: (\d+))?")
_INTEGER = re.compile(r"select (-?\d+)(?: as (\w+))?")
_TEXT = re.compile(r"select (E?'(?P<quoted>.*)'|\$\$(?P<dollar>.*)\$\$)(?: as (?P<name>\w+))?", re.DOTALL)
_ECHO = re.compile(r"select (\$\d(?:::text)?(?:, )?)+( as (?P<name>\w+))?")
_VALUES = re.compile(r"select n from \(values (?P<values>[(), \d]+)\) as t\(n\)")
_FAIL = re.compile(r"fail (\w{5})(?: (\d+))?")


@attrs.frozen
class Plan:
    """values: of the rows, text or int; None in place of rows for the parameters."""

    columns: tuple[Column, ...]
    oids: tuple[int, ...] = ()
    values: Iterable[tuple[int | str, ...]] | None = ()


def plan(sql: str) -> Plan:
    """Raises QueryError."""
    if match := _FAIL.fullmatch(sql):
        position = None if match[2] is None else int(match[2])
        raise QueryError(f"failed as it was told: {match[1]}", match[1], position=position, hint="Do not.")
    if match := _INTEGER.fullmatch(sql):
        return Plan((Column(match[2] or "value", *INT4),), values=[(int(match[1]),)])
    if match := _TEXT.fullmatch(sql):
        text = (match["quoted"] or match["dollar"] or "").replace("\\'", "'").replace("''", "'")
        return Plan((Column(match["name"] or "text", *TEXT),), values=[(text,)])
    if match := _ECHO.fullmatch(sql):
        names = [match["name"]] if match["name"] else [f"p{n}" for n in range(sql.count("$"))]
        return Plan(tuple(Column(name, *TEXT) for name in names), (TEXT[0],) * len(names), None)
    if match := _VALUES.fullmatch(sql):
        return Plan((Column("n", *INT4),), values=[(int(n),) for n in re.findall(r"\d+", match["values"])])
    match = _ROWS.fullmatch(sql)
    if match is not None or sql in ("hang", "die"):
        count, size = (int(match[1]), int(match[2] or 0)) if match else (0, 0)
        return Plan(
            (Column("n", *INT4), Column("fill", *TEXT)), values=((n, "x" * size) for n in range(count))
        )
    table = sql.split()[-1]
    message = f"table 'restate.public.{table}' not found"
    raise QueryError(message, UNDEFINED_TABLE, position=sql.rindex(table) + 1)


def rows(sql: str, parameters: Sequence[Parameter], binary: Sequence[bool] | bool) -> Iterator[bytes]:
    """DataRow messages."""
    planned = plan(sql)
    if planned.values is None:
        yield _row([parameter.value for parameter in parameters])
        return
    formats = [binary] * len(planned.columns) if isinstance(binary, bool) else binary
    for values in planned.values:
        yield _row([_encoded(value, is_binary) for value, is_binary in zip(values, formats, strict=True)])


def _encoded(value: int | str, is_binary: bool) -> bytes:
    return (
        value.to_bytes(4, "big", signed=True) if is_binary and isinstance(value, int) else str(value).encode()
    )


def _row(values: list[bytes | None]) -> bytes:
    body = len(values).to_bytes(2, "big")
    for value in values:
        body += b"\xff\xff\xff\xff" if value is None else len(value).to_bytes(4, "big") + value
    return b"D" + (len(body) + 4).to_bytes(4, "big") + body


def described(sql: str, oids: Sequence[int]) -> Description:
    """Raises QueryError."""
    planned = plan(sql)
    known = dict(enumerate(oids))
    return Description(tuple(known.get(n) or oid for n, oid in enumerate(planned.oids)), planned.columns)


class _FakeQuery(Query):
    def __init__(
        self,
        pool: FakePool,
        statement: Statement,
        parameters: Sequence[Parameter],
        binary: Sequence[bool] | bool,
    ) -> None:
        self._sql = statement.sql
        self.columns = plan(self._sql).columns
        self._pool = pool
        self._rows = rows(self._sql, parameters, binary)

    async def next(self, max_rows: int | None = None) -> Rows | None:
        await trio.lowlevel.checkpoint()
        self._pool.fetches.append(max_rows)
        most = _PIECE if max_rows is None else min(max_rows, _PIECE)
        piece = list(islice(self._rows, most))
        if piece:
            return Rows(b"".join(piece), len(piece))
        if self._sql.startswith("hang"):
            await trio.sleep_forever()
        if self._sql.startswith("break"):
            raise QueryError("broke as it was told", self._sql.split()[1])
        if self._sql == "die":
            raise RuntimeError("died as it was told")
        return None


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
        return described(statement.sql, parameter_oids)

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

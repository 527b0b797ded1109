"""Which names an expression may use, and what they are in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from restate.runtime.query.errors import AMBIGUOUS_COLUMN, UNDEFINED_COLUMN, UNDEFINED_TABLE, QueryError
from restate.runtime.query.worker import oids


@attrs.frozen
class Typed:
    """An expression for SQLite, and the oid of its type; UNKNOWN for a literal or NULL without one."""

    sql: str
    oid: int


@attrs.frozen
class Output:
    """A column of a query or source. sql: how to refer to it from outside."""

    name: str
    oid: int
    sql: str


@attrs.define
class Source:
    """One table of FROM. names: what may qualify its columns. hidden: columns that USING has merged into another's."""

    names: tuple[tuple[str, ...], ...]
    columns: Sequence[Output]
    hidden: set[str] = attrs.Factory(set)
    table_oid: int = 0

    def column(self, name: str) -> Output | None:
        return next((column for column in self.columns if column.name == name), None)


@attrs.define
class Scope:
    """The sources of one SELECT, within those of the query around it."""

    outer: Scope | None = None
    sources: list[Source] = attrs.Factory(list)

    def resolve(self, parts: tuple[str, ...]) -> Typed:
        """A column by name. Raises QueryError 42703, 42702, 42P01."""
        qualifier, name = parts[:-1], parts[-1]
        scope: Scope | None = self
        seen = False
        while scope is not None:
            candidates = [source for source in scope.sources if not qualifier or qualifier in source.names]
            seen = seen or bool(candidates)
            found = [
                column
                for source in candidates
                if (column := source.column(name)) is not None and (qualifier or name not in source.hidden)
            ]
            if len(found) > 1:
                raise QueryError(f'column reference "{name}" is ambiguous', AMBIGUOUS_COLUMN)
            if found:
                return Typed(found[0].sql, found[0].oid)
            if candidates and (system := _system_column(name, candidates[0])):
                return system
            scope = scope.outer
        if qualifier and not seen:
            raise QueryError(f'missing FROM-clause entry for table "{".".join(qualifier)}"', UNDEFINED_TABLE)
        raise QueryError(f'column "{".".join(parts)}" does not exist', UNDEFINED_COLUMN)

    def all_columns(self, qualifier: tuple[str, ...]) -> list[Output]:
        """What a star stands for. Raises QueryError 42P01."""
        sources = [source for source in self.sources if not qualifier or qualifier in source.names]
        if not sources:
            raise QueryError(f'missing FROM-clause entry for table "{".".join(qualifier)}"', UNDEFINED_TABLE)
        return [
            column
            for source in sources
            for column in source.columns
            if qualifier or column.name not in source.hidden
        ]


def _system_column(name: str, source: Source) -> Typed | None:
    """Columns that every table has, and a star does not show."""
    match name:
        case "tableoid":
            return Typed(str(source.table_oid), oids.OID)
        case "xmin" | "xmax" | "cmin" | "cmax":
            return Typed("'0'", 28)
        case "ctid":
            return Typed("NULL", 27)
        case _:
            return None


def quoted(name: str) -> str:
    """An identifier for SQLite."""
    return '"' + name.replace('"', '""') + '"'


def text_literal(text: str) -> str:
    """A string for SQLite, which knows no escapes."""
    return "'" + text.replace("'", "''") + "'"

"""SELECT statements of PostgreSQL → SELECT statements of SQLite with the names and types of their columns."""

from __future__ import annotations

from collections.abc import Collection
from typing import assert_never

import attrs

from restate.runtime.query.errors import NOT_SUPPORTED, UNDEFINED_TABLE, QueryError
from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog import syntax as s
from restate.runtime.query.worker.catalog.expressions import Expressions, sorted_by
from restate.runtime.query.worker.catalog.names import output_name
from restate.runtime.query.worker.catalog.parser import parse
from restate.runtime.query.worker.catalog.relations import PG_CATALOG, PUBLIC, relations
from restate.runtime.query.worker.catalog.scope import Output, Scope, Source, Typed, quoted

KEYWORDS = "pg_keywords"
"""Our own table for what pg_get_keywords() gives."""

_EMPTY_FUNCTIONS: dict[str, dict[str, int]] = {
    "aclexplode": {
        "grantor": oids.OID,
        "grantee": oids.OID,
        "privilege_type": oids.TEXT,
        "is_grantable": oids.BOOL,
    },
    "pg_options_to_table": {"option_name": oids.TEXT, "option_value": oids.TEXT},
    "pg_get_publication_tables": {"relid": oids.OID, "attrs": 22, "qual": 194},
    "pg_partition_ancestors": {"relid": oids.REGCLASS},
    "pg_partition_tree": {
        "relid": oids.REGCLASS,
        "parentrelid": oids.REGCLASS,
        "isleaf": oids.BOOL,
        "level": oids.INT4,
    },
    "pg_get_multixact_members": {"xid": 28, "mode": oids.TEXT},
    "pg_stat_get_wal_senders": {"pid": oids.INT4},
    "pg_ls_dir": {"pg_ls_dir": oids.TEXT},
    "_pg_expandarray": {"x": oids.TEXT, "n": oids.INT4},
}
"""Functions in FROM that give no rows here: {name: {column: type}}."""
_KEYWORD_COLUMNS = {
    "word": oids.TEXT,
    "catcode": 18,
    "barelabel": oids.BOOL,
    "catdesc": oids.TEXT,
    "baredesc": oids.TEXT,
}


@attrs.frozen
class Translation:
    """sql: for SQLite. reads: {(schema, name)} of the relations in it. problem: why it cannot be run, or None."""

    sql: str
    columns: tuple[tuple[str, int], ...]
    parameter_oids: tuple[int, ...]
    reads: frozenset[tuple[str, str]]
    problem: QueryError | None


def translate(sql: str, parameter_oids: Collection[int], data_tables: Collection[str]) -> Translation:
    """Raises QueryError: 42601, 42P01, 42703, 0A000 and others. data_tables: which names are not ours to answer for."""
    known = dict(enumerate(parameter_oids, start=1))
    translator = _Queries(known, frozenset(data_tables))
    text, columns = translator.select(parse(sql), None)
    count = max(known, default=0)
    types = tuple(known.get(index) or oids.TEXT for index in range(1, count + 1))
    shown = tuple(
        (column.name, oids.TEXT if column.oid == oids.UNKNOWN else column.oid) for column in columns
    )
    return Translation(text, shown, types, frozenset(translator.reads), translator.problem)


class _Queries(Expressions):
    def __init__(self, parameter_oids: dict[int, int], data_tables: frozenset[str]) -> None:
        super().__init__(parameter_oids)
        self.reads: set[tuple[str, str]] = set()
        self._data_tables = data_tables
        self._commons: dict[str, list[Output]] = {}
        self._derived = 0

    def select(
        self, select: s.Select, outer: Scope | None, names: tuple[str, ...] = ()
    ) -> tuple[str, list[Output]]:
        """names: what its columns are called, if not as it calls them itself."""
        before = dict(self._commons)
        prefix = self._with(select, outer)
        scope = Scope(outer)
        sql, columns = self._body(select.body, scope, names)
        if select.order:
            keys = ", ".join(self._order_key(key, select.body, columns, scope) for key in select.order)
            sql += f" ORDER BY {keys}"
        if select.limit is not None or select.offset is not None:
            limit = "-1" if select.limit is None else f"ifnull({self._count(select.limit, scope)}, -1)"
            sql += f" LIMIT {limit}"
        if select.offset is not None:
            sql += f" OFFSET ifnull({self._count(select.offset, scope)}, 0)"
        self._commons = before
        return prefix + sql, columns

    def _count(self, node: s.Expression, scope: Scope) -> str:
        return self._as_type_of(Typed("", oids.INT8), node, scope).sql

    def _with(self, select: s.Select, outer: Scope | None) -> str:
        parts = []
        for common in select.commons:
            if select.recursive and isinstance(common.select.body, s.Compound):
                # The part before UNION gives the columns that the part behind it may read.
                _, columns = self._body(common.select.body.left, Scope(outer), common.columns)
                self._commons[common.name] = columns
            sql, columns = self.select(common.select, outer, common.columns)
            self._commons[common.name] = columns
            parts.append(f"{quoted(common.name)}({', '.join(c.sql for c in columns)}) AS ({sql})")
        return f"WITH {'RECURSIVE ' if select.recursive else ''}{', '.join(parts)} " if parts else ""

    def _order_key(self, key: s.SortKey, body: s.Body, columns: list[Output], scope: Scope) -> str:
        """An output column by name or number, else an expression over the sources."""
        node = key.expression
        if isinstance(node, s.Literal) and node.kind is s.LiteralKind.NUMBER:
            return sorted_by(node.text, key)
        if isinstance(node, s.Name) and len(node.parts) == 1:
            places = [place for place, column in enumerate(columns, start=1) if column.name == node.parts[0]]
            if places:
                return sorted_by(str(places[0]), key)
        if not isinstance(body, s.Core):
            raise QueryError(
                "ORDER BY of a set operation takes the names or numbers of its columns", NOT_SUPPORTED
            )
        return self.sort_key(key, scope)

    def _body(self, body: s.Body, scope: Scope, names: tuple[str, ...]) -> tuple[str, list[Output]]:
        match body:
            case s.Core():
                return self._core(body, scope, names)
            case s.Values(rows):
                return self._values(rows, scope, names)
            case s.Compound(operator, left, right):
                left_sql, columns = self._body(left, Scope(scope.outer), names)
                right_sql, others = self._body(right, Scope(scope.outer), ())
                if isinstance(right, s.Compound):
                    right_sql = f"SELECT * FROM ({right_sql})"
                typed = [
                    attrs.evolve(column, oid=other.oid) if column.oid == oids.UNKNOWN else column
                    for column, other in zip(columns, others, strict=False)
                ]
                return f"{left_sql} {operator.upper()} {right_sql}", typed
            case _:
                assert_never(body)

    def _values(
        self, rows: tuple[tuple[s.Expression, ...], ...], scope: Scope, names: tuple[str, ...]
    ) -> tuple[str, list[Output]]:
        first = [self.expression(cell, scope) for cell in rows[0]]
        texts = (f"({', '.join(self.expression(cell, scope).sql for cell in row)})" for row in rows)
        called = [f"column{number}" for number in range(1, len(first) + 1)]
        named = [*names, *called[len(names) :]]
        columns = [Output(name, typed.oid, quoted(name)) for name, typed in zip(named, first, strict=False)]
        items = ", ".join(f"{quoted(old)} AS {quoted(new)}" for old, new in zip(called, named, strict=False))
        return f"SELECT {items} FROM (VALUES {', '.join(texts)})", columns

    # One SELECT.

    def _core(self, core: s.Core, scope: Scope, names: tuple[str, ...]) -> tuple[str, list[Output]]:
        sources = [self._source(source, scope) for source in core.sources]
        items = self._items(core.items, scope, sources)
        named = [*names, *(name for name, _ in items[len(names) :])]
        columns = [
            # Columns of one name are told apart by their place.
            Output(name, typed.oid, quoted(f"{name} {place}" if name in named[:place] else name))
            for place, ((_, typed), name) in enumerate(zip(items, named, strict=False))
        ]
        listed = ", ".join(
            f"{typed.sql} AS {column.sql}" for (_, typed), column in zip(items, columns, strict=True)
        )
        sql = f"SELECT {'DISTINCT ' if core.distinct else ''}{listed or 'NULL'}"
        if sources:
            sql += f" FROM {', '.join(sources)}"
        if core.where is not None:
            sql += f" WHERE {self.expression(core.where, scope).sql}"
        if core.groups:
            sql += f" GROUP BY {', '.join(self._group(group, core.items, scope) for group in core.groups)}"
        if core.having is not None:
            sql += f" HAVING {self.expression(core.having, scope).sql}"
        return sql, columns

    def _items(self, nodes: tuple[s.Item, ...], scope: Scope, sources: list[str]) -> list[tuple[str, Typed]]:
        """(name, expression) of the select list; a function that gives a set is joined to the sources."""
        found: list[tuple[str, Typed]] = []
        series: list[str] = []
        for item in nodes:
            node = item.expression
            if isinstance(node, s.Star):
                found += [(c.name, Typed(c.sql, c.oid)) for c in scope.all_columns(node.parts)]
                continue
            name = item.alias or output_name(node)
            rows = self.series(node, scope) if isinstance(node, s.Call) else None
            if rows is None:
                found.append((name, self.expression(node, scope)))
                continue
            alias = self._new_alias("set")
            # Several sets in one list advance together.
            on = f" ON {series[0]}.key = {alias}.key" if series else ""
            sources.append(f"json_each({rows.sql}) AS {alias}")
            if on:
                last = sources.pop()
                sources[-1] += f" LEFT JOIN {last}{on}"
            series.append(alias)
            found.append((name, Typed(f"{alias}.value", rows.oid)))
        return found

    def _group(self, node: s.Expression, items: tuple[s.Item, ...], scope: Scope) -> str:
        """A source's column; else an alias of the select list."""
        if isinstance(node, s.Literal) and node.kind is s.LiteralKind.NUMBER:
            return node.text
        try:
            return self.expression(node, scope).sql
        except QueryError:
            aliased = next(
                (item for item in items if isinstance(node, s.Name) and (item.alias,) == node.parts), None
            )
            if aliased is None:
                raise
            return self.expression(aliased.expression, scope).sql

    # FROM.

    def _source(self, source: s.Source, scope: Scope) -> str:
        """Its text; its columns are added to the scope."""
        match source:
            case s.Table():
                return self._table(source, scope)
            case s.Derived(select, alias, names):
                sql, columns = self.select(select, scope.outer, names)
                called = alias or self._new_alias("part")
                scope.sources.append(Source(((called,),), _qualified(called, columns)))
                return f"({sql}) AS {quoted(called)}"
            case s.Function():
                return self._function(source, scope)
            case s.Join():
                return self._join(source, scope)
            case _:
                assert_never(source)

    def _table(self, table: s.Table, scope: Scope) -> str:
        alias = table.alias or table.name
        common = self._commons.get(table.name) if table.schema is None else None
        if common is not None:
            columns = _renamed(common, table.columns)
            if table.columns:
                raise QueryError("column aliases of a WITH query are not supported", NOT_SUPPORTED)
            scope.sources.append(Source(((alias,),), _qualified(alias, columns)))
            return f"{quoted(table.name)} AS {quoted(alias)}"
        schema, name = self._relation(table)
        relation = relations()[schema, name]
        self.reads.add((schema, name))
        columns = [Output(column, oid, quoted(column)) for column, oid in relation.columns.items()]
        outputs = _qualified(alias, columns)
        outputs = [
            attrs.evolve(output, name=new.name)
            for output, new in zip(outputs, _renamed(columns, table.columns), strict=True)
        ]
        names: tuple[tuple[str, ...], ...] = ((alias,),) if table.alias else ((name,), (schema, name))
        scope.sources.append(Source(names, outputs, table_oid=relation.oid))
        return f"{quoted(schema)}.{quoted(name)} AS {quoted(alias)}"

    def _relation(self, table: s.Table) -> tuple[str, str]:
        """(schema, name) of a system relation."""
        schema = table.schema or PG_CATALOG
        if (schema, table.name) in relations():
            return schema, table.name
        if table.schema in (None, PUBLIC) and table.name in self._data_tables:
            raise QueryError(
                f"a query of {table.name} cannot use PostgreSQL's system functions, types or catalogs as well",
                NOT_SUPPORTED,
                hint="Ask the catalog and the data in two statements.",
            )
        shown = f"{table.schema}.{table.name}" if table.schema else table.name
        raise QueryError(f'relation "{shown}" does not exist', UNDEFINED_TABLE)

    def _function(self, source: s.Function, scope: Scope) -> str:
        name = source.call.name
        alias = source.alias or name
        if (rows := self.series(source.call, scope)) is not None:
            columns = [
                Output(source.columns[0] if source.columns else alias, rows.oid, f"{quoted(alias)}.value")
            ]
            if source.ordinality:
                called = source.columns[1] if len(source.columns) > 1 else "ordinality"
                columns.append(Output(called, oids.INT8, f"({quoted(alias)}.key + 1)"))
            scope.sources.append(Source(((alias,),), columns))
            return f"json_each({rows.sql}) AS {quoted(alias)}"
        if name == "pg_get_keywords":
            return self._fixed(
                alias, source.columns, _KEYWORD_COLUMNS, f"{quoted(PG_CATALOG)}.{KEYWORDS}", scope
            )
        if (PG_CATALOG, name) in relations():
            known = dict(relations()[PG_CATALOG, name].columns)
            self.reads.add((PG_CATALOG, name))
            return self._fixed(alias, source.columns, known, f"{quoted(PG_CATALOG)}.{quoted(name)}", scope)
        if name in _EMPTY_FUNCTIONS:
            known = _EMPTY_FUNCTIONS[name]
            empty = ", ".join(f"NULL AS {quoted(column)}" for column in known)
            return self._fixed(alias, source.columns, known, f"(SELECT {empty} WHERE 0)", scope)
        value = self.expression(source.call, scope)
        column = source.columns[0] if source.columns else alias
        scope.sources.append(
            Source(((alias,),), _qualified(alias, [Output(column, value.oid, quoted(column))]))
        )
        return f"(SELECT {value.sql} AS {quoted(column)}) AS {quoted(alias)}"

    def _fixed(
        self, alias: str, names: tuple[str, ...], known: dict[str, int], sql: str, scope: Scope
    ) -> str:
        columns = _qualified(alias, [Output(column, oid, quoted(column)) for column, oid in known.items()])
        renamed = _renamed(columns, names)
        scope.sources.append(Source(((alias,),), renamed))
        return f"{sql} AS {quoted(alias)}"

    def _join(self, join: s.Join, scope: Scope) -> str:
        start = len(scope.sources)
        left = self._source(join.left, scope)
        middle = len(scope.sources)
        right = self._source(join.right, scope)
        if isinstance(join.right, s.Join):
            right = f"({right})"
        lefts, rights = scope.sources[start:middle], scope.sources[middle:]
        using = join.using
        if join.natural:
            theirs = {column.name for source in rights for column in source.columns}
            using = tuple(c.name for source in lefts for c in source.columns if c.name in theirs)
        conditions = [self._merged(name, lefts, rights) for name in using]
        if join.on is not None:
            conditions.append(self.expression(join.on, scope).sql)
        on = f" ON {' AND '.join(conditions)}" if conditions else ""
        return f"{left} {join.kind.upper()} {right}{on}"

    def _merged(self, name: str, lefts: list[Source], rights: list[Source]) -> str:
        """Equality of a column of USING, which is one column from now on."""
        left = Scope(None, lefts).resolve((name,))
        right = Scope(None, rights).resolve((name,))
        for source in rights:
            if source.column(name):
                source.hidden.add(name)
        return f"{left.sql} = {right.sql}"

    def _new_alias(self, word: str) -> str:
        self._derived += 1
        return quoted(f"{word} {self._derived}") if word == "set" else f"{word} {self._derived}"


def _qualified(alias: str, columns: list[Output]) -> list[Output]:
    return [attrs.evolve(column, sql=f"{quoted(alias)}.{column.sql}") for column in columns]


def _renamed(columns: list[Output], names: tuple[str, ...]) -> list[Output]:
    """The first columns under other names."""
    renamed = [attrs.evolve(column, name=name) for column, name in zip(columns, names, strict=False)]
    return [*renamed, *columns[len(names) :]]

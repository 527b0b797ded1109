"""The catalog: describe and run one statement of a client over the emulated system tables.

PostgreSQL's SELECT becomes SQLite's (`parser`, `queries`, `expressions`), over tables that hold what PostgreSQL 15
would show of ours (`content`). One thread at a time.
"""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import attrs
import pyarrow as pa

from restate.runtime.query.errors import CANCELED, NOT_SUPPORTED, TOO_LARGE, QueryError
from restate.runtime.query.worker.catalog.aggregates import AGGREGATES
from restate.runtime.query.worker.catalog.content import OWNER_OID, Values, data_tables, rows
from restate.runtime.query.worker.catalog.encoder import bound, encode_rows
from restate.runtime.query.worker.catalog.functions import FUNCTIONS, INTERNAL, Function
from restate.runtime.query.worker.catalog.queries import KEYWORDS, Translation, translate
from restate.runtime.query.worker.catalog.relations import INFORMATION_SCHEMA, PG_CATALOG, keywords, relations
from restate.runtime.query.worker.catalog.scope import quoted
from restate.runtime.query.worker.catalog.session import CatalogSession, Environment
from restate.runtime.query.worker.oids import size_of

_STEPS_BETWEEN_CHECKS = 1000
_CACHED_STATEMENTS = 256
_KEYWORD_CLASSES = {
    "U": "unreserved",
    "R": "reserved",
    "C": "unreserved (cannot be function or type name)",
    "T": "reserved (can be function or type name)",
}

_Key = tuple[str, str]


@attrs.frozen
class CatalogColumn:
    """name, type oid and length (-1: any) of one column, as RowDescription states them."""

    name: str
    oid: int
    size: int


@attrs.frozen
class CatalogResult:
    """Rows of a statement; a value is a str, int, float, bytes or None, a boolean is 0 or 1."""

    columns: tuple[CatalogColumn, ...]
    rows: list[tuple[object, ...]]
    _environment: Environment = attrs.field(repr=False)

    def encode(self, binary: Sequence[bool]) -> bytes:
        """The rows as whole DataRow messages. binary: one flag a column."""
        return encode_rows(self.rows, [column.oid for column in self.columns], binary, self._environment)


class Catalog:
    """Built once per worker. `describe` and `run` raise QueryError: 42601, 0A000, 42P01, 42703, 57014 and others."""

    def __init__(
        self,
        tables: Mapping[str, pa.Schema],
        views: Collection[str],
        *,
        timeout_s: float = 0.5,
        row_limit: int = 100_000,
    ) -> None:
        """tables: {name: schema} of everything in schema `public`, views included. views: which of them are views.

        timeout_s: of processor time, for one statement; a wrong join must not hold the worker. row_limit: of its result.
        """
        self._timeout_s = timeout_s
        self._row_limit = row_limit
        ours = data_tables(tables, views)
        self._environment = Environment(ours)
        self._names = frozenset(tables)
        self._deadline = 0.0
        self._database = sqlite3.connect(":memory:", isolation_level=None)
        self._with_rows: set[_Key] = set()
        for schema in (PG_CATALOG, INFORMATION_SCHEMA):
            self._database.execute(f"ATTACH ':memory:' AS {schema}")
        self._create_tables()
        self._fill(rows(ours))
        self._add_functions()
        self._database.set_progress_handler(self._is_late, _STEPS_BETWEEN_CHECKS)
        self._translated: Callable[[str, tuple[int, ...]], Translation] = lru_cache(_CACHED_STATEMENTS)(
            partial(_translate, data_tables=self._names)
        )

    def describe(
        self, sql: str, parameter_oids: Sequence[int], session: CatalogSession
    ) -> tuple[tuple[int, ...], tuple[CatalogColumn, ...]]:
        """(oids of the parameters, columns) without running it. parameter_oids: as the client gave them, 0 for unknown."""
        translation = self._runnable(sql, parameter_oids)
        return translation.parameter_oids, _columns(translation)

    def run(self, sql: str, parameters: Sequence[object], session: CatalogSession) -> CatalogResult:
        """parameters: values as `parameters.decode` gives them."""
        translation = self._runnable(sql, [0] * len(parameters))
        environment = self._environment
        environment.session, environment.error = session, None
        columns = _columns(translation)
        if translation.problem is not None:
            return CatalogResult(columns, [], environment)
        self._refresh(translation.reads, session)
        values = [bound(value) for value in parameters][: len(translation.parameter_oids)]
        if len(values) < len(translation.parameter_oids):
            needed = len(translation.parameter_oids)
            raise QueryError(f"the statement takes {needed} parameters, {len(values)} came", "08P01")
        return CatalogResult(columns, self._rows(translation, values), environment)

    def _runnable(self, sql: str, parameter_oids: Sequence[int]) -> Translation:
        """A statement that cannot be run is still an answer, if it asks for what never has rows."""
        translation = self._translated(sql, tuple(parameter_oids))
        if translation.problem is not None and translation.reads <= self._with_rows:
            raise translation.problem
        return translation

    def _rows(self, translation: Translation, values: list[object]) -> list[tuple[object, ...]]:
        self._deadline = time.thread_time() + self._timeout_s
        try:
            found = self._database.execute(translation.sql, values).fetchmany(self._row_limit + 1)
        except sqlite3.OperationalError as error:
            if self._environment.error is not None:
                raise self._environment.error from error
            if str(error) == "interrupted":
                raise QueryError("canceling statement: a catalog query took too long", CANCELED) from error
            if not translation.reads <= self._with_rows:
                return []
            raise QueryError(f"this catalog query is not supported: {error}", NOT_SUPPORTED) from error
        except sqlite3.Error as error:
            raise QueryError(f"this catalog query is not supported: {error}", NOT_SUPPORTED) from error
        if len(found) > self._row_limit:
            raise QueryError(f"a catalog query gives more than {self._row_limit} rows", TOO_LARGE)
        # A select list may be empty; SQLite's has NULL then.
        return found if translation.columns else [()] * len(found)

    def _is_late(self) -> int:
        return int(time.thread_time() > self._deadline > 0)

    # The database.

    def _create_tables(self) -> None:
        for relation in relations().values():
            columns = ", ".join(f"{quoted(name)} {_affinity(oid)}" for name, oid in relation.columns.items())
            self._database.execute(f"CREATE TABLE {relation.schema}.{quoted(relation.name)} ({columns})")
        self._database.execute(
            f"CREATE TABLE {PG_CATALOG}.{KEYWORDS} (word, catcode, barelabel, catdesc, baredesc)"
        )
        self._database.executemany(
            f"INSERT INTO {PG_CATALOG}.{KEYWORDS} VALUES (?, ?, 1, ?, 'can be bare label')",
            [(word, code, _KEYWORD_CLASSES[code]) for word, code in keywords()],
        )
        for key in _SESSION_RELATIONS:
            self._with_rows.add(key)

    def _fill(self, found: Iterable[tuple[_Key, Values]]) -> None:
        with self._database:
            for (schema, name), row in found:
                self._with_rows.add((schema, name))
                columns = ", ".join(map(quoted, row))
                marks = ", ".join("?" * len(row))
                self._database.execute(
                    f"INSERT INTO {schema}.{quoted(name)} ({columns}) VALUES ({marks})", list(row.values())
                )

    def _add_functions(self) -> None:
        for name, function in (FUNCTIONS | INTERNAL).items():
            if function.call is not None:
                call = partial(_called, self._environment, function)
                self._database.create_function(f"f_{name}", -1, call)
        for name, (kind, _) in AGGREGATES.items():
            self._database.create_aggregate(f"f_{name}", -1, kind)  # type: ignore[arg-type]

    def _refresh(self, reads: Collection[_Key], session: CatalogSession) -> None:
        """Relations that show the session itself are filled when they are asked for."""
        for key in reads & _SESSION_RELATIONS.keys():
            self._deadline = 0.0
            self._database.execute(f"DELETE FROM {key[0]}.{quoted(key[1])}")
            self._fill((key, row) for row in _SESSION_RELATIONS[key](session))


def _translate(sql: str, parameter_oids: tuple[int, ...], *, data_tables: frozenset[str]) -> Translation:
    try:
        return translate(sql, parameter_oids, data_tables)
    except RecursionError as error:
        raise QueryError("the statement is nested too deeply for a catalog query", "54001") from error


def _columns(translation: Translation) -> tuple[CatalogColumn, ...]:
    return tuple(CatalogColumn(name, oid, size_of(oid)) for name, oid in translation.columns)


def _affinity(oid: int) -> str:
    """SQLite compares a column of these with a text as numbers, as psql's `oid = '16384'` needs it."""
    return (
        "INTEGER" if oid in (16, 20, 21, 23, 26, 28, 2205, 2206) else "REAL" if oid in (700, 701) else "TEXT"
    )


def _called(environment: Environment, function: Function, *arguments: object) -> Any:
    """Errors are kept aside, because SQLite replaces them by its own."""
    if function.strict and None in arguments:
        return None
    assert function.call is not None
    try:
        return function.call(environment, *arguments)
    except QueryError as error:
        environment.error = error
        raise
    except (TypeError, ValueError, IndexError) as error:
        environment.error = QueryError(f"wrong arguments of a function in a catalog query: {error}", "42883")
        raise


def _roles(session: CatalogSession) -> list[Values]:
    return [
        {
            **{"rolname": session.user, "rolsuper": 0, "rolinherit": 1, "rolcreaterole": 0, "rolcreatedb": 0},
            **{"rolcanlogin": 1, "rolreplication": 0, "rolconnlimit": -1, "rolpassword": "********"},
            **{"rolbypassrls": 0, "oid": OWNER_OID},
        }
    ]


def _users(session: CatalogSession) -> list[Values]:
    return [
        {
            **{"usename": session.user, "usesysid": OWNER_OID, "usecreatedb": 0, "usesuper": 0, "userepl": 0},
            **{"usebypassrls": 0, "passwd": "********"},
        }
    ]


def _settings(session: CatalogSession) -> list[Values]:
    return [
        {
            **{"name": name, "setting": value, "category": "Restate", "short_desc": "", "context": "user"},
            **{"vartype": "string", "source": "session", "boot_val": value, "reset_val": value},
            **{"pending_restart": 0},
        }
        for name, value in session.all_settings().items()
    ]


_SESSION_RELATIONS: dict[_Key, Callable[[CatalogSession], list[Values]]] = {
    (PG_CATALOG, "pg_roles"): _roles,
    (PG_CATALOG, "pg_user"): _users,
    (PG_CATALOG, "pg_settings"): _settings,
}

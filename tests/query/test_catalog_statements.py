"""Every statement that real clients sent to a PostgreSQL 15 with tables of our shape, and what it answered.

`catalog_statements.json` has one line each: the client, the statement, `$n` as text, the columns (name, type oid) and the
rows where ours must be the same; PostgreSQL's own catalogs have more rows than ours. `{oid:state}` stands for the oid of
a table. The rows of a statement without ORDER BY may come in any order.
"""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker.catalog.engine import Catalog
from restate.runtime.query.worker.catalog.session import CatalogSession
from tests.query.test_postgres_rows import rows_of

S, U8, U4, B = pa.string(), pa.uint64(), pa.uint32(), pa.binary()
T = pa.timestamp("ms", "+00:00")

TABLES = {
    "state": pa.schema(
        [
            *(("partition_key", U8), ("scope", S), ("service_name", S), ("service_key", S), ("key", S)),
            *(("key_length", U8), ("value_utf8", S), ("value", B), ("value_length", U8), ("service", S)),
        ]
    ),
    "sys_deployment": pa.schema(
        [
            *(("id", S), ("ty", S), ("endpoint", S), ("created_at", T), ("min_service_protocol_version", U4)),
            *(("max_service_protocol_version", U4), ("services", pa.list_(S))),
        ]
    ),
    "sys_invocation": pa.schema(
        [("id", S), ("status", S), ("completion_retention", pa.duration("ms")), ("created_at", T)]
    ),
    "sys_invocation_status": pa.schema(
        [
            *(("partition_key", U8), ("id", S), ("status", S)),
            *(
                ("suspended_waiting_for_completions", pa.list_(U4)),
                ("completion_retention", pa.duration("ms")),
            ),
            ("created_at", T),
        ]
    ),
    "sys_service": pa.schema(
        [
            *(("name", S), ("revision", U8), ("public", pa.bool_()), ("ty", S), ("deployment_id", S)),
            ("instance_type", S),
        ]
    ),
}
STATEMENTS: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("catalog_statements.json").read_text("utf-8")
)
SESSION = CatalogSession("postgres")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(TABLES, ["sys_invocation"])


@pytest.fixture(scope="module")
def oids(catalog: Catalog) -> dict[str, str]:
    """{table: oid}."""
    found = catalog.run("SELECT relname, oid FROM pg_class", [], SESSION)
    return {str(name): str(oid) for name, oid in found.rows}


def named(text: Any, oids: dict[str, str]) -> Any:
    return re.sub(r"\{oid:(\w+)\}", lambda m: oids.get(m[1], "1"), text) if isinstance(text, str) else text


def case_id(number: int) -> str:
    return f"{STATEMENTS[number]['client'].replace(' ', '-')}-{number}"


@pytest.mark.parametrize("number", range(len(STATEMENTS)), ids=case_id)
def test_a_statement_of_a_client_is_answered_as_postgres_does(
    number: int, catalog: Catalog, oids: dict[str, str]
) -> None:
    case = STATEMENTS[number]
    sql = named(case["sql"], oids)
    parameters = [named(value, oids) for value in case.get("parameters", [])]
    if "sqlstate" in case:
        with pytest.raises(QueryError) as caught:
            catalog.run(sql, parameters, SESSION)
        assert caught.value.sqlstate == case["sqlstate"]
        return
    _, columns = catalog.describe(sql, [0] * len(parameters), SESSION)
    assert [[column.name, column.oid] for column in columns] == case["columns"]
    result = catalog.run(sql, parameters, SESSION)
    assert result.columns == columns
    in_binary = rows_of(result.encode([True] * len(columns)))
    assert len(in_binary) == len(result.rows)
    if "rows" in case:
        found = [
            [None if cell is None else cell.decode() for cell in row]
            for row in rows_of(result.encode([False] * len(columns)))
        ]
        expected = [[named(value, oids) for value in row] for row in case["rows"]]
        assert sorted(map(str, found)) == sorted(map(str, expected))

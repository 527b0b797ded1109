"""Drivers of Python and node: connect, read every type, bind parameters, cursors, pipelines, errors, reflection."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.test_psql import TABLES
from tests.support import environments
from tests.support.sql_bed import COUNTERS, run

if TYPE_CHECKING:
    from tests.support.sql_bed import SqlBed

_SERVICES = Path(__file__).parents[1] / "support" / "services"
_COUNTERS = [[key, str(count)] for key, count in sorted(COUNTERS.items())]
_ONE = [[str(COUNTERS["pear"])]]
_SERIES_SUM = 5000 * 5001 // 2
_STATUSES = ["completed", "completed", "completed", "completed", "pending", "suspended"]


def python(bed: SqlBed, scenario: str, stdin: str = "") -> Any:
    program = _SERVICES / "sql_drivers.py"
    command = [str(environments.sql_drivers()), str(program), str(bed.port), scenario]
    return _answer(command, bed.environment, stdin)


def node(bed: SqlBed, scenario: str) -> Any:
    home = environments.node_sql_drivers()
    program = _SERVICES / "sql_drivers.mjs"
    return _answer(
        [environments.node(), str(program), str(bed.port), scenario],
        {**bed.environment, "SDK_HOME": str(home)},
    )


def _answer(command: list[str], environment: dict[str, str], stdin: str = "") -> Any:
    done = run(command, environment, stdin=stdin)
    assert done.returncode == 0, done.stdout
    return json.loads(done.stdout)


TYPES: dict[str, list[Any]] = {
    "psycopg_default": [
        *(True, 1, 2.5, "é", "decimal 18446744073709551615", "1970-01-01T00:00:00", [1, 2], "bytes hi", None),
        *("93600 s", "date 2026-11-23"),
    ]
}
"""What a driver makes of one value of each type; the drivers that differ have a row of their own."""
TYPES["psycopg_binary"] = TYPES["asyncpg_default"] = TYPES["psycopg2_default"] = TYPES["psycopg_default"]
TYPES["pg8000_default"] = TYPES["psycopg_default"]


@pytest.mark.parametrize("scenario", TYPES)
def test_a_driver_reads_every_type_and_binds_parameters(sql_bed: SqlBed, scenario: str) -> None:
    found = python(sql_bed, scenario)
    assert found["types"] == TYPES[scenario]
    assert found["counters"] == _COUNTERS
    assert found["one"] == _ONE
    assert found["bound"] == _ONE


def test_psycopg_reads_through_a_server_side_cursor(sql_bed: SqlBed) -> None:
    found = python(sql_bed, "psycopg_server_cursor")
    assert found == {"first": list(range(1, 11)), "rest": 4990, "last": 5000, "names": ["value"]}


def test_psycopg_pipelines(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_pipeline") == list(range(1, 51))


def test_psycopg_prepares(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_prepared") == list(range(0, 20, 2))


def test_psycopg_streams_row_by_row(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_stream") == _SERIES_SUM


def test_psycopg_reads_without_blocking(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_async") == _COUNTERS


def test_psycopg_knows_the_errors_and_goes_on_after_a_rollback(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_errors") == [
        *(["SyntaxError", "42601"], "25P02", ["UndefinedColumn", "42703"], "25P02"),
        *(["ReadOnlySqlTransaction", "25006"], "25P02", "still here"),
    ]


def test_psycopg_cancels(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_cancel") == ["57014", 1]


def test_psycopg_asks_for_types(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg_types_of_the_catalog") == [25, 1009, None]


def test_psycopg2_reads_through_a_named_cursor(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg2_named_cursor") == _SERIES_SUM


def test_psycopg2_sets_its_session(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "psycopg2_read_only_session") == [["read committed"], "25006", "UTF8", 150000]


def test_asyncpg_reads_through_a_cursor(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "asyncpg_cursor") == _SERIES_SUM


def test_asyncpg_has_a_pool(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "asyncpg_pool") == list(range(1, 21))


def test_asyncpg_reads_and_binds_arrays(sql_bed: SqlBed) -> None:
    found = python(sql_bed, "asyncpg_arrays")
    assert {"Counter", "Steps"} < set(found["services"])
    assert found["names"] == ["Counter", "Steps"]
    assert all(isinstance(number, int) for number in found["waiting"])
    assert found["waiting"]


def test_asyncpg_knows_the_errors_and_cancels(sql_bed: SqlBed) -> None:
    assert python(sql_bed, "asyncpg_errors") == [
        *(["PostgresSyntaxError", "42601"], ["UndefinedColumnError", "42703"]),
        *(["DivisionByZeroError", "22012"], ["ReadOnlySQLTransactionError", "25006"]),
        *("timeout", "still here"),
    ]


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_sqlalchemy_reads(sql_bed: SqlBed, driver: str) -> None:
    found = python(sql_bed, f"sqlalchemy_{driver}_reads")
    assert found["counters"] == _COUNTERS
    assert found["one"] == _ONE
    assert found["keys"] == sorted(COUNTERS)


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2", "pg8000"])
def test_sqlalchemy_reflects_all_tables(sql_bed: SqlBed, driver: str) -> None:
    found = python(sql_bed, f"sqlalchemy_{driver}_reflects")
    assert found["schema"] == "public"
    assert found["schemas"] == ["information_schema", "public"]
    assert found["tables"] == list(TABLES)
    assert found["views"] == ["sys_invocation"]
    assert set(found["reflected"]) == {*TABLES, "sys_invocation"}
    assert found["reflected"]["sys_service"] == {
        **{"name": "TEXT", "revision": "NUMERIC", "public": "BOOLEAN", "ty": "TEXT", "deployment_id": "TEXT"},
        "instance_type": "TEXT",
    }
    assert found["nullable"] is True
    assert found["keys"] == [[], [], [], []]
    assert found["has"] == [True, False]
    assert found["view"] is True


def test_pandas_reads(sql_bed: SqlBed) -> None:
    found = python(sql_bed, "pandas_reads")
    assert found["statuses"] == _STATUSES
    assert found["kinds"]["created_at"] == "M"
    assert found["zone"] == "UTC"
    assert {"Counter", "Steps", "Greeter"} <= set(found["services"])
    assert found["pieces"] == [2000, 2000, 1000]


def test_node_postgres_reads_and_binds(sql_bed: SqlBed) -> None:
    found = node(sql_bed, "pg_default")
    assert found["counters"] == _COUNTERS
    assert found["one"] == found["bound"] == [{"value_utf8": "5"}]
    assert found["time"][0]["n"] == "18446744073709551615"
    assert found["time"][0]["b"] is True


def test_node_postgres_prepares(sql_bed: SqlBed) -> None:
    assert node(sql_bed, "pg_named") == ["0", "2", "4"]


def test_node_postgres_reads_through_a_cursor(sql_bed: SqlBed) -> None:
    assert node(sql_bed, "pg_cursor") == [1500, 1500, 1500, 500]


def test_node_postgres_has_a_pool(sql_bed: SqlBed) -> None:
    assert node(sql_bed, "pg_pool") == list(range(1, 13))


def test_node_postgres_knows_the_errors(sql_bed: SqlBed) -> None:
    assert node(sql_bed, "pg_errors") == ["42601", "42703", "25006", "still here"]


def test_postgres_js_reads_and_binds(sql_bed: SqlBed) -> None:
    found = node(sql_bed, "postgres_default")
    assert found["counters"] == _COUNTERS
    assert found["one"] == [{"value_utf8": "5"}]
    # Integers of every width travel as int8, which node gives as text.
    assert found["array"] == [{"a": ["1", "2"]}]
    assert found["names"] == ["Counter", "Steps"]


def test_postgres_js_reads_through_a_cursor(sql_bed: SqlBed) -> None:
    assert node(sql_bed, "postgres_cursor") == [1500, 1500, 1500, 500]


CATALOG = json.loads((Path(__file__).parents[1] / "query" / "catalog_statements.json").read_text("utf-8"))
CONNECTING: dict[str, list[str]] = {
    "dbeaver": [
        *("SET extra_float_digits = 3", "SET application_name = 'DBeaver 24 - Main'", "SHOW search_path"),
        *("SELECT version()", "SET search_path = public,public", "SHOW server_version_num"),
    ],
    "grafana": ["SELECT 1", "SELECT version()", "SHOW timezone"],
    "metabase": ["SET application_name = 'Metabase'", "SELECT 1", "SHOW timezone"],
    "datagrip": [
        "SET extra_float_digits = 3",
        "SET application_name = ''",
        "select version()",
        "show DateStyle",
    ],
    "pgadmin": [
        "SET DateStyle=ISO",
        "SET client_min_messages=notice",
        "SELECT set_config('bytea_output','hex',false)",
        "SET client_encoding='UTF-8'",
    ],
    "npgsql": ["SELECT version()"],
}
"""{tool: what it says first}; then come the statements about the catalog, and then those about the data."""
READING: dict[str, list[str]] = {
    "dbeaver": [
        "SELECT x.* FROM public.sys_invocation x LIMIT 200",
        "SELECT count(*) FROM public.state",
        "SELECT t.service_name, t.service_key FROM public.state t WHERE t.service_key LIKE 'p%' ORDER BY 1",
    ],
    "grafana": [
        'SELECT floor(extract(epoch from created_at)/300)*300 AS "time", count(*) AS n FROM sys_invocation'
        " WHERE created_at BETWEEN '2020-01-01T00:00:00Z' AND '2100-01-01T00:00:00Z' GROUP BY 1 ORDER BY 1",
        "SELECT date_trunc('hour', created_at) AS time, status AS metric, count(*) AS value FROM sys_invocation"
        " WHERE created_at >= '2020-01-01T00:00:00Z' GROUP BY 1, 2 ORDER BY 1",
        'SELECT created_at AS "time", id, status FROM sys_invocation ORDER BY 1 LIMIT 50',
    ],
    "metabase": [
        'SELECT "public"."sys_service"."name" AS "name", COUNT(*) AS "count" FROM "public"."sys_service"'
        ' GROUP BY "public"."sys_service"."name" ORDER BY "public"."sys_service"."name" ASC LIMIT 2000',
    ],
    "datagrip": ["select t.* from public.sys_deployment t limit 501"],
    "pgadmin": ["SELECT * FROM public.sys_journal LIMIT 100"],
    "npgsql": ["SELECT id FROM sys_invocation WHERE status = 'suspended'"],
}


@pytest.mark.parametrize("tool", CONNECTING)
def test_a_tool_connects_describes_and_reads(sql_bed: SqlBed, tool: str) -> None:
    about = [case for case in CATALOG if case["client"] == tool]
    tables = {row["relname"]: row["oid"] for row in _relations(sql_bed)}

    def named(text: str | None) -> str | None:
        return text and re.sub(r"\{oid:(\w+)\}", lambda m: str(tables[m[1]]), text)

    statements: list[list[Any]] = [
        *([sql, []] for sql in CONNECTING[tool]),
        *([named(case["sql"]), [named(value) for value in case.get("parameters", [])]] for case in about),
        *([sql, []] for sql in READING[tool]),
    ]
    found = python(sql_bed, "psycopg_replay", json.dumps(statements))
    answers = list(zip((sql for sql, _ in statements), found, strict=True))
    assert [answer for answer in answers if isinstance(answer[1], str)] == []
    assert all(found[-len(READING[tool]) :])


def _relations(bed: SqlBed) -> list[dict[str, str]]:
    lines = bed.psql("-At", "-c", "select relname, oid from pg_class").splitlines()
    return [dict(zip(("relname", "oid"), line.split("|"), strict=True)) for line in lines]

"""What the catalog says beyond the captured statements: sessions, limits, fallbacks, errors, both formats."""

import contextlib
import re
import struct
import time
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.query.errors import QueryError
from restate.runtime.query.worker import oids
from restate.runtime.query.worker.catalog.engine import Catalog
from restate.runtime.query.worker.catalog.session import CatalogSession
from restate.runtime.query.worker.parameters import decode
from tests.query.test_catalog_statements import STATEMENTS, TABLES
from tests.query.test_postgres_rows import rows_of

SESSION = CatalogSession("ada", "Europe/Berlin", {"application_name": "psql", "search_path": "public"}, 77)
SHORT = [case for case in STATEMENTS if len(case["sql"]) < 800]
WORDS = sorted({word for case in SHORT for word in re.findall(r"\w+|[^\w\s]", case["sql"])})


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog(TABLES, ["sys_invocation"])


def answers(catalog: Catalog, sql: str, *parameters: object) -> list[tuple[object, ...]]:
    return catalog.run(sql, parameters, SESSION).rows


def refused(catalog: Catalog, sql: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        catalog.run(sql, [], SESSION)
    return caught.value


def test_a_table_keeps_its_oid_in_every_worker(catalog: Catalog) -> None:
    other = Catalog({**TABLES, "another": pa.schema([("a", pa.string())])}, [])
    wanted = "SELECT relname, oid FROM pg_class WHERE relname = 'state'"
    assert answers(catalog, wanted) == answers(other, wanted)


def test_every_column_is_described_by_its_type(catalog: Catalog) -> None:
    wanted = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = 'sys_invocation_status'::regclass ORDER BY attnum"
    )
    assert answers(catalog, wanted) == [
        ("partition_key", "numeric"),
        ("id", "text"),
        ("status", "text"),
        ("suspended_waiting_for_completions", "bigint[]"),
        ("completion_retention", "interval"),
        ("created_at", "timestamp with time zone"),
    ]


def test_information_schema_with_a_postgres_function_has_postgres_types(catalog: Catalog) -> None:
    wanted = (
        "SELECT quote_ident(column_name), data_type, udt_name, ordinal_position FROM information_schema.columns"
        " WHERE table_name = 'sys_deployment' ORDER BY ordinal_position DESC LIMIT 2"
    )
    assert answers(catalog, wanted) == [
        ("services", "ARRAY", "_text", 7),
        ("max_service_protocol_version", "bigint", "int8", 6),
    ]


def test_a_session_sees_itself(catalog: Catalog) -> None:
    wanted = (
        "SELECT current_user, session_user, current_database(), current_schema, current_setting('application_name'),"
        " current_setting('timezone'), current_setting('nothere', true), pg_get_userbyid(10)"
    )
    assert answers(catalog, wanted) == [
        ("ada", "ada", "restate", "public", "psql", "Europe/Berlin", None, "ada")
    ]


def test_relations_about_the_session_follow_it(catalog: Catalog) -> None:
    assert answers(catalog, "SELECT rolname FROM pg_roles") == [("ada",)]
    other = catalog.run("SELECT rolname FROM pg_roles", [], CatalogSession("bob"))
    assert other.rows == [("bob",)]
    assert answers(catalog, "SELECT setting FROM pg_settings WHERE name = 'search_path'") == [("public",)]


def test_parameters_take_the_types_of_what_they_are_compared_with(catalog: Catalog) -> None:
    types, _ = catalog.describe(
        "SELECT 1 FROM pg_class WHERE oid = $1 AND relname LIKE $2 AND relkind = ANY($3) AND relnatts > $4::int4"
        " AND oid = ANY($5) LIMIT $6",
        [],
        SESSION,
    )
    assert types == (oids.OID, oids.TEXT, oids.ARRAYS[oids.CHAR], oids.INT4, oids.ARRAYS[oids.OID], oids.INT8)


def test_types_a_client_gives_are_kept(catalog: Catalog) -> None:
    types, _ = catalog.describe(
        "SELECT 1 FROM pg_class WHERE oid = $1 AND relname = $2", [oids.INT8, 0], SESSION
    )
    assert types == (oids.INT8, oids.NAME)


def test_parameters_are_bound_in_every_form(catalog: Catalog) -> None:
    (oid,) = answers(catalog, "SELECT oid FROM pg_class WHERE relname = 'state'")[0]
    assert isinstance(oid, int)
    wanted = "SELECT relname FROM pg_class WHERE oid = $1"
    for value in (oid, str(oid), Decimal(oid)):
        assert answers(catalog, wanted, value) == [("state",)]
    array = decode(oids.ARRAYS[oids.OID], b"{%d}" % oid, False)
    assert answers(catalog, "SELECT relname FROM pg_class WHERE oid = ANY($1)", array) == [("state",)]
    assert answers(catalog, "SELECT $1::regclass::text", "state") == [("state",)]
    assert answers(catalog, "SELECT $1::regclass::text", oid) == [("state",)]


def test_the_connection_has_its_number(catalog: Catalog) -> None:
    assert answers(catalog, "SELECT pg_backend_pid()") == [(77,)]


def test_the_time_is_told_in_every_form(catalog: Catalog) -> None:
    sql = "SELECT now(), localtimestamp, current_date, current_user"
    result = catalog.run(sql, [], SESSION)
    assert [column.oid for column in result.columns] == [1184, 1114, 1082, 19]
    zoned, local, today, _ = result.rows[0]
    assert (str(local)[:16], str(today)) == (str(zoned)[:16], str(zoned)[:10])
    row = result.encode([True] * 4)
    days = int.from_bytes(row[35:39], "big")
    assert days == (date.fromisoformat(str(today)) - date(2000, 1, 1)).days
    assert int.from_bytes(row[23:31], "big") // 86_400_000_000 == days


def test_too_few_parameters_are_an_error(catalog: Catalog) -> None:
    with pytest.raises(QueryError) as caught:
        catalog.run("SELECT relname FROM pg_class WHERE oid = $2", [1], SESSION)
    assert caught.value.sqlstate == "08P01"


def test_what_has_no_rows_is_answered_without_them(catalog: Catalog) -> None:
    wanted = "SELECT frobnicate(i.indkey) AS keys, i.indrelid FROM pg_index i"
    result = catalog.run(wanted, [], SESSION)
    assert ([(c.name, c.oid) for c in result.columns], result.rows) == ([("keys", 25), ("indrelid", 26)], [])


def test_an_unknown_function_over_rows_is_an_error(catalog: Catalog) -> None:
    error = refused(catalog, "SELECT frobnicate(oid, 'x') FROM pg_class")
    assert error.sqlstate == "42883"
    assert "frobnicate(oid, unknown)" in str(error)


def test_the_data_and_the_catalog_are_not_mixed(catalog: Catalog) -> None:
    error = refused(catalog, "SELECT current_user, count(*) FROM state")
    assert error.sqlstate == "0A000"
    assert error.hint


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM pg_type a, pg_type b, pg_type c, pg_type d WHERE a.oid + b.oid + c.oid > d.oid",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t, pg_am",
    ],
)
def test_an_endless_statement_is_stopped_and_the_next_one_runs(catalog: Catalog, sql: str) -> None:
    assert refused(catalog, sql).sqlstate == "57014"
    assert answers(catalog, "SELECT 1") == [(1,)]


def test_a_huge_series_is_refused(catalog: Catalog) -> None:
    assert refused(catalog, "SELECT * FROM generate_series(1, 1000000000)").sqlstate == "54000"


def test_a_huge_answer_is_refused(catalog: Catalog) -> None:
    assert (
        refused(catalog, "SELECT 1 FROM generate_series(1, 400), generate_series(1, 400)").sqlstate == "54000"
    )


def test_rows_and_time_are_limited_as_asked_for() -> None:
    catalog = Catalog(TABLES, [], timeout_s=0.01, row_limit=10)
    assert len(answers(catalog, "SELECT 1 FROM generate_series(1, 10)")) == 10
    error = refused(catalog, "SELECT 1 FROM generate_series(1, 11)")
    assert (error.sqlstate, "more than 10 rows" in str(error)) == ("54000", True)
    began = time.thread_time()
    assert refused(catalog, "SELECT count(*) FROM pg_type a, pg_type b, pg_type c").sqlstate == "57014"
    assert time.thread_time() - began < 0.4


@pytest.mark.parametrize(
    ("sql", "sqlstate", "position"),
    [
        ("SELECT FROM WHERE", "42601", 13),
        ("SELECT current_user LIMIT", "42601", 26),
        ("SELECT 'open, current_user", "42601", 8),
        ("DROP TABLE pg_class", "42601", 1),
        ("SELECT " + "(" * 5000 + "current_user" + ")" * 5000, "54001", None),
        ("SELECT 1 FROM pg_class WHERE " + "oid = 1 OR " * 2000 + "true", "54001", None),
        ("EXPLAIN SELECT * FROM pg_class", "0A000", None),
        ("SELECT DISTINCT ON (oid) oid FROM pg_class", "0A000", None),
        ("SELECT oid FROM pg_class FOR UPDATE", "25006", None),
        ("SELECT 'x'::regclass", "42P01", None),
        ("SELECT current_setting('nothere')", "42704", None),
        ("SELECT relname ~ '(' FROM pg_class", "2201B", None),
        ("SELECT 'many'::int FROM pg_class", "22P02", None),
    ],
)
def test_a_bad_statement_has_its_sqlstate(
    catalog: Catalog, sql: str, sqlstate: str, position: int | None
) -> None:
    error = refused(catalog, sql)
    assert (error.sqlstate, error.position) == (sqlstate, position)


def test_a_select_list_may_be_empty(catalog: Catalog) -> None:
    result = catalog.run("SELECT FROM pg_namespace", [], SESSION)
    assert rows_of(result.encode([])) == [[], [], []]


@given(st.data())
def test_a_changed_statement_has_an_answer_or_a_query_error(catalog: Catalog, data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(SHORT))
    words = re.findall(r"'[^']*'|\w+|\s+|[^\w\s]", case["sql"])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(words) - 1))
        words[at : at + data.draw(st.integers(0, 2))] = data.draw(
            st.lists(st.sampled_from(WORDS), max_size=2)
        )
        words = words or ["x"]
    parameters = case.get("parameters", [])
    with contextlib.suppress(QueryError):
        result = catalog.run(" ".join(words), parameters, SESSION)
        result.encode([True] * len(result.columns))


def test_binary_values_are_postgres_s(catalog: Catalog) -> None:
    result = catalog.run(
        "SELECT relname, oid, relnatts, relispartition, reltuples, ARRAY[relkind], oid::regclass, relnatts::int8,"
        " relnatts::numeric, current_schemas(false), NULL FROM pg_class WHERE relname = 'state'",
        [],
        SESSION,
    )
    oid = result.rows[0][1]
    assert isinstance(oid, int)
    (row,) = rows_of(result.encode([True] * len(result.columns)))
    assert row[:5] == [
        b"state",
        struct.pack("!I", oid),
        struct.pack("!h", 10),
        b"\x00",
        struct.pack("!f", -1),
    ]
    assert row[5] == struct.pack("!iiIiii", 1, 0, oids.CHAR, 1, 1, 1) + b"r"
    assert row[6:9] == [struct.pack("!I", oid), struct.pack("!q", 10), struct.pack("!4hh", 1, 0, 0, 0, 10)]
    assert decode(oids.ARRAYS[oids.TEXT], row[9], True) == ["public"]
    assert row[10] is None


def test_the_time_is_the_present_in_both_formats(catalog: Catalog) -> None:
    result = catalog.run("SELECT now(), current_user", [], SESSION)
    text, binary = (rows_of(result.encode([flag] * 2))[0][0] for flag in (False, True))
    assert text is not None
    assert text.endswith(b"+00")
    assert decode(oids.TIMESTAMPTZ, text, False) == decode(oids.TIMESTAMPTZ, binary, True)

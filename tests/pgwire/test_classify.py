"""Which command a statement is."""

from __future__ import annotations

import pytest

from restate.runtime.pgwire.classify import classify
from restate.runtime.pgwire.commands import (
    Begin,
    CloseCursor,
    Command,
    Commit,
    Deallocate,
    Declare,
    Discard,
    FetchCursor,
    Nothing,
    Refused,
    Release,
    Reset,
    Rollback,
    RollbackTo,
    Savepoint,
    Scope,
    Select,
    Set,
    SetIsolation,
    Show,
)
from restate.runtime.pgwire.errors import PgError
from restate.runtime.pgwire.text import split


def command(sql: str) -> Command:
    (source,) = split(sql)
    return classify(source)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("BEGIN", Begin("BEGIN", None)),
        ("begin work isolation level repeatable read, read only", Begin("BEGIN", "repeatable read")),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY NOT DEFERRABLE", Begin("BEGIN", "serializable")),
        ("start transaction", Begin("START TRANSACTION", None)),
        ("COMMIT", Commit()),
        ("commit work and no chain", Commit()),
        ("end transaction", Commit()),
        ("ROLLBACK", Rollback()),
        ("abort", Rollback()),
        ('rollback to savepoint "A"', RollbackTo("A")),
        ("ROLLBACK WORK TO a", RollbackTo("a")),
        ("savepoint _pg3_1", Savepoint("_pg3_1")),
        ("release savepoint a", Release("a")),
        ("release a", Release("a")),
        ("SET extra_float_digits = 3", Set("extra_float_digits", "3")),
        ("set datestyle to 'ISO, DMY'", Set("datestyle", "ISO, DMY")),
        ('SET SESSION search_path TO "$user", public', Set("search_path", '"$user", public')),
        ("set local statement_timeout = '5s'", Set("statement_timeout", "5s", local=True)),
        ("SET TIME ZONE 'UTC'", Set("timezone", "UTC")),
        ('set time zone "Europe/Berlin"', Set("timezone", "Europe/Berlin")),
        ("set time zone interval '+02:00' hour to minute", Set("timezone", "+02:00")),
        ("set time zone -5", Set("timezone", "-5")),
        ("set time zone local", Set("timezone", None)),
        ("set names 'utf8'", Set("client_encoding", "utf8")),
        ("set names default", Set("client_encoding", None)),
        ("set schema 'x'", Set("search_path", "x")),
        ("set a.b.c to on", Set("a.b.c", "on")),
        ("set x = default", Set("x", None)),
        ("SET TRANSACTION READ ONLY", SetIsolation(None, session=False)),
        ("set transaction isolation level read committed", SetIsolation("read committed", session=False)),
        (
            "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
            SetIsolation("read uncommitted", session=True),
        ),
        ("set session characteristics as transaction read write", SetIsolation(None, session=True)),
        ("SET ROLE none", Nothing("SET")),
        ("set session authorization default", Nothing("SET")),
        ("set constraints all deferred", Nothing("SET")),
        ("RESET ALL", Reset(None)),
        ("reset time zone", Reset("timezone")),
        ("reset session authorization", Nothing("RESET")),
        ("reset statement_timeout", Reset("statement_timeout")),
        ("SHOW server_version", Show("server_version")),
        ("show time zone", Show("timezone")),
        ("show transaction isolation level", Show("transaction_isolation")),
        ("show session authorization", Show("session_authorization")),
        ("DISCARD ALL", Discard(Scope.ALL)),
        ("discard temporary", Discard(Scope.TEMP)),
        ("DEALLOCATE ALL", Deallocate(None)),
        ("deallocate prepare _pg3_0", Deallocate("_pg3_0")),
        ("CLOSE ALL", CloseCursor(None)),
        ('close "C 1"', CloseCursor("C 1")),
        ("UNLISTEN *", Nothing("UNLISTEN")),
        ("listen x", Nothing("LISTEN")),
        ("notify x, 'y'", Nothing("NOTIFY")),
        ("fetch c", FetchCursor("c", 1, move=False)),
        ("FETCH NEXT FROM c", FetchCursor("c", 1, move=False)),
        ("fetch forward from c", FetchCursor("c", 1, move=False)),
        ("FETCH FORWARD 100 FROM _psql_cursor", FetchCursor("_psql_cursor", 100, move=False)),
        ('fetch all in "c d"', FetchCursor("c d", None, move=False)),
        ("fetch 0 c", FetchCursor("c", 0, move=False)),
        ("move forward all from c", FetchCursor("c", None, move=True)),
        ("move 5 in c", FetchCursor("c", 5, move=True)),
    ],
)
def test_what_the_session_answers_itself(sql: str, expected: Command) -> None:
    assert command(sql) == expected
    assert command(f"/* hint */ {sql} -- end") == expected


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("insert into t values (1)", "INSERT"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("delete from t", "DELETE"),
        ("merge into t using s on true when matched then delete", "MERGE"),
        ("create temp table t (a int)", "CREATE TABLE"),
        ("create unlogged table t (a int)", "CREATE TABLE"),
        ("CREATE OR REPLACE FUNCTION f() returns int", "CREATE FUNCTION"),
        ("create unique index on t (a)", "CREATE INDEX"),
        ("create external table t stored as csv location '/etc/passwd'", "CREATE EXTERNAL"),
        ("alter table t add b int", "ALTER TABLE"),
        ("drop view v", "DROP VIEW"),
        ("truncate table t", "TRUNCATE TABLE"),
        ("grant select on t to u", "GRANT"),
        ("revoke select on t from u", "REVOKE"),
        ("comment on table t is 'x'", "COMMENT"),
        ("vacuum full", "VACUUM"),
        ("copy t from stdin", "COPY"),
        ("COPY (select 1) TO STDOUT", "COPY"),
        ("refresh materialized view v", "REFRESH MATERIALIZED"),
        ("select * into t2 from t", "SELECT INTO"),
        ('with x as (select 1) select * into "T" from x', "SELECT INTO"),
    ],
)
def test_what_would_write_is_refused_as_in_a_read_only_transaction(sql: str, message: str) -> None:
    found = command(sql)
    assert isinstance(found, Refused)
    assert found.error.sqlstate == "25006"
    assert found.error.message == f"cannot execute {message} in a read-only transaction"


@pytest.mark.parametrize(
    "sql",
    [
        "prepare p as select 1",
        "execute p",
        "call f()",
        "do $$ begin end $$",
        "lock table t",
        "load 'x'",
        "checkpoint",
        "commit prepared 'x'",
        "rollback prepared 'x'",
    ],
)
def test_what_is_no_query_at_all_is_not_supported(sql: str) -> None:
    found = command(sql)
    assert isinstance(found, Refused)
    assert found.error.sqlstate == "0A000"


@pytest.mark.parametrize(
    "sql",
    [
        "fetch prior from c",
        "fetch backward 2 from c",
        "fetch -1 from c",
        "move last in c",
        "fetch absolute 1 from c",
    ],
)
def test_cursors_do_not_go_back(sql: str) -> None:
    found = command(sql)
    assert isinstance(found, Refused)
    assert found.error.sqlstate == "55000"


@pytest.mark.parametrize(
    "sql",
    [
        "select * from pg_class",
        "select * from pg_catalog.pg_type t",
        'select * from "pg_class"',
        "select 'state'::regclass",
        "select current_user",
        "select CURRENT_SCHEMA()",
        "select * from t where n = any(current_schemas(true))",
        "select session_user",
        "select current_setting('x')",
        "select set_config('x', 'y', false)",
        "select current_database()",
        "select quote_ident(table_name) from information_schema.tables",
        "select version()",
        "select pg_advisory_unlock_all()",
        "select has_table_privilege('x', 'select')",
        "select format_type(1, 2)",
        "select obj_description(1)",
    ],
)
def test_what_asks_for_the_catalog_of_postgres_goes_there(sql: str) -> None:
    found = command(sql)
    assert isinstance(found, Select)
    assert found.statement.catalog
    assert found.statement.sql == sql


@pytest.mark.parametrize(
    ("sql", "verb"),
    [
        ("select * from sys_invocation", "SELECT"),
        ("  select 'pg_class' as a, \"version\" from sys_journal where version = 1 -- pg_type", "SELECT"),
        ("select my_pg_class from t", "SELECT"),
        ("select t.into, 1 as into from t", "SELECT"),
        ("select 'a into b'", "SELECT"),
        ("(select 1) union (select 2)", "SELECT"),
        ("with x as (select 1) select * from x", "SELECT"),
        ("values (1)", "SELECT"),
        ("table state", "SELECT"),
        ("describe sys_status", "SELECT"),
        ("explain select 1", "EXPLAIN"),
        ("show tables", "SHOW"),
        ("SHOW COLUMNS FROM state", "SHOW"),
        ("show all", "SHOW"),
        ("select * from information_schema.columns", "SELECT"),
        ("nonsense", "SELECT"),
        ("1 begin", "SELECT"),
        ("'begin'", "SELECT"),
    ],
)
def test_everything_else_goes_to_the_engine_as_it_was_written(sql: str, verb: str) -> None:
    found = command(sql)
    assert isinstance(found, Select)
    assert (found.verb, found.statement.catalog) == (verb, False)
    assert found.statement.sql == sql.strip()


def test_a_cursor_keeps_the_text_and_the_place_of_its_query() -> None:
    sql = 'select 1; declare "My c" binary no scroll cursor with hold for  select * from pg_class -- ;'
    found = classify(list(split(sql))[1])
    assert isinstance(found, Declare)
    assert (found.name, found.hold, found.binary, found.statement.catalog) == ("My c", True, True, True)
    assert sql[found.statement.offset :] == found.statement.sql == "select * from pg_class -- ;"


def test_a_cursor_is_for_a_query() -> None:
    found = command("declare c cursor for insert into t values (1)")
    assert isinstance(found, Refused)
    assert found.error.sqlstate == "25006"
    with pytest.raises(PgError, match='syntax error at or near "begin"'):
        command("declare c cursor for begin")


@pytest.mark.parametrize(
    ("sql", "near"),
    [
        ("set", "end of input"),
        ("set x", "end of input"),
        ("set x = ", "end of input"),
        ("set x = 1 2", 'near "2"'),
        ("set 1 = 2", 'near "1"'),
        ("show", "end of input"),
        ("savepoint", "end of input"),
        ("savepoint 'a'", "near \"'a'\""),
        ("discard everything", 'near "everything"'),
        ("fetch 1.5 from c", "near"),
        ("fetch c d", 'near "d"'),
        ("declare c for select 1", 'near "for"'),
        ("declare c cursor for", "end of input"),
        ("begin nonsense", 'near "nonsense"'),
        ("begin isolation level chaos", 'near "chaos"'),
        ("commit nonsense", 'near "nonsense"'),
    ],
)
def test_what_cannot_be_read_is_a_syntax_error_where_it_stops(sql: str, near: str) -> None:
    with pytest.raises(PgError, match=near) as caught:
        command(sql)
    assert caught.value.sqlstate == "42601"
    assert caught.value.position is not None
    assert 1 <= caught.value.position <= len(sql) + 1

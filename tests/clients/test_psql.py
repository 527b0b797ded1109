"""psql, the client that the classic documentation shows, and pgcli."""

from __future__ import annotations

import contextlib
import csv
import io
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import environments
from tests.support.sql_bed import COUNTERS
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.sql_bed import SqlBed

TABLES = (
    *(
        "state",
        "sys_deployment",
        "sys_idempotency",
        "sys_inbox",
        "sys_invocation_state",
        "sys_invocation_status",
    ),
    *(
        "sys_journal",
        "sys_journal_events",
        "sys_keyed_service_status",
        "sys_locks",
        "sys_promise",
        "sys_rules",
    ),
    *("sys_scheduler", "sys_service", "sys_status", "sys_user_limits", "sys_vqueue_entry_status"),
    *("sys_vqueue_meta", "sys_vqueues"),
)
ENDLESS = "select count(*) from generate_series(1, 1000000000) a, generate_series(1, 1000000000) b"


def rows(text: str) -> list[list[str]]:
    """The cells of psql's unaligned output without headings."""
    return [line.split("|") for line in text.splitlines()]


def test_it_connects_and_asks(sql_bed: SqlBed) -> None:
    text = sql_bed.psql(
        "-At", "-c", "select service_key, value_utf8 from state where service_name = 'Counter' order by 1"
    )
    assert rows(text) == [[key, str(count)] for key, count in sorted(COUNTERS.items())]


def test_it_lists_relations(sql_bed: SqlBed) -> None:
    listed = rows(sql_bed.psql("-At", "-c", r"\d"))
    assert [row[1] for row in listed if row[2] == "table"] == list(TABLES)
    assert [row[1] for row in listed if row[2] == "view"] == ["sys_invocation"]
    assert [row[1] for row in rows(sql_bed.psql("-At", "-c", r"\dt"))] == list(TABLES)
    assert [row[1] for row in rows(sql_bed.psql("-At", "-c", r"\dv"))] == ["sys_invocation"]


def test_it_describes_a_view(sql_bed: SqlBed) -> None:
    text = sql_bed.psql("-c", r"\d sys_invocation")
    assert 'View "public.sys_invocation"' in text
    described = {row[0]: row[1] for row in rows(sql_bed.psql("-At", "-c", r"\d sys_invocation"))}
    assert len(described) == 51
    assert described["id"] == "text"
    assert described["journal_size"] == "bigint"
    assert described["retry_count"] == "numeric"
    assert described["created_at"] == "timestamp with time zone"
    assert described["completion_retention"] == "interval"
    assert described["suspended_waiting_for_completions"] == "bigint[]"


def test_it_describes_every_table(sql_bed: SqlBed) -> None:
    text = sql_bed.psql("-c", r"\d+ *")
    for table in TABLES:
        assert f'Table "public.{table}"' in text


def test_it_lists_databases_schemas_and_roles(sql_bed: SqlBed) -> None:
    assert [row[0] for row in rows(sql_bed.psql("-At", "-c", r"\l"))] == ["restate"]
    assert [row[0] for row in rows(sql_bed.psql("-At", "-c", r"\dn"))] == ["public"]
    assert [row[0] for row in rows(sql_bed.psql("-At", "-c", r"\du"))] == ["reader"]


@pytest.mark.parametrize(
    "command",
    [
        *(r"\l+", r"\dt+", r"\dn+", r"\df", r"\di", r"\ds", r"\dm", r"\dT", r"\dx", r"\dp", r"\db", r"\dC", r"\dD", r"\da"),
        *(r"\do", r"\dy", r"\dF", r"\dL", r"\des", r"\dRp", r"\dRs", r"\ddp", r"\dX", r"\dA", r"\dc", r"\dd", r"\dP"),
        *(r"\z", r"\d public.state", r"\sv sys_invocation", r"\conninfo", r"\dconfig TimeZone", r"\drds", r"\dl"),
    ],
)  # fmt: skip
def test_no_describing_command_fails(sql_bed: SqlBed, command: str) -> None:
    text = sql_bed.psql("-c", command)
    assert "ERROR" not in text


def test_it_prints_csv(sql_bed: SqlBed) -> None:
    text = sql_bed.psql(
        "--csv", "-c", "select id, status, completion_failure from sys_invocation order by id"
    )
    found = {row["id"]: row for row in csv.DictReader(io.StringIO(text))}
    assert found[sql_bed.sleeping]["status"] == "suspended"
    assert found[sql_bed.waiting]["status"] == "pending"
    assert found[sql_bed.failed]["completion_failure"] == "[422] no such thing"


def test_it_names_the_columns_of_a_query(sql_bed: SqlBed) -> None:
    text = sql_bed.psql(
        "-At", stdin="select id, journal_size, created_at, true as b from sys_invocation \\gdesc\n"
    )
    assert rows(text) == [
        ["id", "text"],
        ["journal_size", "bigint"],
        ["created_at", "timestamp with time zone"],
        ["b", "boolean"],
    ]


def test_it_fetches_in_pieces(sql_bed: SqlBed) -> None:
    text = sql_bed.psql("-At", "-v", "FETCH_COUNT=7", stdin="select * from generate_series(1, 100);\n")
    assert text.split() == [str(number) for number in range(1, 101)]


def test_several_statements_in_one_string(sql_bed: SqlBed) -> None:
    text = sql_bed.psql("-At", "-c", "select 1; select ';' as b; select 3")
    assert text.split() == ["1", ";", "3"]


def test_a_zone_of_the_session_is_used(sql_bed: SqlBed) -> None:
    sql = "set timezone = 'Asia/Kolkata'; show timezone; select to_timestamp(0) at time zone 'UTC', created_at from sys_deployment"
    zone, times = sql_bed.psql("-qAt", "-c", sql).splitlines()
    assert zone == "Asia/Kolkata"
    assert times.endswith("+05:30")


def test_a_transaction_is_a_bracket(sql_bed: SqlBed) -> None:
    text = sql_bed.psql("-At", stdin="begin;\nselect 1;\nsavepoint a;\nrollback to a;\ncommit;\n")
    assert text.split("\n") == ["BEGIN", "1", "SAVEPOINT", "ROLLBACK", "COMMIT", ""]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("selec 1", "ERROR:  42601"),
        ("select nothere from sys_invocation", "ERROR:  42703"),
        ("select * from nothere", "ERROR:  42P01"),
        ("select 1 / 0", "ERROR:  22012"),
        ("insert into state values (1)", "ERROR:  25006: cannot execute INSERT in a read-only transaction"),
        ("drop table state", "ERROR:  25006"),
        ("copy state to stdout", "ERROR:  25006"),
        ("select current_user from state", "ERROR:  0A000"),
    ],
)
def test_an_error_has_its_sqlstate_and_the_session_goes_on(sql_bed: SqlBed, sql: str, message: str) -> None:
    text = sql_bed.psql("-At", stdin=f"\\set VERBOSITY verbose\n{sql};\nselect 'still here';\n")
    assert message in text
    assert text.endswith("still here\n")


@pytest.fixture
def terminal(sql_bed: SqlBed) -> Iterator[Terminal]:
    with Terminal([environments.psql(), "-X"], sql_bed.environment) as terminal:
        terminal.sees("restate=> ")
        yield terminal


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("select * from sys_inv\t", r"sys_invocation"),
        ("select * from sys_invocation_\t\t\t", r"sys_invocation_state\s+sys_invocation_status"),
        ("select id from sys_service where inst\t", r"instance_type"),
        ("\\d sys_prom\t", r"sys_promise"),
        ("\\dn pub\t", r"public"),
        ("select * from public.sys_dep\t", r"sys_deployment"),
        ("set timez\t", r"(?i)timezone"),
    ],
    ids=lambda text: text.strip(),
)
def test_it_completes_names(terminal: Terminal, typed: str, shown: str) -> None:
    terminal.type(typed)
    terminal.sees(shown)


def test_it_watches(terminal: Terminal) -> None:
    terminal.type("select 'se' || 'en' as word, count(*) > 0 as found from sys_invocation \\watch 0.1\n")
    for _ in range(3):
        terminal.sees(r"every 0\.1s.*seen\s+\|\s+t\s")
    terminal.type("\x03")
    terminal.sees("restate=> ")
    terminal.type("select 'goes ' || 'on';\n")
    terminal.sees("goes on")


def test_ctrl_c_cancels_and_the_session_goes_on(terminal: Terminal) -> None:
    terminal.type(f"{ENDLESS};\n")
    terminal.sees(r"b;")
    # What is typed before psql has sent the query cancels nothing.
    for _ in range(20):
        time.sleep(0.5)
        terminal.type("\x03")
        with contextlib.suppress(AssertionError):
            terminal.sees("canceling statement due to user request", timeout_seconds=3)
            break
    else:
        pytest.fail("the query was not cancelled")
    terminal.sees("restate=> ")
    terminal.type("select 40 + 2 as answer;\n")
    terminal.sees(r"\s42\s")


def test_pgcli_connects_completes_and_lists(sql_bed: SqlBed, tmp_path: Path) -> None:
    command = [
        str(environments.sql_drivers().with_name("pgcli")),
        "--less-chatty",
        "--pgclirc",
        f"{tmp_path}/pgclirc",
    ]
    environment = {
        **sql_bed.environment,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path),
        "PROMPT_TOOLKIT_NO_CPR": "1",
    }
    with Terminal(command, environment) as terminal:
        terminal.sees(r"reader@.*restate>", timeout_seconds=30)
        terminal.type("select count(*) as n from sys_service\r")
        terminal.sees(r"\| n ")
        terminal.sees("SELECT 1")
        terminal.type("\\dt sys_service\r")
        terminal.sees(r"public\s*\|\s*sys_service\s*\|\s*table")
        terminal.type("\\d sys_service\r")
        terminal.sees(r"deployment_id\s*\|\s*text")
        assert _completes(terminal)
        terminal.type("\x15\x04")


def _completes(terminal: Terminal) -> bool:
    """The names come from queries in the background, so that the first tries may be too early."""
    for _ in range(10):
        terminal.type("select * from sys_keyed")
        with contextlib.suppress(AssertionError):
            terminal.sees("sys_keyed_service_status", timeout_seconds=2)
            return True
        terminal.type("\x15")
    return False


def test_the_rows_of_query_are_the_same_as_psql_s(sql_bed: SqlBed) -> None:
    names = ("id", "target", "status", "completion_result")
    sql = f"select {', '.join(names)} from sys_invocation order by id"
    by_query = [[row.get(name, "") for name in names] for row in sql_bed.query(sql)]
    assert rows(sql_bed.psql("-At", "-c", sql)) == by_query

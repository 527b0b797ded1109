"""What is done to the text of a statement, and what is read out of it and out of errors about it."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.query import frames
from restate.runtime.query.errors import QueryError
from restate.runtime.query.live import LiveAttempt, LiveFailure, failure_text
from restate.runtime.query.worker.faults import fault
from restate.runtime.query.worker.rewrites import rewrite
from restate.runtime.query.worker.tables import BY_NAME, needs_live


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select a == 'x'  from t -- >", "select a == 'x'  from t -- >"),
        ("select 'a -> b' from t", "select 'a -> b' from t"),
        ("select a -> 'k' from t", "select json_get_json(a, 'k') from t"),
        ("select t.a->>'k' from t", "select json_as_text(t.a, 'k') from t"),
        ('select "T".a -> $1 from t', 'select json_get_json("T".a, $1) from t'),
        (
            "select a -> 'b' -> 0 ->> 'c'",
            "select json_as_text(json_get_json(json_get_json(a, 'b'), '0'), 'c')",
        ),
        ("select f(a, (b)) ->> 'k'", "select json_as_text(f(a, (b)), 'k')"),
        ("select (a || b) -> 'k'", "select json_get_json((a || b), 'k')"),
        ("select a -> from t", "select json_get_json(a, from) t"),
        ("-> 'k'", "-> 'k'"),
        ("select (a -> 'k'", "select (json_get_json(a, 'k')"),
    ],
)
def test_arrows_become_calls_and_nothing_else_changes(sql: str, expected: str) -> None:
    assert rewrite(sql) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select * from sys_invocation", True),
        ('select * from "SYS_INVOCATION_STATE"', True),
        ("select * from sys_invocation_status", False),
        ("select * from state", False),
    ],
)
def test_what_the_invoker_has_is_fetched_only_for_those_who_look(sql: str, expected: bool) -> None:
    assert needs_live(sql) is expected


def test_the_line_and_column_of_a_syntax_error_become_a_position() -> None:
    sql = "select 1\nfrom where"
    error = fault(ValueError('SQL error: ParserError("Expected: x at Line: 2, Column: 6")'), sql, BY_NAME)
    assert (error.sqlstate, error.position) == ("42601", 15)
    assert sql[14:] == "where"


def test_the_reason_of_a_failed_rule_is_told_not_the_rule() -> None:
    text = "DataFusion error: Optimizer rule 'x' failed\ncaused by\nArrow error: Divide by zero error"
    error = fault(Exception(text), "select 1/0", BY_NAME)
    assert (error.sqlstate, error.message) == ("22012", "Arrow error: Divide by zero error")


def test_errors_of_ours_stay_as_they_are() -> None:
    error = QueryError("no", "0A000")
    assert fault(error, "", BY_NAME) is error


def test_what_nobody_knows_is_internal() -> None:
    error = fault(KeyError("x"), "", BY_NAME)
    assert (error.sqlstate, error.http_status) == ("XX000", 500)


@pytest.mark.parametrize(
    "text",
    [
        "Arrow error: External error: ArrowMemoryError: realloc of size 8000000 failed",
        "Execution error: External error: MemoryError: ",
    ],
)
def test_want_of_memory_is_known_wherever_it_comes_from(text: str) -> None:
    error = fault(ValueError(text), "select 1", BY_NAME)
    assert error.sqlstate == "53200"
    assert error.hint == "Ask for fewer rows or columns, or raise query.address_space."


def test_a_failure_reads_as_operators_know_it() -> None:
    assert failure_text(500, "boom", "at x") == "[500 Internal] boom\nat x"
    assert failure_text(418, "teapot") == "[418] teapot"
    assert failure_text(573, "no scopes") == "[573 Unsupported feature] no scopes"


MESSAGES: list[frames.Message] = [
    frames.Ready(),
    frames.Describe("select $1", False, (0,), frames.Session("u", "UTC", (("a", "b"),), 7)),
    frames.Execute(7, "select 1", False, (frames.Value(0, None, False),), "json", (True, False), frames.Session("u", "UTC", (), 0)),
    frames.Go((LiveAttempt(b"x" * 24, True, 1, 2, None, None, None, LiveFailure("t", "RT0007")),)),
    frames.Fetch(None),
    frames.Cancel(7),
    frames.Opened((frames.ColumnOf("a", 25, -1),), True),
    frames.Failed("no", "42601", 3, None),
    frames.Finished(),
]  # fmt: skip


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_arrive_however_they_are_cut(step: int) -> None:
    rows = frames.RowsFrame(b"\x00\x01rows", 2)
    data = b"".join(map(frames.encode, MESSAGES)) + frames.rows_header(len(rows.data), 2) + rows.data
    reader = frames.FrameReader()
    found = []
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
        found += list(reader.frames())
    assert found == [*MESSAGES, rows]


PIECES = st.sampled_from(
    ["->", "->>", " ", "a", "'b'", "'", '"', "(", ")", ".", "$1", "--", "/*", "1", ",", "\n", "$x$"]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_text_can_be_looked_at_for_arrows(sql: str) -> None:
    assert rewrite(sql) == sql or "->" in sql
    placed = fault(ValueError("No field named a.b. Did you mean 'x'?"), sql, BY_NAME).position
    assert placed is None or 1 <= placed <= len(sql)


@pytest.mark.parametrize(
    ("text", "state", "status"),
    [
        ("Execution error: negative count not allowed: -1", "22000", 400),
        ("Arrow error: External error: StorageError: Execution error in a file", "XX000", 500),
        ("something new", "XX000", 500),
    ],
)
def test_what_is_not_the_users_doing_is_ours(text: str, state: str, status: int) -> None:
    error = fault(ValueError(text), "select 1", BY_NAME)
    assert (error.sqlstate, error.http_status) == (state, status)


def test_a_name_that_was_meant_is_told_once() -> None:
    error = fault(ValueError("Schema error: No field named x. Did you mean 'y'?."), "select x", BY_NAME)
    assert (error.message, error.hint) == ("Schema error: No field named x.", "Perhaps you meant 'y'.")


def test_a_text_of_arrows_alone_is_left_to_the_parser() -> None:
    sql = "select a" + " -> 'k'" * 100_000
    assert rewrite(sql) == sql


@given(st.binary(max_size=200), st.integers(1, 50))
def test_frames_of_others_are_refused_or_awaited(data: bytes, step: int) -> None:
    reader = frames.FrameReader()
    with contextlib.suppress(msgspec.MsgspecError):
        for start in range(0, len(data), step):
            reader.feed(data[start : start + step])
            list(reader.frames())

"""What PostgreSQL's answers do not show: limits, engine errors, and that nothing is left behind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire import engine
from restate.runtime.pgwire.classify import classify
from restate.runtime.pgwire.commands import Select
from restate.runtime.pgwire.errors import FatalError
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.runner import rows_tag
from restate.runtime.pgwire.session import Session
from restate.runtime.pgwire.text import split
from tests.pgwire.driver import Machine, greeted
from tests.pgwire.exchanges import ECHO, ONE, TEN, THREE, run
from tests.support.pg_peer import (
    FLUSH,
    SYNC,
    TERMINATE,
    Replies,
    bind,
    close,
    describe,
    execute,
    message,
    parse,
    query,
    startup,
)

FAIL = "fail 42703 6"

# Limits.


def test_prepared_statements_are_limited_and_room_comes_back() -> None:
    machine = greeted(Limits(prepared_statements=2))
    assert machine.ask(parse(ONE, "a"), parse(ONE, "b"), SYNC) == ["1", "1", "Z I"]
    assert machine.ask(parse(ONE, "c"), SYNC) == ["E ERROR 53400", "Z I"]
    assert machine.ask(parse(ONE), SYNC) == ["E ERROR 53400", "Z I"]
    assert machine.ask(close("S", "a"), parse(ONE, "c"), SYNC) == ["3", "1", "Z I"]
    assert machine.ask(query("deallocate all"), parse(ONE, "a"), parse(ONE), SYNC)[-3:] == ["1", "1", "Z I"]


def test_portals_and_cursors_are_limited_together() -> None:
    machine = greeted(Limits(portals=2))
    assert machine.ask(query(f"begin; declare c cursor for {TEN}"))[-1] == "Z T"
    assert machine.ask(parse(ONE, "s"), bind(statement="s", portal="p"), SYNC) == ["1", "2", "Z T"]
    assert machine.ask(bind(statement="s", portal="q"), SYNC) == ["E ERROR 53400", "Z E"]
    assert machine.ask(query("rollback; begin"), bind(statement="s"), bind(statement="s"), SYNC)[-3:] == [
        "2",
        "2",
        "Z T",
    ]


def test_texts_and_parameters_that_are_kept_are_limited_in_size() -> None:
    machine = greeted(Limits(prepared_size=100, portals_size=100))
    assert machine.ask(parse(ECHO, "s"), parse("select '" + "x" * 80 + "'", "t"), SYNC) == [
        "1",
        "E ERROR 53400",
        "Z I",
    ]
    machine.ask(query("begin"))
    said = machine.ask(
        bind([b"x" * 60], statement="s", portal="a"), bind([b"x" * 60], statement="s", portal="b"), SYNC
    )
    assert said == ["2", "E ERROR 53400", "Z E"]
    machine.ask(query("rollback; begin"))
    for _ in range(3):
        assert machine.ask(bind([b"x" * 60], statement="s", portal="a"), close("P", "a"), SYNC) == [
            "2",
            "3",
            "Z T",
        ]
        assert machine.ask(bind([b"x" * 60], statement="s"), bind([b"y" * 60], statement="s"), SYNC)[:2] == [
            "2",
            "2",
        ]
        assert machine.ask(close("P", ""), SYNC) == ["3", "Z T"]
        assert machine.ask(close("S", "s"), parse(ECHO, "s"), SYNC) == ["3", "1", "Z T"]


def test_settings_that_clients_make_up_are_limited() -> None:
    machine = greeted(Limits(settings=2, setting_size=100))
    assert machine.ask(query("set a.a = 1; set b.b = 2"))[-1] == "Z I"
    assert machine.ask(query("set c.c = 3")) == ["E ERROR 53400", "Z I"]
    assert machine.ask(query(f"set application_name = '{'x' * 101}'")) == ["E ERROR 53400", "Z I"]
    assert machine.ask(query("reset a.a"), query("set c.c = 3"))[-2:] == ["C SET", "Z I"]


def test_a_long_statement_is_an_error_in_both_protocols() -> None:
    machine = greeted(Limits(sql_size=100))
    long = "select '" + "x" * 100 + "'"
    assert machine.ask(query(long)) == ["E ERROR 54000", "Z I"]
    assert machine.ask(parse(long), SYNC) == ["E ERROR 54000", "Z I"]


def test_statements_of_a_string_are_limited() -> None:
    machine = greeted(Limits(statements=3))
    assert machine.ask(query(";;begin; begin; begin;"))[-1] == "Z T"
    assert machine.ask(query("commit; begin; begin; begin;")) == ["E ERROR 54000", "Z E"]


def test_what_the_session_reads_itself_is_short() -> None:
    machine = greeted()
    assert machine.ask(query(f"set search_path = {','.join('a' * 1000)}")) == ["E ERROR 54000", "Z I"]
    many = ", ".join(["(1)"] * 2000)
    assert (
        machine.ask(query(f"begin; declare c cursor for select n from (values {many}) as t(n)"))[-1] == "Z T"
    )


def test_savepoints_are_limited() -> None:
    machine = greeted()
    said = machine.ask(query("begin;" + "savepoint a;" * 1001))
    assert said[-3:] == ["C SAVEPOINT", "E ERROR 53400", "Z E"]


def test_settings_of_the_engine_are_nobodys_to_change() -> None:
    assert greeted().ask(query("set datafusion.execution.batch_size = 1")) == ["E ERROR 42501", "Z I"]


def test_other_names_are_accepted_since_drivers_set_so_many() -> None:
    assert greeted().ask(query("set some_driver_knob = on")) == ["C SET", "Z I"]


# The start.


@pytest.mark.parametrize(
    "name", ["client_encoding", "DateStyle", "statement_timeout", "TimeZone", "datafusion.x"]
)
def test_a_start_with_a_value_that_cannot_be_is_fatal(name: str) -> None:
    machine = Machine()
    said = machine.ask(startup(user="joe", **{name: "nonsense?"}))
    assert said[0].startswith("E FATAL ")
    assert machine.is_over


def test_what_the_start_sets_is_what_reset_goes_back_to() -> None:
    machine = greeted(options="-c statement_timeout=5s --search-path=a\\ b", TimeZone="Asia/Tokyo")
    machine.ask(query("set timezone to 'UTC'; set statement_timeout = 0; set search_path = c"))
    said = machine.ask(query("reset all; show timezone; show statement_timeout; show search_path"))
    assert [each for each in said if each.startswith("D ")] == ["D Asia/Tokyo", "D 5s", "D a b"]


def test_a_session_knows_how_long_a_statement_may_take() -> None:
    session = Session("joe", (("statement_timeout", "1500"),), lambda name: name, Limits())
    assert session.settings.statement_timeout_ms == 1500
    assert Session("joe", (), lambda name: name, Limits()).settings.statement_timeout_ms is None


def test_an_unknown_time_zone_is_fatal_only_at_the_start() -> None:
    with pytest.raises(FatalError, match="TimeZone"):
        Session("joe", (("timezone", "x"),), lambda name: None, Limits())


# The engine.


def test_a_position_counts_from_the_beginning_of_the_string() -> None:
    machine = greeted()
    assert machine.ask(query(f"select 1; {FAIL}"))[-2:] == ["E ERROR 42703 @16", "Z I"]
    assert machine.ask(parse(f"  {FAIL}"), SYNC) == ["E ERROR 42703 @8", "Z I"]
    assert machine.ask(query(f"begin; declare c cursor for {FAIL}"))[-2:] == ["E ERROR 42703 @34", "Z E"]


def test_hints_of_the_engine_reach_the_client() -> None:
    machine = greeted()
    replies = Replies()
    replies.feed(machine.feed(query(FAIL)))
    assert replies.all()[0].fields["H"] == "Do not."


def test_the_engine_gets_the_statement_alone_and_as_it_was_written() -> None:
    machine = greeted()
    machine.ask(query("begin ;\n -- why\n select 1 ; commit"))
    (opened,) = [ask for ask in machine.asked if isinstance(ask, engine.Open)]
    assert opened.statement == engine.Statement("-- why\n select 1", False, 9)


def test_parameters_and_formats_reach_the_engine() -> None:
    machine = greeted()
    machine.ask(
        parse("select $1, $2", oids=[0, 20]),
        bind([b"a", None], formats=[0, 1], results=[1, 0]),
        execute(),
        SYNC,
    )
    described, opened = machine.asked[0], machine.asked[1]
    assert isinstance(described, engine.Describe)
    assert described.oids == (0, 20)
    assert isinstance(opened, engine.Open)
    assert opened.parameters == (engine.Parameter(25, b"a", False), engine.Parameter(20, None, True))
    assert opened.binary == (True, False)


@pytest.mark.parametrize(
    ("results", "binary"), [([], False), ([0], False), ([1], True), ([1, 1], (True, True))]
)
def test_one_format_counts_for_all_columns(results: list[int], binary: object) -> None:
    machine = greeted()
    machine.ask(parse("rows 2"), bind(results=results), execute(), SYNC)
    assert [ask.binary for ask in machine.asked if isinstance(ask, engine.Open)] == [binary]


def test_a_statement_is_planned_once_and_opened_when_it_is_run() -> None:
    machine = greeted()
    machine.ask(parse(THREE, "s"), describe("S", "s"), SYNC)
    machine.ask(bind(statement="s"), describe(), SYNC)
    assert [type(ask) for ask in machine.asked] == [engine.Describe]
    machine.ask(bind(statement="s"), execute(), SYNC)
    assert engine.Open in [type(ask) for ask in machine.asked]


def test_a_limit_is_passed_on_so_that_no_row_is_fetched_for_nothing() -> None:
    machine = greeted()
    machine.ask(query("begin"), parse("rows 100"), bind(), execute(max_rows=6), SYNC)
    assert [ask.most for ask in machine.asked if isinstance(ask, engine.Fetch)] == [6, 2]


def test_a_cursor_takes_no_worker_until_its_first_row_and_none_after_its_last() -> None:
    machine = greeted()
    machine.ask(query(f"begin; declare c cursor for {TEN}"))
    assert machine.open_queries == 0
    machine.ask(query("fetch 4 from c"))
    assert machine.open_queries == 1
    assert machine.session is not None
    assert machine.session.is_holding
    machine.ask(query("fetch all from c"))
    assert machine.open_queries == 0
    assert not machine.session.is_holding


def test_a_cursor_that_has_begun_keeps_its_format() -> None:
    machine = greeted()
    machine.ask(query(f"begin; declare c cursor for {TEN}; fetch c"))
    said = machine.ask(parse("fetch 2 from c"), bind(results=[1]), execute(), SYNC)
    assert said == ["1", "2", "E ERROR 0A000", "Z E"]


def test_a_binary_fetch_gives_binary_rows() -> None:
    machine = greeted()
    machine.ask(query(f"begin; declare c cursor for {THREE}"))
    said = machine.ask(parse("fetch 2 from c"), bind(results=[1]), describe(), execute(), SYNC)
    assert said == ["1", "2", "T n:23:1", "D \0\0\0\1", "D \0\0\0\2", "C FETCH 2", "Z T"]


@pytest.mark.parametrize(
    "ending",
    [
        query("rollback"),
        query("commit"),
        query("close all; commit"),
        query(FAIL) + query("rollback"),
        query("commit; discard all"),
        parse(FAIL) + SYNC + query("rollback"),
    ],
)
def test_nothing_stays_open_after_the_end_of_a_transaction(ending: bytes) -> None:
    machine = greeted()
    machine.ask(query(f"begin; declare c cursor for {TEN}; fetch 2 from c"))
    machine.ask(parse("rows 10"), bind(portal="p"), execute("p", 2), SYNC)
    assert machine.open_queries == 2
    assert machine.ask(ending)[-1] == "Z I"
    assert machine.open_queries == 0


@pytest.mark.parametrize(
    ("sql", "tag"), [("explain select 1", "EXPLAIN"), ("show tables", "SHOW"), ("values (1)", "SELECT 3")]
)
def test_only_what_postgres_counts_is_counted(sql: str, tag: str) -> None:
    command = classify(next(split(sql)))
    assert isinstance(command, Select)
    assert rows_tag(command, 3) == tag


def test_warnings_are_silent_for_who_wants_none() -> None:
    machine = greeted()
    machine.ask(query("set client_min_messages to error"))
    assert machine.ask(query("commit")) == ["C COMMIT", "Z I"]


# Fuzz.

SQL = st.sampled_from(
    (
        *(ONE, THREE, TEN, ECHO, "rows 20 5", FAIL, "break 22012 3", "", ";;", "select '", "nonsense"),
        *("begin", "commit", "rollback", "savepoint a", "rollback to a", "release a", "set a.b = 1"),
        *("set local timezone to 'UTC'", "reset all", "show timezone", "discard all", "copy t from stdin"),
        *(f"declare c cursor for {TEN}", f"declare d cursor with hold for {TEN}", "fetch 2 from c"),
        *("move 3 from d", "fetch all from d", "fetch 2 from p", "close c", "close all", "deallocate all"),
    )
)
NAME = st.sampled_from(["", "s", "p", "c", "d", "é"])
MESSAGE = st.one_of(
    st.lists(SQL, max_size=4).map("; ".join).map(query),
    st.builds(parse, SQL, NAME, st.lists(st.integers(0, 3000), max_size=2)),
    st.builds(
        lambda values, portal, statement, results: bind(
            values, portal=portal, statement=statement, results=results
        ),
        st.lists(st.none() | st.binary(max_size=3), max_size=2),
        NAME,
        NAME,
        st.lists(st.integers(0, 1), max_size=2),
    ),
    st.builds(describe, st.sampled_from("SP"), NAME),
    st.builds(execute, NAME, st.integers(-1, 5)),
    st.builds(close, st.sampled_from("SP"), NAME),
    st.sampled_from([SYNC, SYNC, FLUSH, TERMINATE]),
    st.builds(message, st.sampled_from("QPBDECSHFdcf"), st.binary(max_size=30)),
)


@given(st.lists(MESSAGE, max_size=20))
def test_any_conversation_is_answered_in_whole_messages_and_leaves_nothing_behind(
    messages: list[bytes],
) -> None:
    machine = greeted()
    said: list[str] = []
    for each in messages:
        said += machine.ask(each)
        assert machine.open_queries <= Limits().portals
    readies = [each for each in said if each.startswith("Z ")]
    assert set(readies) <= {"Z I", "Z T", "Z E"}
    if not machine.is_over:
        # Every string, call and Sync has one ReadyForQuery, unless it was skipped; the Sync at the end never is.
        assert len(readies) <= sum(each[:1] in (b"Q", b"F", b"S") for each in messages)
        assert machine.ask(SYNC)[-1].startswith("Z ")
        assert machine.ask(query("rollback"), query("discard all"))[-2:] == ["C DISCARD ALL", "Z I"]
        assert machine.open_queries == 0
        assert machine.ask(run(ONE), SYNC) == ["1", "2", "T word:25:0", "D one", "C SELECT 1", "Z I"]


@given(st.binary(max_size=200), st.integers(1, 7))
def test_any_bytes_are_answered_in_whole_messages(data: bytes, piece: int) -> None:
    machine = greeted()
    for at in range(0, len(data), piece):
        machine.ask(data[at : at + piece])


@given(st.lists(MESSAGE, max_size=8), st.data())
def test_a_conversation_with_a_few_wrong_bytes_ends_in_messages(
    messages: list[bytes], data: st.DataObject
) -> None:
    stream = bytearray(b"".join(messages))
    for _ in range(data.draw(st.integers(0, 4))):
        if stream:
            stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    # `ask` fails on anything that is no whole message.
    greeted().ask(bytes(stream))

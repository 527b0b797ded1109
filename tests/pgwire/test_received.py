"""Bodies of messages → values."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire import received
from restate.runtime.pgwire.errors import PgError
from tests.support import pg_peer as pg

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=40)
VALUES = st.lists(st.none() | st.binary(max_size=20), max_size=5)
FORMATS = st.lists(st.integers(0, 1), max_size=5)
READERS: list[Callable[[bytes], object]] = [
    received.query,
    received.parse,
    received.bind,
    received.execute,
    received.nothing,
    lambda body: received.named(body, "CLOSE"),
]


@given(TEXT, TEXT, st.lists(st.integers(0, 2**32 - 1), max_size=5))
def test_parse_is_read_as_it_was_written(name: str, sql: str, oids: list[int]) -> None:
    assert received.parse(pg.parse(sql, name, oids)[5:]) == received.Parse(name, sql, tuple(oids))


@given(TEXT, TEXT, VALUES, FORMATS, FORMATS)
def test_bind_is_read_as_it_was_written(
    portal: str, statement: str, values: list[bytes | None], formats: list[int], results: list[int]
) -> None:
    body = pg.bind(values, portal=portal, statement=statement, formats=formats, results=results)[5:]
    assert received.bind(body) == received.Bind(
        portal, statement, tuple(map(bool, formats)), tuple(values), tuple(map(bool, results))
    )


@given(TEXT, st.integers(-(2**31), 2**31 - 1))
def test_execute_takes_every_negative_limit_for_none(portal: str, most: int) -> None:
    assert received.execute(pg.execute(portal, most)[5:]) == received.Execute(portal, max(most, 0))


@given(st.sampled_from("SP"), TEXT)
def test_describe_and_close_name_something(kind: str, name: str) -> None:
    assert received.named(pg.close(kind, name)[5:], "CLOSE") == received.Named(kind == "S", name)


@given(st.sampled_from(READERS), st.binary(max_size=60))
def test_any_body_is_a_value_or_an_error(reader: Callable[[bytes], object], body: bytes) -> None:
    code = None
    try:
        reader(body)
    except PgError as error:
        code = error.sqlstate
    assert code in (None, "08P01", "22021", "22023")


@pytest.mark.parametrize(
    ("reader", "body"),
    [
        (received.parse, pg.parse("select 1", "s", [23])[5:]),
        (received.bind, pg.bind([b"x", None], formats=[1, 0])[5:]),
        (received.execute, pg.execute("p", 3)[5:]),
    ],
)
def test_a_body_that_is_cut_off_anywhere_is_an_error(reader: Callable[[bytes], object], body: bytes) -> None:
    for end in range(len(body)):
        with pytest.raises(PgError):
            reader(body[:end])


def test_more_than_belongs_to_a_message_is_an_error() -> None:
    with pytest.raises(PgError, match="invalid message format"):
        received.nothing(b"x")
    with pytest.raises(PgError, match="invalid message format"):
        received.query(b"select 1\0x")


def test_a_count_of_65535_parameters_is_legal() -> None:
    body = pg.text("") + pg.text("") + b"\0\0" + b"\xff\xff" + b"\xff\xff\xff\xff" * 65535 + b"\0\0"
    assert len(received.bind(body).values) == 65535

"""Strings of SQL → statements."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire.errors import PgError
from restate.runtime.pgwire.text import Kind, Source, Tokens, split


def texts(sql: str) -> list[str]:
    return [source.text for source in split(sql)]


@pytest.mark.parametrize(
    "sql",
    [
        "select ';'",
        "select ''';'",
        'select ";"',
        'select """;"',
        r"select E'\';'",
        r"select e'\\' || ';'",
        r"select '\' || ';'",
        r"select name'\' || ';'",
        "select $$;$$",
        "select $a$ $$ ; $b$ ; $a$",
        "select $ä1$;$ä1$",
        "select 1 -- ;",
        "select 1 -- ' ;",
        "select /* ; */ 1",
        "select /* /* ; */ ; */ 1",
        "select /* ' */ 1 /* \" ; */",
        "select a$b$c from t",
        "select 1a$$ /* ; */ from t",
        "select $1, $2",
        "select 1 - -1 / 2",
        "select U&'d;0061' , B'1;' , X';'",
        "select x ->> ';' from t where y @> '{}'",
        "select '-- ;' || '/* ;'",
        "select date'2020-01-01;'",
    ],
)
def test_a_semicolon_inside_of_something_ends_no_statement(sql: str) -> None:
    assert texts(sql) == [sql]
    assert texts(f"{sql}\n; select 2;") == [sql, "select 2"]


@pytest.mark.parametrize("sql", ["", " ", ";", " ; ;; ", "-- x", "/* x */ ;", "\n\t;-- ;\n;", "/*/**/*/"])
def test_what_has_no_word_is_no_statement(sql: str) -> None:
    assert texts(sql) == []


def test_statements_keep_their_place_in_the_string() -> None:
    sql = "  select 1 ;\n-- then\n select 'ä' ;;select 3"
    found = list(split(sql))
    assert [source.text for source in found] == ["select 1", "-- then\n select 'ä'", "select 3"]
    assert all(sql[source.offset :].startswith(source.text) for source in found)


def test_words_in_quotes_and_comments_are_no_words() -> None:
    source = next(split('select \'insert\' as "into", $$drop$$ /* pg_class */ -- pg_type\n from "pg_proc"'))
    assert source.bare.split() == ["select", "''", "as", '"",', "''", "from", '"pg_proc"']


@pytest.mark.parametrize(
    ("sql", "what", "position"),
    [
        ("select 1; select 'ab", "unterminated quoted string", 18),
        (r"select E'\'", "unterminated quoted string", 8),
        ('select "a""', "unterminated quoted identifier", 8),
        ("select $$ $a$", "unterminated dollar-quoted string", 8),
        ("select /* /* */", "unterminated /\\* comment", 8),
    ],
)
def test_a_quote_that_does_not_end_is_an_error_where_it_begins(sql: str, what: str, position: int) -> None:
    with pytest.raises(PgError, match=what) as caught:
        list(split(sql))
    assert (caught.value.sqlstate, caught.value.position) == ("42601", position)


PIECES = st.lists(
    st.sampled_from(
        [
            "select",
            " ",
            ";",
            "'",
            '"',
            "$$",
            "$a$",
            "$1",
            "--",
            "\n",
            "/*",
            "*/",
            "E'",
            "\\",
            "a",
            "1",
            "é",
            "-",
            "/",
            "(",
        ]
    ),
    max_size=25,
).map("".join)


@given(PIECES)
def test_any_text_gives_its_own_parts_or_an_error(sql: str) -> None:
    try:
        found = list(split(sql))
    except PgError:
        return
    at = 0
    for source in found:
        assert sql.startswith(source.text, source.offset)
        assert at <= source.offset
        at = source.offset + len(source.text)
        assert texts(source.text) == [source.text]


@given(PIECES)
def test_the_tokens_of_any_statement_are_found(sql: str) -> None:
    try:
        found = list(split(sql))
    except PgError:
        return
    for source in found:
        tokens = Tokens(source)
        while tokens.next is not None:
            token = tokens.take()
            assert 0 <= token.start < len(source.text)


def test_long_and_malicious_texts_take_time_in_proportion() -> None:
    size = 200_000
    for sql in (
        "'" * size,
        "''" * size,
        "$a$" * size,
        "/*" * size,
        "a$" * size,
        "-" * size,
        "\\" * size,
        "E'\\" * size,
    ):
        try:
            list(split(sql))
        except PgError as error:
            assert error.sqlstate == "42601"  # noqa: PT017


def test_tokens_are_words_strings_numbers_and_symbols() -> None:
    tokens = Tokens(Source("SET \"A b\".c = 'it''s', E'\\n\\'', -1.5 /* x */ $$ $ $$ ;", "", 0))
    found = []
    while tokens.next is not None:
        token = tokens.take()
        found.append((token.kind, token.value))
    assert found == [
        (Kind.WORD, "set"),
        (Kind.WORD, "A b"),
        (Kind.SYMBOL, "."),
        (Kind.WORD, "c"),
        (Kind.SYMBOL, "="),
        (Kind.STRING, "it's"),
        (Kind.SYMBOL, ","),
        (Kind.STRING, "\n'"),
        (Kind.SYMBOL, ","),
        (Kind.NUMBER, "-1.5"),
        (Kind.STRING, " $ "),
        (Kind.SYMBOL, ";"),
    ]

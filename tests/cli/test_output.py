"""Tables and other output."""

import io
import re

import pytest

from restate.runtime.cli.output import Cell, Output, Styled, clean


def _plain() -> tuple[Output, io.StringIO]:
    stream = io.StringIO()
    return Output(stream, rich=False), stream


def test_columns_are_aligned_and_lines_have_no_blanks_at_their_end() -> None:
    out, stream = _plain()
    out.table(["NAME", "N"], [["a", 1], ["longer", None], [Styled("s", "red"), 22]], indent=2)
    assert stream.getvalue() == "  NAME    N\n  a       1\n  longer  -\n  s       22\n"


def test_a_cell_with_several_lines_keeps_its_column() -> None:
    out, stream = _plain()
    out.table(["A", "B", "C"], [["x", "one\nthree", "z"], ["y", "two", "w"]])
    assert stream.getvalue() == "A  B      C\nx  one    z\n   three\ny  two    w\n"


def test_wide_characters_take_two_columns_and_combining_ones_none() -> None:
    out, stream = _plain()
    out.table(["A", "B"], [["日本", 1], ["e\u0301", 2]])
    assert stream.getvalue() == "A     B\n日本  1\ne\u0301     2\n"


def test_what_a_terminal_would_obey_is_shown_as_an_escape() -> None:
    assert clean("\x1b[31mred\x07\x00\x9b") == "\\x1b[31mred\\x07\\x00\\x9b"
    assert clean("a\tb\r\nc\rd") == "a\tb\nc\\x0dd"
    for rich in (True, False):
        stream = io.StringIO()
        out = Output(stream, rich=rich)
        out.table(["A"], [["\x1b]0;title\x07"]])
        out.line("\x1b[2J")
        out.pairs([("A", "\x1b[2J")])
        assert "\x1b]0" not in stream.getvalue()
        assert "\x1b[2J" not in stream.getvalue()


def test_names_without_a_value_are_left_out() -> None:
    out, stream = _plain()
    out.pairs([("A", 1), ("Long name", "x"), ("B", None)])
    assert stream.getvalue() == "A:          1\nLong name:  x\n"


def test_a_terminal_gets_colours_and_markup_of_others_has_no_meaning() -> None:
    stream = io.StringIO()
    Output(stream, rich=True).table(["STATE"], [[Styled("[bold]up[/bold]", "green")]])
    assert "\x1b[32m[bold]up[/bold]\x1b[0m" in stream.getvalue()


def test_no_table_has_no_lines() -> None:
    out, stream = _plain()
    out.pairs([])
    assert stream.getvalue() == ""


_IDS = ("inv_122iqGJ1NQQA4JxwsSi4jIm3yrBcDl5rEt", "dp_10leZ6Rutfcru98Ous7iqQx")
_ROW: list[Cell] = [
    _IDS[0],
    "Look/completes",
    Styled("completed", "dim"),
    None,
    _IDS[1],
    "because of " + "words " * 30,
]
_HEADERS = ["ID", "TARGET", "STATUS", "KEY", "DEPLOYMENT-ID", "NOTES"]


def _drawn(monkeypatch: pytest.MonkeyPatch, width: int, rows: int = 1, *, borders: bool = False) -> str:
    """The table on a terminal of this width, without its colours."""
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    Output(stream, rich=True, borders=borders).table(_HEADERS, [_ROW] * rows, indent=2)
    return re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())


@pytest.mark.parametrize("borders", [False, True])
@pytest.mark.parametrize("width", [130, 160, 400])
def test_a_table_fits_its_terminal_and_breaks_no_id(
    monkeypatch: pytest.MonkeyPatch, width: int, borders: bool
) -> None:
    lines = _drawn(monkeypatch, width, borders=borders).splitlines()
    assert max(map(len, lines)) <= width
    header, row = lines[1 if borders else 0], lines[3 if borders else 1]
    assert all(name in header for name in _HEADERS)
    assert all(each in row for each in (*_IDS, "Look/completes"))


def test_on_a_narrow_terminal_each_row_has_lines_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.rstrip() for line in _drawn(monkeypatch, 60, rows=2).splitlines()]
    assert max(map(len, lines)) <= 60
    assert lines.count(f"  ID             {_IDS[0]}") == 2
    assert lines.count(f"  DEPLOYMENT-ID  {_IDS[1]}") == 2
    assert lines.count("") == 1
    assert not any("KEY" in line for line in lines)


def test_a_terminal_without_colours_gets_the_same_table_without_them() -> None:
    stream = io.StringIO()
    Output(stream, rich=True, colours=False).table(["STATE"], [[Styled("up", "green")]])
    assert [line.rstrip() for line in stream.getvalue().splitlines()] == ["STATE", "up"]

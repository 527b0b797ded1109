"""Tables and other output."""

import io

from restate.runtime.cli.output import Output, Styled, clean


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

"""How things are shown: tables with colours on a terminal, aligned plain text without one, JSON for scripts."""

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import attrs

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_READABLE_COLUMNS = 12
"""A column of a table that is narrower than its text is no longer read with ease below it."""

# Names and messages come from others; what a terminal would obey is shown as an escape instead.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@attrs.frozen
class Styled:
    """Text with a style of rich's, such as `bold red`; plain output shows the text alone."""

    text: str
    style: str


Cell = str | Styled | int | float | None
"""None shows as a dash."""


class Output:
    """Writes to one stream. Everything but JSON is for people, and may change between releases."""

    def __init__(self, stream: TextIO, *, rich: bool, colours: bool = True, borders: bool = False) -> None:
        """rich: tables are fitted to the terminal's width; with colours, unless they are not wanted."""
        self._stream = stream
        self._rich = rich
        self._colours = colours
        self._borders = borders

    def onto(self, stream: TextIO) -> "Output":
        """The same, written to another stream."""
        return Output(stream, rich=self._rich, colours=self._colours, borders=self._borders)

    def line(self, text: str = "", style: str = "") -> None:
        if self._rich and style:
            self._print(_rich_text(Styled(text, style)))
        else:
            self._write(clean(text) + "\n")

    def heading(self, text: str) -> None:
        self.line()
        self.line(text, "bold")

    def json(self, value: Any) -> None:
        self._write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def json_lines(self, values: Iterable[Any]) -> None:
        for value in values:
            self._write(json.dumps(value, ensure_ascii=False) + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[Cell]], *, indent: int = 0) -> None:
        """rows: each as long as headers."""
        if self._rich:
            self._print_table(headers, rows, indent)
        else:
            self._write(
                _plain_table([list(headers), *([_text(cell) for cell in row] for row in rows)], indent)
            )

    def pairs(self, pairs: Sequence[tuple[str, Cell]], *, indent: int = 0) -> None:
        """Names with their values, one a line; those without a value are left out."""
        shown = [(f"{name}:", cell) for name, cell in pairs if cell is not None]
        if self._rich:
            self._print_pairs(shown, indent)
        else:
            self._write(_plain_table([[name, _text(cell)] for name, cell in shown], indent))

    def clear(self) -> None:
        """Begin a new picture on a terminal; elsewhere nothing."""
        if self._rich:
            self._write("\x1b[H\x1b[2J\x1b[3J")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def _print_table(self, headers: Sequence[str], rows: Sequence[Sequence[Cell]], indent: int) -> None:
        """Where the terminal is too narrow for it, each row as its own lines."""
        from rich import box
        from rich.padding import Padding
        from rich.table import Table

        between = 3 * len(headers) + 1 if self._borders else 2 * (len(headers) - 1)
        widths = _fitted(headers, rows, self._console().width - indent - between)
        if widths is None:
            self._print_records(headers, rows, indent)
            return
        table = Table(
            box=box.ROUNDED if self._borders else None, header_style="bold cyan", pad_edge=self._borders
        )
        for header, width in zip(headers, widths, strict=True):
            table.add_column(header, overflow="fold", width=width)
        for row in rows:
            table.add_row(*map(_rich_text, row))
        self._print(Padding(table, (0, 0, 0, indent), expand=False))

    def _print_records(self, headers: Sequence[str], rows: Sequence[Sequence[Cell]], indent: int) -> None:
        for place, row in enumerate(rows):
            if place:
                self.line()
            named = zip(headers, row, strict=True)
            self._print_pairs(
                [(header, cell) for header, cell in named if cell is not None and cell != ""], indent
            )

    def _print_pairs(self, pairs: Sequence[tuple[str, Cell]], indent: int) -> None:
        from rich.padding import Padding
        from rich.table import Table

        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(no_wrap=True, style="bold")
        table.add_column(overflow="fold")
        for name, cell in pairs:
            table.add_row(name, _rich_text(cell))
        self._print(Padding(table, (0, 0, 0, indent), expand=False))

    def _print(self, renderable: Any) -> None:
        self._console().print(renderable)

    def _console(self) -> "Console":
        """As wide as the terminal is now."""
        from rich.console import Console

        return Console(
            file=self._stream,
            force_terminal=True,
            color_system="auto" if self._colours else None,
            highlight=False,
            markup=False,
            emoji=False,
        )


def clean(text: str) -> str:
    """Without control characters, except newlines and tabs."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text.replace("\r\n", "\n"))


def _text(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case Styled():
            return clean(cell.text)
        case _:
            return clean(str(cell))


def _rich_text(cell: Cell) -> "Text":
    from rich.text import Text

    return Text(_text(cell), style=cell.style if isinstance(cell, Styled) else "")


def _fitted(headers: Sequence[str], rows: Sequence[Sequence[Cell]], room: int) -> list[int] | None:
    """Widths of the columns that together take at most `room`; None if text would be cut into slices.

    Ids stay whole, so that they can be marked and copied.
    """
    wanted, least = [], []
    for place, header in enumerate(headers):
        longest = max((_longest(_text(row[place])) for row in rows), default=0)
        wanted.append(max(_width(header), min(longest, room)))
        shortest = longest if header.endswith("ID") else min(longest, _READABLE_COLUMNS)
        least.append(max(_width(header), shortest))
    if sum(least) > room:
        return None
    while sum(wanted) > room:
        widest = max(
            (place for place in range(len(wanted)) if wanted[place] > least[place]), key=wanted.__getitem__
        )
        wanted[widest] -= 1
    return wanted


def _longest(text: str) -> int:
    return max(_width(line) for line in text.expandtabs(8).split("\n"))


def _width(text: str) -> int:
    """Columns that a terminal needs for it."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _plain_table(rows: Sequence[Sequence[str]], indent: int) -> str:
    """Columns two blanks apart; a cell with several lines takes as many, and columns stay aligned."""
    if not rows:
        return ""
    widths = [
        max(_width(line) for row in rows for line in row[column].split("\n"))
        for column in range(len(rows[0]))
    ]
    lines = []
    for row in rows:
        cells = [cell.split("\n") for cell in row]
        for index in range(max(map(len, cells))):
            parts = [cell[index] if index < len(cell) else "" for cell in cells]
            padded = [part + " " * (width - _width(part)) for part, width in zip(parts, widths, strict=True)]
            lines.append((" " * indent + "  ".join(padded)).rstrip())
    return "\n".join(lines) + "\n"

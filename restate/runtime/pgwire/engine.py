"""The questions a session has for whoever gets the rows, and the answers."""

from collections.abc import Sequence
from typing import Protocol

import attrs


class Column(Protocol):
    """A column of a result. oid, size: of its type; size -1 means variable."""

    @property
    def name(self) -> str: ...
    @property
    def oid(self) -> int: ...
    @property
    def size(self) -> int: ...


@attrs.frozen
class TextColumn:
    """A column that the session fills itself."""

    name: str
    oid: int = 25
    size: int = -1


@attrs.frozen
class Statement:
    """What the engine gets, as it was written. offset: characters before it in the string that the client sent."""

    sql: str
    catalog: bool
    offset: int


@attrs.frozen
class Parameter:
    """A value for `$n`. oid: of its type. value: None is NULL."""

    oid: int
    value: bytes | None
    binary: bool


@attrs.frozen
class Describe:
    """Plan a statement; the answer is a Description. oids: of its parameters as far as the client knows, 0 if not."""

    statement: Statement
    oids: tuple[int, ...]


@attrs.frozen
class Description:
    """oids: of $1, $2, ..."""

    oids: tuple[int, ...]
    columns: Sequence[Column]


@attrs.frozen
class Open:
    """Begin to run a statement, under a number that names it until Close; the answer is Opened.

    binary: which columns; one value counts for all.
    """

    number: int
    statement: Statement
    parameters: tuple[Parameter, ...]
    binary: tuple[bool, ...] | bool


@attrs.frozen
class Opened:
    columns: Sequence[Column]


@attrs.frozen
class Fetch:
    """The next rows of what is open; the answer is Fetched. most: rows at most, None for as many as are ready."""

    number: int
    most: int | None


@attrs.frozen
class Piece:
    """data: whole DataRow messages. count: rows in them."""

    data: bytes
    count: int


@attrs.frozen
class Fetched:
    """piece: None at the end."""

    piece: Piece | None


@attrs.frozen
class Close:
    """End what is open, if it is. Always possible; the answer is Done."""

    number: int


@attrs.frozen
class Pause:
    """A point between two statements of one message, where others may have their turn; the answer is Done."""


@attrs.frozen
class Done:
    """What was asked for is done."""


Ask = Describe | Open | Fetch | Close | Pause
Answer = Description | Opened | Fetched | Done

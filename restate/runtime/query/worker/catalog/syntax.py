"""The tree of a SELECT statement, as far as clients use SQL on system catalogs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import attrs


class LiteralKind(Enum):
    STRING = "string"
    NUMBER = "number"
    BOOLEAN = "boolean"
    NULL = "null"


@attrs.frozen
class Literal:
    kind: LiteralKind
    text: str


@attrs.frozen
class Parameter:
    """index: from 1."""

    index: int


@attrs.frozen
class Name:
    """A column, with what qualifies it before it."""

    parts: tuple[str, ...]


@attrs.frozen
class Star:
    """All columns, of one table if qualified."""

    parts: tuple[str, ...]


@attrs.frozen
class SortKey:
    expression: Expression
    descending: bool
    nulls_first: bool


@attrs.frozen
class Window:
    partition: tuple[Expression, ...]
    order: tuple[SortKey, ...]


@attrs.frozen
class Call:
    """name: without its schema. star: `count(*)`."""

    name: str
    arguments: tuple[Expression, ...] = ()
    star: bool = False
    distinct: bool = False
    order: tuple[SortKey, ...] = ()
    where: Expression | None = None
    over: Window | None = None


@attrs.frozen
class Unary:
    operator: str
    operand: Expression


@attrs.frozen
class Binary:
    operator: str
    left: Expression
    right: Expression


@attrs.frozen
class Test:
    """`x IS [NOT] NULL`, TRUE, FALSE, UNKNOWN."""

    operand: Expression
    what: str
    negated: bool


@attrs.frozen
class In:
    operand: Expression
    choices: tuple[Expression, ...] | Select
    negated: bool


@attrs.frozen
class Between:
    operand: Expression
    low: Expression
    high: Expression
    negated: bool


@attrs.frozen
class Like:
    operand: Expression
    pattern: Expression
    escape: Expression | None
    any_case: bool
    negated: bool


@attrs.frozen
class Quantified:
    """`x = ANY (array or query)`."""

    operand: Expression
    operator: str
    every: bool
    right: Expression | Select


@attrs.frozen
class Case:
    operand: Expression | None
    branches: tuple[tuple[Expression, Expression], ...]
    otherwise: Expression | None


@attrs.frozen
class Cast:
    """type_name: in lower case, `text[]` for an array, without modifiers and schema."""

    operand: Expression
    type_name: str


@attrs.frozen
class Array:
    items: tuple[Expression, ...] | Select


@attrs.frozen
class Subscript:
    operand: Expression
    index: Expression


@attrs.frozen
class Field:
    """`(x).name`."""

    operand: Expression
    name: str


@attrs.frozen
class Subquery:
    select: Select


@attrs.frozen
class Exists:
    select: Select


@attrs.frozen
class Row:
    items: tuple[Expression, ...]


Expression = (
    Literal | Parameter | Name | Star | Call | Unary | Binary | Test | In | Between | Like | Quantified
    | Case | Cast | Array | Subscript | Field | Subquery | Exists | Row
)  # fmt: skip


@attrs.frozen
class Item:
    """One of the select list. alias: None if it has none."""

    expression: Expression
    alias: str | None


@attrs.frozen
class Table:
    schema: str | None
    name: str
    alias: str | None
    columns: tuple[str, ...]


@attrs.frozen
class Derived:
    select: Select
    alias: str | None
    columns: tuple[str, ...]


@attrs.frozen
class Function:
    """A function in FROM."""

    call: Call
    alias: str | None
    columns: tuple[str, ...]
    ordinality: bool


@attrs.frozen
class Join:
    """kind: `join`, `left join`, `right join`, `full join`, `cross join`."""

    kind: str
    left: Source
    right: Source
    on: Expression | None
    using: tuple[str, ...]
    natural: bool


Source = Table | Derived | Function | Join


@attrs.frozen
class Core:
    """One SELECT without set operations."""

    items: tuple[Item, ...]
    distinct: bool
    sources: tuple[Source, ...]
    where: Expression | None
    groups: tuple[Expression, ...]
    having: Expression | None


@attrs.frozen
class Values:
    rows: tuple[tuple[Expression, ...], ...]


@attrs.frozen
class Compound:
    """operator: `union`, `union all`, `except`, `intersect`."""

    operator: str
    left: Body
    right: Body


Body = Core | Values | Compound


@attrs.frozen
class Common:
    """One of WITH."""

    name: str
    columns: tuple[str, ...]
    select: Select


@attrs.frozen
class Select:
    body: Body
    commons: tuple[Common, ...] = ()
    recursive: bool = False
    order: Sequence[SortKey] = ()
    limit: Expression | None = None
    offset: Expression | None = None

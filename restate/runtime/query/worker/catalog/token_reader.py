"""What every part of the parser does with tokens."""

from collections.abc import Callable
from typing import TypeVar

from restate.runtime.query.errors import SYNTAX_ERROR, QueryError
from restate.runtime.query.worker.catalog.tokens import Kind, Token

T = TypeVar("T")

NOT_NAMES = frozenset({
    "all", "and", "any", "array", "as", "asc", "both", "case", "cast", "check", "collate",
    "constraint", "create", "cross", "current_catalog", "current_date", "current_role", "current_time",
    "current_timestamp", "current_user", "desc", "distinct", "else", "end", "except", "exists",
    "false", "fetch", "for", "from", "full", "group", "having", "in", "inner", "intersect", "into",
    "is", "isnull", "join", "lateral", "leading", "left", "like", "ilike", "limit", "natural", "not",
    "notnull", "null", "offset", "on", "or", "order", "outer", "right", "select", "session_user",
    "similar", "some", "then", "trailing", "true", "union", "user", "using", "when", "where", "window",
    "with", "between", "over", "filter", "returning",
})  # fmt: skip
"""Words that end an expression or begin something else, so that they are no names and no aliases without AS."""

DEEPEST = 40
"""Levels of nesting; a limit far below the interpreter's own."""


class TokenReader:
    """A place in the tokens of a statement, and how deep it is nested."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self.at = 0
        self._depth = 0

    def peek(self, ahead: int = 0) -> Token:
        return self._tokens[min(self.at + ahead, len(self._tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def sees(self, *words: str) -> bool:
        """Whether these words or operators come next."""
        return all(
            (token := self.peek(ahead)).text == word and token.kind in (Kind.WORD, Kind.OPERATOR)
            for ahead, word in enumerate(words)
        )

    def take(self, *words: str) -> bool:
        if not self.sees(*words):
            return False
        self.at += len(words)
        return True

    def take_one_of(self, *words: str) -> str | None:
        return next((word for word in words if self.take(word)), None)

    def expect(self, *words: str) -> None:
        if not self.take(*words):
            raise self.error()

    def error(self) -> QueryError:
        token = self.peek()
        if token.kind is Kind.END:
            return QueryError("syntax error at end of input", SYNTAX_ERROR, position=token.at + 1)
        return QueryError(f'syntax error at or near "{token.text}"', SYNTAX_ERROR, position=token.at + 1)

    def end(self) -> None:
        if self.peek().kind is not Kind.END:
            raise self.error()

    def name(self) -> str:
        token = self.peek()
        if token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.text not in NOT_NAMES):
            return self.next().text
        raise self.error()

    def label(self) -> str:
        """After AS every word is a name."""
        if self.peek().kind in (Kind.WORD, Kind.QUOTED):
            return self.next().text
        raise self.error()

    def dotted(self) -> tuple[str, ...]:
        parts = [self.name()]
        while self.take("."):
            parts.append(self.label())
        return tuple(parts)

    def listed(self, one: Callable[[], T]) -> tuple[T, ...]:
        found = [one()]
        while self.take(","):
            found.append(one())
        return tuple(found)

    def in_parentheses(self, one: Callable[[], T]) -> T:
        self.expect("(")
        found = one()
        self.expect(")")
        return found

    def enter(self) -> None:
        """One level deeper; the caller leaves it by `leave`. Raises QueryError 54001."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise QueryError("the statement is nested too deeply", "54001")

    def leave(self) -> None:
        self._depth -= 1

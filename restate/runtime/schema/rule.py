"""Rules: limits by pattern, as operators store them. Nothing enforces them.

A pattern has one to three parts, the scope and two levels of a limit key; `*` stands for any value of its part. The
book of all rules has a version, which every batch that changes something raises by one, and which new rules start with.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import attrs
import msgspec

_MAX_PARTS = 3
_MAX_PART_LENGTH = 36
_PART = re.compile(r"[A-Za-z0-9_.-]+")


class Rule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """concurrency: 1 to 2^32 - 1; None is no limit. version: grows when limits or `disabled` change."""

    pattern: str
    concurrency: int | None = None
    description: str | None = None
    disabled: bool = False
    version: int = 0
    modified_ms: int = 0


class BookVersion(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How often the rules have changed."""

    version: int


class PatternError(ValueError):
    """The text is no pattern; str() says why."""


def parse_pattern(text: str) -> str:
    """The pattern in its one form. Raises PatternError."""
    if not text:
        raise PatternError("pattern cannot be empty")
    parts = text.removesuffix("/").split("/")
    if len(parts) > _MAX_PARTS:
        raise PatternError(f"too many path components (max {_MAX_PARTS})")
    for part in parts:
        if not part:
            raise PatternError("invalid component: value cannot be empty")
        if part != "*" and not _PART.fullmatch(part):
            raise PatternError(
                "invalid component: value contains characters outside the allowed set [a-zA-Z0-9_.-]"
            )
        if len(part) > _MAX_PART_LENGTH:
            raise PatternError(
                f"invalid component: value too long: {len(part)} bytes (max {_MAX_PART_LENGTH})"
            )
    return "/".join(parts)


@attrs.frozen
class Expected:
    """A precondition: that the rule has this version, or that there is none."""

    version: int | None

    def __str__(self) -> str:
        return "DoesNotExist" if self.version is None else f"Matches(v{self.version})"


@attrs.frozen
class Wish:
    """A rule as it is to be. expected: None is no precondition."""

    pattern: str
    concurrency: int | None = None
    description: str | None = None
    disabled: bool = False
    expected: Expected | None = None


class PreconditionFailed(Exception):
    """A batch asks for what is not so; nothing of it holds."""


class BookFull(Exception):
    """There would be more rules than allowed."""


@attrs.frozen
class Book:
    """All rules. version: how often they have changed."""

    rules: Mapping[str, Rule]
    version: int

    def upserted(self, wishes: Iterable[Wish], *, now_ms: int, limit: int) -> "Book":
        """The book with all wishes fulfilled, one after the other. Raises PreconditionFailed, BookFull."""
        rules = dict(self.rules)
        for wish in wishes:
            old = rules.get(wish.pattern)
            _check(wish.pattern, wish.expected, old)
            rules[wish.pattern] = _rule(wish, old, self.version + 1, now_ms)
        if len(rules) > limit:
            raise BookFull(f"rule book is full ({limit} rules)")
        return self._changed(rules)

    def without(self, wishes: Iterable[tuple[str, Expected | None]]) -> "Book":
        """The book without these patterns; unknown ones are passed over. Raises PreconditionFailed."""
        rules = dict(self.rules)
        for pattern, expected in wishes:
            _check(pattern, expected, rules.get(pattern))
            rules.pop(pattern, None)
        return self._changed(rules)

    def _changed(self, rules: dict[str, Rule]) -> "Book":
        return self if rules == self.rules else Book(rules, self.version + 1)


EMPTY_BOOK = Book(MappingProxyType({}), 0)


def _check(pattern: str, expected: Expected | None, rule: Rule | None) -> None:
    actual = None if rule is None else rule.version
    if expected is not None and expected.version != actual:
        shown = "None" if actual is None else f"Some(v{actual})"
        raise PreconditionFailed(
            f"rule precondition {expected} for pattern {pattern} failed (actual version: {shown})"
        )


def _rule(wish: Wish, old: Rule | None, new_version: int, now_ms: int) -> Rule:
    if old is None:
        version, modified_ms = new_version, now_ms
    elif (wish.concurrency, wish.disabled) != (old.concurrency, old.disabled):
        version, modified_ms = old.version + 1, now_ms
    else:
        version, modified_ms = old.version, old.modified_ms
    return Rule(wish.pattern, wish.concurrency, wish.description, wish.disabled, version, modified_ms)

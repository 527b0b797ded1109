import pytest

from restate.runtime.schema.rule import (
    EMPTY_BOOK,
    Book,
    BookFull,
    Expected,
    PatternError,
    PreconditionFailed,
    Rule,
    Wish,
    parse_pattern,
)


def upserted(book: Book, *wishes: Wish, now_ms: int = 7, limit: int = 10) -> Book:
    return book.upserted(wishes, now_ms=now_ms, limit=limit)


@pytest.mark.parametrize("text", ["a", "*", "a/b", "a/*/c", "A_.-9/x", "/".join(["x" * 36] * 3)])
def test_patterns_have_up_to_three_parts(text: str) -> None:
    assert parse_pattern(text) == text


def test_a_slash_at_the_end_means_nothing() -> None:
    assert parse_pattern("a/") == "a"


@pytest.mark.parametrize(
    "text", ["", "/", "/a", "a//c", "a//", "a/b/c/d", "a*", "a b", "\u00e9", "**", "x" * 37]
)
def test_other_texts_are_no_patterns(text: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(text)


def test_a_new_rule_starts_with_the_next_version_of_the_book() -> None:
    book = upserted(Book({}, 4), Wish("a", 5), Wish("b"))
    assert book == Book({"a": Rule("a", 5, None, False, 5, 7), "b": Rule("b", None, None, False, 5, 7)}, 5)


@pytest.mark.parametrize(
    ("wish", "version", "modified_ms"),
    [
        (Wish("a", 5), 1, 7),
        (Wish("a", 5, "why"), 1, 7),
        (Wish("a", 6), 2, 9),
        (Wish("a"), 2, 9),
        (Wish("a", 5, disabled=True), 2, 9),
    ],
)
def test_a_rule_gets_a_version_when_its_effect_changes(wish: Wish, version: int, modified_ms: int) -> None:
    rule = upserted(upserted(EMPTY_BOOK, Wish("a", 5)), wish, now_ms=9).rules["a"]
    assert (rule.version, rule.modified_ms, rule.description) == (version, modified_ms, wish.description)


@pytest.mark.parametrize(("wish", "version"), [(Wish("a", 5), 1), (Wish("a", 5, "why"), 2), (Wish("b"), 2)])
def test_the_book_gets_a_version_when_anything_changes(wish: Wish, version: int) -> None:
    assert upserted(upserted(EMPTY_BOOK, Wish("a", 5)), wish).version == version


def test_wishes_are_fulfilled_one_after_the_other() -> None:
    rule = upserted(EMPTY_BOOK, Wish("a", 1), Wish("a", 2, expected=Expected(1))).rules["a"]
    assert (rule.concurrency, rule.version) == (2, 2)


@pytest.mark.parametrize(
    ("pattern", "expected", "told"),
    [
        ("a", Expected(None), "DoesNotExist for pattern a failed (actual version: Some(v1))"),
        ("a", Expected(2), "Matches(v2) for pattern a failed (actual version: Some(v1))"),
        ("b", Expected(1), "Matches(v1) for pattern b failed (actual version: None)"),
    ],
)
def test_a_failed_precondition_says_what_is_there(pattern: str, expected: Expected, told: str) -> None:
    book = upserted(EMPTY_BOOK, Wish("a", 5))
    with pytest.raises(PreconditionFailed) as caught:
        upserted(book, Wish("c"), Wish(pattern, 1, expected=expected))
    assert str(caught.value) == f"rule precondition {told}"
    with pytest.raises(PreconditionFailed):
        book.without([("a", None), (pattern, expected)] if pattern == "b" else [(pattern, expected)])


def test_a_book_takes_so_many_rules() -> None:
    with pytest.raises(BookFull, match="rule book is full \\(1 rules\\)"):
        upserted(EMPTY_BOOK, Wish("a"), Wish("b"), limit=1)
    assert (
        upserted(upserted(EMPTY_BOOK, Wish("a"), limit=1), Wish("a", 3), limit=1).rules["a"].concurrency == 3
    )


def test_rules_are_removed_together() -> None:
    book = upserted(EMPTY_BOOK, Wish("a"), Wish("b"), Wish("c"))
    left = book.without([("a", None), ("b", Expected(1)), ("nope", None)])
    assert (list(left.rules), left.version) == (["c"], 2)
    assert left.without([("nope", None)]) is left

import pytest

from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row, SchemaFormatError, deployment_row
from restate.runtime.schema.rule import EMPTY_BOOK, Book, Rule, Wish
from restate.runtime.schema.stored import (
    BOOK_VERSION,
    KAFKA_CLUSTERS,
    NOTHING,
    RULES,
    SUBSCRIPTIONS,
    Stored,
    book_rows,
)
from restate.runtime.schema.subscription import Subscription
from tests.schema.builders import deployment, service

CLUSTER = KafkaCluster("c1", (("bootstrap.servers", "h:1"), ("sasl.password", "x")), 5)
SUBSCRIPTION = Subscription("sub_1", "kafka://c1/t", "service://S/h", (("group.id", "g"),))
RULE = Rule("a/*", 5, "why", True, 3, 9)


def rows() -> tuple[Row, ...]:
    return (
        KAFKA_CLUSTERS.row("c1", CLUSTER),
        SUBSCRIPTIONS.row("sub_1", SUBSCRIPTION),
        deployment_row(deployment("dp_1", service("S"))),
        *book_rows(EMPTY_BOOK, Book({"a/*": RULE}, 4)),
    )


def test_what_is_stored_is_read_again() -> None:
    written = [(key, value) for key, value in rows() if value is not None]
    registry = Registry.load(1, written)
    assert registry.stored.kafka_clusters == {"c1": CLUSTER}
    assert registry.stored.subscriptions == {"sub_1": SUBSCRIPTION}
    assert registry.stored.book == Book({"a/*": RULE}, 4)
    assert registry.service("S") is not None


def test_changes_replace_and_remove() -> None:
    registry = Registry.EMPTY.changed(1, iter(rows()))
    other = KafkaCluster("c1", (("bootstrap.servers", "h:2"),), 5)
    changed = registry.changed(
        2,
        (KAFKA_CLUSTERS.row("c1", other), (SUBSCRIPTIONS.key("sub_1"), None), (SUBSCRIPTIONS.key("x"), None)),
    )
    assert changed.stored == Stored({"c1": other}, {}, Book({"a/*": RULE}, 4))
    assert registry.stored.subscriptions == {"sub_1": SUBSCRIPTION}


def test_a_book_is_stored_by_what_differs() -> None:
    old = Book({"a": Rule("a"), "b": Rule("b"), "c": Rule("c")}, 1)
    new = Book({"a": Rule("a"), "b": Rule("b", 2)}, 2)
    assert [key for key, _ in book_rows(old, new)] == [RULES.key("c"), RULES.key("b"), BOOK_VERSION.key("")]
    assert book_rows(old, old) == ()
    before = NOTHING.changed(book_rows(EMPTY_BOOK, old))
    assert before.changed(book_rows(old, new)).book == new


def test_a_changed_deployment_leaves_the_rest_alone() -> None:
    registry = Registry.EMPTY.changed(1, rows())
    stored = registry.changed(2, (deployment_row(deployment("dp_2", service("T"))),)).stored
    assert stored == registry.stored


@pytest.mark.parametrize("kind", [KAFKA_CLUSTERS, SUBSCRIPTIONS, RULES])
@pytest.mark.parametrize("value", [b"", b"\x02\x90", b"\x01\xc1", b"\x01\x91\x05"])
def test_a_row_of_another_format_is_refused(kind: object, value: bytes) -> None:
    key = kind.key("x")  # type: ignore[attr-defined]
    with pytest.raises(SchemaFormatError, match="'x'"):
        Registry.load(1, [(key, value)])


def test_rules_are_told_from_the_version_of_their_book() -> None:
    assert not RULES.is_key(BOOK_VERSION.key(""))
    assert RULES.name_in(RULES.key("a/*")) == "a/*"
    assert upsert_of_one().rules["a/*"] == Rule("a/*", 5, None, False, 1, 7)


def upsert_of_one() -> Book:
    book = EMPTY_BOOK.upserted([Wish("a/*", 5)], now_ms=7, limit=1)
    row = next(row for row in book_rows(EMPTY_BOOK, book) if RULES.is_key(row[0]))
    assert row[1] is not None
    return Book({"a/*": RULES.decode(row[0], row[1])}, 1)

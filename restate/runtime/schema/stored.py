"""What is stored in the schema beside deployments: Kafka clusters, subscriptions and rules.

Rows are `kafka_cluster/name`, `subscription/sub_1...`, `rule/pattern` and `rule_book`, each a version byte and msgpack.
A reader of the schema table decodes single rows by `KAFKA_CLUSTERS`, `SUBSCRIPTIONS` and `RULES`.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

import attrs
import msgspec

from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.schema.rows import Row, SchemaFormatError
from restate.runtime.schema.rule import EMPTY_BOOK, Book, BookVersion, Rule
from restate.runtime.schema.subscription import Subscription

T = TypeVar("T")

_VERSION = b"\x01"
_encoder = msgspec.msgpack.Encoder()


class Kind(Generic[T]):
    """How one noun is stored. label: for messages."""

    def __init__(self, label: str, prefix: str, struct: type[T]) -> None:
        self.label = label
        self._prefix = prefix.encode()
        self._decoder = msgspec.msgpack.Decoder(struct)

    def key(self, name: str) -> bytes:
        return self._prefix + name.encode()

    def row(self, name: str, noun: T) -> Row:
        return self.key(name), _VERSION + _encoder.encode(noun)

    def is_key(self, key: bytes) -> bool:
        return key.startswith(self._prefix)

    def name_in(self, key: bytes) -> str:
        return key[len(self._prefix) :].decode()

    def decode(self, key: bytes, value: bytes) -> T:
        """Raises SchemaFormatError."""
        name = self.name_in(key)
        if value[:1] != _VERSION:
            raise SchemaFormatError(
                f"expected version {_VERSION[0]} of the stored {self.label} {name!r}, found"
                f" {value[:1].hex() or 'nothing'}"
            )
        try:
            return self._decoder.decode(memoryview(value)[1:])
        except msgspec.MsgspecError as error:
            raise SchemaFormatError(f"the stored {self.label} {name!r} cannot be read: {error}") from error


KAFKA_CLUSTERS = Kind("Kafka cluster", "kafka_cluster/", KafkaCluster)
SUBSCRIPTIONS = Kind("subscription", "subscription/", Subscription)
RULES = Kind("rule", "rule/", Rule)
BOOK_VERSION = Kind("version of the rules", "rule_book", BookVersion)
"""One row, with an empty name."""


@attrs.frozen
class Stored:
    """All of it as of one schema version, by name, id and pattern."""

    kafka_clusters: Mapping[str, KafkaCluster] = MappingProxyType({})
    subscriptions: Mapping[str, Subscription] = MappingProxyType({})
    book: Book = EMPTY_BOOK

    def changed(self, rows: Iterable[Row]) -> "Stored":
        """What holds after `rows` have been stored; rows of other nouns are passed over. Raises SchemaFormatError."""
        clusters, subscriptions, rules = (
            dict(self.kafka_clusters),
            dict(self.subscriptions),
            dict(self.book.rules),
        )
        version = self.book.version
        for key, value in rows:
            if KAFKA_CLUSTERS.is_key(key):
                _take(KAFKA_CLUSTERS, clusters, key, value)
            elif SUBSCRIPTIONS.is_key(key):
                _take(SUBSCRIPTIONS, subscriptions, key, value)
            elif RULES.is_key(key):
                _take(RULES, rules, key, value)
            elif BOOK_VERSION.is_key(key) and value is not None:
                version = BOOK_VERSION.decode(key, value).version
        book = Book(MappingProxyType(rules), version)
        return Stored(MappingProxyType(clusters), MappingProxyType(subscriptions), book)


NOTHING = Stored()


def _take(kind: Kind[T], found: dict[str, T], key: bytes, value: bytes | None) -> None:
    name = kind.name_in(key)
    if value is None:
        found.pop(name, None)
    else:
        found[name] = kind.decode(key, value)


def book_rows(old: Book, new: Book) -> tuple[Row, ...]:
    """What turns the stored `old` into `new`; nothing when they are the same."""
    if new is old:
        return ()
    removed = [(RULES.key(pattern), None) for pattern in old.rules if pattern not in new.rules]
    changed = [RULES.row(name, rule) for name, rule in new.rules.items() if old.rules.get(name) != rule]
    return (*removed, *changed, BOOK_VERSION.row("", BookVersion(new.version)))

"""Kafka clusters, and which of their properties nobody is shown."""

import msgspec

MASK = "***"
BROKERS = ("bootstrap.servers", "metadata.broker.list")
"""Properties of which a cluster needs one: where its brokers are."""

_SECRET_PARTS = (
    "password",
    "passphrase",
    "secret",
    "credential",
    "sasl.username",
    "sasl.jaas.config",
    "sasl.oauthbearer.config",
    "token.endpoint.url",
    "private.key",
    "ssl.key.",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.truststore.location",
    "basic.auth.user.info",
)


class KafkaCluster(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A cluster by its name, with properties in the vocabulary of Kafka's clients. created_ms: 0 from the configuration."""

    name: str
    properties: tuple[tuple[str, str], ...]
    created_ms: int = 0

    def __repr__(self) -> str:
        # Reprs end up in logs and failed tests.
        return f"KafkaCluster({self.name!r}, {masked(self.properties)!r})"


def is_secret(name: str) -> bool:
    """Whether the value of a property may be a secret, or where one lies."""
    lower = name.lower()
    return any(part in lower for part in _SECRET_PARTS)


def masked(properties: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The properties as they may be shown."""
    return {name: MASK if is_secret(name) else value for name, value in properties}


def has_brokers(properties: tuple[tuple[str, str], ...]) -> bool:
    return any(name in BROKERS for name, _ in properties)

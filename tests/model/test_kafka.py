import pytest

from restate.runtime.model.kafka import KafkaCluster, has_brokers, is_secret, masked


@pytest.mark.parametrize(
    "name",
    [
        "sasl.password",
        "SASL.Password",
        "sasl.username",
        "sasl.jaas.config",
        "sasl.oauthbearer.config",
        "sasl.oauthbearer.client.secret",
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.oauthbearer.assertion.private.key.pem",
        "ssl.key.location",
        "ssl.key.pem",
        "ssl.keystore.password",
        "ssl.keystore.location",
        "ssl.keystore.key",
        "ssl.truststore.location",
        "x.passphrase",
    ],
)
def test_secrets(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "bootstrap.servers",
        "group.id",
        "client.id",
        "sasl.mechanism",
        "security.protocol",
        "ssl.ca.location",
        "ssl.ca.pem",
    ],
)
def test_no_secrets(name: str) -> None:
    assert not is_secret(name)


def test_a_secret_is_shown_by_nothing() -> None:
    cluster = KafkaCluster("c", (("a", "1"), ("sasl.password", "hunter2")))
    assert masked(cluster.properties) == {"a": "1", "sasl.password": "***"}
    assert "hunter2" not in repr(cluster)


def test_a_cluster_has_brokers_by_either_name() -> None:
    assert has_brokers((("metadata.broker.list", "h:1"),))
    assert has_brokers((("x", ""), ("bootstrap.servers", "h:1")))
    assert not has_brokers((("brokers", "h:1"),))

from pathlib import Path

import pytest

from restate.runtime.config import Config, load
from restate.runtime.config.listing import list_config
from restate.runtime.config.ports import Ingress
from restate.runtime.config.tree import SETTINGS
from restate.runtime.errors import ConfigError
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.model.target import Generation
from restate.runtime.schema.options import DEFAULTS, OptionDefaults


def test_every_setting_is_listed_with_its_source(tmp_path: Path) -> None:
    config = load({"partitions": "7"}, {"RESTATE_LOG_FORMAT": "Compact"}, tmp_path)
    lines = list_config(config).splitlines()
    assert len(lines) == len(SETTINGS)
    assert "partitions = 7  # command line" in lines
    assert 'observability.log.format = "compact"  # environment RESTATE_LOG_FORMAT as log_format' in lines
    assert "# invoker.abort_timeout: classic 1m, modern 10m  # default" in lines
    assert "# retry_policy.max_attempts: classic unlimited, modern 70  # default" in lines


def test_the_listing_is_a_file_that_gives_the_same_configuration(tmp_path: Path) -> None:
    overrides = {
        "base_dir": 'odd "name"\\',
        "bind_ip": "::1",
        "ingress.request_size_limit": "1000001",
        "retry_policy.max_attempts": "unlimited",
        "retry_policy.factor": "1.5",
        "invoker.protocol_v7": "true",
        "net.idle_timeout": "1d 1ms",
    }
    config = load(overrides, {}, tmp_path)
    text = list_config(config)
    (tmp_path / "restate.toml").write_text(text)
    assert load({}, {}, tmp_path) == config


def test_values_by_generation_are_those_of_the_registry() -> None:
    # Both say what holds without a setting: the registry for tests and tools that have no configuration.
    config = Config()
    for generation in Generation:
        assert DEFAULTS.of(generation) == OptionDefaults(
            inactivity_timeout_ms=config.invoker.inactivity_timeout_of(generation),
            abort_timeout_ms=config.invoker.abort_timeout_of(generation),
            retry=config.retry_policy.policy_of(generation),
            idempotency_retention_ms=config.retention.idempotency_of(generation),
            workflow_retention_ms=config.retention.workflow_of(generation),
            journal_retention_ms=config.retention.journal_of(generation),
        )


def test_secrets_of_kafka_clusters_are_not_listed() -> None:
    cluster = KafkaCluster("a", (("metadata.broker.list", "h:1"), ("sasl.password", "hunter2")))
    text = list_config(Config(ingress=Ingress(kafka_clusters=(cluster,))))
    assert (
        'kafka_clusters = [{ "name" = "a", "metadata.broker.list" = "h:1", "sasl.password" = "***" }]' in text
    )
    assert "hunter2" not in text


def test_passwords_are_neither_listed_nor_repeated_in_errors(tmp_path: Path) -> None:
    config = load({"postgres.password": "hunter2 "}, {}, tmp_path)
    assert config.postgres.password == "hunter2 "
    assert 'postgres.password = "***"' in list_config(config)
    assert "hunter2" not in list_config(config)
    (tmp_path / "restate.toml").write_text("postgres.password = 12345")
    with pytest.raises(ConfigError, match=r"postgres\.password.*expected text") as caught:
        load({}, {}, tmp_path)
    assert "12345" not in str(caught.value)

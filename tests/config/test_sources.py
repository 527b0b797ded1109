from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path

import pytest

from restate.runtime.config import Address, Config, load
from restate.runtime.errors import ConfigError
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation


def loaded(
    cwd: Path, overrides: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> Config:
    return load(overrides or {}, env or {}, cwd)


def refusal(
    cwd: Path, overrides: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(cwd, overrides, env)
    assert caught.value.code == "RT0002"
    assert "\n" not in caught.value.message
    return caught.value.message


def test_without_sources_the_defaults_hold(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert config == Config(base_dir=tmp_path / "target")
    assert config.sources == {}
    assert [
        str(p.bind_address) for p in (config.node_ctrl, config.ingress, config.admin, config.postgres)
    ] == [
        "127.0.0.1:5122",
        "127.0.0.1:8080",
        "127.0.0.1:9070",
        "127.0.0.1:9071",
    ]


def test_later_sources_win_and_the_source_of_each_value_is_kept(tmp_path: Path) -> None:
    (tmp_path / "restate.toml").write_text(
        'partitions = 1\nbind_ip = "0.0.0.0"\n[ingress]\nbind_address = ":1"\n'
    )
    env = {"RESTATE_PARTITIONS": "2", "RESTATE_INGRESS__BIND_ADDRESS": ":2"}
    config = loaded(tmp_path, {"ingress.bind-address": ":3"}, env)
    assert (config.bind_ip, config.partitions, config.ingress.bind_address) == (
        "0.0.0.0",
        2,
        Address("0.0.0.0", 3),
    )
    assert config.sources == {
        "bind_ip": "restate.toml",
        "partitions": "environment RESTATE_PARTITIONS",
        "ingress.bind_address": "command line",
    }


def test_bind_ip_holds_for_addresses_that_name_none(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, {"bind_ip": "::1", "admin.bind_address": "9000", "ingress.bind_address": "127.0.0.1:1"}
    )
    assert config.admin.bind_address == Address("::1", 9000)
    assert config.node_ctrl.bind_address == Address("::1", 5122)
    assert config.ingress.bind_address == Address("127.0.0.1", 1)


CLASSIC = """
meta:
  storage_path: /var/lib/r/meta
node_ctrl:
  bind_address: 0.0.0.0:1
worker:
  partitions: 12
  storage_rocksdb:
    path: /var/lib/r/db
  ingress_grpc:
    bind_address: 0.0.0.0:2
  storage_query_postgres:
    bind_address: 0.0.0.0:4
  invoker:
    inactivity_timeout: 1m 30s
    abort-timeout: PT2S
    message_size_limit: 1048576
    concurrency_limit: 5
    retry_policy:
      type: Exponential
      initial_interval: 10ms
      factor: 3.0
      max_interval: 1s
      max_attempts: null
admin:
  bind_address: 0.0.0.0:3
observability:
  log:
    filter: debug
    format: Json
    disable_ansi_codes: true
shutdown_grace_period: 5s
"""

MODERN = """
base-dir = "/var/lib/r"
bind-ip = "0.0.0.0"
bind-address = "0.0.0.0:1"
default-num-partitions = 12
shutdown-timeout = "5s"
log-filter = "debug"
log-format = "json"
log-disable-ansi-codes = true

[ingress]
bind-address = "0.0.0.0:2"

[admin]
bind-address = "0.0.0.0:3"
[admin.query-engine]
pgsql-bind-address = "0.0.0.0:4"

[worker.invoker]
inactivity-timeout = "90s"
abort-timeout = "2s"
message-size-limit = "1MiB"
concurrent-invocations-limit = 5

[default-retry-policy]
initial-interval = "10ms"
exponentiation-factor = 3.0
max-interval = "1s"
max-attempts = "unlimited"
"""


@pytest.mark.parametrize(("name", "text"), [("restate.yaml", CLASSIC), ("restate.toml", MODERN)])
def test_files_of_both_generations_are_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    config = loaded(tmp_path)
    ports = [p.bind_address for p in (config.node_ctrl, config.ingress, config.admin, config.postgres)]
    assert ports == [Address("0.0.0.0", port) for port in (1, 2, 3, 4)]
    assert config.base_dir == Path("/var/lib/r")
    assert (config.partitions, config.shutdown_grace_period_ms) == (12, 5_000)
    assert (config.invoker.inactivity_timeout_ms, config.invoker.abort_timeout_ms) == (90_000, 2_000)
    assert (config.invoker.message_size_limit, config.invoker.concurrency_limit) == (1_048_576, 5)
    assert config.retry_policy.policy_of(Generation.MODERN) == RetryPolicy(10, 3.0, 1_000, None, "pause")
    log = config.observability.log
    assert (log.filter, log.format, log.disable_ansi_codes) == ("debug", "json", True)


def test_the_environment_takes_the_names_of_both_generations(tmp_path: Path) -> None:
    env = {
        "RESTATE_WORKER__INVOKER__RETRY_POLICY__MAX_ATTEMPTS": "3",
        "RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL": "7ms",
        "RESTATE_LOG_FILTER": "error",
    }
    config = loaded(tmp_path, env=env)
    assert (config.retry_policy.max_attempts, config.retry_policy.initial_interval_ms) == (3, 7)
    assert config.observability.log.filter == "error"
    assert config.sources["observability.log.filter"] == "environment RESTATE_LOG_FILTER as log_filter"


@pytest.mark.parametrize(
    ("name", "raw", "setting", "value"),
    [
        ("cluster-name", "here", "cluster_name", "here"),
        (
            "request-identity-private-key-pem-file",
            "/k",
            "invoker.request_identity_private_key_pem_file",
            Path("/k"),
        ),
        (
            "worker.invoker.request-identity-private-key-pem-file",
            "/k",
            "invoker.request_identity_private_key_pem_file",
            Path("/k"),
        ),
        (
            "worker.invoker.request-identity-expiration",
            "2m",
            "invoker.request_identity_expiration_ms",
            120_000,
        ),
        ("worker.invoker.service_client.http.proxy_uri", "http://p:1/", "net.client_proxy", "http://p:1/"),
        ("meta.service_client.http.proxy_uri", "https://p", "net.client_proxy", "https://p"),
        ("worker.invoker.http-proxy", "p:1", "net.client_proxy", "http://p:1"),
        ("http-proxy", "http://name:secret@p:1", "net.client_proxy", "http://p:1"),
        ("no-proxy", "a,b", "net.client_no_proxy", "a,b"),
    ],
)
def test_settings_about_calling_services_have_the_names_of_both_generations(
    tmp_path: Path, name: str, raw: str, setting: str, value: object
) -> None:
    assert attrgetter(setting)(loaded(tmp_path, {name: raw})) == value


def test_routing_headers_are_text_or_a_list(tmp_path: Path) -> None:
    for raw in ('"A, b"', '["A", "b"]'):
        (tmp_path / "restate.toml").write_text(f"admin.deployment-routing-headers = {raw}")
        assert loaded(tmp_path).admin.routing_header_names == {"a", "b"}
    (tmp_path / "restate.toml").write_text("")
    assert loaded(tmp_path).admin.routing_header_names == frozenset()


def test_exceptions_of_the_proxy_may_be_a_list(tmp_path: Path) -> None:
    (tmp_path / "restate.toml").write_text('no-proxy = ["a", "10.0.0.0/8"]')
    assert loaded(tmp_path).net.client_no_proxy == "a,10.0.0.0/8"
    (tmp_path / "restate.toml").write_text("no-proxy = [1]")
    assert "no-proxy (restate.toml): expected a single value" in refusal(tmp_path)


def test_the_variables_that_all_programs_read_win_over_ours(tmp_path: Path) -> None:
    env = {"RESTATE_NET__CLIENT_PROXY": "http://ours", "HTTP_PROXY": "http://theirs", "no_proxy": "a"}
    config = loaded(tmp_path, env=env)
    assert (config.net.client_proxy, config.net.client_no_proxy) == ("http://theirs", "a")
    assert config.sources["net.client_no_proxy"] == "environment no_proxy as no_proxy"
    assert loaded(tmp_path, env={"HTTP_PROXY": ""}).net.client_proxy is None
    assert loaded(tmp_path, {"net.client_proxy": "http://line"}, env).net.client_proxy == "http://line"


def test_variables_of_other_programs_are_left_alone(tmp_path: Path) -> None:
    env = {
        "RESTATE_HTTP2": "jh2",
        "RESTATE_ADMIN_URL": "http://localhost:9070",
        "RESTATE_CORE_LOG": "debug",
        "RESTATE_SERVICE_HOST": "10.0.0.1",
        "RESTATE_PORT_8080_TCP_ADDR": "10.0.0.1",
        "PATH": "/bin",
    }
    assert loaded(tmp_path, env=env).sources == {}


def test_values_by_generation_give_way_to_an_explicit_one() -> None:
    default = Config()
    assert default.invoker.abort_timeout_of(Generation.CLASSIC) == 60_000
    assert default.invoker.abort_timeout_of(Generation.MODERN) == 600_000
    assert default.retry_policy.policy_of(Generation.CLASSIC) == RetryPolicy(50, 2.0, 10_000, None, "kill")
    assert default.retry_policy.policy_of(Generation.MODERN) == RetryPolicy(500, 2.0, 60_000, 70, "pause")
    for generation in Generation:
        config = load({"invoker.abort_timeout": "0s", "retry_policy.max_attempts": "3"}, {}, Path("/"))
        assert config.invoker.abort_timeout_of(generation) == 0
        assert config.retry_policy.policy_of(generation).max_attempts == 3


def test_retry_types_of_the_classic_generation(tmp_path: Path) -> None:
    fixed = loaded(
        tmp_path, {"worker.invoker.retry_policy.type": "FixedDelay", "retry_policy.interval": "2s"}
    )
    policy = fixed.retry_policy.policy_of(Generation.CLASSIC)
    assert [policy.delay_ms(failures) for failures in (1, 2, 50)] == [2_000, 2_000, 2_000]
    none = loaded(tmp_path, {"retry_policy.type": "None"}).retry_policy.policy_of(Generation.CLASSIC)
    assert none.delay_ms(1) is None


def test_the_eager_state_limit_follows_the_message_limit(tmp_path: Path) -> None:
    config = loaded(tmp_path, {"invoker.message_size_limit": "1MiB"})
    assert config.invoker.eager_state_limit_bytes == 1_048_576
    config = loaded(tmp_path, {"invoker.eager_state_size_limit": "1KiB"})
    assert config.invoker.eager_state_limit_bytes == 1_024


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("ingress.bind_adress", "ingress.bind_address"),
        ("wroker.invoker.abort_timeout", "worker.invoker.abort_timeout"),
        ("partition", "partitions"),
        ("server.abort_timeout", "abort_timeout"),
    ],
)
def test_an_unknown_key_is_refused_with_its_source_and_the_nearest_key(
    tmp_path: Path, name: str, suggested: str
) -> None:
    message = refusal(tmp_path, {name: "1"})
    assert message.startswith(f"{name} (command line): unknown key")
    assert "did you mean " in message
    assert f"{suggested}?" in message


def test_an_unknown_key_far_from_all_is_refused_without_a_guess(tmp_path: Path) -> None:
    assert "no known key is near it" in refusal(tmp_path, env={"RESTATE_ZZZ__QQQ": "1"})
    assert refusal(tmp_path, env={"RESTATE_ZZZ__QQQ": "1"}).startswith(
        "zzz.qqq (environment RESTATE_ZZZ__QQQ)"
    )


def test_a_bad_value_is_refused_with_key_source_and_expectation(tmp_path: Path) -> None:
    (tmp_path / "restate.yaml").write_text("worker:\n  invoker:\n    message_size_limit: lots\n")
    assert refusal(tmp_path) == (
        "worker.invoker.message_size_limit (restate.yaml): expected a size such as '32MiB', '10 MB' or a number of"
        " bytes, got 'lots'"
    )


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("ingress = 5", "ingress (restate.toml): expected a section"),
        ("partitions = [1]", "expected a single value, got a list"),
        ("[partitions]\nx = 1", "partitions (restate.toml): expected a single value, got a dict"),
        ('base_dir = "a\\u0000b"', "base_dir (restate.toml): expected a path"),
        ("a = " + "[" * 5000, "is not valid TOML: maximum recursion depth"),
        ("partitions = ", "is not valid TOML"),
        ('[observability.log]\nfilter = "loud"', "expected a log filter"),
        ('[observability.log]\nformat = "xml"', "expected one of pretty, compact, json"),
    ],
)
def test_files_of_the_wrong_shape_are_refused(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "restate.toml").write_text(text)
    assert part in refusal(tmp_path)


def test_one_setting_under_two_names_in_one_source_must_agree(tmp_path: Path) -> None:
    same = {"meta.storage_path": "/d/meta", "worker.storage_rocksdb.path": "/d/db"}
    assert loaded(tmp_path, same).base_dir == Path("/d")
    message = refusal(tmp_path, {"worker.partitions": "1", "partitions": "2"})
    assert "already set to another value as worker.partitions" in message


def test_the_file_is_found_by_argument_variable_or_default_name(tmp_path: Path) -> None:
    for name, count in (("a.toml", 1), ("b.yaml", 2), ("restate.toml", 3)):
        separator = "=" if name.endswith("toml") else ":"
        (tmp_path / name).write_text(f"partitions {separator} {count}\n")
    env = {"RESTATE_CONFIG": "b.yaml"}
    assert load({}, env, tmp_path, Path("a.toml")).partitions == 1
    assert load({}, env, tmp_path).partitions == 2
    assert load({}, {}, tmp_path).partitions == 3
    (tmp_path / "restate.yaml").write_text("")
    assert "both restate.yaml and restate.toml" in refusal(tmp_path)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for name, part in (("missing.toml", "cannot read"), ("x.json", "expected a .toml, .yaml or .yml")):
        (tmp_path / "x.json").write_text("{}")
        with pytest.raises(ConfigError, match=part):
            load({}, {}, tmp_path, Path(name))
    (tmp_path / "restate.yaml").write_text("a: [")
    assert "is not valid YAML" in refusal(tmp_path)
    (tmp_path / "restate.yaml").write_text("- a")
    assert "expected keys and values" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: " + "[" * 5000, "maximum recursion depth"),
        ("a: 2024-02-30", "a date, number or flag that is none"),
        ("a: !!bool x", "a date, number or flag that is none"),
        ("a: !!timestamp x", "a date, number or flag that is none"),
        ("a: \x01", "unacceptable character"),
        ("a: *b", "found undefined alias 'b' (at line 1, column 4)"),
    ],
)
def test_yaml_that_its_library_stumbles_over_is_refused(tmp_path: Path, text: str, part: str) -> None:
    (tmp_path / "restate.yaml").write_text(text)
    message = refusal(tmp_path)
    assert "is not valid YAML: " in message
    assert part in message


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("restate.yaml", 'admin:\n  token: "hunter2\n  bind_address: 9'),
        ("restate.yaml", "admin: {token: hunter2}}"),
        ("restate.yaml", "admin: {token: [hunter2]}"),
        ("restate.yaml", "admin: hunter2"),
        ("restate.yaml", "admin: {token: 2024-02-30}\nhunter2"),
        ("restate.toml", '[admin]\ntoken = "hunter2'),
        ("restate.toml", '[admin]\ntoken = ["hunter2"]'),
        ("restate.toml", '[admin.token]\nx = "hunter2"'),
        ("restate.toml", 'net.client_proxy = "socks5://me:hunter2@proxy:1080"'),
        ("restate.toml", 'observability.tracing.endpoint = "me:hunter2@:-1"'),
    ],
)
def test_a_secret_stays_out_of_every_message(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    message = refusal(tmp_path)
    assert name in message
    assert "hunter2" not in message


def test_a_section_of_yaml_may_have_no_keys(tmp_path: Path) -> None:
    (tmp_path / "restate.yaml").write_text("admin:\n  # token: x\nworker:\n  invoker:\npartitions: 3\n")
    assert loaded(tmp_path).sources == {"partitions": "restate.yaml"}


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    (tmp_path / "restate.yaml").write_text("# nothing yet\n")
    assert loaded(tmp_path).sources == {}


CLUSTERS = (
    KafkaCluster("a", (("metadata.broker.list", "h:1,h:2"), ("sasl.password", "hunter2"))),
    KafkaCluster("b", (("bootstrap.servers", "h:3"),)),
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "restate.toml",
            '[[ingress.kafka-clusters]]\nname = "a"\nbrokers = ["h:1", "h:2"]\n"sasl.password" = "hunter2"\n'
            '[[ingress.kafka-clusters]]\nname = "b"\n"bootstrap.servers" = "h:3"\n',
        ),
        (
            "restate.yaml",
            "worker:\n  kafka:\n    clusters:\n      a: {brokers: ['h:1', 'h:2'], sasl.password: hunter2}\n"
            "      b: {bootstrap.servers: 'h:3'}\n",
        ),
    ],
)
def test_kafka_clusters_of_both_generations_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert loaded(tmp_path).ingress.kafka_clusters == CLUSTERS


@pytest.mark.parametrize(
    "text",
    [
        '[{name="a", brokers=["h:1","h:2"], "sasl.password"="hunter2"}, {name="b", "bootstrap.servers"="h:3"}]',
        '[{"name":"a","brokers":["h:1","h:2"],"sasl.password":"hunter2"},{"name":"b","bootstrap.servers":"h:3"}]',
    ],
)
def test_kafka_clusters_from_the_environment(tmp_path: Path, text: str) -> None:
    config = loaded(tmp_path, {}, {"RESTATE_INGRESS__KAFKA_CLUSTERS": text})
    assert config.ingress.kafka_clusters == CLUSTERS


@pytest.mark.parametrize(
    "text",
    [
        "5",
        "hunter2",
        '["hunter2"]',
        '[{name=5, "sasl.password"="hunter2"}]',
        '[{name="a b", brokers=["hunter2"]}]',
        '[{name="a", "sasl.password"="hunter2"}]',
        '[{name="a", brokers=[5], "sasl.password"="hunter2"}]',
        '[{name="a", brokers=["h:1"], "sasl.password"=["hunter2"]}]',
        '[{name="a", brokers="h:1"}, {name="a", brokers="h:2"}]',
    ],
)
def test_clusters_that_cannot_be_used_are_refused_without_their_secrets(tmp_path: Path, text: str) -> None:
    message = refusal(tmp_path, {}, {"RESTATE_INGRESS__KAFKA_CLUSTERS": text})
    assert "RESTATE_INGRESS__KAFKA_CLUSTERS" in message
    assert "expected" in message
    assert "hunter2" not in message

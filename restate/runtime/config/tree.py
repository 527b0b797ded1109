"""Every setting, with its default. Durations are milliseconds (`_ms`), sizes are bytes.

The name of a setting is its path, without `_ms`: `net.connect_timeout_ms` is set as `net.connect_timeout`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from restate.runtime.config.values import (
    KIB,
    MIB,
    Address,
    Attempts,
    Count,
    Factor,
    Ip,
    KafkaClusters,
    LogFilter,
    LogFormat,
    Millis,
    OnMaxAttempts,
    RetryType,
    Size,
    Url,
)
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation

_LOOPBACK = "127.0.0.1"


@attrs.frozen
class NodeCtrl:
    """Port 5122: gRPC for operators, metrics."""

    bind_address: Address = Address(_LOOPBACK, 5122)


@attrs.frozen
class IngressJson:
    """How messages of classic services become JSON and back."""

    deserialize_deny_unknown_fields: bool = True
    serialize_use_enum_numbers: bool = False
    serialize_use_proto_field_name: bool = False
    serialize_skip_default_fields: bool = False


@attrs.frozen
class Ingress:
    """Port 8080: callers of services. Requests over the concurrency limit are refused at once."""

    bind_address: Address = Address(_LOOPBACK, 8080)
    request_size_limit: Size = 32 * MIB
    concurrency_limit: Count = 10_000
    advertised_endpoint: str | None = None
    """URL that clients are told; None means http:// and the bound address."""
    json: IngressJson = IngressJson()
    kafka_clusters: KafkaClusters = ()
    """Clusters that subscriptions may name besides those that the admin port is told."""


@attrs.frozen
class Admin:
    """Port 9070: REST for people and the command-line client."""

    bind_address: Address = Address(_LOOPBACK, 9070)
    request_size_limit: Size = 2_000_000
    concurrency_limit: Count = 1_000
    rules_limit: Count = 10_000
    """Rules that are stored at most."""
    deployment_routing_headers: str | None = None
    """Additional headers, separated by commas, in which deployments with the same address may differ."""

    @property
    def routing_header_names(self) -> frozenset[str]:
        """In lower case."""
        names = (self.deployment_routing_headers or "").split(",")
        return frozenset(name.strip().lower() for name in names if name.strip())


@attrs.frozen
class Postgres:
    """Port 9071: SQL."""

    bind_address: Address = Address(_LOOPBACK, 9071)


@attrs.frozen
class Invoker:
    """Attempts: how long, how large, how many at a time."""

    inactivity_timeout_ms: Millis | None = None
    """Silence after which the service is asked to suspend. None: by generation."""
    abort_timeout_ms: Millis | None = None
    """Further silence after which the stream is reset. None: by generation."""
    message_size_warning: Size = 10 * MIB
    message_size_limit: Size = 32 * MIB
    eager_state_size_limit: Size | None = None
    """State sent along with the start of an attempt; None: as much as a message may have."""
    concurrency_limit: Count = 1_000
    drain_timeout_ms: Millis = 5_000
    """How long the rest of a response may take after its last message."""
    protocol_v7: bool = False
    """Whether service protocol version 7 is picked where the SDK offers it."""
    request_identity_private_key_pem_file: Path | None = None
    """One ed25519 key (PKCS#8) that requests to modern services are signed with; None: they are not signed."""
    request_identity_expiration_ms: Millis = 60_000
    """How long a signature is valid, and how far clocks may be apart."""

    def inactivity_timeout_of(self, generation: Generation) -> int:
        """Milliseconds, for deployments of the generation."""
        del generation  # both generations have the same default
        return 60_000 if self.inactivity_timeout_ms is None else self.inactivity_timeout_ms

    def abort_timeout_of(self, generation: Generation) -> int:
        """Milliseconds, for deployments of the generation."""
        default_ms = 60_000 if generation is Generation.CLASSIC else 600_000
        return default_ms if self.abort_timeout_ms is None else self.abort_timeout_ms

    @property
    def eager_state_limit_bytes(self) -> int:
        limit = self.eager_state_size_limit
        return self.message_size_limit if limit is None else limit


# Classic knows no pause: with a limit on attempts, its invocations end with the last error.
_DEFAULT_POLICIES = {
    Generation.CLASSIC: RetryPolicy(50, 2.0, 10_000, None, "kill"),
    Generation.MODERN: RetryPolicy(500, 2.0, 60_000, 70, "pause"),
}


@attrs.frozen
class RetrySettings:
    """When a failed attempt is tried again. What is None follows the generation; what is set holds for both."""

    type: RetryType = "exponential"
    initial_interval_ms: Millis | None = None
    factor: Factor | None = None
    max_interval_ms: Millis | None = None
    max_attempts: Attempts | None = None
    on_max_attempts: OnMaxAttempts | None = None
    max_attempts_limit: Count | None = None
    """What a service may ask for at most; None: anything."""

    def policy_of(self, generation: Generation) -> RetryPolicy:
        """The policy for invocations of the generation."""
        default = _DEFAULT_POLICIES[generation]
        initial_ms = (
            default.initial_interval_ms if self.initial_interval_ms is None else self.initial_interval_ms
        )
        factor = default.factor if self.factor is None else self.factor
        max_ms = default.max_interval_ms if self.max_interval_ms is None else self.max_interval_ms
        attempts = default.max_attempts if self.max_attempts is None else self.max_attempts
        if self.type == "fixed_delay":
            factor, max_ms = 1.0, initial_ms
        if self.type == "none":
            attempts = 1
        return RetryPolicy(
            initial_interval_ms=initial_ms,
            factor=factor,
            max_interval_ms=max(max_ms, initial_ms),
            max_attempts=None if attempts == "unlimited" else attempts,
            on_max_attempts=default.on_max_attempts if self.on_max_attempts is None else self.on_max_attempts,
        )


_DAY_MS = 86_400_000


@attrs.frozen
class Retention:
    """How long what is finished is kept, where a service does not say. None: by generation."""

    idempotency_ms: Millis | None = None
    workflow_ms: Millis | None = None
    journal_ms: Millis | None = None
    max_journal_ms: Millis | None = None
    """What a service may ask for at most; None: anything."""

    def idempotency_of(self, generation: Generation) -> int:
        """Milliseconds, for invocations of the generation with an idempotency key."""
        default_ms = 30 * 60_000 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.idempotency_ms is None else self.idempotency_ms

    def workflow_of(self, generation: Generation) -> int:
        """Milliseconds, for workflow runs; classic has none."""
        default_ms = 0 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.workflow_ms is None else self.workflow_ms

    def journal_of(self, generation: Generation) -> int:
        """Milliseconds, for journals; classic keeps none."""
        default_ms = 0 if generation is Generation.CLASSIC else _DAY_MS
        return default_ms if self.journal_ms is None else self.journal_ms


@attrs.frozen
class Discovery:
    """Asking deployments what they serve."""

    request_timeout_ms: Millis = 10_000
    response_size_limit: Size = 16 * MIB


@attrs.frozen
class Engine:
    """The partition loop. A batch ends at whichever limit comes first."""

    batch_records: Count = 32
    batch_bytes: Size = 1 * MIB
    queue_limit: Count = 4_096
    """Records that wait for the loop; further callers wait or are refused."""
    timers_in_memory: Count = 1_024


@attrs.frozen
class Storage:
    """RocksDB's memory and files; of all tables together where not said otherwise."""

    block_cache_bytes: Size = 32 * MIB
    write_buffer_bytes: Size = 32 * MIB
    table_write_buffer_bytes: Size = 8 * MIB
    """Of one table."""
    log_bytes: Size = 64 * MIB
    """Write-ahead log after which tables are flushed."""


@attrs.frozen
class Net:
    """Limits of every connection. `client_*` are the connections to deployments, the others our listeners."""

    connection_limit: Count = 10_000
    """Per port; further ones wait in the kernel's backlog."""
    header_size_limit: Size = 64 * KIB
    header_count_limit: Count = 512
    header_timeout_ms: Millis = 15_000
    """From the first byte of a request until its headers are complete."""
    first_bytes_timeout_ms: Millis = 10_000
    """From accepting a connection until it says anything."""
    stall_timeout_ms: Millis = 60_000
    """A peer that neither sends the rest of its body nor takes ours for so long is cut off."""
    idle_timeout_ms: Millis = 75_000
    """HTTP/1.1 connection between two requests."""
    h2_idle_timeout_ms: Millis = 600_000
    """HTTP/2 connection without a request."""
    stream_limit: Count = 1_000
    stream_window_bytes: Size = 1 * MIB
    connection_window_bytes: Size = 4 * MIB
    write_backlog_bytes: Size = 64 * KIB
    reset_limit: Count = 1_000
    """Streams that a peer may reset within ten seconds."""
    ping_interval_ms: Millis = 60_000
    ping_timeout_ms: Millis = 20_000
    client_connect_timeout_ms: Millis = 10_000
    client_settings_timeout_ms: Millis = 5_000
    client_connection_limit: Count = 4
    """HTTP/2 connections to one authority."""
    client_stream_limit: Count = 128
    """At a time on one connection; the peer's own limit may be lower."""
    client_streams_until_retirement: Count = 900
    """A connection that has carried so many streams opens no more: common servers drop theirs after 1,000."""
    client_idle_timeout_ms: Millis = 300_000
    client_idle_connection_limit: Count = 64
    """HTTP/1.1 connections kept open to one authority."""
    client_ping_interval_ms: Millis = 40_000
    client_ping_timeout_ms: Millis = 20_000
    client_stream_window_bytes: Size = 2 * MIB
    client_connection_window_bytes: Size = 16 * MIB
    client_ca_file: Path | None = None
    """Certificates (PEM) of the authorities that https:// deployments are trusted by, instead of the system's."""
    client_proxy: Url | None = None
    """HTTP proxy that requests to http:// deployments are sent to, with :authority or Host unchanged."""
    client_no_proxy: str | None = None
    """Names, addresses and networks that are called directly, separated by commas."""


@attrs.frozen
class Log:
    """What is logged, and how."""

    filter: LogFilter = "warn,restate=info"
    format: LogFormat = "pretty"
    disable_ansi_codes: bool = False


@attrs.frozen
class Observability:
    """What operators see."""

    log: Log = Log()


@attrs.frozen
class Config:
    """The whole tree. sources: {setting: where its value is from}; a setting without an entry has its default."""

    base_dir: Path = Path("target")
    bind_ip: Ip = _LOOPBACK
    cluster_name: str = "localcluster"
    partitions: Count = 24
    shutdown_grace_period_ms: Millis = 60_000
    node_ctrl: NodeCtrl = NodeCtrl()
    ingress: Ingress = Ingress()
    admin: Admin = Admin()
    postgres: Postgres = Postgres()
    invoker: Invoker = Invoker()
    retry_policy: RetrySettings = RetrySettings()
    retention: Retention = Retention()
    discovery: Discovery = Discovery()
    engine: Engine = Engine()
    storage: Storage = Storage()
    net: Net = Net()
    observability: Observability = Observability()
    sources: Mapping[str, str] = attrs.field(factory=dict, eq=False)


@attrs.frozen
class Setting:
    """One leaf of the tree. attributes: the path of attribute names that leads to it."""

    name: str
    attributes: tuple[str, ...]
    kind: object
    default: object


def _settings(
    part: attrs.AttrsInstance, names: tuple[str, ...], attributes: tuple[str, ...]
) -> Iterator[Setting]:
    for field in attrs.fields(type(part)):
        if field.name == "sources":
            continue
        value = getattr(part, field.name)
        name_path = (*names, field.name.removesuffix("_ms"))
        attribute_path = (*attributes, field.name)
        if attrs.has(type(value)) and not isinstance(value, Address):
            yield from _settings(value, name_path, attribute_path)
        else:
            yield Setting(".".join(name_path), attribute_path, field.type, value)


SETTINGS: dict[str, Setting] = {setting.name: setting for setting in _settings(Config(), (), ())}
"""{name: setting}, in the order of the tree."""


def replace(part: Any, values: Mapping[tuple[str, ...], object]) -> Any:
    """A copy of a part of the tree with some leaves replaced, given by their attribute paths."""
    changes: dict[str, object] = {path[0]: value for path, value in values.items() if len(path) == 1}
    for name in {path[0] for path in values if len(path) > 1}:
        inner = {path[1:]: value for path, value in values.items() if path[0] == name}
        changes[name] = replace(getattr(part, name), inner)
    return attrs.evolve(part, **changes)

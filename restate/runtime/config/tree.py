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
    Ratio,
    RetryType,
    Secret,
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
    """Where the port listens; without an IP, at bind_ip."""
    token: Secret | None = None
    """What clients must send as `authorization: Bearer <token>`. None, and no file either: nobody is asked."""
    token_file: Path | None = None
    """A file with further tokens, one per line."""
    tls_certificate_file: Path | None = None
    """Certificate chain (PEM). With it the port speaks TLS only; None: it speaks plain HTTP."""
    tls_key_file: Path | None = None
    """The private key (PEM) of the certificate, if it is not in the same file."""
    request_size_limit: Size = 64 << 10
    """Largest message of gRPC that the port takes."""


@attrs.frozen
class IngressJson:
    """How messages of classic services become JSON and back."""

    deserialize_deny_unknown_fields: bool = True
    """Whether a field that the message does not have is an error."""
    serialize_stringify_64_bit_integers: bool = True
    """Whether 64-bit integers are written as strings, which readers that know doubles only take unharmed."""
    serialize_use_enum_numbers: bool = False
    """Whether enum values are written as numbers."""
    serialize_use_proto_field_name: bool = False
    """Whether fields are written by the name in the contract instead of lowerCamelCase."""
    serialize_skip_default_fields: bool = False
    """Whether fields with the default value are left out."""


@attrs.frozen
class Ingress:
    """Port 8080: callers of services. Requests over the concurrency limit are refused at once."""

    bind_address: Address = Address(_LOOPBACK, 8080)
    """Where the port listens; without an IP, at bind_ip."""
    token: Secret | None = None
    """What clients must send as `authorization: Bearer <token>`. None, and no file either: nobody is asked."""
    token_file: Path | None = None
    """A file with further tokens, one per line."""
    tls_certificate_file: Path | None = None
    """Certificate chain (PEM). With it the port speaks TLS only; None: it speaks plain HTTP."""
    tls_key_file: Path | None = None
    """The private key (PEM) of the certificate, if it is not in the same file."""
    request_size_limit: Size = 32 * MIB
    """Body or message of a request, after decompression."""
    concurrency_limit: Count = 10_000
    """Requests at a time; further ones are answered with 429."""
    advertised_endpoint: str | None = None
    """URL that clients are told; None means http:// and the bound address."""
    json: IngressJson = IngressJson()
    kafka_clusters: KafkaClusters = ()
    """Clusters that subscriptions may name besides those that the admin port is told."""


@attrs.frozen
class Admin:
    """Port 9070: REST for people and the command-line client."""

    bind_address: Address = Address(_LOOPBACK, 9070)
    """Where the port listens; without an IP, at bind_ip."""
    token: Secret | None = None
    """What clients must send as `authorization: Bearer <token>`. None, and no file either: nobody is asked."""
    token_file: Path | None = None
    """A file with further tokens, one per line."""
    tls_certificate_file: Path | None = None
    """Certificate chain (PEM). With it the port speaks TLS only; None: it speaks plain HTTP."""
    tls_key_file: Path | None = None
    """The private key (PEM) of the certificate, if it is not in the same file."""
    request_size_limit: Size = 2_000_000
    """Body of a request."""
    concurrency_limit: Count = 1_000
    """Requests at a time; further ones are answered with 429."""
    idle_timeout_ms: Millis = 5_000
    """Connection between two requests."""
    body_discard_timeout_ms: Millis = 5_000
    """For the rest of a body that nobody wants, so that its client comes to read the answer and can go on."""
    shutdown_timeout_ms: Millis = 3_000
    """For requests in progress at a shutdown, such as registrations that wait for a slow deployment."""
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
    """Where the port listens; without an IP, at bind_ip."""
    password: Secret | None = None
    """What clients have to prove that they know (SCRAM-SHA-256), under any user name. None: nobody is asked."""
    password_file: Path | None = None
    """A file whose first line is the password."""
    tls_certificate_file: Path | None = None
    """Certificate chain (PEM) for clients that ask for TLS. None: they are told that there is none."""
    tls_key_file: Path | None = None
    """The private key (PEM) of the certificate, if it is not in the same file."""
    max_connections: Count = 100
    """Clients at a time; further ones get the error 53300."""
    starting_connection_limit: Count = 256
    """Connections that have not said who they are; for a further one the oldest is closed."""
    startup_timeout_ms: Millis = 10_000
    """From accepting a connection until its client has proved who it is."""
    write_timeout_ms: Millis = 60_000
    """How long a client may leave 64 KiB of its answer unread; then it is cut off, and its query ends."""
    idle_timeout_ms: Millis | None = None
    """After which a connection without a query is closed. None: never."""
    portal_idle_timeout_ms: Millis = 30_000
    """The same for one that has left a query half read, which keeps a query worker from others."""
    message_size_limit: Size = 16 * MIB
    """Of one message of the protocol."""
    sql_size_limit: Size = 1 * MIB
    """Of the text of one statement, or of several in one message."""
    statement_limit: Count = 10_000
    """Statements in one message."""
    prepared_statement_limit: Count = 1_000
    """On one connection."""
    prepared_statement_size_limit: Size = 8 * MIB
    """Of the texts of a connection's prepared statements together."""
    portal_limit: Count = 16
    """Portals and cursors together, on one connection."""
    portal_size_limit: Size = 16 * MIB
    """Of the parameters of a connection's portals and cursors together."""
    startup_size_limit: Size = 10_000
    """Of each message until the client has proved who it is."""
    setting_limit: Count = 200
    """Settings that a client may make up, on one connection."""
    setting_size_limit: Size = 8 * KIB
    """Of one of them."""


@attrs.frozen
class Query:
    """SQL, on either port. Queries run in processes of their own, which start with the first one."""

    workers: Count | None = None
    """Processes at most; each runs one query at a time. None: one per processor, up to four."""
    queue: Count = 64
    """Queries that wait for a worker; further ones are refused."""
    memory: Size = 256 * MIB
    """What one query may hold in memory; sorts and groups beyond it go to disk, joins fail."""
    address_space: Size = 2048 * MIB
    """What one worker may allocate on top of what it has at its start. A query that wants more fails, and may take its worker along."""
    timeout_ms: Millis = 60_000
    """How long a query may compute; the time its client takes does not count."""
    take_timeout_ms: Millis = 60_000
    """How long a client may leave rows untaken before its query is ended."""
    idle_timeout_ms: Millis = 60_000
    """After which a worker without queries ends."""
    queries_per_worker: Count = 1_000
    """After which another process takes the place of a worker, whose memory grows a little with each query."""
    start_timeout_ms: Millis = 15_000
    """How long a worker may take to start."""
    cancel_timeout_ms: Millis = 250
    """How long a worker may take to end a query that nobody waits for any more; then it is replaced."""
    sql_size_limit: Size = 1 * MIB
    """Of the text of one statement, on either port."""
    worker_cache: Size = 16 * MIB
    """Parts of tables that each worker keeps in memory."""
    tmp_dir: Path | None = None
    """Where workers keep what does not fit into memory; emptied at start. None: in base_dir."""


@attrs.frozen
class Invoker:
    """Attempts: how long, how large, how many at a time."""

    inactivity_timeout_ms: Millis | None = None
    """Silence after which the service is asked to suspend. None: by generation."""
    abort_timeout_ms: Millis | None = None
    """Further silence after which the stream is reset. None: by generation."""
    message_size_warning: Size = 10 * MIB
    """A message of a service that is larger is logged."""
    message_size_limit: Size = 32 * MIB
    """A message to or from a service that is larger fails the attempt (RT0003)."""
    eager_state_size_limit: Size | None = None
    """State sent along with the start of an attempt; None: as much as a message may have."""
    concurrency_limit: Count = 1_000
    """Attempts at a time; further invocations wait in turns by service."""
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
    """How the delay between attempts grows."""
    initial_interval_ms: Millis | None = None
    """Delay after the first failed attempt."""
    factor: Factor | None = None
    """By which the delay grows with each attempt."""
    max_interval_ms: Millis | None = None
    """The longest delay."""
    max_attempts: Attempts | None = None
    """Attempts in a row, the first one included."""
    on_max_attempts: OnMaxAttempts | None = None
    """What happens to an invocation whose attempts are used up."""
    max_attempts_limit: Count | None = None
    """What a service may ask for at most; None: anything."""
    jitter: Ratio = 0.3
    """By which share of itself a delay may be longer, at random, so that what failed together does not come back so."""

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
    """Result of a call with an idempotency key."""
    workflow_ms: Millis | None = None
    """Result of a workflow run."""
    journal_ms: Millis | None = None
    """Journal of an invocation that has ended."""
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
    """From asking a deployment until its whole answer is here."""
    response_size_limit: Size = 16 * MIB
    """The whole answer of a deployment."""
    retry_initial_interval_ms: Millis = 100
    """Before a deployment that seems to be starting or overloaded is asked again; doubled each time."""
    max_attempts: Count = 5
    """How often it is asked, the first time included, within request_timeout."""


@attrs.frozen
class Engine:
    """The partition loop. A batch ends at whichever limit comes first."""

    batch_records: Count = 32
    """Records that are applied together."""
    batch_bytes: Size = 1 * MIB
    """Bytes of records that are applied together."""
    queue_limit: Count = 4_096
    """Records that wait for the loop; further callers wait or are refused."""
    timers_in_memory: Count = 1_024
    """The next timers that are due; the others stay on disk."""


@attrs.frozen
class Storage:
    """RocksDB's memory and files; of all tables together where not said otherwise."""

    block_cache_bytes: Size = 32 * MIB
    """Parts of tables kept in memory."""
    write_buffer_bytes: Size = 32 * MIB
    """New rows kept in memory until they are merged into tables."""
    table_write_buffer_bytes: Size = 8 * MIB
    """Of one table."""
    log_bytes: Size = 64 * MIB
    """Write-ahead log after which tables are flushed."""
    background_jobs: Count = 2
    """Threads that write and merge tables."""
    open_file_limit: Count | None = None
    """Files of tables that are kept open. None: all of them, which is fastest; about one per 2 to 64 MiB of data."""


@attrs.frozen
class Net:
    """Limits of every connection. `client_*` are the connections to deployments, the others our listeners."""

    connection_limit: Count = 10_000
    """Per port; further ones wait in the kernel's backlog."""
    backlog: Count = 4_096
    """Connections per port that the kernel holds until they are accepted; it may have a lower limit of its own."""
    header_size_limit: Size = 64 * KIB
    """All headers of a request or answer together."""
    header_count_limit: Count = 512
    """Headers of a request."""
    header_timeout_ms: Millis = 15_000
    """From the first byte of a request until its headers are complete."""
    first_bytes_timeout_ms: Millis = 10_000
    """From accepting a connection until it says anything."""
    stall_timeout_ms: Millis = 60_000
    """A peer that neither sends the rest of its body nor takes ours for so long is cut off."""
    probe_interval_ms: Millis = 30_000
    """An HTTP/1.1 client that has ended its side is asked so often whether it still waits."""
    linger_timeout_ms: Millis = 1_000
    """Reading on after a refusal, so that the client can read the answer."""
    body_discard_limit: Size = 256 * KIB
    """Unread body that is read and dropped to keep an HTTP/1.1 connection."""
    idle_timeout_ms: Millis = 75_000
    """HTTP/1.1 connection between two requests."""
    h2_idle_timeout_ms: Millis = 600_000
    """HTTP/2 connection without a request."""
    stream_limit: Count = 1_000
    """Requests at a time on one HTTP/2 connection."""
    stream_window_bytes: Size = 1 * MIB
    """Body bytes that a client may send ahead, of one request."""
    connection_window_bytes: Size = 4 * MIB
    """Body bytes that a client may send ahead, of all requests of a connection."""
    write_backlog_bytes: Size = 64 * KIB
    """Bytes of answers that wait for a slow HTTP/2 client."""
    control_backlog_bytes: Size = 1 * MIB
    """What is read from an HTTP/2 client that takes nothing; then nothing more is read from it."""
    reset_limit: Count = 1_000
    """Streams that a peer may reset within ten seconds."""
    control_frame_limit: Count = 10_000
    """Pings, settings, priorities and empty frames that a peer may send within ten seconds."""
    ping_interval_ms: Millis = 60_000
    """Silence after which an HTTP/2 client is asked whether it lives."""
    ping_timeout_ms: Millis = 20_000
    """How long its answer may take."""
    client_connect_timeout_ms: Millis = 10_000
    """Until a connection to a deployment is there, TLS included."""
    client_settings_timeout_ms: Millis = 5_000
    """Until a deployment has said that it speaks HTTP/2."""
    client_connection_limit: Count = 4
    """HTTP/2 connections to one authority."""
    client_stream_limit: Count = 128
    """At a time on one connection; the peer's own limit may be lower."""
    client_streams_until_retirement: Count = 900
    """A connection that has carried so many streams opens no more: common servers drop theirs after 1,000."""
    client_idle_timeout_ms: Millis = 300_000
    """A connection to a deployment that nobody uses is closed after so long."""
    client_idle_connection_limit: Count = 64
    """HTTP/1.1 connections kept open to one authority."""
    client_ping_interval_ms: Millis = 40_000
    """Silence after which a deployment is asked whether it lives."""
    client_ping_timeout_ms: Millis = 20_000
    """How long its answer may take."""
    client_stream_window_bytes: Size = 2 * MIB
    """Body bytes that a deployment may send ahead, of one attempt."""
    client_connection_window_bytes: Size = 16 * MIB
    """Body bytes that a deployment may send ahead, of all attempts of a connection."""
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
    """Levels trace, debug, info, warn, error, off; for everything, and by component name as in restate.invoker=debug."""
    format: LogFormat = "pretty"
    """pretty for people, compact for narrow terminals, json for machines."""
    disable_ansi_codes: bool = False
    """Whether colours are left out on a terminal too."""


@attrs.frozen
class Tracing:
    """Spans for OpenTelemetry; needs the extra `tracing`. Without endpoint and directory nothing is recorded."""

    endpoint: Url | None = None
    """Of a collector that takes OTLP over HTTP, such as http://localhost:4318."""
    headers: Secret | None = None
    """For the collector: name=value, separated by commas."""
    json_file_export_path: Path | None = None
    """A directory that gets files in the form of Jaeger."""
    sample_ratio: Ratio = 1.0
    """Share of the traces that begin here; whether another one is recorded, its beginning decides."""
    service_name: str = "restate"
    """What the spans say that they are from."""
    export_timeout_ms: Millis = 5_000
    """How long the collector may take for a batch of spans."""
    shutdown_timeout_ms: Millis = 2_000
    """For the last spans to reach the collector, at the end."""


@attrs.frozen
class Observability:
    """What operators see."""

    log: Log = Log()
    tracing: Tracing = Tracing()


@attrs.frozen
class Config:
    """The whole tree. sources: {setting: where its value is from}; a setting without an entry has its default."""

    base_dir: Path = Path("target")
    """Directory of all data; made if missing. Relative to the working directory."""
    bind_ip: Ip = _LOOPBACK
    """Address of the ports that name none; 0.0.0.0 opens them to other machines."""
    cluster_name: str = "localcluster"
    """What services and tools are told that they talk to."""
    partitions: Count = 24
    """Number of labels that rows are divided by; one process serves them all."""
    shutdown_grace_period_ms: Millis = 60_000
    """Upper bound of a shutdown; what is cut goes on at the next start."""
    shutdown_attempts_timeout_ms: Millis | None = None
    """Of it, for attempts that do not suspend when asked, because they are busy or hang. None: a sixth."""
    shutdown_clients_timeout_ms: Millis | None = None
    """Of it, for clients to take their answers once no new ones can come. None: a twentieth."""
    node_ctrl: NodeCtrl = NodeCtrl()
    ingress: Ingress = Ingress()
    admin: Admin = Admin()
    postgres: Postgres = Postgres()
    query: Query = Query()
    invoker: Invoker = Invoker()
    retry_policy: RetrySettings = RetrySettings()
    retention: Retention = Retention()
    discovery: Discovery = Discovery()
    engine: Engine = Engine()
    storage: Storage = Storage()
    net: Net = Net()
    observability: Observability = Observability()

    @property
    def shutdown_attempts_s(self) -> float:
        """Seconds for attempts at a shutdown."""
        given_ms = self.shutdown_attempts_timeout_ms
        return self.shutdown_grace_period_ms / 6_000 if given_ms is None else given_ms / 1000

    @property
    def shutdown_clients_s(self) -> float:
        """Seconds for clients at a shutdown."""
        given_ms = self.shutdown_clients_timeout_ms
        return self.shutdown_grace_period_ms / 20_000 if given_ms is None else given_ms / 1000

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

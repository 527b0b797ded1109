"""Settings of the four ports, and of the queries that two of them take. See `tree`."""

from pathlib import Path

import attrs

from restate.runtime.config.values import (
    KIB,
    MIB,
    Address,
    Count,
    KafkaClusters,
    Millis,
    PositiveMillis,
    Secret,
    Size,
)

LOOPBACK = "127.0.0.1"


@attrs.frozen
class NodeCtrl:
    """Port 5122: gRPC for operators, metrics."""

    bind_address: Address = Address(LOOPBACK, 5122)
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

    bind_address: Address = Address(LOOPBACK, 8080)
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
    """URL that clients are told; None: the bound address, with https:// if the port speaks TLS."""
    json: IngressJson = IngressJson()
    kafka_clusters: KafkaClusters = ()
    """Clusters that subscriptions may name besides those that the admin port is told."""


@attrs.frozen
class Admin:
    """Port 9070: REST for people and the command-line client."""

    bind_address: Address = Address(LOOPBACK, 9070)
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
    """Connection between two requests; 0 ends it with its first answer. A first request may take net.first_bytes_timeout."""
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

    bind_address: Address = Address(LOOPBACK, 9071)
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
    startup_timeout_ms: PositiveMillis = 10_000
    """From accepting a connection until its client has proved who it is."""
    write_timeout_ms: PositiveMillis = 60_000
    """How long a client may leave 64 KiB of its answer unread; then it is cut off, and its query ends."""
    idle_timeout_ms: PositiveMillis | None = None
    """After which a connection without a query is closed. None: never."""
    portal_idle_timeout_ms: PositiveMillis = 30_000
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
    timeout_ms: PositiveMillis = 60_000
    """How long a query may compute; the time its client takes does not count."""
    take_timeout_ms: PositiveMillis = 60_000
    """How long a client may leave rows untaken before its query is ended."""
    idle_timeout_ms: Millis = 60_000
    """After which a worker without queries ends."""
    queries_per_worker: Count = 1_000
    """After which another process takes the place of a worker, whose memory grows a little with each query."""
    start_timeout_ms: PositiveMillis = 15_000
    """How long a worker may take to start."""
    cancel_timeout_ms: Millis = 250
    """How long a worker may take to end a query that nobody waits for any more; then it is replaced."""
    sql_size_limit: Size = 1 * MIB
    """Of the text of one statement, on either port."""
    worker_cache: Size = 16 * MIB
    """Parts of tables that each worker keeps in memory."""
    catalog_timeout_ms: PositiveMillis = 500
    """How long a statement about the catalog, such as clients send to list tables, may compute."""
    catalog_row_limit: Count = 100_000
    """Rows that it may give."""
    tmp_dir: Path | None = None
    """Where workers keep what does not fit into memory; emptied at start. None: in base_dir."""

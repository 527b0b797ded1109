"""Every setting, with its default. Durations are milliseconds (`_ms`), sizes are bytes.

The name of a setting is its path, without `_ms`: `net.idle_timeout_ms` is set as `net.idle_timeout`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from restate.runtime.config.ports import LOOPBACK, Admin, Ingress, NodeCtrl, Postgres, Query
from restate.runtime.config.values import (
    KIB,
    MIB,
    Address,
    Count,
    HeaderText,
    Ip,
    LogFilter,
    LogFormat,
    Millis,
    OtlpProtocol,
    PositiveMillis,
    Ratio,
    Secret,
    Size,
    Url,
    WholeWindow,
    Window,
)
from restate.runtime.config.work import Discovery, Engine, Invoker, Retention, RetrySettings, Storage


@attrs.frozen
class Net:
    """Limits of every connection. `client_*` are the connections to deployments, the others our listeners."""

    connection_limit: Count = 10_000
    """Per port; further ones wait in the kernel's backlog."""
    backlog: Count = 4_096
    """Connections per port that the kernel holds until they are accepted; it may have a lower limit of its own."""
    header_size_limit: Window = 64 * KIB
    """All headers of a request or answer together."""
    header_count_limit: Count = 512
    """Headers of a request."""
    header_timeout_ms: PositiveMillis = 15_000
    """From the first byte of a request until its headers are complete."""
    first_bytes_timeout_ms: PositiveMillis = 10_000
    """From accepting a connection until it says anything."""
    stall_timeout_ms: PositiveMillis = 60_000
    """A peer that neither sends the rest of its body nor takes ours for so long is cut off."""
    probe_interval_ms: Millis = 30_000
    """An HTTP/1.1 client that has ended its side is asked so often whether it still waits."""
    linger_timeout_ms: Millis = 1_000
    """Reading on after a refusal, so that the client can read the answer."""
    body_discard_limit: Size = 256 * KIB
    """Unread body that is read and dropped to keep an HTTP/1.1 connection."""
    idle_timeout_ms: Millis = 75_000
    """HTTP/1.1 connection between two requests; 0 ends it with its first answer."""
    h2_idle_timeout_ms: PositiveMillis = 600_000
    """HTTP/2 connection without a request."""
    stream_limit: Count = 1_000
    """Requests at a time on one HTTP/2 connection."""
    stream_window_bytes: Window = 1 * MIB
    """Body bytes that a client may send ahead, of one request."""
    connection_window_bytes: WholeWindow = 4 * MIB
    """Body bytes that a client may send ahead, of all requests of a connection."""
    write_backlog_bytes: Size = 64 * KIB
    """Bytes of answers that wait for a slow HTTP/2 client."""
    control_backlog_bytes: Size = 1 * MIB
    """What is read from an HTTP/2 client that takes nothing; then nothing more is read from it."""
    reset_limit: Count = 1_000
    """Streams that a peer may reset within ten seconds."""
    control_frame_limit: Count = 10_000
    """Pings, settings, priorities and empty frames that a peer may send within ten seconds."""
    ping_interval_ms: PositiveMillis = 60_000
    """Silence after which an HTTP/2 client is asked whether it lives."""
    ping_timeout_ms: PositiveMillis = 20_000
    """How long its answer may take."""
    client_connect_timeout_ms: PositiveMillis = 10_000
    """Until a connection to a deployment is there, TLS included."""
    client_settings_timeout_ms: PositiveMillis = 5_000
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
    client_ping_interval_ms: PositiveMillis = 40_000
    """Silence after which a deployment is asked whether it lives."""
    client_ping_timeout_ms: PositiveMillis = 20_000
    """How long its answer may take."""
    client_stream_window_bytes: Window = 2 * MIB
    """Body bytes that a deployment may send ahead, of one attempt."""
    client_connection_window_bytes: WholeWindow = 16 * MIB
    """Body bytes that a deployment may send ahead, of all attempts of a connection."""
    client_write_backlog_bytes: Size = 256 * KIB
    """Bytes of bodies that wait for a slow deployment, of one HTTP/2 connection."""
    client_goodbye_timeout_ms: Millis = 1_000
    """For the last frames of an HTTP/2 connection to a deployment, when it ends."""
    client_resend_limit: Count = 3
    """How often a request is sent anew over HTTP/2 that a deployment has certainly not begun with."""
    client_resend_size_limit: Size = 256 * KIB
    """Request body that is kept until its answer begins, so that it can be sent anew."""
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
    """Of a collector that takes OTLP, such as http://localhost:4318."""
    protocol: OtlpProtocol | None = None
    """http or grpc, under OTLP. None: grpc if the port of the endpoint is 4317, which is registered for it."""
    headers: Secret | None = None
    """For the collector: name=value, separated by commas."""
    json_file_export_path: Path | None = None
    """A directory that gets files in the form of Jaeger."""
    sample_ratio: Ratio = 1.0
    """Share of the traces that begin here; whether another one is recorded, its beginning decides."""
    service_name: str = "restate"
    """What the spans say that they are from."""
    export_timeout_ms: PositiveMillis = 5_000
    """How long the collector may take for a batch of spans."""
    shutdown_timeout_ms: Millis = 2_000
    """For the last spans to reach the collector, at the end."""


@attrs.frozen
class Measuring:
    """What Prometheus is told."""

    label_set_limit: Count = 1_000
    """Combinations of label values of one metric, such as services and handlers; further ones are counted as `other`."""


@attrs.frozen
class Observability:
    """What operators see."""

    log: Log = Log()
    metrics: Measuring = Measuring()
    tracing: Tracing = Tracing()


@attrs.frozen
class Config:
    """The whole tree. sources: {setting: where its value is from}; a setting without an entry has its default."""

    base_dir: Path = Path("target")
    """Directory of all data; made if missing. Relative to the working directory."""
    bind_ip: Ip = LOOPBACK
    """Address of the ports that name none; 0.0.0.0 opens them to other machines."""
    cluster_name: HeaderText = "localcluster"
    """What services and tools are told that they talk to."""
    partitions: Count = 24
    """Number of labels that rows are divided by; one process serves them all."""
    shutdown_grace_period_ms: Millis = 60_000
    """Upper bound of a shutdown; what is cut goes on at the next start. 0 cuts at once."""
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

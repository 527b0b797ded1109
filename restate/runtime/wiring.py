"""From the one configuration to each part's own limits. No part below `app` knows the tree of another one."""

import hashlib
import importlib
import logging
import os
import re
import ssl
from collections.abc import Callable
from pathlib import Path

from restate.runtime.config import Address, Config
from restate.runtime.errors import ConfigError
from restate.runtime.invoker.failure import LastFailure
from restate.runtime.invoker.status import AttemptStatus
from restate.runtime.model.clock import Clock
from restate.runtime.model.target import Generation
from restate.runtime.net.client import ClientLimits
from restate.runtime.net.limits import Limits
from restate.runtime.net.proxy import Proxy
from restate.runtime.net.tls import ServerTls
from restate.runtime.pgwire.limits import Limits as PostgresLimits
from restate.runtime.query.live import LiveAttempt, LiveFailure, failure_text
from restate.runtime.query.postgres_options import PostgresOptions
from restate.runtime.query.postgres_security import password_verifier
from restate.runtime.query.settings import PoolSettings
from restate.runtime.query.worker_process import WorkerSettings
from restate.runtime.schema.options import Defaults, OptionDefaults
from restate.runtime.security import Security
from restate.runtime.service_protocol.identity import Identity
from restate.runtime.signing_key import load_signing_key
from restate.runtime.storage.rocksdb import RocksOptions
from restate.runtime.telemetry.tracing import NO_TRACER, Tracer

log = logging.getLogger("restate.app")

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


def addresses(config: Config) -> dict[str, Address]:
    """{section of the configuration: where its port listens}."""
    return {
        "node_ctrl": config.node_ctrl.bind_address,
        "ingress": config.ingress.bind_address,
        "admin": config.admin.bind_address,
        "postgres": config.postgres.bind_address,
    }


def ingress_url(config: Config, address: Address) -> str:
    """What clients are told. address: of the ingress port, as it is in use."""
    if config.ingress.advertised_endpoint is not None:
        return config.ingress.advertised_endpoint
    scheme = "http" if config.ingress.tls_certificate_file is None else "https"
    # That of all interfaces is none that a client can connect to.
    reachable = Address("127.0.0.1", address.port) if address.ip in ("0.0.0.0", "::") else address
    return f"{scheme}://{reachable}/"


def listener_limits(config: Config) -> Limits:
    """Of the ports that our own listener serves."""
    net = config.net
    return Limits(
        max_connections=net.connection_limit,
        probe_interval=net.probe_interval_ms / 1000,
        linger_timeout=net.linger_timeout_ms / 1000,
        body_drain_bytes=net.body_discard_limit,
        control_backlog_bytes=net.control_backlog_bytes,
        control_frames_per_interval=net.control_frame_limit,
        first_bytes_timeout=net.first_bytes_timeout_ms / 1000,
        head_timeout=net.header_timeout_ms / 1000,
        body_timeout=net.stall_timeout_ms / 1000,
        write_timeout=net.stall_timeout_ms / 1000,
        idle_timeout=net.idle_timeout_ms / 1000,
        h2_idle_timeout=net.h2_idle_timeout_ms / 1000,
        ping_after=net.ping_interval_ms / 1000,
        ping_timeout=net.ping_timeout_ms / 1000,
        header_block_bytes=net.header_size_limit,
        header_count=net.header_count_limit,
        max_concurrent_streams=net.stream_limit,
        initial_window_bytes=net.stream_window_bytes,
        connection_window_bytes=net.connection_window_bytes,
        write_backlog_bytes=net.write_backlog_bytes,
        resets_per_interval=net.reset_limit,
    )


def client_limits(config: Config) -> ClientLimits:
    """Of the connections to deployments."""
    net = config.net
    return ClientLimits(
        connect_timeout_s=net.client_connect_timeout_ms / 1000,
        settings_timeout_s=net.client_settings_timeout_ms / 1000,
        streams_per_connection=net.client_stream_limit,
        retire_after_streams=net.client_streams_until_retirement,
        connections_per_authority=net.client_connection_limit,
        idle_timeout_s=net.client_idle_timeout_ms / 1000,
        h1_idle_connections=net.client_idle_connection_limit,
        ping_interval_s=net.client_ping_interval_ms / 1000,
        ping_timeout_s=net.client_ping_timeout_ms / 1000,
        stream_window_bytes=net.client_stream_window_bytes,
        connection_window_bytes=net.client_connection_window_bytes,
        header_list_bytes=net.header_size_limit,
        write_backlog_bytes=net.client_write_backlog_bytes,
        goodbye_timeout_s=net.client_goodbye_timeout_ms / 1000,
        resends=net.client_resend_limit,
        kept_body_bytes=net.client_resend_size_limit,
    )


def client_trust(config: Config) -> ssl.SSLContext | None:
    """Of the configured file; None means the system's. Raises ConfigError."""
    path = config.net.client_ca_file
    if path is None:
        return None
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        reason = "it holds none" if isinstance(error, ssl.SSLError) else f"cannot read it: {error.strerror}"
        raise ConfigError(
            f"net.client_ca_file: expected certificates in PEM form in {path}, but {reason}"
        ) from error


def client_proxy(config: Config) -> Proxy | None:
    """Where requests to http:// deployments go."""
    net = config.net
    if net.client_proxy is None:
        return None
    log.info("http:// deployments are called through the proxy %s", net.client_proxy)
    return Proxy.of(net.client_proxy, net.client_no_proxy or "")


def check(config: Config) -> None:
    """Read every file that the configuration names. Raises ConfigError for the first one that cannot be used."""
    check_directories(config)
    client_trust(config)
    postgres_options(config, Security.of(config).tls.get("postgres"))
    tracer(config)[1]()
    if config.invoker.request_identity_private_key_pem_file is not None:
        load_signing_key(config.invoker.request_identity_private_key_pem_file)


def check_directories(config: Config) -> None:
    """Whether what is written much later can be written. Raises ConfigError."""
    directories = {
        "observability.tracing.json_file_export_path": config.observability.tracing.json_file_export_path,
        "query.tmp_dir": config.query.tmp_dir,
    }
    for setting, path in directories.items():
        if path is None:
            continue
        from restate.runtime.config.directory import nearest_directory  # only here: most starts name none

        try:
            usable = os.access(nearest_directory(path), os.W_OK | os.X_OK)
        except OSError as error:
            raise ConfigError(
                f"{setting}: expected a directory that can be made and written, but cannot use {path}: {error.strerror}"
            ) from error
        if not usable:
            raise ConfigError(f"{setting}: expected a directory that can be made and written, got {path}")


def identity(config: Config, clock: Clock) -> Identity:
    """Who we are to services. Raises ConfigError."""
    path = config.invoker.request_identity_private_key_pem_file
    key = None if path is None else load_signing_key(path)
    if key is not None:
        log.info("requests to services are signed; the public key is %s", key.id)
    return Identity(
        config.cluster_name, clock, key, expiration_ms=config.invoker.request_identity_expiration_ms
    )


def postgres_options(config: Config, tls: ServerTls | None) -> PostgresOptions:
    """Of port 9071. Raises ConfigError."""
    postgres = config.postgres
    idle_ms = postgres.idle_timeout_ms
    return PostgresOptions(
        password=password_verifier(postgres.password, postgres.password_file),
        tls=None if tls is None else tls.context,
        max_connections=postgres.max_connections,
        max_starting=postgres.starting_connection_limit,
        startup_timeout=postgres.startup_timeout_ms / 1000,
        write_timeout=postgres.write_timeout_ms / 1000,
        idle_timeout=float("inf") if idle_ms is None else idle_ms / 1000,
        portal_idle_timeout=postgres.portal_idle_timeout_ms / 1000,
        linger_timeout=config.net.linger_timeout_ms / 1000,
        limits=PostgresLimits(
            message_size=postgres.message_size_limit,
            sql_size=postgres.sql_size_limit,
            statements=postgres.statement_limit,
            prepared_statements=postgres.prepared_statement_limit,
            prepared_size=postgres.prepared_statement_size_limit,
            portals=postgres.portal_limit,
            portals_size=postgres.portal_size_limit,
            startup_size=postgres.startup_size_limit,
            settings=postgres.setting_limit,
            setting_size=postgres.setting_size_limit,
        ),
    )


def tracer(config: Config) -> tuple[Tracer, Callable[[], None]]:
    """Where spans go, and what sends the rest of them at the end: it may block. Raises ConfigError."""
    tracing = config.observability.tracing
    headers = _headers("observability.tracing.headers", tracing.headers or "")
    if tracing.endpoint is None and tracing.json_file_export_path is None:
        return NO_TRACER, lambda: None
    try:
        otel = importlib.import_module("restate.runtime.telemetry.otel")
    except ModuleNotFoundError as error:
        setting = "endpoint" if tracing.endpoint is not None else "json_file_export_path"
        raise ConfigError(
            f"observability.tracing.{setting}: expected OpenTelemetry's SDK to be installed, but there is no {error.name};"
            " pip install 'restate-runtime[tracing]'"
        ) from error
    made = otel.make_tracer(
        tracing.endpoint,
        headers,
        tracing.json_file_export_path,
        tracing.sample_ratio,
        tracing.service_name,
        tracing.export_timeout_ms / 1000,
        tracing.protocol,
    )
    return made, made.shutdown


def _headers(setting: str, text: str) -> dict[str, str]:
    """Of `name=value,...`. The values may be secrets and stay out of the message."""
    headers = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = (part.strip() for part in pair.partition("="))
        if (
            not separator
            or not _HEADER_NAME.fullmatch(name)
            or not value.isascii()
            or not value.isprintable()
        ):
            raise ConfigError(f"{setting}: expected name=value, in printable ASCII and separated by commas")
        headers[name] = value
    return headers


def rocks_options(config: Config) -> RocksOptions:
    return RocksOptions(
        cache_size=config.storage.block_cache_bytes,
        write_buffers_size=config.storage.write_buffer_bytes,
        table_write_buffer_size=config.storage.table_write_buffer_bytes,
        wal_size=config.storage.log_bytes,
        background_jobs=config.storage.background_jobs,
        open_files=config.storage.open_file_limit,
    )


def pool_settings(config: Config) -> PoolSettings:
    """Of the query workers."""
    query = config.query
    return PoolSettings(
        worker=WorkerSettings(
            database=config.base_dir / "db",
            home=_query_home(config),
            memory_bytes=query.memory,
            address_space_bytes=query.address_space,
            start_timeout_s=query.start_timeout_ms / 1000,
            cache_bytes=query.worker_cache,
            catalog_timeout_s=query.catalog_timeout_ms / 1000,
            catalog_row_limit=query.catalog_row_limit,
        ),
        worker_limit=min(4, os.cpu_count() or 1) if query.workers is None else query.workers,
        queue_limit=query.queue,
        timeout_s=query.timeout_ms / 1000,
        take_timeout_s=query.take_timeout_ms / 1000,
        idle_timeout_s=query.idle_timeout_ms / 1000,
        queries_per_worker=query.queries_per_worker,
        cancel_grace_s=query.cancel_timeout_ms / 1000,
        longest_sql=query.sql_size_limit,
    )


def _query_home(config: Config) -> Path:
    """Emptied at every start, so no other server may have the same one."""
    if config.query.tmp_dir is None:
        return config.base_dir / "query"
    digest = hashlib.sha256(str(config.base_dir.absolute()).encode()).hexdigest()
    return config.query.tmp_dir / f"restate-query-{digest[:12]}"


def live_attempt(status: AttemptStatus) -> LiveAttempt:
    """What SQL shows of an invocation in the hands of the invoker."""
    return LiveAttempt(
        status.invocation,
        status.in_flight,
        status.retry_count,
        status.last_start_ms,
        status.deployment,
        status.server,
        status.next_retry_ms,
        None if status.failure is None else _live_failure(status.failure),
    )


def _live_failure(failure: LastFailure) -> LiveFailure:
    text = failure_text(failure.status, failure.message, failure.stacktrace)
    related = failure.related
    if related is None:
        return LiveFailure(text, failure.code)
    return LiveFailure(text, failure.code, related.index, related.name, related.type)


def option_defaults(config: Config) -> Defaults:
    """What services and handlers get that set nothing themselves."""
    return Defaults(
        classic=_defaults_of(config, Generation.CLASSIC),
        modern=_defaults_of(config, Generation.MODERN),
    )


def _defaults_of(config: Config, generation: Generation) -> OptionDefaults:
    return OptionDefaults(
        inactivity_timeout_ms=config.invoker.inactivity_timeout_of(generation),
        abort_timeout_ms=config.invoker.abort_timeout_of(generation),
        retry=config.retry_policy.policy_of(generation),
        idempotency_retention_ms=config.retention.idempotency_of(generation),
        workflow_retention_ms=config.retention.workflow_of(generation),
        journal_retention_ms=config.retention.journal_of(generation),
        max_journal_retention_ms=config.retention.max_journal_ms,
        max_retry_attempts=config.retry_policy.max_attempts_limit,
    )

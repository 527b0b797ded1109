"""What a setting may be called: our names, and those that both generations of upstream files and environments use.

Everything is compared in lower case with `_` for `-`; levels are joined by `.`.
"""

from collections.abc import Callable
from pathlib import Path

from restate.runtime.config.tree import SETTINGS

_PREFIXES = {
    "worker.invoker.retry_policy": "retry_policy",
    "default_retry_policy": "retry_policy",
    "worker.invoker": "invoker",
    "worker.ingress_grpc": "ingress",
    "worker.ingress": "ingress",
    "worker.storage_query_postgres": "postgres",
    "worker.storage_query_datafusion": "query",
    "admin.query_engine": "query",
    "worker.timers": "engine",
}
"""Sections with another name; the longest one that fits is taken."""

_KEYS = {
    "meta.storage_path": "base_dir",
    "worker.storage_rocksdb.path": "base_dir",
    "bind_address": "node_ctrl.bind_address",
    "admin.query_engine.pgsql_bind_address": "postgres.bind_address",
    "query.memory_limit": "query.memory",
    "query.memory_size": "query.memory",
    "query.temp_folder": "query.tmp_dir",
    "query.query_parallelism": "query.workers",
    "ingress.advertised_ingress_endpoint": "ingress.advertised_endpoint",
    "worker.kafka.clusters": "ingress.kafka_clusters",
    "ingress.kafka.clusters": "ingress.kafka_clusters",
    "ingress.concurrent_api_requests_limit": "ingress.concurrency_limit",
    "admin.concurrent_api_requests_limit": "admin.concurrency_limit",
    "invoker.concurrent_invocations_limit": "invoker.concurrency_limit",
    "retry_policy.exponentiation_factor": "retry_policy.factor",
    "retry_policy.interval": "retry_policy.initial_interval",
    "max_retry_policy_max_attempts": "retry_policy.max_attempts_limit",
    "default_idempotency_retention": "retention.idempotency",
    "default_workflow_completion_retention": "retention.workflow",
    "default_journal_retention": "retention.journal",
    "max_journal_retention": "retention.max_journal",
    "worker.partitions": "partitions",
    "default_num_partitions": "partitions",
    "bootstrap_num_partitions": "partitions",
    "worker.internal_queue_length": "engine.queue_limit",
    "worker.max_command_batch_size": "engine.batch_records",
    "worker.max_command_batch_bytes": "engine.batch_bytes",
    "worker.num_timers_in_memory_limit": "engine.timers_in_memory",
    "engine.num_timers_in_memory_limit": "engine.timers_in_memory",
    "shutdown_timeout": "shutdown_grace_period",
    "request_identity_private_key_pem_file": "invoker.request_identity_private_key_pem_file",
    "request_identity_expiration": "invoker.request_identity_expiration",
    "invoker.service_client.http.proxy_uri": "net.client_proxy",
    "meta.service_client.http.proxy_uri": "net.client_proxy",
    "invoker.proxy_uri": "net.client_proxy",
    "invoker.http_proxy": "net.client_proxy",
    "connect_timeout": "net.client_connect_timeout",
    "invoker.connect_timeout": "net.client_connect_timeout",
    "http_keep_alive_options.interval": "net.client_ping_interval",
    "http_keep_alive_options.timeout": "net.client_ping_timeout",
    "invoker.http_keep_alive_options.interval": "net.client_ping_interval",
    "invoker.http_keep_alive_options.timeout": "net.client_ping_timeout",
    "invoker.http2_keep_alive_interval": "net.client_ping_interval",
    "invoker.http2_keep_alive_timeout": "net.client_ping_timeout",
    "invoker.http2_streams_per_connection_limit": "net.client_stream_limit",
    "invoker.http2_idle_connection_timeout": "net.client_idle_timeout",
    "invoker.http2_initial_stream_window_size": "net.client_stream_window_bytes",
    "invoker.http2_initial_connection_window_size": "net.client_connection_window_bytes",
    "http_proxy": "net.client_proxy",
    "invoker.no_proxy": "net.client_no_proxy",
    "no_proxy": "net.client_no_proxy",
    "tracing_endpoint": "observability.tracing.endpoint",
    "tracing_headers": "observability.tracing.headers",
    "tracing_json_path": "observability.tracing.json_file_export_path",
    "log_filter": "observability.log.filter",
    "log_format": "observability.log.format",
    "log_disable_ansi_codes": "observability.log.disable_ansi_codes",
}


def _parent(path: object) -> object:
    return str(Path(path).parent) if isinstance(path, str) else path


def _joined(entries: object) -> object:
    if isinstance(entries, list) and all(isinstance(entry, str) for entry in entries):
        return ",".join(entries)
    return entries


TRANSLATIONS: dict[str, Callable[[object], object]] = {
    # Upstream's classic generation names a directory inside of what we call base_dir.
    "meta.storage_path": _parent,
    "worker.storage_rocksdb.path": _parent,
    # Upstream takes a list as well as text.
    "no_proxy": _joined,
    "worker.invoker.no_proxy": _joined,
    "admin.deployment_routing_headers": _joined,
}
"""How the value under another name becomes the value of the setting, where it differs."""


def normalize(name: str) -> str:
    """The form in which names are compared."""
    return name.strip().lower().replace("-", "_")


def setting_name(name: str) -> str | None:
    """Our name of the setting that a normalized name means, or None."""
    for _ in range(3):
        if name in SETTINGS:
            return name
        if name in _KEYS:
            name = _KEYS[name]
            continue
        prefix = max((p for p in _PREFIXES if name.startswith(f"{p}.")), key=len, default=None)
        if prefix is None:
            return None
        name = _PREFIXES[prefix] + name.removeprefix(prefix)
    return name if name in SETTINGS else None


def is_section(name: str) -> bool:
    """Whether a normalized name leads to settings below it."""
    below = f"{name}."
    return any(known.startswith(below) for known in known_names())


def nearest(name: str) -> str | None:
    """The known name that a wrong one was probably meant to be, in the same vocabulary if possible."""
    import difflib  # only here: most starts have no wrong name

    known = known_names()
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if close:
        return close[0]
    # A setting in the wrong section is off by a whole word, which the ratio does not forgive.
    last_word = name.rpartition(".")[2]
    by_last_word = {k.rpartition(".")[2]: k for k in known}
    close = difflib.get_close_matches(last_word, list(by_last_word), n=1, cutoff=0.8)
    return by_last_word[close[0]] if close else None


def known_names() -> list[str]:
    """Every name that means a setting, ours last."""
    prefixed = [
        alias + name.removeprefix(section)
        for alias, section in _PREFIXES.items()
        for name in SETTINGS
        if name.startswith(f"{section}.")
    ]
    return [*_KEYS, *prefixed, *SETTINGS]

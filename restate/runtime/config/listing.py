"""The tree in effect, with the source of each value: what `restate-server --print-config` prints."""

from collections.abc import Callable
from operator import attrgetter

from restate.runtime.config.tree import SETTINGS, Config
from restate.runtime.config.values import print_value
from restate.runtime.model.duration import format_duration
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation


def _duration(read: Callable[[Config, Generation], int]) -> Callable[[Config, Generation], str]:
    return lambda config, generation: format_duration(read(config, generation))


def _policy(read: Callable[[RetryPolicy], object]) -> Callable[[Config, Generation], str]:
    return lambda config, generation: str(read(config.retry_policy.policy_of(generation)))


_BY_GENERATION: dict[str, Callable[[Config, Generation], str]] = {
    "invoker.inactivity_timeout": _duration(lambda c, g: c.invoker.inactivity_timeout_of(g)),
    "invoker.abort_timeout": _duration(lambda c, g: c.invoker.abort_timeout_of(g)),
    "retry_policy.initial_interval": _policy(lambda p: format_duration(p.initial_interval_ms)),
    "retry_policy.factor": _policy(lambda p: p.factor),
    "retry_policy.max_interval": _policy(lambda p: format_duration(p.max_interval_ms)),
    "retry_policy.max_attempts": _policy(lambda p: p.max_attempts or "unlimited"),
    "retry_policy.on_max_attempts": _policy(lambda p: p.on_max_attempts),
    "retention.idempotency": _duration(lambda c, g: c.retention.idempotency_of(g)),
    "retention.workflow": _duration(lambda c, g: c.retention.workflow_of(g)),
    "retention.journal": _duration(lambda c, g: c.retention.journal_of(g)),
}

_UNSET = {
    "ingress.advertised_endpoint": "the bound address",
    "invoker.request_identity_private_key_pem_file": "requests are not signed",
    "observability.tracing.endpoint": "no collector",
    "observability.tracing.protocol": "grpc at port 4317, else http",
    "observability.tracing.headers": "none",
    "observability.tracing.json_file_export_path": "no files",
    "net.client_ca_file": "the system's certificates",
    "invoker.eager_state_size_limit": "as invoker.message_size_limit",
    "node_ctrl.token": "none; without a file either, nobody is asked",
    "node_ctrl.token_file": "no further tokens",
    "node_ctrl.tls_certificate_file": "plain HTTP",
    "node_ctrl.tls_key_file": "in the file of the certificate",
    "ingress.token": "none; without a file either, nobody is asked",
    "ingress.token_file": "no further tokens",
    "ingress.tls_certificate_file": "plain HTTP",
    "ingress.tls_key_file": "in the file of the certificate",
    "admin.token": "none; without a file either, nobody is asked",
    "admin.token_file": "no further tokens",
    "admin.tls_certificate_file": "plain HTTP",
    "admin.tls_key_file": "in the file of the certificate",
    "postgres.password": "none; without a file either, nobody is asked",
    "postgres.tls_certificate_file": "connections are not encrypted",
    "postgres.tls_key_file": "in the file of the certificate",
    "postgres.idle_timeout": "never",
    "query.workers": "one per processor, up to four",
    "query.tmp_dir": "in base_dir",
    "retry_policy.max_attempts_limit": "as services ask for",
    "retention.max_journal": "as services ask for",
    "shutdown_attempts_timeout": "a sixth of shutdown_grace_period",
    "shutdown_clients_timeout": "a twentieth of shutdown_grace_period",
    "storage.open_file_limit": "all are kept open",
}


def list_config(config: Config) -> str:
    """One line per setting, valid as a TOML file. Settings without a value of their own are comments."""
    return "".join(f"{_line(config, name)}\n" for name in SETTINGS)


def default_text(name: str) -> str:
    """The default of a setting, as it is written in a file; words where it has none."""
    setting = SETTINGS[name]
    if setting.default is not None:
        return print_value(setting.default, setting.kind)
    return _unset_text(Config(), name)


def _line(config: Config, name: str) -> str:
    setting = SETTINGS[name]
    value = attrgetter(".".join(setting.attributes))(config)
    source = config.sources.get(name, "default")
    if value is not None:
        return f"{name} = {print_value(value, setting.kind)}  # {source}"
    return f"# {name}: {_unset_text(config, name)}  # {source}"


def _unset_text(config: Config, name: str) -> str:
    read = _BY_GENERATION.get(name)
    if read is None:
        return _UNSET.get(name, "none")
    texts = [f"{generation.name.lower()} {read(config, generation)}" for generation in Generation]
    return ", ".join(texts)

"""The tree in effect, with the source of each value: what `restate-server --print-config` prints."""

from operator import attrgetter

from restate.runtime.config.tree import SETTINGS, Config
from restate.runtime.config.values import print_value
from restate.runtime.model.duration import format_duration
from restate.runtime.model.target import Generation


def list_config(config: Config) -> str:
    """One line per setting, valid as a TOML file. Values that follow the generation are comments."""
    lines = [_line(config, name) for name in SETTINGS]
    return "\n".join(lines) + "\n"


def _line(config: Config, name: str) -> str:
    setting = SETTINGS[name]
    value = attrgetter(".".join(setting.attributes))(config)
    source = config.sources.get(name, "default")
    if value is None:
        return f"# {name}: {_unset(config, name)}  # {source}"
    return f"{name} = {print_value(value, setting.kind)}  # {source}"


def _unset(config: Config, name: str) -> str:
    """What holds for a setting without a value of its own."""
    if name == "invoker.eager_state_size_limit":
        return "as invoker.message_size_limit"
    if name == "ingress.advertised_endpoint":
        return "the bound address"
    per_generation = {g: _by_generation(config, name, g) for g in Generation}
    return ", ".join(f"{generation.name.lower()} {text}" for generation, text in per_generation.items())


def _by_generation(config: Config, name: str, generation: Generation) -> str:
    if name == "invoker.inactivity_timeout":
        return format_duration(config.invoker.inactivity_timeout_of(generation))
    if name == "invoker.abort_timeout":
        return format_duration(config.invoker.abort_timeout_of(generation))
    policy = config.retry_policy.policy_of(generation)
    match name.removeprefix("retry_policy."):
        case "initial_interval":
            return format_duration(policy.initial_interval_ms)
        case "max_interval":
            return format_duration(policy.max_interval_ms)
        case "factor":
            return str(policy.factor)
        case "max_attempts":
            return "unlimited" if policy.max_attempts is None else str(policy.max_attempts)
        case _:
            return policy.on_max_attempts

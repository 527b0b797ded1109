"""Where a value is from, for errors that come after loading: a file that a setting names, a port, a directory."""

from restate.runtime.config.tree import SETTINGS, Config


def with_origin(message: str, config: Config) -> str:
    """A message that begins with the name of a setting and a colon tells where its value is from as well."""
    name, colon, rest = message.partition(": ")
    if not colon or name not in SETTINGS:
        return message
    return f"{name} ({origin_of(name, config)}): {rest}"


def origin_of(name: str, config: Config) -> str:
    """Such as `environment RESTATE_BIND_IP`, `restate.toml` or `default`."""
    origin = config.sources.get(name, "default")
    if name.endswith("bind_address") and "bind_ip" in config.sources:
        # An address without an IP takes this one.
        origin += f"; bind_ip: {config.sources['bind_ip']}"
    return origin

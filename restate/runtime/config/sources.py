"""Gathers the configuration from its sources; later ones win: defaults, file, environment, command line."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from restate.runtime.config.names import TRANSLATIONS, is_section, nearest, normalize, setting_name
from restate.runtime.config.tree import SETTINGS, Config, replace
from restate.runtime.config.values import CONVERTER, Address, KafkaClusters
from restate.runtime.errors import ConfigError

_ENVIRONMENT_PREFIX = "RESTATE_"
_FILE_VARIABLE = "RESTATE_CONFIG"
_DEFAULT_FILES = ("restate.yaml", "restate.toml")

_FOREIGN_VARIABLES = re.compile(
    # The official command-line client and the SDKs read these; they are no settings of a server.
    # HTTP2 chooses the HTTP/2 library while modules are imported, before there is a configuration (net/_h2.py).
    r"RESTATE_(HTTP2|HOST|HOST_SCHEME|ADMIN_URL|INGRESS_URL|AUTH_TOKEN|BEARER_TOKEN|IDENTITY_KEY|ENVIRONMENT|EDITOR"
    r"|CONNECT_TIMEOUT|REQUEST_TIMEOUT|(CLI|SDK|CORE|LOCAL|TEST)_.*|LOGGING"
    # Kubernetes puts these into every container beside a service that is called restate.
    r"|SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_.*)?)"
)


@attrs.frozen
class _Given:
    """One value as a source gives it. name: as written there. origin: for messages and the listing."""

    name: str
    raw: object
    origin: str


def load(
    overrides: Mapping[str, str], env: Mapping[str, str], cwd: Path, config_file: Path | None = None
) -> Config:
    """Weigh all sources. Raises ConfigError (RT0002) for the first key or value that cannot be used.

    overrides: {setting: text} of the command line. config_file wins over the variable RESTATE_CONFIG and the files
    looked for in cwd. Relative paths, base_dir too, start at cwd.
    """
    path = _file_to_read(config_file, env, cwd)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for source in (
        _from_file(path) if path is not None else iter(()),
        _from_environment(env),
        _from_proxy_variables(env),
        (_Given(name, text, "command line") for name, text in overrides.items()),
    ):
        _take(source, values, origins)
    return _build(values, origins, cwd)


def _build(values: Mapping[str, object], origins: Mapping[str, str], cwd: Path) -> Config:
    settled: dict[tuple[str, ...], object] = {}
    bind_ip = str(values.get("bind_ip", SETTINGS["bind_ip"].default))
    for name, setting in SETTINGS.items():
        value = values.get(name, setting.default)
        if isinstance(value, Address):
            ip = value.ip if name in values and value.ip else bind_ip
            value = Address(ip, value.port)
        elif isinstance(value, Path):
            value = cwd / value
        settled[setting.attributes] = value
    config = replace(Config(sources=dict(origins)), settled)
    assert isinstance(config, Config)
    return config


def _take(source: Iterator[_Given], values: dict[str, object], origins: dict[str, str]) -> None:
    """Check the values of one source and lay them over those of earlier ones."""
    seen: dict[str, _Given] = {}
    for given in source:
        normalized = normalize(given.name)
        name = setting_name(normalized)
        if name is None:
            raise _unknown(given, normalized)
        raw = TRANSLATIONS[normalized](given.raw) if normalized in TRANSLATIONS else given.raw
        value = _structure(name, raw, given)
        if name in seen and values[name] != value:
            raise ConfigError(
                f"{given.name} ({given.origin}): already set to another value as {seen[name].name}; keep one of them"
            )
        seen[name] = given
        values[name] = value
        origins[name] = given.origin if normalized == name else f"{given.origin} as {given.name}"


def _structure(name: str, raw: object, given: _Given) -> object:
    kind: Any = SETTINGS[name].kind
    try:
        if isinstance(raw, dict | list) and kind != KafkaClusters:
            # What is in it stays out of the message: it may be a secret.
            raise ValueError(f"expected a single value, got a {type(raw).__name__}")
        return CONVERTER.structure(raw, kind)
    except ValueError as error:
        raise ConfigError(f"{given.name} ({given.origin}): {error}") from None


def _unknown(given: _Given, normalized: str) -> ConfigError:
    if is_section(normalized):
        return ConfigError(
            f"{given.name} ({given.origin}): expected a section with keys below it, got a single value"
        )
    close = nearest(normalized)
    suggestion = f"did you mean {close}?" if close else "no known key is near it"
    return ConfigError(
        f"{given.name} ({given.origin}): unknown key, expected one of the settings; {suggestion}"
    )


def _from_environment(env: Mapping[str, str]) -> Iterator[_Given]:
    for variable, text in sorted(env.items()):
        if not variable.startswith(_ENVIRONMENT_PREFIX) or variable == _FILE_VARIABLE:
            continue
        if _FOREIGN_VARIABLES.fullmatch(variable):
            continue
        name = variable.removeprefix(_ENVIRONMENT_PREFIX).lower().replace("__", ".")
        yield _Given(name, text, f"environment {variable}")


def _from_proxy_variables(env: Mapping[str, str]) -> Iterator[_Given]:
    """What programs agree upon. Upstream lets them win over its own variables."""
    for variable in ("HTTP_PROXY", "NO_PROXY"):
        name = variable if env.get(variable) else variable.lower()
        if env.get(name):
            yield _Given(variable.lower(), env[name], f"environment {name}")


def _file_to_read(config_file: Path | None, env: Mapping[str, str], cwd: Path) -> Path | None:
    named = config_file or (Path(env[_FILE_VARIABLE]) if env.get(_FILE_VARIABLE) else None)
    if named is not None:
        return cwd / named
    found = [cwd / name for name in _DEFAULT_FILES if (cwd / name).is_file()]
    if len(found) > 1:
        raise ConfigError(f"both {' and '.join(_DEFAULT_FILES)} are in {cwd}; choose one with --config-file")
    return found[0] if found else None


def _from_file(path: Path) -> Iterator[_Given]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration file {path}: {error}") from error
    match path.suffix.lower():
        case ".toml":
            tree = _parse_toml(path, text)
        case ".yaml" | ".yml":
            tree = _parse_yaml(path, text)
        case suffix:
            raise ConfigError(f"expected a .toml, .yaml or .yml configuration file, got '{suffix}' in {path}")
    if not isinstance(tree, dict):
        raise ConfigError(f"expected keys and values in {path}, got {type(tree).__name__}")
    return _leaves(tree, "", path.name)


def _parse_toml(path: Path, text: str) -> object:
    import tomllib  # only here, as with YAML

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _parse_yaml(path: Path, text: str) -> object:
    import yaml  # only here: most starts have no YAML file, and the import would delay them

    try:
        return yaml.safe_load(text) or {}
    except yaml.MarkedYAMLError as error:
        # Its text has the line at fault, which may hold a secret.
        mark = error.problem_mark or error.context_mark
        place = "" if mark is None else f" (at line {mark.line + 1}, column {mark.column + 1})"
        raise ConfigError(f"{path} is not valid YAML: {error.problem or error.context}{place}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    except (ValueError, LookupError, AttributeError) as error:
        # The library lets them through for 2024-02-30, or `!!int x`.
        raise ConfigError(f"{path} is not valid YAML: a date, number or flag that is none") from error


def _leaves(tree: dict[Any, Any], prefix: str, origin: str) -> Iterator[_Given]:
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and setting_name(normalize(name)) is None:
            yield from _leaves(value, f"{name}.", origin)
        elif value is not None or not is_section(normalize(name)):  # in YAML a section without keys is null
            yield _Given(name, value, origin)

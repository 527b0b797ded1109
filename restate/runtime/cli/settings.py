"""Where the server is: environment variables over the section of the configuration file that is chosen.

The file is the official command line's: `config.toml` below `RESTATE_CLI_CONFIG_HOME`, one table for each environment.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs

from restate.runtime.cli.problems import CommandError

LOCAL = "local"
_ADMIN_PORT = 9070
_INGRESS_PORT = 8080


@attrs.frozen
class Settings:
    """environment: name of the section in use. token: sent as `Authorization: Bearer`, or None."""

    environment: str
    config_file: Path
    admin_url: str
    ingress_url: str
    token: str | None


def load(environment: str | None, environ: Mapping[str, str]) -> Settings:
    """environment: as given on the command line. Raises CommandError for a file or an environment that cannot be used."""
    home = Path(environ.get("RESTATE_CLI_CONFIG_HOME") or Path.home() / ".config" / "restate")
    name = environment or environ.get("RESTATE_ENVIRONMENT") or _selected(home) or LOCAL
    file = home / "config.toml"
    section = _section(file, name)
    host = environ.get("RESTATE_HOST", "localhost")
    return Settings(
        environment=name,
        config_file=file,
        admin_url=_url(
            environ.get("RESTATE_ADMIN_URL") or section.get("admin_base_url"),
            f"http://{host}:{_ADMIN_PORT}",
            "RESTATE_ADMIN_URL",
        ),
        ingress_url=_url(
            environ.get("RESTATE_INGRESS_URL") or section.get("ingress_base_url"),
            f"http://{host}:{_INGRESS_PORT}",
            "RESTATE_INGRESS_URL",
        ),
        token=_token(environ.get("RESTATE_AUTH_TOKEN") or section.get("bearer_token")),
    )


def _selected(home: Path) -> str | None:
    """What `restate config use-environment` of the official command line has written."""
    try:
        return (home / "environment").read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{home / 'environment'} cannot be read: {error}") from error


def _section(file: Path, name: str) -> dict[str, Any]:
    try:
        sections = tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        sections = {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    section = sections.get(name, {} if name == LOCAL else None)
    if not isinstance(section, dict):
        known = ", ".join([LOCAL, *(each for each in sections if each != LOCAL)])
        raise CommandError(f"the environment '{name}' is not in {file}; known are: {known}")
    return section


def _token(given: object) -> str | None:
    if given is None or (isinstance(given, str) and given.isascii() and given.isprintable()):
        return given
    raise CommandError("RESTATE_AUTH_TOKEN: expected a token of printable ASCII characters")


def _url(given: object, default: str, where: str) -> str:
    """Without a trailing slash."""
    url = (given or default) if isinstance(given, str | None) else ""
    if "://" not in url:
        url = f"http://{url}"
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        # What a request line cannot have.
        usable = usable and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        usable = False
    if not usable:
        raise CommandError(f"{where}: expected an http:// or https:// URL, got '{given or default}'")
    return url

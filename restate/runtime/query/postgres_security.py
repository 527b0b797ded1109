"""Password of the postgres port, from the file or setting that names it."""

import secrets
from pathlib import Path

from restate.runtime.config.secret_file import read_secret_text
from restate.runtime.errors import ConfigError
from restate.runtime.pgwire.scram import Verifier

_MOST_PASSWORD_BYTES = 4096
_SALT_SIZE = 16


def password_verifier(password: str | None, password_file: Path | None) -> Verifier | None:
    """What is needed to check the password, which one of the settings gives; None without either. Raises ConfigError."""
    if password is not None and password_file is not None:
        raise ConfigError("postgres.password: expected it or postgres.password_file to be set, not both")
    if password_file is not None:
        password = _first_line(password_file)
    return None if password is None else Verifier.of(password, secrets.token_bytes(_SALT_SIZE))


def _first_line(path: Path) -> str:
    text = read_secret_text("postgres.password_file", path, "a password", _MOST_PASSWORD_BYTES)
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise ConfigError(f"postgres.password_file: expected a password in the first line of {path}")
    return line

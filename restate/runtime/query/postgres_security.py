"""Password of the postgres port, from the file or setting that names it."""

import secrets
from pathlib import Path

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
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_PASSWORD_BYTES).decode()
    except OSError as error:
        raise ConfigError(
            f"postgres.password_file: expected a file with a password, but cannot read {path}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"postgres.password_file: expected UTF-8 text in {path}") from error
    line = text.partition("\n")[0].rstrip("\r")
    if not line:
        raise ConfigError(f"postgres.password_file: expected a password in the first line of {path}")
    return line

"""Reads files that hold secrets, whose content stays out of every message."""

from pathlib import Path

from restate.runtime.errors import ConfigError


def read_secret_text(setting: str, path: Path, noun: str, most_bytes: int) -> str:
    """The file, or its beginning. noun: what is in it, for messages. Raises ConfigError."""
    try:
        with path.open("rb") as file:
            return file.read(most_bytes).decode()
    except OSError as error:
        raise ConfigError(
            f"{setting}: expected a file with {noun}, but cannot read {path}: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{setting}: expected UTF-8 text in {path}") from error

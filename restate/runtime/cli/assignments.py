"""`name=value` on the command line."""

from collections.abc import Iterable

import click


def assignments(texts: Iterable[str], where: str) -> dict[str, str]:
    """{name: value}. where: named in the UsageError for anything else."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.UsageError(f"{where}: expected NAME=VALUE, got '{text}'")
        found[name] = value
    return found

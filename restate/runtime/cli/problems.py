"""What ends the program with exit status 1."""

import click

from restate.runtime.cli.output import clean


class CommandError(click.ClickException):
    """The command could not be done; the message says why and, where known, what to do. Exit status 1."""

    def __init__(self, message: str) -> None:
        super().__init__(clean(message))


class UnreachableError(CommandError):
    """Nothing usable answers at the admin URL."""


class RefusedError(CommandError):
    """The server answered with an error. status: HTTP; code: such as `META0003`, or None."""

    def __init__(self, message: str, status: int, code: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

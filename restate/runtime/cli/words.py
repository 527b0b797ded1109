"""Commands and groups of commands: aliases, and the common options everywhere."""

import functools
from collections.abc import Callable
from typing import Any

import click

from restate.runtime.cli.session import Session, common_options


class Group(click.Group):
    """A group whose commands may have aliases."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._aliases: dict[str, str] = {}
        """{alias: name}."""

    def add(self, command: click.Command, *aliases: str) -> None:
        self.add_command(command)
        self.alias(str(command.name), *aliases)

    def alias(self, name: str, *aliases: str) -> None:
        self._aliases |= dict.fromkeys(aliases, name)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added."""
        return list(self.commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return super().get_command(ctx, self._aliases.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        _, command, rest = super().resolve_command(ctx, args)
        return None if command is None else command.name, command, rest

    def summary(self, ctx: click.Context, name: str) -> str:
        """What the list of commands says about one."""
        command = self.get_command(ctx, name)
        return "" if command is None else command.get_short_help_str(limit=100)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            aliases = ", ".join(alias for alias, meant in self._aliases.items() if meant == name)
            rows.append((name, self.summary(ctx, name) + (f"  [also: {aliases}]" if aliases else "")))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def group(name: str, summary: str) -> Group:
    """An empty group with the common options. summary: a sentence."""
    return Group(name, params=common_options(), help=summary, no_args_is_help=True)


def command(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A command that gets the session as its first argument, and has the common options after its own.

    The function's docstring is its help.
    """

    def make(function: Callable[..., None]) -> click.Command:
        @functools.wraps(function)
        def closing(session: Session, /, **arguments: Any) -> None:
            try:
                function(session, **arguments)
            finally:
                session.close()

        made = click.command(name)(click.make_pass_decorator(Session, ensure=True)(closing))
        made.params += common_options()
        return made

    return make

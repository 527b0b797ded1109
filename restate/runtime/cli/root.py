"""The command tree. A noun's module is imported when one of its verbs is used, to start quickly."""

from importlib import import_module

import click

from restate.runtime import __version__
from restate.runtime.cli.session import common_options
from restate.runtime.cli.words import Group

_NOUNS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "whoami": ("whoami", "Tell where the server is and whether it answers.", ()),
    "services": ("services", "Look at services and configure them.", ("svc", "service")),
    "deployments": ("deployments", "Register, look at and remove deployments.", ("dp", "dep", "deployment")),
    "invocations": ("invocations", "Look at invocations and operate on them.", ("inv", "invocation")),
    "state": ("state", "Look at and change the state of objects and workflows.", ()),
    "sql": ("sql", "Run a SQL query over everything stored.", ("query",)),
    "kafka-clusters": ("kafka", "Manage Kafka clusters.", ("kc", "kafka-cluster")),
    "subscriptions": ("subscriptions", "Manage Kafka subscriptions.", ("sub", "subscription")),
    "rules": ("rules", "Manage rules that limit concurrency.", ("rule",)),
}
"""{noun: its module below `commands`, what the list says about it, aliases}."""

_HELP = """Operate a Restate server through its admin port.

RESTATE_ADMIN_URL says where it is (else RESTATE_HOST, else http://localhost:9070), RESTATE_AUTH_TOKEN is sent as a
bearer token. The configuration file of the official command line is read too.

The exit status is 0 when it is done, 1 when the server refused, was not there or nothing matched, and 2 when the
command line cannot be understood."""


class Root(Group):
    """Knows the nouns' names before it imports their modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_NOUNS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = self._aliases.get(cmd_name, cmd_name)
        if name not in _NOUNS:
            return None
        module = import_module(f"restate.runtime.cli.commands.{_NOUNS[name][0]}")
        found = module.COMMAND
        assert isinstance(found, click.Command)
        return found

    def summary(self, ctx: click.Context, name: str) -> str:
        return _NOUNS[name][1]


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    click.echo(f"restate (restate-runtime) {__version__}")
    context.exit()


restate = Root(
    "restate",
    params=[
        *common_options(),
        click.Option(
            ["-V", "--version"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_version,
            help="Print the version.",
        ),
    ],
    help=_HELP,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
for _name, (_, _, _others) in _NOUNS.items():
    restate.alias(_name, *_others)

"""The command line of `restate-server`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import attrs
import click

from restate.runtime import __version__

Command = Literal[
    "run", "doctor", "backup", "print-config", "check-config", "config-schema", "config-example"
]

_HELP = """Run the server.

Every setting can be given in a file, as RESTATE_SECTION__KEY in the environment, or by --set.

\b
restate-server doctor      say what is wrong with this machine, the data and the deployments
restate-server backup DIR  copy the data of a server, which may run meanwhile, into the new directory DIR
"""


@attrs.frozen
class Arguments:
    """overrides: {setting: text}, for `load`. config_file: as given, may be relative. command: what to do. directory:
    of the backup, None for other commands.
    """

    overrides: dict[str, str]
    config_file: Path | None
    command: Command = "run"
    directory: Path | None = None


def _split(_context: click.Context, _parameter: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        name, separator, text = pair.partition("=")
        if not separator or not name.strip():
            raise click.BadParameter(f"expected KEY=VALUE such as ingress.bind_address=:8080, got '{pair}'")
        settings[name.strip()] = text
    return settings


@click.command(
    "restate-server",
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("words", nargs=-1, metavar="[doctor | backup DIR]")
@click.option(
    "-c", "--config-file", type=click.Path(path_type=Path), help="YAML or TOML file, by its suffix."
)
@click.option("--base-dir", help="Directory of all data; made if missing.  [default: target]")
@click.option("--bind-ip", help="Address of the ports that name none.  [default: 127.0.0.1]")
@click.option("--log-filter", help="What to log.  [default: warn,restate=info]")
@click.option(
    "--log-format",
    type=click.Choice(["Pretty", "Compact", "Json"], case_sensitive=False),
    help="How to log it.",
)
@click.option(
    "--set", "settings", metavar="KEY=VALUE", multiple=True, callback=_split, help="Any setting; repeatable."
)
@click.option(
    "--print-config",
    "command",
    flag_value="print-config",
    help="Show the settings in effect and their sources, and exit.",
)
@click.option(
    "--check-config",
    "command",
    flag_value="check-config",
    help="Say whether the settings can be used, files that they name included, and exit.",
)
@click.option(
    "--config-schema",
    "command",
    flag_value="config-schema",
    help="Print a JSON Schema of the file, and exit.",
)
@click.option(
    "--config-example",
    "command",
    flag_value="config-example",
    help="Print a file with every setting, its text and its default, and exit.",
)
@click.version_option(__version__, prog_name="restate-server", message="%(prog)s %(version)s")
def _command(
    words: tuple[str, ...],
    config_file: Path | None,
    base_dir: str | None,
    bind_ip: str | None,
    log_filter: str | None,
    log_format: str | None,
    settings: dict[str, str],
    command: Command | None,
) -> Arguments:
    named = {
        "base_dir": base_dir,
        "bind_ip": bind_ip,
        "observability.log.filter": log_filter,
        "observability.log.format": log_format,
    }
    overrides = settings | {name: text for name, text in named.items() if text is not None}
    match words:
        case ():
            return Arguments(overrides, config_file, command or "run")
        case ("doctor",) if command is None:
            return Arguments(overrides, config_file, "doctor")
        case ("backup", directory) if command is None:
            return Arguments(overrides, config_file, "backup", Path(directory))
    raise click.UsageError(f"expected nothing, 'doctor' or 'backup DIR', got '{' '.join(words)}'")


def parse_arguments(argv: Sequence[str]) -> Arguments:
    """Read the arguments, without the program name.

    Raises SystemExit after `--help` and `--version` (0) and after printing what is wrong (2).
    """
    try:
        parsed = _command.main(args=list(argv), prog_name="restate-server", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        raise SystemExit(2) from None
    if isinstance(parsed, Arguments):
        return parsed
    raise SystemExit(0)

"""The console command `restate-server`: arguments, configuration, log, then the server until it is told to stop."""

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from restate.runtime.config import Config, load
from restate.runtime.config.arguments import parse_arguments
from restate.runtime.config.listing import list_config
from restate.runtime.errors import RestateError
from restate.runtime.telemetry import log as telemetry


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server. Returns the exit status: 0 after a shutdown in good order, 1 when it could not start or go on."""
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    try:
        config = load(arguments.overrides, os.environ, Path.cwd(), arguments.config_file)
        if arguments.print_config:
            print(list_config(config), end="")
            return 0
        settings = config.observability.log
        telemetry.configure(
            settings.filter, settings.format, ansi=False if settings.disable_ansi_codes else None
        )
        _serve(config)
    except RestateError as error:
        return _failed(error)
    except BaseExceptionGroup as group:
        known = next(_restate_errors(group), None)
        if known is None:
            raise
        return _failed(known)
    return 0


def _failed(error: RestateError) -> int:
    """One readable line: code, what came, what to do."""
    code = f"[{error.code}] " if error.code is not None else ""
    hint = f" {error.hint}" if error.hint is not None else ""
    print(f"restate-server: {code}{error}.{hint}", file=sys.stderr)
    return 1


def _serve(config: Config) -> None:
    import trio

    from restate.runtime import app

    trio.run(app.run, config)


def _restate_errors(group: BaseExceptionGroup[BaseException]) -> Iterator[RestateError]:
    """The errors that already say what to do, wherever nurseries have wrapped them."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _restate_errors(error)
        elif isinstance(error, RestateError):
            yield error


if __name__ == "__main__":
    sys.exit(main())

"""The console command `restate-server`: arguments, configuration, log, then the server until it is told to stop."""

import ctypes
import gc
import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from restate.runtime.config import Config, load
from restate.runtime.config.apply import configure_log
from restate.runtime.config.arguments import Arguments, parse_arguments
from restate.runtime.config.listing import list_config
from restate.runtime.config.origin import with_origin
from restate.runtime.errors import RestateError

log = logging.getLogger("restate.main")

# Of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server. Returns the exit status: 0 after a shutdown in good order, 1 when it could not start or go on.

    Whatever ends it is one line on standard error. A traceback, before that line, means a fault of the server.
    """
    arguments = parse_arguments(sys.argv[1:] if argv is None else argv)
    settings = _Settings(arguments)
    try:
        return _carry_out(arguments, settings)
    except RestateError as error:
        return _failed(error, settings.latest)
    except KeyboardInterrupt:
        return _ended("interrupted while starting")
    except BaseException as error:
        if isinstance(error, BaseExceptionGroup):
            known = next(_restate_errors(error), None)
            if known is not None:
                return _failed(known, settings.latest)
        if not isinstance(error, Exception):
            raise
        log.critical("the server met a fault of its own", exc_info=error)
        return _ended("ended by a fault of the server; what was accepted goes on at the next start")


class _Settings:
    """Reads the configuration, and remembers it for what goes wrong later."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._environ, self._cwd = dict(os.environ), Path.cwd()
        self.latest: Config | None = None

    def read(self) -> Config:
        """Raises ConfigError."""
        self.latest = load(self._arguments.overrides, self._environ, self._cwd, self._arguments.config_file)
        return self.latest


def _carry_out(arguments: Arguments, settings: _Settings) -> int:
    """Do what the command line asks for. Commands that most starts do not need are imported here. Returns the status."""
    if arguments.command in ("config-schema", "config-example"):
        schema = importlib.import_module("restate.runtime.config.schema")
        describe = schema.print_schema if arguments.command == "config-schema" else schema.example
        print(describe(), end="")
        return 0
    config = settings.read()
    if arguments.command == "print-config":
        print(list_config(config), end="")
        return 0
    configure_log(config)
    match arguments.command:
        case "check-config":
            importlib.import_module("restate.runtime.wiring").check(config)
            print("the configuration can be used")
        case "backup":
            importlib.import_module("restate.runtime.maintenance.backup").run(config, arguments.directory)
        case "doctor":
            return int(importlib.import_module("restate.runtime.doctor").run(config))
        case _:
            _serve(config, settings.read)
    return 0


def _failed(error: RestateError, config: Config | None) -> int:
    """Code, what came, from where, what to do."""
    code = f"[{error.code}] " if error.code is not None else ""
    hint = f". {error.hint}" if error.hint is not None else ""
    message = error.message if config is None else with_origin(error.message, config)
    return _ended(f"{code}{message}{hint}")


def _ended(reason: str) -> int:
    """One readable line, whatever a library has put into its message."""
    print(f"restate-server: {' '.join(reason.split())}", file=sys.stderr)
    return 1


def return_large_blocks() -> None:
    """Let the C library give freed blocks of a megabyte and more back to the system, as it does at first.

    By itself it keeps those of the size that it has seen, up to 32 MB: memory would stay at what the longest bodies
    needed, in pieces that the next ones do not fit into. Other libraries than glibc are left as they are.
    """
    change = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if change is not None:
        change(_M_MMAP_THRESHOLD, 1 << 20)
        change(_M_TRIM_THRESHOLD, 1 << 20)


def _serve(config: Config, load: Callable[[], Config]) -> None:
    return_large_blocks()
    # Most objects of the imports live as long as the process: looking for garbage among them takes 25 ms of the start,
    # and some of every full collection later.
    gc.disable()
    import trio

    from restate.runtime import app

    gc.freeze()
    gc.enable()
    trio.run(app.run, config, load)


def _restate_errors(group: BaseExceptionGroup[BaseException]) -> Iterator[RestateError]:
    """The errors that already say what to do, wherever nurseries have wrapped them."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _restate_errors(error)
        elif isinstance(error, RestateError):
            yield error


if __name__ == "__main__":
    sys.exit(main())

"""`restate`: the command line of an operator. It talks to the admin port only, ours or the official server's.

`root` has the command tree, whose modules below `commands` are imported when they are asked for; `session` is what one
call of the program knows (options, settings, connection, output), `admin` the HTTP connection, `output` how things are
shown, `sql` what is asked of `POST /query`.

Exit statuses: 0 done, also when a list is empty; 1 the server refused, was not there, or nothing matched; 2 the command
line cannot be understood.
"""

import io
import os
import sys


def main() -> None:
    """The console command. Ends the process."""
    _prepare_output()
    from restate.runtime.cli.root import restate

    try:
        restate(prog_name="restate")
    except OSError as error:
        # Such as a full disk behind standard output, where what is buffered would fail once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)


def _prepare_output() -> None:
    if sys.stdout is None:
        # The caller has closed it.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (until the process ends)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Names come from everywhere; whose terminal lacks a letter sees its escape.
            stream.reconfigure(errors="backslashreplace")

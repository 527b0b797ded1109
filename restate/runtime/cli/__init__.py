"""`restate`: the command line of an operator. It talks to the admin port only, ours or the official server's.

`root` has the command tree, whose modules below `commands` are imported when they are asked for; `session` is what one
call of the program knows (options, settings, connection, output), `admin` the HTTP connection, `output` how things are
shown, `sql` what is asked of `POST /query`.

Exit statuses: 0 done, also when a list is empty; 1 the server refused, was not there, or nothing matched; 2 the command
line cannot be understood.
"""


def main() -> None:
    """The console command. Ends the process."""
    from restate.runtime.cli.root import restate

    restate(prog_name="restate")

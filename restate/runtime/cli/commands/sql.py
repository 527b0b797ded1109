"""`restate sql`."""

import time

import click

from restate.runtime.cli.problems import UnreachableError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.words import command


@command("sql")
@click.argument("query")
@click.option("--jsonl", is_flag=True, help="Print each row as JSON on a line of its own.")
@watchable
def sql(session: Session, *, query: str, jsonl: bool) -> None:
    """Run a SQL query over everything stored, such as `SELECT id, target, status FROM sys_invocation`.

    JSON has no NULLs; a table has all columns.
    """
    began = time.monotonic()
    if jsonl or session.json:
        found = session.admin.query(query)
        count, took_s = len(found), time.monotonic() - began
        if jsonl:
            session.out.json_lines(found)
        else:
            session.out.json(found)
    else:
        stream = session.admin.query_stream(query)
        took_s = time.monotonic() - began
        count = _show_table(session, stream)
    session.note(f"{count} row{'' if count == 1 else 's'} in {took_s * 1000:.0f} ms")


def _show_table(session: Session, stream: bytes) -> int:
    """How many rows it had."""
    # Only here: it takes longer to import than most commands take.
    from restate.runtime.cli import arrow_rows

    try:
        result = arrow_rows.read(stream)
    except ValueError as error:
        raise UnreachableError(
            f"POST /query at {session.admin.url} gave no Arrow stream ({error}); is it the admin port?"
        ) from None
    if result.rows:
        session.out.table([name.upper() for name in result.names], result.rows)
    return len(result.rows)


COMMAND = sql

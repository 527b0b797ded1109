"""`restate sql`."""

import json
import time
from typing import Any

import click

from restate.runtime.cli.output import Cell
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.words import command


@command("sql")
@click.argument("query")
@click.option("--jsonl", is_flag=True, help="Print each row as JSON on a line of its own.")
@watchable
def sql(session: Session, *, query: str, jsonl: bool) -> None:
    """Run a SQL query over everything stored, such as `SELECT id, target, status FROM sys_invocation`."""
    began = time.monotonic()
    rows = session.admin.query(query)
    took_ms = (time.monotonic() - began) * 1000
    if jsonl:
        session.out.json_lines(rows)
    elif session.json:
        session.out.json(rows)
    elif rows:
        # A row has no member for NULL, so that only all rows together have all columns.
        columns = list(dict.fromkeys(name for row in rows for name in row))
        session.out.table(
            [name.upper() for name in columns], [[_cell(row.get(name)) for name in columns] for row in rows]
        )
    session.note(f"{len(rows)} row{'' if len(rows) == 1 else 's'} in {took_ms:.0f} ms")


def _cell(value: Any) -> Cell:
    match value:
        case bool():
            return str(value).lower()
        case None | str() | int() | float():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)


COMMAND = sql

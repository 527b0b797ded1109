"""What is done with invocations: `restate invocations cancel | kill | purge | pause | resume | restart-as-new`."""

import attrs
import click

from restate.runtime.cli.admin import Json, segment
from restate.runtime.cli.output import Styled
from restate.runtime.cli.problems import CommandError, RefusedError, UnreachableError
from restate.runtime.cli.session import Session
from restate.runtime.cli.sql import named
from restate.runtime.cli.words import command

_QUERY_HELP = """

\b
QUERY is one of
  an invocation's id
  ServiceName            all of a service or object
  ServiceName/handler
  ObjectName/key
  ObjectName/key/handler"""


@attrs.frozen
class Operation:
    """One operation. name: as in the path. done: `cancelled`. meant: what status it is for, as SQL and in words."""

    name: str
    done: str
    sql: str
    words: str


CANCEL = Operation("cancel", "cancelled", "status != 'completed'", "not completed")
KILL = Operation("kill", "killed", "status != 'completed'", "not completed")
PURGE = Operation("purge", "purged", "status = 'completed'", "completed")
RESTART = Operation("restart-as-new", "restarted", "status = 'completed'", "completed")
PAUSE = Operation(
    "pause", "paused", "status IN ('invoked', 'suspended')", "running, backing off or suspended"
)
RESUME = Operation(
    "resume", "resumed", "status IN ('paused', 'invoked', 'suspended')", "paused, suspended or backing off"
)

_limit = click.option(
    "--limit", type=click.IntRange(1), default=500, show_default=True, help="Do it to at most so many."
)
_query = click.argument("query")


def _perform(
    session: Session, operation: Operation, query: str, limit: int, deployment: str | None = None
) -> None:
    """Do it to each that the query names. CommandError if there is none, or if it failed for any."""
    rows = _chosen(session, operation, query, limit)
    if not session.json and "target" in rows[0]:
        session.out.table(["ID", "TARGET"], [[row["id"], row["target"]] for row in rows])
    count = f"{len(rows)} invocation{'' if len(rows) == 1 else 's'}"
    session.confirm(f"{operation.name.capitalize()} {count}?")
    results: list[Json] = []
    lost: UnreachableError | None = None
    for row in rows:
        path = f"/invocations/{segment(row['id'])}/{operation.name}"
        try:
            answer = session.admin.request("PATCH", path, query={"deployment": deployment})
        except RefusedError as error:
            if len(rows) == 1:
                raise
            results.append({"id": row["id"], "error": error.message})
        except UnreachableError as error:
            if not results:
                raise
            lost = error
            break
        else:
            results.append({"id": row["id"], **(answer if isinstance(answer, dict) else {})})
    failed = [each for each in results if "error" in each]
    if session.json:
        session.out.json(results)
    else:
        _show(session, operation, results)
    if lost is not None:
        raise CommandError(
            f"{lost.message}\n{len(results)} of {count} had their turn before; what became of"
            f" {rows[len(results)]['id']} is not known, and the others were not tried"
        )
    if failed:
        raise CommandError(f"{len(failed)} of {count} could not be {operation.done}")


def _chosen(session: Session, operation: Operation, query: str, limit: int) -> list[Json]:
    if query.startswith("inv_1") and "/" not in query:
        # The server itself knows best whether it can be done to this one.
        return [{"id": query}]
    rows = session.admin.query(
        f"SELECT id, target FROM sys_invocation_status WHERE {named(query)} AND {operation.sql} LIMIT {limit + 1}"
    )
    if not rows:
        raise CommandError(f"no invocations were found for '{query}' that are {operation.words}")
    if len(rows) > limit:
        session.note(f"There are more than {limit}; only {limit} are taken (see --limit).")
    return rows[:limit]


def _show(session: Session, operation: Operation, results: list[Json]) -> None:
    done = [each for each in results if "error" not in each]
    if done:
        session.out.line(f"{operation.done.capitalize()}: {len(done)}", "bold green")
    renewed = [[each["id"], each["new_invocation_id"]] for each in done if "new_invocation_id" in each]
    if renewed:
        session.out.table(["OLD ID", "NEW ID"], renewed)
    failed = [[each["id"], Styled(each["error"], "red")] for each in results if "error" in each]
    if failed:
        session.out.table(["ID", "ERROR"], failed)


@_query
@click.option("--kill", "killed", is_flag=True, help="Do not let it clean up; see the command `kill`.")
@_limit
def _cancel(session: Session, *, query: str, killed: bool, limit: int) -> None:
    """Cancel invocations: their handlers see it, and may clean up."""
    _perform(session, KILL if killed else CANCEL, query, limit)


@_query
@_limit
def _kill(session: Session, *, query: str, limit: int) -> None:
    """End invocations at once, with all that they called. Nothing is cleaned up."""
    _perform(session, KILL, query, limit)


@_query
@_limit
def _purge(session: Session, *, query: str, limit: int) -> None:
    """Forget completed invocations, with their results."""
    _perform(session, PURGE, query, limit)


@_query
@_limit
def _pause(session: Session, *, query: str, limit: int) -> None:
    """Keep invocations from running until they are resumed."""
    _perform(session, PAUSE, query, limit)


@_query
@click.option(
    "--deployment",
    metavar="ID",
    help="Where it goes on: `keep` (where it is pinned), `latest`, or a deployment's id. It must not be running.",
)
@_limit
def _resume(session: Session, *, query: str, deployment: str | None, limit: int) -> None:
    """Let paused invocations go on; others are tried at once."""
    _perform(session, RESUME, query, limit, deployment)


@_query
@_limit
def _restart(session: Session, *, query: str, limit: int) -> None:
    """Run completed invocations once more, as new ones with the same input."""
    _perform(session, RESTART, query, limit)


def _with_help(name: str, function: "click.decorators.FC") -> click.Command:
    made = command(name)(function)
    made.help = f"{made.help}{_QUERY_HELP}"
    return made


OPERATIONS: list[tuple[click.Command, tuple[str, ...]]] = [
    (_with_help("cancel", _cancel), ()),
    (_with_help("kill", _kill), ()),
    (_with_help("purge", _purge), ("rm",)),
    (_with_help("restart-as-new", _restart), ("restart",)),
    (_with_help("resume", _resume), ()),
    (_with_help("pause", _pause), ()),
]
"""The commands with their aliases."""

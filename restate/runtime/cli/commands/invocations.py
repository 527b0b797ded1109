"""`restate invocations list` and `describe`; what changes invocations is in `operations`."""

import click

from restate.runtime.cli.admin import Json
from restate.runtime.cli.commands.operations import OPERATIONS
from restate.runtime.cli.journal_notes import entry_note
from restate.runtime.cli.output import Cell, Styled
from restate.runtime.cli.problems import CommandError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.sql import one_of, quoted, where
from restate.runtime.cli.words import command, group

COMMAND = group("invocations", "Look at invocations and operate on them.")

STATUSES = ("scheduled", "pending", "ready", "running", "suspended", "backing-off", "completed", "paused")
_STYLES = {
    "running": "green",
    "ready": "green",
    "suspended": "cyan",
    "backing-off": "red",
    "paused": "bold red",
    "pending": "yellow",
    "scheduled": "blue",
    "completed": "dim",
}

COLUMNS = (
    "inv.id, inv.target, inv.target_service_ty, inv.idempotency_key, inv.status, inv.created_at, inv.modified_at,"
    " inv.pinned_deployment_id, inv.retry_count, inv.last_failure, inv.last_failure_related_entry_name,"
    " inv.last_failure_related_entry_type, inv.last_attempt_deployment_id, inv.last_attempt_server,"
    " inv.next_retry_at, inv.last_start_at, inv.invoked_by_id, inv.invoked_by_target, inv.completion_result,"
    " inv.completion_failure, dp.id IS NOT NULL AS pinned_deployment_exists"
    " FROM sys_invocation inv LEFT JOIN sys_deployment dp ON dp.id = inv.pinned_deployment_id"
)
"""Columns and tables for what `show_invocations` shows; `inv` is the invocation."""

_JOURNAL = (
    "sj.index, sj.entry_type, sj.name, sj.promise_name, sj.completed, sj.invoked_id, sj.invoked_target,"
    " sj.sleep_wakeup_at, sj.appended_at, sj.entry_lite_json FROM sys_journal sj"
)
_SHOWN_ENTRIES = 100


def _statuses(_: click.Context, option: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(each for value in values for each in value.split(","))
    for each in found:
        if each not in STATUSES:
            raise click.BadParameter(f"'{each}' is not one of {', '.join(STATUSES)}.", param=option)
    return found


@command("list")
@click.option("--service", "services", multiple=True, help="Only of this service.")
@click.option("--handler", "handlers", multiple=True, help="Only of this handler.")
@click.option("--key", "keys", multiple=True, help="Only of this key.")
@click.option("--all", "everything", is_flag=True, help="Completed ones too.")
@click.option(
    "--status", "statuses", multiple=True, callback=_statuses, help=f"Only in it: {', '.join(STATUSES)}."
)
@click.option(
    "--completion-result", type=click.Choice(["success", "failure"]), help="Only completed ones, with it."
)
@click.option("--deployment", "--dp", "deployments", multiple=True, help="Only what runs on it.")
@click.option("--virtual-objects-only", is_flag=True, help="Only of virtual objects.")
@click.option("--zombie", is_flag=True, help="Only those whose deployment was removed.")
@click.option("--oldest-first", is_flag=True, help="Instead of the newest ones.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Show at most so many.")
@watchable
def list_(
    session: Session,
    *,
    services: tuple[str, ...],
    handlers: tuple[str, ...],
    keys: tuple[str, ...],
    everything: bool,
    statuses: tuple[str, ...],
    completion_result: str | None,
    deployments: tuple[str, ...],
    virtual_objects_only: bool,
    zombie: bool,
    oldest_first: bool,
    limit: int,
) -> None:
    """List invocations, the newest first, without completed ones unless asked for."""
    conditions = []
    columns = (
        ("target_service_name", services),
        ("target_handler_name", handlers),
        ("target_service_key", keys),
    )
    conditions += [one_of(f"inv.{column}", values) for column, values in columns if values]
    if deployments:
        pinned = one_of("inv.pinned_deployment_id", deployments)
        conditions.append(f"({pinned} OR {one_of('inv.last_attempt_deployment_id', deployments)})")
    if virtual_objects_only:
        conditions.append("inv.target_service_ty = 'virtual_object'")
    if zombie:
        conditions.append("inv.pinned_deployment_id IS NOT NULL AND dp.id IS NULL")
    if completion_result:
        conditions.append(f"inv.status = 'completed' AND inv.completion_result = {quoted(completion_result)}")
    elif statuses and not everything:
        conditions.append(one_of("inv.status", statuses))
    elif not everything:
        conditions.append("inv.status != 'completed'")
    order = "ASC" if oldest_first else "DESC"
    # One more than is shown tells whether there are more.
    rows = session.admin.query(
        f"SELECT {COLUMNS} {where(conditions)} ORDER BY inv.created_at {order}, inv.id LIMIT {limit + 1}"
    )
    if session.json:
        session.out.json(rows[:limit])
        return
    if not rows:
        session.note("No invocations were found.")
        return
    show_invocations(session, rows[:limit])
    if len(rows) > limit:
        session.note(f"There are more than these {limit}; see --limit.")


def show_invocations(session: Session, rows: list[Json]) -> None:
    """rows: with COLUMNS; at least one."""
    session.out.table(
        ["ID", "TARGET", "STATUS", "CREATED", "DEPLOYMENT-ID", "NOTES"],
        [
            [
                row["id"],
                row["target"],
                _styled_status(row),
                session.age(row["created_at"]),
                _deployment(row),
                _note(session, row),
            ]
            for row in rows
        ],
    )


@command("describe")
@click.argument("invocation_id")
@watchable
def describe(session: Session, *, invocation_id: str) -> None:
    """Tell all about one invocation, with its journal."""
    found = session.admin.query(f"SELECT {COLUMNS} WHERE inv.id = {quoted(invocation_id)} LIMIT 1")
    if not found:
        raise CommandError(f"the invocation {invocation_id} does not exist")
    row = found[0]
    journal = session.admin.query(
        f"SELECT {_JOURNAL} WHERE sj.id = {quoted(invocation_id)} ORDER BY sj.index DESC LIMIT {_SHOWN_ENTRIES}"
    )[::-1]
    if session.json:
        session.out.json(row | {"journal": journal})
        return
    caller = row.get("invoked_by_target") or row.get("invoked_by_id")
    trying = row["status"] in ("running", "backing-off")
    session.out.pairs(
        [
            ("ID", row["id"]),
            ("Target", row["target"]),
            ("Status", _styled_status(row)),
            ("Created", session.moment(row["created_at"])),
            ("Modified", session.moment(row.get("modified_at"))),
            ("Invoked by", f"{caller} {row['invoked_by_id']}" if row.get("invoked_by_id") else caller),
            ("Idempotency key", row.get("idempotency_key")),
            ("Deployment", _deployment(row)),
            ("SDK", row.get("last_attempt_server")),
            ("Attempts", row.get("retry_count") if trying else None),
            ("Next attempt", session.moment(row.get("next_retry_at")) if trying else None),
            ("Failure", _failure(row)),
            ("Failed at", _failed_entry(row)),
        ]
    )
    if journal:
        session.out.heading(
            "Journal" if journal[0]["index"] == 0 else f"Journal, the last {_SHOWN_ENTRIES} entries"
        )
        session.out.table(
            ["INDEX", "ENTRY", "NAME", "APPENDED", "NOTES"],
            [
                [
                    entry["index"],
                    entry["entry_type"],
                    entry.get("name") or entry.get("promise_name") or "",
                    session.age(entry.get("appended_at")),
                    entry_note(entry, session.moment),
                ]
                for entry in journal
            ],
        )


def _styled_status(row: Json) -> Styled:
    status = str(row["status"])
    result = row.get("completion_result")
    if status == "completed" and result == "failure":
        return Styled("completed with failure", "red")
    return Styled(f"completed with {result}" if result else status, _STYLES.get(status, ""))


def _deployment(row: Json) -> Cell:
    pinned = row.get("pinned_deployment_id")
    if pinned is None:
        return None
    return str(pinned) if row.get("pinned_deployment_exists") else Styled(f"{pinned} (removed)", "bold red")


def _failure(row: Json) -> str | None:
    text = row.get("completion_failure") or row.get("last_failure")
    return None if text is None else str(text)


def _failed_entry(row: Json) -> str | None:
    parts = [row.get(f"last_failure_related_entry_{part}") for part in ("type", "name")]
    return " ".join(str(part) for part in parts if part) or None


def _note(session: Session, row: Json) -> str:
    """What of an invocation fits on a line: the failure, and when it is tried again."""
    parts = []
    if row["status"] == "backing-off" and row.get("next_retry_at"):
        parts.append(f"next attempt {session.age(row['next_retry_at'])}")
    if failure := _failure(row):
        parts.append(failure.partition("\n")[0])
    return "; ".join(parts)


COMMAND.add(list_, "ls")
COMMAND.add(describe, "get")
for _operation, _aliases in OPERATIONS:
    COMMAND.add(_operation, *_aliases)

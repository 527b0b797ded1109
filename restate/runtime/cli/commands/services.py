"""`restate services`, without its configuration, which is in `service_config`."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import click

from restate.runtime.cli.admin import Json, segment
from restate.runtime.cli.commands.deployments import endpoint, handler_cells, kind
from restate.runtime.cli.commands.invocations import COLUMNS, show_invocations
from restate.runtime.cli.commands.service_config import CONFIG
from restate.runtime.cli.output import Cell, Styled
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.sql import one_of, quoted
from restate.runtime.cli.times import parse
from restate.runtime.cli.words import command, group

COMMAND = group("services", "Look at services and configure them.")

_STATUSES = ("pending", "scheduled", "ready", "running", "backing-off", "suspended", "paused")


@command("list")
@click.option("--public-only", is_flag=True, help="Leave out what the ingress does not offer.")
@click.option("--extra", is_flag=True, help="Add addresses and handlers.")
@watchable
def list_(session: Session, *, public_only: bool, extra: bool) -> None:
    """List the registered services, in their latest revisions."""
    services = [each for each in _services(session) if each["public"] or not public_only]
    if session.json:
        session.out.json(services)
        return
    if not services:
        session.note(
            "No services were found. They come with deployments: `restate deployments register URL`."
        )
        return
    deployments = {each["id"]: each for each in session.admin.get("/deployments")["deployments"]}
    rows: list[list[Cell]] = []
    for service in services:
        deployment = deployments.get(service["deployment_id"], {})
        visibility = Styled("public", "green") if service["public"] else Styled("private", "yellow")
        row: list[Cell] = [
            service["name"],
            visibility,
            service.get("ty"),
            service["revision"],
            kind(deployment),
        ]
        row.append(service["deployment_id"])
        if extra:
            row += [endpoint(deployment), "\n".join(sorted(each["name"] for each in service["handlers"]))]
        rows.append(row)
    headers = ["NAME", "", "TYPE", "REVISION", "DEPLOYMENT-TYPE", "DEPLOYMENT-ID"]
    session.out.table([*headers, *(["ENDPOINT", "HANDLERS"] if extra else [])], rows)


@command("describe")
@click.argument("name")
@watchable
def describe(session: Session, *, name: str) -> None:
    """Tell all about one service."""
    service = _service(session, name)
    if session.json:
        session.out.json(service)
        return
    deployment = session.admin.get(f"/deployments/{segment(service['deployment_id'])}")
    session.out.pairs(
        [
            ("Name", service["name"]),
            ("Type", service.get("ty")),
            ("Revision", service["revision"]),
            ("Public", "yes" if service["public"] else "no"),
            ("Documentation", service.get("documentation")),
            ("Deployment", service["deployment_id"]),
            ("Endpoint", endpoint(deployment)),
            ("Transport", deployment.get("http_version")),
            ("Protocol style", deployment.get("protocol_type")),
            ("SDK", deployment.get("sdk_version")),
            ("Registered", session.moment(deployment["created_at"])),
            ("Notes", "\n".join(str(each["message"]) for each in service.get("info", ())) or None),
        ]
    )
    session.out.heading("Handlers")
    handlers = sorted(service["handlers"], key=lambda each: str(each["name"]))
    session.out.table(
        ["HANDLER", "TYPE", "INPUT", "OUTPUT"], [handler_cells(handler) for handler in handlers]
    )


@command("status")
@click.argument("service", required=False)
@click.option("--locked-keys-limit", type=click.IntRange(0), default=5, show_default=True, metavar="N")
@click.option(
    "--locked-key-held-threshold-second",
    "held_threshold_s",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="SECONDS",
    help="Keys that are held for longer stand out.",
)
@click.option("--sample-invocations-limit", type=click.IntRange(0), default=5, show_default=True, metavar="N")
@watchable
def status(
    session: Session,
    *,
    service: str | None,
    locked_keys_limit: int,
    held_threshold_s: int,
    sample_invocations_limit: int,
) -> None:
    """Tell what the services are doing: their invocations by status, the keys that are busy, the newest invocations."""
    services = _services(session) if service is None else [_service(session, service)]
    names = [str(each["name"]) for each in services]
    counts = _counts(session, names) if names else {}
    keys = _busy_keys(session, names, locked_keys_limit) if names else []
    recent = _recent(session, service, sample_invocations_limit) if service else []
    if session.json:
        session.out.json(
            {
                "handlers": [
                    {"service": name, "handler": handler, "invocations": dict(by_status)}
                    for (name, handler), by_status in sorted(counts.items())
                ],
                "busy_keys": keys,
                "recent_invocations": recent,
            }
        )
        return
    if not services:
        session.note("No services were found.")
        return
    _show_counts(session, services, counts)
    if keys:
        _show_busy_keys(session, keys, timedelta(seconds=held_threshold_s))
    if recent:
        session.out.heading("Newest invocations")
        show_invocations(session, recent)


def _show_busy_keys(session: Session, keys: list[dict[str, Any]], threshold: timedelta) -> None:
    session.out.heading("Busy keys")
    rows: list[list[Cell]] = []
    for key in keys:
        since: Cell = session.age(key["since"])
        if since is not None and session.now - parse(key["since"]) > threshold:
            since = Styled(str(since), "bold yellow")
        fields = ("service", "key", "waiting", "id", "handler", "status")
        rows.append([*(key[field] for field in fields), since])
    session.out.table(["SERVICE", "KEY", "WAITING", "INVOCATION", "HANDLER", "STATUS", "SINCE"], rows)


def _show_counts(
    session: Session, services: list[Json], counts: dict[tuple[str, str], dict[str, int]]
) -> None:
    rows: list[list[Cell]] = []
    for service in services:
        for handler in sorted(str(each["name"]) for each in service["handlers"]):
            by_status = counts.get((service["name"], handler), {})
            # A handler that is never called is no news.
            if by_status or len(services) == 1:
                rows.append([service["name"], handler, *(by_status.get(each) for each in _STATUSES)])
    if rows:
        session.out.table(["SERVICE", "HANDLER", *(each.upper() for each in _STATUSES)], rows)
    else:
        session.out.line("No invocations are in progress.")


def _services(session: Session) -> list[Json]:
    return sorted(session.admin.get("/services")["services"], key=lambda each: str(each["name"]))


def _service(session: Session, name: str) -> Json:
    found: Json = session.admin.get(f"/services/{segment(name)}")
    return found


def _counts(session: Session, names: list[str]) -> dict[tuple[str, str], dict[str, int]]:
    """{(service, handler): {status: invocations}}, of those that have not ended."""
    rows = session.admin.query(
        "SELECT target_service_name AS service, target_handler_name AS handler, status, COUNT(1) AS count"
        f" FROM sys_invocation WHERE {one_of('target_service_name', names)} AND status != 'completed'"
        " GROUP BY target_service_name, target_handler_name, status"
    )
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["service"], row["handler"]][row["status"]] = row["count"]
    return found


def _busy_keys(session: Session, names: list[str], limit: int) -> list[dict[str, Any]]:
    """The keys with the longest queues first."""
    services = one_of("service_name", names)
    waiting = session.admin.query(
        "SELECT service_name, service_key, COUNT(1) AS waiting"
        f" FROM sys_inbox WHERE {services} GROUP BY service_name, service_key"
    )
    queues = {(row["service_name"], row["service_key"]): row["waiting"] for row in waiting}
    holders = session.admin.query(
        "SELECT id, target_service_name, target_service_key, target_handler_name, status, modified_at"
        " FROM sys_invocation"
        f" WHERE {one_of('target_service_name', names)} AND target_service_ty != 'service'"
        " AND status NOT IN ('pending', 'scheduled', 'completed')"
    )
    keys = [
        {
            "service": row["target_service_name"],
            "key": row["target_service_key"],
            "waiting": queues.get((row["target_service_name"], row["target_service_key"]), 0),
            "id": row["id"],
            "handler": row["target_handler_name"],
            "status": row["status"],
            "since": row.get("modified_at"),
        }
        for row in holders
    ]
    return sorted(keys, key=lambda key: (-key["waiting"], key["service"], key["key"]))[:limit]


def _recent(session: Session, service: str, limit: int) -> list[Json]:
    return session.admin.query(
        f"SELECT {COLUMNS} WHERE inv.target_service_name = {quoted(service)}"
        f" ORDER BY inv.created_at DESC, inv.id LIMIT {limit}"
    )


COMMAND.add(list_, "ls")
COMMAND.add(describe, "get")
COMMAND.add(status)
COMMAND.add(CONFIG)

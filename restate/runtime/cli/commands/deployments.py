"""`restate deployments`."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import click

from restate.runtime.cli.admin import Json, segment
from restate.runtime.cli.assignments import assignments
from restate.runtime.cli.output import Cell, Styled
from restate.runtime.cli.problems import CommandError, RefusedError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.sql import quoted
from restate.runtime.cli.words import command, group

COMMAND = group("deployments", "Register, look at and remove deployments.")

_STATUS_STYLES = {"Active": "green", "Draining": "yellow", "Drained": "dim"}


def endpoint(deployment: Json) -> str:
    return str(deployment.get("uri") or deployment.get("arn") or "?")


def kind(deployment: Json) -> str:
    return "Lambda" if "arn" in deployment else "HTTP"


@command("list")
@click.option("--extra", is_flag=True, help="Count the invocations of each, and tell which are drained.")
@watchable
def list_(session: Session, *, extra: bool) -> None:
    """List the registered deployments."""
    deployments = sorted(
        session.admin.get("/deployments")["deployments"], key=lambda each: str(each["created_at"])
    )
    if extra:
        latest, counts = _latest(session), _active_everywhere(session)
        for deployment in deployments:
            active = counts.get(deployment["id"], 0)
            deployment |= {"status": _status(deployment["id"], active, latest), "active_invocations": active}
    if session.json:
        session.out.json(deployments)
        return
    if not deployments:
        session.note("No deployments were found. Register one with `restate deployments register URL`.")
        return
    headers = [
        "ID",
        "DEPLOYMENT",
        "TYPE",
        *(["STATUS", "ACTIVE-INVOCATIONS"] if extra else []),
        "CREATED",
        "SERVICES",
    ]
    rows: list[list[Cell]] = []
    for deployment in deployments:
        services = "\n".join(
            f"{each['name']} [{each['revision']}]" for each in _by_name(deployment["services"])
        )
        use: list[Cell] = []
        if extra:
            use = [_styled_status(deployment["status"]), deployment["active_invocations"]]
        created = session.age(deployment["created_at"])
        rows.append([deployment["id"], endpoint(deployment), kind(deployment), *use, created, services])
    session.out.table(headers, rows)


@command("describe")
@click.argument("deployment_id")
@click.option("--extra", is_flag=True, help="Count its invocations, and tell whether it is drained.")
@watchable
def describe(session: Session, *, deployment_id: str, extra: bool) -> None:
    """Tell all about one deployment."""
    deployment = session.admin.get(f"/deployments/{segment(deployment_id)}")
    latest = _latest(session)
    active = _active(session, deployment_id) if extra else Counter[tuple[str, str]]()
    if session.json:
        if extra:
            deployment["status"] = _status(deployment_id, active.total(), latest)
            deployment["active_invocations"] = active.total()
        session.out.json(deployment)
        return
    _show(session, deployment)
    if extra:
        status = _styled_status(_status(deployment_id, active.total(), latest))
        session.out.pairs([("Status", status), ("Active invocations", active.total())])
    for service in _by_name(deployment["services"]):
        session.out.heading(f"{service['name']} ({service.get('ty', 'service')})")
        is_latest = latest.get(service["name"]) == deployment_id
        session.out.pairs(
            [("Revision", f"{service['revision']}{' (latest)' if is_latest else ''}")], indent=2
        )
        session.out.table(
            ["HANDLER", "TYPE", "INPUT", "OUTPUT", *(["ACTIVE-INVOCATIONS"] if extra else [])],
            [
                [*handler_cells(handler), *([active[service["name"], handler["name"]]] if extra else [])]
                for handler in _by_name(service["handlers"])
            ],
            indent=2,
        )


def handler_cells(handler: Json) -> list[Cell]:
    """Name, type, input, output."""
    return [
        handler["name"],
        handler.get("ty"),
        handler.get("input_description"),
        handler.get("output_description"),
    ]


@command("register")
@click.argument("deployment")
@click.option(
    "--force", is_flag=True, help="Overwrite it if it is known, and allow what would break clients."
)
@click.option("--breaking", is_flag=True, help="Allow changes of services that would break clients.")
@click.option("--use-http1.1", "use_http_11", is_flag=True, help="Talk HTTP/1.1 to it.")
@click.option(
    "--extra-header", "headers", multiple=True, metavar="NAME=VALUE", help="Sent with every request to it."
)
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Stored with it.")
@click.option("--assume-role-arn", metavar="ARN", help="Role for invoking a Lambda.")
def register(
    session: Session,
    *,
    deployment: str,
    force: bool,
    breaking: bool,
    use_http_11: bool,
    headers: tuple[str, ...],
    metadata: tuple[str, ...],
    assume_role_arn: str | None,
) -> None:
    """Ask a deployment for its services, and register or update them.

    DEPLOYMENT is a URL, such as http://localhost:9080, or the ARN of a Lambda with its version.
    """
    body: Json = {"force": force, "breaking": breaking or force}
    if deployment.startswith("arn:"):
        body |= {"arn": deployment, "assume_role_arn": assume_role_arn}
    else:
        body |= {
            "uri": deployment if "://" in deployment else f"http://{deployment}",
            "use_http_11": use_http_11,
        }
    if headers:
        body["additional_headers"] = assignments(headers, "--extra-header")
    if metadata:
        body["metadata"] = assignments(metadata, "--metadata")
    planned = _plan(session, body)
    known = _known(session, planned["id"])
    if known is not None and not force:
        _tell_known(session, planned)
        return
    if not session.json:
        _show_plan(session, planned["services"], known)
    session.confirm("Apply these changes?")
    made = session.admin.request("POST", "/deployments", body | {"dry_run": False})
    if session.json:
        session.out.json(made)
        return
    session.out.line(f"Registered {made['id']}", "bold green")
    session.out.table(
        ["SERVICE", "REVISION"], [[each["name"], each["revision"]] for each in _by_name(made["services"])]
    )


def _plan(session: Session, body: Json) -> Json:
    """What the registration would do."""
    try:
        planned: Json = session.admin.request("POST", "/deployments", body | {"dry_run": True})
    except RefusedError as error:
        # Of the classic generation: the modern one answers with what is known.
        if error.code != "META0004":
            raise
        for deployment in session.admin.get("/deployments")["deployments"]:
            if deployment["id"] in error.message:
                return dict(deployment)
        raise
    return planned


def _known(session: Session, deployment_id: str) -> Json | None:
    """What is stored under an id that a dry run gave; None for an id that nothing is stored under."""
    try:
        found: Json = session.admin.get(f"/deployments/{segment(deployment_id)}")
    except RefusedError as error:
        if error.status == 404:
            return None
        raise
    return found


def _tell_known(session: Session, planned: Json) -> None:
    if session.json:
        session.out.json(planned)
        return
    session.out.line(f"The deployment is registered already, as {planned['id']}; nothing was changed.")
    session.note("Overwrite it, during development, with --force.")


def _show_plan(session: Session, services: list[Json], known: Json | None) -> None:
    if known is not None:
        session.out.line(
            f"{known['id']} is overwritten. Invocations that run on it go on with the new code, and may fail if its"
            " steps differ. In production, register new code at a new address.",
            "bold yellow",
        )
    before = {service["name"]: service for service in session.admin.get("/services")["services"]}
    for service in _by_name(services):
        old = before.get(service["name"])
        if old is None:
            revision = f"new, revision {service['revision']}"
        else:
            revision = f"revision {old['revision']} -> {service['revision']}"
        session.out.heading(f"{service['name']} ({service.get('ty', 'service')}): {revision}")
        old_names = {handler["name"] for handler in old["handlers"]} if old else set()
        rows: list[list[Cell]] = []
        for handler in _by_name(service["handlers"]):
            added = old is not None and handler["name"] not in old_names
            rows.append([*handler_cells(handler), Styled("added", "green") if added else ""])
        gone = old_names - {handler["name"] for handler in service["handlers"]}
        rows += [[name, None, None, None, Styled("removed", "red")] for name in sorted(gone)]
        session.out.table(["HANDLER", "TYPE", "INPUT", "OUTPUT", ""], rows, indent=2)
    announced = {service["name"] for service in services}
    dropped = [each["name"] for each in (known or {}).get("services", []) if each["name"] not in announced]
    if dropped:
        session.out.line(f"No longer there: {', '.join(sorted(dropped))}", "bold red")
    session.out.line()


@command("remove")
@click.argument("deployment_id")
@click.option("--force", is_flag=True, help="Also if it is not drained: invocations pinned to it will fail.")
def remove(session: Session, *, deployment_id: str, force: bool) -> None:
    """Remove a drained deployment."""
    deployment = session.admin.get(f"/deployments/{segment(deployment_id)}")
    latest = _latest(session)
    active = _active(session, deployment_id).total()
    status = _status(deployment_id, active, latest)
    if not session.json:
        _show(session, deployment)
        session.out.pairs([("Status", _styled_status(status)), ("Active invocations", active)])
    if status != "Drained" and not force:
        why = (
            "it has the latest revision of a service"
            if status == "Active"
            else "invocations are pinned to it"
        )
        raise CommandError(f"the deployment is not drained: {why}. --force removes it nevertheless.")
    session.confirm(f"Remove the deployment {deployment_id}?")
    session.admin.request("DELETE", f"/deployments/{segment(deployment_id)}", query={"force": "true"})
    if session.json:
        session.out.json({"removed": deployment_id})
    else:
        session.out.line(f"Removed {deployment_id}", "bold green")


def _show(session: Session, deployment: Json) -> None:
    versions = f"{deployment.get('min_protocol_version')} to {deployment.get('max_protocol_version')}"
    session.out.pairs(
        [
            ("ID", deployment["id"]),
            ("Endpoint", endpoint(deployment)),
            ("Type", kind(deployment)),
            ("Transport", deployment.get("http_version")),
            ("Protocol style", deployment.get("protocol_type")),
            ("Protocol versions", versions),
            ("SDK", deployment.get("sdk_version")),
            ("Created", session.moment(deployment["created_at"])),
            ("Additional headers", _lines(deployment.get("additional_headers"))),
            ("Metadata", _lines(deployment.get("metadata"))),
        ]
    )


def _lines(values: dict[str, Any] | None) -> str | None:
    return "\n".join(f"{name}: {value}" for name, value in values.items()) if values else None


def _latest(session: Session) -> dict[str, str]:
    """{service: the deployment that new invocations of it go to}."""
    return {each["name"]: each["deployment_id"] for each in session.admin.get("/services")["services"]}


def _active(session: Session, deployment_id: str) -> Counter[tuple[str, str]]:
    """{(service, handler): invocations pinned to the deployment that have not ended}."""
    rows = session.admin.query(
        "SELECT target_service_name AS service, target_handler_name AS handler, COUNT(1) AS count"
        f" FROM sys_invocation_status WHERE pinned_deployment_id = {quoted(deployment_id)} AND status != 'completed'"
        " GROUP BY target_service_name, target_handler_name"
    )
    return Counter({(row["service"], row["handler"]): row["count"] for row in rows})


def _active_everywhere(session: Session) -> dict[str, int]:
    """{deployment: invocations pinned to it that have not ended}; without those that have none."""
    rows = session.admin.query(
        "SELECT pinned_deployment_id AS deployment, COUNT(1) AS count FROM sys_invocation_status"
        " WHERE pinned_deployment_id IS NOT NULL AND status != 'completed' GROUP BY pinned_deployment_id"
    )
    return {row["deployment"]: row["count"] for row in rows}


def _status(deployment_id: str, active: int, latest: dict[str, str]) -> str:
    if deployment_id in latest.values():
        return "Active"
    return "Draining" if active else "Drained"


def _styled_status(status: str) -> Styled:
    return Styled(status, _STATUS_STYLES[status])


def _by_name(things: Iterable[Json]) -> list[Json]:
    return sorted(things, key=lambda each: str(each["name"]))


COMMAND.add(list_, "ls")
COMMAND.add(register, "discover", "add")
COMMAND.add(describe, "get")
COMMAND.add(remove, "rm")

"""`restate services config`: what of a service can be changed without its deployment."""

import tomllib
from typing import Any

import attrs
import click

from restate.runtime.cli.admin import Json, segment
from restate.runtime.cli.editing import edit
from restate.runtime.cli.output import Cell
from restate.runtime.cli.problems import CommandError
from restate.runtime.cli.session import Session
from restate.runtime.cli.words import command, group

CONFIG = group("config", "Configure a service. Its next registration takes the endpoint's values again.")


@attrs.frozen
class Option:
    """One thing that can be changed. help: a sentence. example: as TOML. types: services that have it; None for all."""

    help: str
    example: str
    types: tuple[str, ...] | None = None


_DURATION = "A duration such as 5d 1h 30m 15s, or ISO 8601."
OPTIONS = {
    "public": Option("Whether the ingress offers it; other services may call it in either case.", "true"),
    "idempotency_retention": Option(
        f"How long results of requests with an idempotency key are kept. {_DURATION}", '"10h"'
    ),
    "workflow_completion_retention": Option(
        f"How long a workflow's result, state and promises are kept. {_DURATION}", '"2d"', ("Workflow",)
    ),
    "journal_retention": Option(
        f"How long journals are kept after the end, at most as long as the result. {_DURATION}", '"2d"'
    ),
    "inactivity_timeout": Option(
        f"How long an attempt may do nothing before it is asked to suspend. {_DURATION}", '"1m"'
    ),
    "abort_timeout": Option(
        f"How long an attempt that was asked to suspend may go on before it is aborted. {_DURATION}", '"10m"'
    ),
}


@command("view")
@click.argument("service")
def view(session: Session, *, service: str) -> None:
    """Show the configuration of a service."""
    found = _get(session, service)
    fields = [name for name in (*OPTIONS, "enable_lazy_state", "retry_policy") if name in found]
    if session.json:
        session.out.json({name: found[name] for name in fields})
        return
    pairs: list[tuple[str, Cell]] = [("Service", found["name"]), ("Type", found.get("ty"))]
    pairs += [(_title(name), _shown(found[name])) for name in fields if name != "retry_policy"]
    pairs += [(f"Retry {_title(name).lower()}", _shown(value)) for name, value in _retries(found)]
    session.out.pairs(pairs)


def _retries(service: Json) -> list[tuple[str, Any]]:
    policy: Json = service.get("retry_policy", {})
    # Both servers send them in an order of their own.
    return [
        (name, "infinite" if name == "max_attempts" and value is None else value)
        for name, value in sorted(policy.items())
    ]


@command("patch")
@click.argument("service")
@click.option("--public", type=bool, metavar="true|false", help=OPTIONS["public"].help)
@click.option("--idempotency-retention", metavar="DURATION", help=OPTIONS["idempotency_retention"].help)
@click.option(
    "--workflow-completion-retention",
    metavar="DURATION",
    help=OPTIONS["workflow_completion_retention"].help,
)
@click.option("--journal-retention", metavar="DURATION", help=OPTIONS["journal_retention"].help)
@click.option("--inactivity-timeout", metavar="DURATION", help=OPTIONS["inactivity_timeout"].help)
@click.option("--abort-timeout", metavar="DURATION", help=OPTIONS["abort_timeout"].help)
def patch(session: Session, *, service: str, **changes: bool | str | None) -> None:
    """Change the configuration of a service."""
    _apply(session, service, {name: value for name, value in changes.items() if value is not None})


@command("edit")
@click.argument("service")
def edit_config(session: Session, *, service: str) -> None:
    """Change the configuration of a service in an editor."""
    text = edit(_template(_get(session, service)), ".toml")
    try:
        changes = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CommandError(f"what was edited is not valid TOML: {error}") from error
    unknown = changes.keys() - OPTIONS.keys()
    if unknown:
        raise CommandError(f"'{min(unknown)}' cannot be changed; known are: {', '.join(OPTIONS)}")
    _apply(session, service, changes)


def _template(service: Json) -> str:
    lines = [f"# What to change of {service['name']}: take the # from a line, and set its value.", ""]
    for name, option in OPTIONS.items():
        if option.types is not None and service.get("ty") not in option.types:
            continue
        value = service.get(name)
        now = option.example if value is None else str(value).lower() if name == "public" else f'"{value}"'
        lines += [f"# {option.help}", f"# {name} = {now}", ""]
    return "\n".join(lines)


def _apply(session: Session, service: str, changes: dict[str, Any]) -> None:
    if not changes:
        session.note("Nothing to change.")
        return
    if not session.json:
        session.out.pairs([(_title(name), _shown(value)) for name, value in changes.items()])
    session.confirm(f"Change the configuration of {service}?")
    changed = session.admin.request("PATCH", f"/services/{segment(service)}", changes)
    if session.json:
        session.out.json(changed)
    else:
        session.out.line(f"Changed {service}", "bold green")


def _get(session: Session, service: str) -> Json:
    found: Json = session.admin.get(f"/services/{segment(service)}")
    return found


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


CONFIG.add(view)
CONFIG.add(patch)
CONFIG.add(edit_config)

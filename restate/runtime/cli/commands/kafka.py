"""`restate kafka-clusters`."""

import click

from restate.runtime.cli.admin import Json, segment
from restate.runtime.cli.assignments import assignments
from restate.runtime.cli.editing import edit as edit_text
from restate.runtime.cli.problems import CommandError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.words import command, group

COMMAND = group("kafka-clusters", "Manage Kafka clusters.")

_REDACTED = "***"
_BROKERS = ("bootstrap.servers", "metadata.broker.list")


def brokers(properties: Json) -> str | None:
    return next((str(properties[name]) for name in _BROKERS if name in properties), None)


@command("list")
@watchable
def list_(session: Session) -> None:
    """List the registered clusters."""
    clusters = sorted(session.admin.get("/kafka-clusters")["clusters"], key=lambda each: str(each["name"]))
    if session.json:
        session.out.json(clusters)
    elif not clusters:
        session.note("No Kafka clusters are registered.")
    else:
        session.out.table(
            ["NAME", "BROKERS", "PROPERTIES", "CREATED"],
            [
                [
                    each["name"],
                    brokers(each["properties"]),
                    len(each["properties"]),
                    session.age(each.get("created_at")),
                ]
                for each in clusters
            ],
        )


@command("describe")
@click.argument("name")
@watchable
def describe(session: Session, *, name: str) -> None:
    """Tell all about one cluster."""
    cluster = _get(session, name)
    if session.json:
        session.out.json(cluster)
        return
    session.out.pairs([("Name", cluster["name"]), ("Created", session.moment(cluster.get("created_at")))])
    session.out.heading("Properties")
    session.out.table(["NAME", "VALUE"], sorted(cluster["properties"].items()))
    if cluster["subscriptions"]:
        session.out.heading("Subscriptions")
        session.out.table(
            ["ID", "SOURCE", "SINK"],
            [[each["id"], each["source"], each["sink"]] for each in cluster["subscriptions"]],
        )


@command("create")
@click.argument("name")
@click.argument("properties", nargs=-1, metavar="[KEY=VALUE]...")
def create(session: Session, *, name: str, properties: tuple[str, ...]) -> None:
    """Register a cluster, with properties such as bootstrap.servers=broker:9092."""
    given = assignments(properties, "properties")
    session.confirm(f"Create the Kafka cluster {name}?")
    made = session.admin.request("POST", "/kafka-clusters", {"name": name, "properties": given})
    _tell(session, made, f"Created {name}")


@command("patch")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a property.")
@click.option("--unset", multiple=True, metavar="KEY", help="Take a property away.")
def patch(session: Session, *, name: str, settings: tuple[str, ...], unset: tuple[str, ...]) -> None:
    """Change properties of a cluster."""
    properties = {
        key: value for key, value in _get(session, name)["properties"].items() if key not in unset
    } | assignments(settings, "--set")
    _replace(session, name, properties)


@command("edit")
@click.argument("name")
def edit(session: Session, *, name: str) -> None:
    """Change the properties of a cluster in an editor."""
    properties = _get(session, name)["properties"]
    text = edit_text("".join(f"{key}={value}\n" for key, value in sorted(properties.items())), ".properties")
    lines = (line.strip() for line in text.splitlines())
    changed = assignments((line for line in lines if line and line[0] not in "#!"), "properties")
    if changed == properties:
        session.note("Nothing to change.")
        return
    _replace(session, name, changed)


def _replace(session: Session, name: str, properties: dict[str, str]) -> None:
    redacted = sorted(key for key, value in properties.items() if value == _REDACTED)
    if redacted:
        raise CommandError(
            f"the server does not show the values of {', '.join(redacted)}, and all are replaced: set them again"
        )
    session.confirm(f"Replace the properties of the Kafka cluster {name}?")
    made = session.admin.request("PATCH", f"/kafka-clusters/{segment(name)}", {"properties": properties})
    _tell(session, made, f"Changed {name}")


@command("delete")
@click.argument("name")
@click.option("--force", is_flag=True, help="Also if subscriptions refer to it.")
def delete(session: Session, *, name: str, force: bool) -> None:
    """Remove a cluster."""
    attached = len(_get(session, name)["subscriptions"])
    if attached and not force:
        raise CommandError(f"{attached} subscriptions refer to {name}; --force removes it nevertheless")
    session.confirm(f"Remove the Kafka cluster {name}?")
    query = {"force": "true" if force else None}
    session.admin.request("DELETE", f"/kafka-clusters/{segment(name)}", query=query)
    _tell(session, {"removed": name}, f"Removed {name}")


def _get(session: Session, name: str) -> Json:
    found: Json = session.admin.get(f"/kafka-clusters/{segment(name)}", include_subscriptions="true")
    return found


def _tell(session: Session, answer: Json, text: str) -> None:
    if session.json:
        session.out.json(answer)
    else:
        session.out.line(text, "bold green")


COMMAND.add(list_, "ls")
COMMAND.add(create)
COMMAND.add(describe, "get")
COMMAND.add(edit)
COMMAND.add(patch)
COMMAND.add(delete, "rm")

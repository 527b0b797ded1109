"""`restate subscriptions`."""

import click

from restate.runtime.cli.admin import segment
from restate.runtime.cli.assignments import assignments
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.words import command, group

COMMAND = group("subscriptions", "Manage Kafka subscriptions.")


@command("list")
@click.option("--source", metavar="URI", help="Only with exactly this source.")
@click.option("--sink", metavar="URI", help="Only with exactly this sink.")
@watchable
def list_(session: Session, *, source: str | None, sink: str | None) -> None:
    """List the registered subscriptions."""
    found = session.admin.get("/subscriptions", source=source, sink=sink)["subscriptions"]
    subscriptions = sorted(found, key=lambda each: (str(each["source"]), str(each["id"])))
    if session.json:
        session.out.json(subscriptions)
    elif not subscriptions:
        session.note("No subscriptions are registered.")
    else:
        session.out.table(
            ["ID", "SOURCE", "SINK", "OPTIONS"],
            [
                [each["id"], each["source"], each["sink"], len(each.get("options") or {})]
                for each in subscriptions
            ],
        )


@command("describe")
@click.argument("subscription_id", metavar="ID")
@watchable
def describe(session: Session, *, subscription_id: str) -> None:
    """Tell all about one subscription."""
    found = session.admin.get(f"/subscriptions/{segment(subscription_id)}")
    if session.json:
        session.out.json(found)
        return
    session.out.pairs([("ID", found["id"]), ("Source", found["source"]), ("Sink", found["sink"])])
    session.out.heading("Options")
    session.out.table(["NAME", "VALUE"], sorted((found.get("options") or {}).items()))


@command("create")
@click.argument("source")
@click.argument("sink")
@click.argument("options", nargs=-1, metavar="[KEY=VALUE]...")
def create(session: Session, *, source: str, sink: str, options: tuple[str, ...]) -> None:
    """Register a subscription.

    SOURCE is kafka://CLUSTER/TOPIC, SINK is service://SERVICE/HANDLER; an option is, for instance, group.id=my-group.
    """
    body = {"source": source, "sink": sink, "options": assignments(options, "options") or None}
    session.confirm(f"Send each record of {source} to {sink}?")
    made = session.admin.request("POST", "/subscriptions", body)
    if session.json:
        session.out.json(made)
    else:
        session.out.line(f"Created {made['id']}", "bold green")


@command("delete")
@click.argument("subscription_id", metavar="ID")
def delete(session: Session, *, subscription_id: str) -> None:
    """Remove a subscription."""
    found = session.admin.get(f"/subscriptions/{segment(subscription_id)}")
    session.confirm(f"Remove the subscription of {found['source']} to {found['sink']}?")
    session.admin.request("DELETE", f"/subscriptions/{segment(subscription_id)}")
    if session.json:
        session.out.json({"removed": subscription_id})
    else:
        session.out.line(f"Removed {subscription_id}", "bold green")


COMMAND.add(list_, "ls")
COMMAND.add(create)
COMMAND.add(describe, "get")
COMMAND.add(delete, "rm")

"""`restate rules`: what limits the concurrency of invocations by scope and limit key."""

import click

from restate.runtime.cli.admin import Json
from restate.runtime.cli.problems import CommandError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.sql import quoted
from restate.runtime.cli.words import command, group

COMMAND = group("rules", "Manage rules that limit concurrency.")

_COLUMNS = "pattern, concurrency, description, disabled, version, last_modified"


@command("list")
@click.option("-x", "--extra", is_flag=True, help="Add descriptions and versions.")
@watchable
def list_(session: Session, *, extra: bool) -> None:
    """List the rules."""
    rules = session.admin.query(f"SELECT {_COLUMNS} FROM sys_rules ORDER BY pattern")
    if session.json:
        session.out.json(rules)
    elif not rules:
        session.note("No rules are defined.")
    else:
        session.out.table(
            [
                "PATTERN",
                "CONCURRENCY",
                "DISABLED",
                *(["DESCRIPTION", "VERSION", "MODIFIED"] if extra else []),
            ],
            [
                [
                    rule["pattern"],
                    rule.get("concurrency", "unlimited"),
                    "yes" if rule.get("disabled") else "no",
                    *(
                        [rule.get("description"), rule.get("version"), session.age(rule.get("last_modified"))]
                        if extra
                        else []
                    ),
                ]
                for rule in rules
            ],
        )


@command("set")
@click.argument("pattern")
@click.option("--concurrency", type=click.IntRange(1), help="How many invocations may run at once.")
@click.option("--unlimited", is_flag=True, help="No limit.")
@click.option("--description", help="What it is for.")
@click.option("--disabled", is_flag=True, help="Create it without effect; for new rules.")
def set_(
    session: Session,
    *,
    pattern: str,
    concurrency: int | None,
    unlimited: bool,
    description: str | None,
    disabled: bool,
) -> None:
    """Create or change a rule. PATTERN is such as `*`, `scope/*` or `scope/key/*`."""
    if unlimited == (concurrency is not None):
        raise click.UsageError("one of --concurrency and --unlimited is needed")
    old = _find(session, pattern)
    rule: Json = {"pattern": pattern, "limits": {} if unlimited else {"concurrency": concurrency}}
    if old is not None and disabled:
        raise CommandError(f"the rule '{pattern}' exists; `restate rules disable` takes its effect away")
    rule["disabled"] = disabled if old is None else bool(old.get("disabled"))
    wanted = description if description is not None else (old or {}).get("description")
    if wanted is not None:
        rule["description"] = wanted
    session.confirm(f"{'Create' if old is None else 'Change'} the rule '{pattern}'?")
    _put(session, rule, old, f"{'Created' if old is None else 'Changed'} '{pattern}'")


@command("enable")
@click.argument("pattern")
def enable(session: Session, *, pattern: str) -> None:
    """Give a disabled rule its effect again."""
    _switch(session, pattern, disabled=False)


@command("disable")
@click.argument("pattern")
def disable(session: Session, *, pattern: str) -> None:
    """Take the effect of a rule away, and keep it."""
    _switch(session, pattern, disabled=True)


@command("delete")
@click.argument("pattern")
def delete(session: Session, *, pattern: str) -> None:
    """Remove a rule."""
    old = _existing(session, pattern)
    session.confirm(f"Remove the rule '{pattern}'?")
    body = [{"pattern": pattern, "expected_version": old["version"]}]
    answer = session.admin.request("POST", "/limits/rules/bulk-delete", body)
    if session.json:
        session.out.json(answer)
    else:
        session.out.line(f"Removed '{pattern}'", "bold green")


def _switch(session: Session, pattern: str, *, disabled: bool) -> None:
    old = _existing(session, pattern)
    limits = {"concurrency": old["concurrency"]} if old.get("concurrency") is not None else {}
    rule: Json = {"pattern": pattern, "limits": limits, "disabled": disabled}
    if old.get("description") is not None:
        rule["description"] = old["description"]
    session.confirm(f"{'Disable' if disabled else 'Enable'} the rule '{pattern}'?")
    _put(session, rule, old, f"{'Disabled' if disabled else 'Enabled'} '{pattern}'")


def _put(session: Session, rule: Json, old: Json | None, text: str) -> None:
    """Refused by the server if somebody else has changed the rule since it was read."""
    rule["precondition"] = (
        {"type": "does_not_exist"} if old is None else {"type": "matches", "version": old["version"]}
    )
    answer = session.admin.request("PUT", "/limits/rules", [rule])
    if session.json:
        session.out.json(answer)
    else:
        session.out.line(text, "bold green")


def _find(session: Session, pattern: str) -> Json | None:
    rows = session.admin.query(f"SELECT {_COLUMNS} FROM sys_rules WHERE pattern = {quoted(pattern)}")
    return rows[0] if rows else None


def _existing(session: Session, pattern: str) -> Json:
    found = _find(session, pattern)
    if found is None:
        raise CommandError(f"there is no rule '{pattern}'")
    return found


COMMAND.add(list_, "ls")
COMMAND.add(set_)
COMMAND.add(enable)
COMMAND.add(disable)
COMMAND.add(delete, "rm")

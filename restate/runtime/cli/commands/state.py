"""`restate state`: what objects and workflows keep under their keys.

Values are shown and edited as JSON, which is what SDKs store by default; with --binary as base64. A change replaces the
whole state of a key. It carries the version of the state that it was made from, and the server drops it if the state
has changed by the time it is applied.
"""

import base64
import hashlib
import json
import time
from typing import Any

import click

from restate.runtime.cli import json_patch
from restate.runtime.cli.admin import segment
from restate.runtime.cli.editing import edit as edit_text
from restate.runtime.cli.problems import CommandError, RefusedError
from restate.runtime.cli.session import Session, watchable
from restate.runtime.cli.sql import quoted
from restate.runtime.cli.words import command, group

COMMAND = group("state", "Look at and change the state of objects and workflows.")

State = dict[str, bytes]

_SETTLED_AFTER_S = 2.0
"""How long to look whether a change was applied; longer ones wait for an invocation."""

_binary = click.option("--binary", is_flag=True, help="Values as base64, for what is no JSON.")
_force = click.option("-f", "--force", is_flag=True, help="Also if the state has changed meanwhile.")


def version(state: State) -> str:
    """What the server compares: a hash over names and values, in the order of the names."""
    digest = hashlib.sha256()
    for index, name in enumerate(sorted(state, key=str.encode)):
        digest.update(index.to_bytes(8, "big") + b"\x01" + name.encode() + b"\x02" + state[name] + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


@command("get")
@click.argument("service")
@click.argument("key")
@_binary
@click.option("-p", "--plain", is_flag=True, help="Only the JSON, on one line.")
@watchable
def get(session: Session, *, service: str, key: str, binary: bool, plain: bool) -> None:
    """Show the state stored for a key."""
    _check(session, service)
    shown = _shown(_read(session, service, key), binary=binary)
    if plain:
        session.out.json_lines([shown])
    elif session.json:
        session.out.json(shown)
    else:
        _show(session, service, key, shown)


@command("edit")
@click.argument("service")
@click.argument("key")
@_binary
@_force
def edit(session: Session, *, service: str, key: str, binary: bool, force: bool) -> None:
    """Change the state of a key in an editor."""
    _check(session, service)
    old = _read(session, service, key)
    text = edit_text(json.dumps(_shown(old, binary=binary), indent=2, ensure_ascii=False) + "\n", ".json")
    try:
        changed = json.loads(text)
    except ValueError as error:
        raise CommandError(f"what was edited is not valid JSON: {error}") from error
    _replace(session, service, key, old, changed, binary=binary, force=force)


@command("patch")
@click.argument("service")
@click.argument("key")
@click.option("-p", "--patch", required=True, metavar="JSON-PATCH", help="Operations as in RFC 6902.")
@_binary
@_force
def patch(session: Session, *, service: str, key: str, patch: str, binary: bool, force: bool) -> None:
    """Change the state of a key by a JSON patch."""
    try:
        operations = json.loads(patch)
    except ValueError as error:
        raise CommandError(f"the patch is not valid JSON: {error}") from error
    _check(session, service)
    old = _read(session, service, key)
    changed = json_patch.apply(_shown(old, binary=binary), operations)
    _replace(session, service, key, old, changed, binary=binary, force=force)


@command("clear")
@click.argument("query")
@_force
def clear(session: Session, *, query: str, force: bool) -> None:
    """Remove the state of a key, or of all keys of a service.

    QUERY is `Service` or `Service/key`.
    """
    service, slash, key = query.partition("/")
    conditions = f"service_name = {quoted(service)}" + (f" AND service_key = {quoted(key)}" if slash else "")
    rows = session.admin.query(f"SELECT service_key, key, value FROM state WHERE {conditions}")
    if not rows:
        raise CommandError(f"no state was found for '{query}'")
    states: dict[str, State] = {}
    for row in rows:
        states.setdefault(row.get("service_key", ""), {})[row["key"]] = bytes.fromhex(row.get("value", ""))
    if not session.json:
        session.out.table(
            ["SERVICE/KEY", "STATE"], [[f"{service}/{k}", ", ".join(states[k])] for k in sorted(states)]
        )
    count = "1 key" if len(states) == 1 else f"{len(states)} keys"
    session.confirm(f"Remove the state of {count}?")
    for each, state in sorted(states.items()):
        _post(session, service, each, {}, None if force else version(state))
    if session.json:
        session.out.json([{"service": service, "key": each} for each in sorted(states)])
    else:
        session.out.line(f"Removing the state of {count}, after what runs on them", "bold green")


def _replace(
    session: Session, service: str, key: str, old: State, changed: Any, *, binary: bool, force: bool
) -> None:
    new = _stored(changed, old, binary=binary)
    if new == old:
        session.note("Nothing to change.")
        return
    if not session.json:
        _show(session, service, key, _shown(new, binary=binary))
    session.confirm(f"Replace the state of {service}/{key}?")
    _post(session, service, key, new, None if force else version(old))
    applied = _applied(session, service, key, new)
    if session.json:
        session.out.json(
            {"service": service, "key": key, "state": _shown(new, binary=binary), "applied": applied}
        )
    elif applied:
        session.out.line("The state was replaced", "bold green")
    if not applied:
        session.note(
            "The change was accepted but cannot be seen yet: it waits for the invocations of the key, or was dropped"
            " because the state has changed meanwhile."
        )


def _applied(session: Session, service: str, key: str, new: State) -> bool:
    """Whether the change can be seen; the server answers before it applies it."""
    deadline = time.monotonic() + _SETTLED_AFTER_S
    while _read(session, service, key) != new:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _post(session: Session, service: str, key: str, state: State, expected: str | None) -> None:
    body = {
        "version": expected,
        "object_key": key,
        "new_state": {name: list(value) for name, value in state.items()},
    }
    session.admin.request("POST", f"/services/{segment(service)}/state", body)


def _check(session: Session, service: str) -> None:
    """Plain services have no state; one that is not registered may have left some."""
    try:
        found = session.admin.get(f"/services/{segment(service)}")
    except RefusedError as error:
        if error.status != 404:
            raise
        session.note(f"The service {service} is not registered; it may have been removed.")
        return
    if found.get("ty") == "Service":
        raise CommandError(f"{service} has no state: only virtual objects and workflows have")


def _read(session: Session, service: str, key: str) -> State:
    rows = session.admin.query(
        f"SELECT key, value FROM state WHERE service_name = {quoted(service)} AND service_key = {quoted(key)}"
    )
    return {
        row["key"]: bytes.fromhex(row.get("value", ""))
        for row in sorted(rows, key=lambda each: str(each["key"]))
    }


def _shown(state: State, *, binary: bool) -> dict[str, Any]:
    """The state as one JSON object. CommandError for a value that is no JSON."""
    if binary:
        return {name: base64.b64encode(value).decode() for name, value in state.items()}
    shown = {}
    for name, value in state.items():
        try:
            shown[name] = json.loads(value)
        except ValueError:
            raise CommandError(f"the value of '{name}' is no JSON; --binary shows it as base64") from None
    return shown


def _stored(changed: Any, old: State, *, binary: bool) -> State:
    """The bytes of an edited state. What was not changed keeps the bytes it had, however they wrote the value."""
    if not isinstance(changed, dict):
        raise CommandError("the state of a key is a JSON object, a member for each name")
    before = _shown(old, binary=binary)
    return {
        name: old[name]
        if name in before and json_patch.same(before[name], value)
        else _encoded(name, value, binary=binary)
        for name, value in changed.items()
    }


def _encoded(name: str, value: Any, *, binary: bool) -> bytes:
    if not binary:
        try:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        except UnicodeEncodeError as error:
            raise CommandError(
                f"the value of '{name}' has text that is no Unicode: {error.reason}"
            ) from error
        except ValueError as error:
            raise CommandError(
                f"the value of '{name}' has NaN or a number out of range, which JSON cannot have"
            ) from error
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError) as error:
        raise CommandError(f"with --binary the value of '{name}' must be text in base64: {error}") from error


def _show(session: Session, service: str, key: str, shown: dict[str, Any]) -> None:
    session.out.pairs([("Service", service), ("Key", key)])
    session.out.line()
    if not shown:
        session.out.line("No state.")
        return
    session.out.table(
        ["NAME", "VALUE"],
        [[name, json.dumps(value, indent=2, ensure_ascii=False)] for name, value in shown.items()],
    )


COMMAND.add(get)
COMMAND.add(edit)
COMMAND.add(patch)
COMMAND.add(clear)

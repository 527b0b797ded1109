"""What an entry of a journal says, in a few words, from the short JSON form that servers of both makes give it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from restate.runtime.cli.admin import Json

Moment = Callable[[str], str | None]
"""A timestamp as it is shown."""


def entry_note(entry: Json, moment: Moment) -> str:
    """entry: a row of sys_journal with `entry_lite_json`, which journals of the classic generation lack, and columns for
    calls and sleeps, which those of the modern one leave empty."""
    said = _said(entry.get("entry_lite_json"))
    call = said.get("invocation_target")
    parts = [
        _until(said.get("wake_up_time") or entry.get("sleep_wakeup_at"), moment),
        entry.get("invoked_target") or (_target(call) if isinstance(call, dict) else None),
        entry.get("invoked_id") or said.get("invocation_id"),
        _at(said.get("invoke_time"), moment),
        said.get("key"),
        _result(said.get("result")),
    ]
    return " ".join(str(part) for part in parts if part)


def _said(text: str | None) -> Json:
    """The fields of the entry itself, without what names its kind."""
    if text is None:
        return {}
    try:
        found = json.loads(text)
        command = found.get("Command")
        inner = found["Notification"] if command is None else next(iter(command.values()))
    except (ValueError, AttributeError, KeyError, StopIteration):
        # Another server's, newer than this program.
        return {}
    return inner if isinstance(inner, dict) else {}


def _until(time: int | str | None, moment: Moment) -> str | None:
    return None if time is None else f"until {moment(_text(time))}"


def _at(time_ms: int | None, moment: Moment) -> str | None:
    """A call that is made at once says 0."""
    return f"at {moment(_text(time_ms))}" if time_ms else None


def _text(time: int | str) -> str:
    if isinstance(time, str):
        return time
    try:
        return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{time} ms after 1970"


def _target(target: dict[str, Any]) -> str | None:
    """`{"VirtualObject": {"name", "key", "handler", ...}}`, of services without key."""
    parts = next(iter(target.values()), None)
    if not isinstance(parts, dict):
        return None
    return "/".join(str(parts[name]) for name in ("name", "key", "handler") if name in parts)


def _result(result: object) -> str | None:
    """Only success and failure: that there is a void, or an id, tells nothing."""
    return result.lower() if result in ("Success", "Failure") and isinstance(result, str) else None

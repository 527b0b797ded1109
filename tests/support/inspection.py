"""What a server has stored of invocations, in one form for both servers: see `inspect_ours` and `inspect_official`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs
from google.protobuf import text_format
from google.protobuf.message import Message

from restate.runtime.pb import modern_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

SHOWN = 48
"""Longer values in a journal are shown by their length."""

_MASKS = (
    (re.compile(r"\b(inv|sign|prom)_1[0-9A-Za-z_-]{33,60}"), r"\1"),
    (re.compile(r'("stacktrace":)"(?:[^"\\]|\\.)*"'), r'\1"..."'),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "T"),
    (re.compile(r"\b(wake_up_time|invoke_time): \d+"), r"\1: T"),
)
_LONG = re.compile(rf'"((?:[^"\\]|\\.){{{SHOWN},}})"')
# The client's own headers; the journal tells them, the scenarios do not choose them.
_CLIENT_HEADERS = frozenset({"user-agent", "accept", "accept-encoding", "connection", "content-length"})


@attrs.frozen
class Entry:
    """One row of a journal. kind: `Command: Run`, `Notification: Signal`. raw: body of the wire message."""

    kind: str
    raw: bytes

    @property
    def text(self) -> str:
        """The kind and all fields on one line, without what differs from run to run."""
        message = self._message()
        message.ParseFromString(self.raw)
        if isinstance(message, modern_pb2.InputCommand):
            kept = [header for header in message.headers if header.key not in _CLIENT_HEADERS]
            del message.headers[:]
            message.headers.extend(sorted(kept, key=lambda header: header.key))
        fields = text_format.MessageToString(message, as_one_line=True, as_utf8=True)
        return f"{self.kind} {mask(fields)}".rstrip()

    @property
    def ids(self) -> list[str]:
        """The invocation ids in it."""
        return re.findall(r"inv_1[0-9A-Za-z]{33}", self.raw.decode("latin-1"))

    def _message(self) -> Message:
        sort, name = self.kind.split(": ")
        if sort == "Notification":
            return modern_pb2.Notification()
        made: Message = getattr(modern_pb2, f"{name}Command")()
        return made


@attrs.frozen
class Invocation:
    """One invocation. status: as SQL says it, but `invoked` for whatever attempts are made of.

    outcome: `success`, or `[409] killed` with the failure's code; None before the end. parent: id of the calling
    invocation.
    """

    id: str
    target: str
    status: str
    outcome: str | None
    parent: str | None


class Inspector(Protocol):
    """Reads of one running server. May be used from several threads; closed by the owner."""

    def invocation(self, invocation_id: str) -> Invocation | None: ...

    def invocations(self) -> Mapping[str, Invocation]:
        """All there are, by id."""
        ...

    def journal(self, invocation_id: str) -> Sequence[Entry]: ...

    def state(self, service: str, key: str) -> dict[str, str]:
        """An object's state; values as text."""
        ...

    def close(self) -> None: ...


def mask(text: str) -> str:
    """The text without ids and times; long quoted values by their length."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return _LONG.sub(lambda match: f'"... {len(match[1])} characters"', text)

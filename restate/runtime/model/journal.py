"""Journal rows: commands as the bytes the SDK wrote, notifications in neutral form (service-protocol.md §6)."""

import msgspec

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.result import Result
from restate.runtime.model.target import Target

SIGNAL_CODE = 0xFBFF
CALLEE_ID_CODE = 0x800E
CHILD_COMMANDS = frozenset({0x040D, 0x040E})
"""Modern calls and sends: what they have started, a kill takes along."""
WAITING_COMMANDS = {0x040C: False, 0x0C00: False, 0x0C01: False, 0x0C03: True}
"""Commands that whoever ends the invocation must look after while they wait: sleeps; classic also calls and awakeables.
Each with whether it waits for a signal or a completion.
"""
WAITED_FOR = frozenset({0x800C, 0x800D, SIGNAL_CODE})
"""The notifications that may complete them."""
CLASSIC_CALLEE_ID_BASE = 1 << 31
"""Completion id of a classic call's callee-id notification: this plus the command index; never sent."""


class Callee(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a call, send or attach command refers to, decided outside the engine when the command came in.

    Stored with the command, so that a replay meets the same invocation again.
    """

    invocation: InvocationId
    target: Target | None
    completion_retention_ms: int = 0
    journal_retention_ms: int = 0
    idempotency_key: str | None = None


class CommandRow(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """One command. code: message type of the wire. raw: body bytes as received, never rebuilt.

    command_index: number of commands before it. completed: a classic entry that arrived with its result inside.
    """

    code: int
    command_index: int
    appended_ms: int
    raw: bytes
    completed: bool = False
    callee: Callee | None = None


class NotificationRow(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """One completion or signal. code: modern message type, 0x80xx or SIGNAL_CODE.

    key: completion id, or signal number, or signal name. Classic completions use the command index as key.
    acked: a run completion that protocol version 7 acknowledges instead of echoing while the stream is live.
    """

    code: int
    key: int | str
    appended_ms: int
    result: Result
    acked: bool = False

    @property
    def is_signal(self) -> bool:
        return self.code == SIGNAL_CODE


JournalRow = CommandRow | NotificationRow


class EventRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that happened to an invocation beside its journal, for people to read.

    type: `TransientError` or `Paused`. after_index: of the journal's last row then. detail: JSON text.
    """

    type: str
    after_index: int
    appended_ms: int
    detail: str

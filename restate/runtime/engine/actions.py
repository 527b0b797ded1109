"""Engine output: what the shell does once the writes that caused it are on disk, in order."""

from enum import Enum

import attrs

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.result import Outcome, Success
from restate.runtime.model.target import Target
from restate.runtime.model.timer import TimerKey


@attrs.frozen
class StartAttempt:
    """Open a stream to the service. record: the invocation as of this point; replay its first journal_length rows."""

    id: InvocationId
    token: int
    record: InvocationRecord


@attrs.frozen
class AbortAttempt:
    """End the attempt of `id`, if one runs: reset its stream. token: only if it is this one; None: whichever it is."""

    id: InvocationId
    token: int | None = None


@attrs.frozen
class AckCommand:
    """The command is durable; tell the SDK, which asked for it."""

    id: InvocationId
    token: int
    command_index: int


@attrs.frozen
class JournalGrew:
    """The first `length` rows of the journal may now be shown to the running attempt."""

    id: InvocationId
    token: int
    length: int


@attrs.frozen
class PauseAttempt:
    """Ask the SDK to suspend; if the attempt fails instead, or waits for its next try, the invocation is paused."""

    id: InvocationId
    token: int


@attrs.frozen
class ResumeAttempt:
    """Forget a PauseAttempt; and if the attempt waits for its next try, try now."""

    id: InvocationId
    token: int


@attrs.frozen
class SetTimer:
    key: TimerKey


@attrs.frozen
class UnsetTimer:
    key: TimerKey


@attrs.frozen
class IngressReply:
    """The outcome for a client who waits. expiry_ms: set when it comes from a stored, retained outcome.

    outcome None: the invocation exists but has not ended (get output). not_found: there is no such invocation.
    """

    request_id: int
    id: InvocationId
    target: Target | None
    outcome: Outcome | None
    expiry_ms: int | None = None
    not_found: bool = False

    @property
    def value_size(self) -> int:
        """Bytes of the value; 0 without one."""
        return len(self.outcome.value) if isinstance(self.outcome, Success) else 0


@attrs.frozen
class SubmitReply:
    """The invocation is durable. is_new: False if it joined an existing one."""

    request_id: int
    id: InvocationId
    execution_time_ms: int | None
    is_new: bool


class AdminOutcome(Enum):
    """How an operator command ended; admin maps it to a status (engine.md §6.4)."""

    DONE = "done"
    ACCEPTED = "accepted"
    NOT_FOUND = "not_found"
    ALREADY_COMPLETED = "already_completed"
    NOT_COMPLETED = "not_completed"
    NOT_STARTED = "not_started"
    """Scheduled or inboxed."""
    NOT_RUNNING = "not_running"
    """Not begun, or over."""
    DEPLOYMENT_FIXED = "deployment_fixed"
    """It runs, or has no pin that could be changed."""
    DEPLOYMENT_UNKNOWN = "deployment_unknown"
    DEPLOYMENT_INCOMPATIBLE = "deployment_incompatible"
    """It does not speak the pinned protocol version."""
    UNSUPPORTED = "unsupported"
    JOURNAL_GONE = "journal_gone"
    JOURNAL_INCOMPLETE = "journal_incomplete"
    """Shorter than asked for, or with commands that were never completed."""
    CONFLICT = "conflict"


@attrs.frozen
class AdminReply:
    request_id: int
    outcome: AdminOutcome


@attrs.frozen
class PublishSchema:
    """The stored schema has changed; version counts changes from 0. rows: as in ChangeSchema."""

    version: int
    rows: tuple[tuple[bytes, bytes | None], ...]


@attrs.frozen
class EndSpan:
    """The invocation is over; what is recorded of it goes to the trace. record: its last one."""

    id: InvocationId
    record: InvocationRecord


@attrs.frozen
class DrainLater:
    """The outbox is not empty; propose a DrainOutbox."""


Action = (
    StartAttempt
    | AbortAttempt
    | AckCommand
    | JournalGrew
    | PauseAttempt
    | ResumeAttempt
    | SetTimer
    | UnsetTimer
    | IngressReply
    | SubmitReply
    | AdminReply
    | PublishSchema
    | EndSpan
    | DrainLater
)

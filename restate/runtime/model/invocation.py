"""The invocation record and the nouns inside it, as stored (engine.md §3.1)."""

from enum import IntEnum

import msgspec

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.result import Failure, Outcome
from restate.runtime.model.target import Target
from restate.runtime.model.trace import TraceContext


class Status(IntEnum):
    """Where an invocation stands; no record at all is *Free*. Stored, so numbers never change."""

    SCHEDULED = 1
    INBOXED = 2
    INVOKED = 3
    SUSPENDED = 4
    PAUSED = 5
    COMPLETED = 6


class IngressSource(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """Called from outside."""


class ServiceSource(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Called by another invocation."""

    invocation: InvocationId
    target: Target


class RestartSource(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """Restarted as new from a completed invocation."""

    invocation: InvocationId


class SubscriptionSource(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Started by an event of a subscription."""

    subscription: str


Source = IngressSource | ServiceSource | RestartSource | SubscriptionSource


class IngressSink(msgspec.Struct, frozen=True, array_like=True, tag=0, gc=False):
    """A client waits in this process. request_id dies with the process."""

    request_id: int


class CallSink(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """Another invocation waits. incarnation guards against a later invocation with the caller's id."""

    caller: InvocationId
    incarnation: int
    completion_id: int


Sink = IngressSink | CallSink


class Pin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the invocation stays, once it has stored a first command."""

    deployment_id: str
    protocol_version: int


class Combinator(IntEnum):
    """How the members of an awaiting node combine; numbers are those of the wire."""

    UNKNOWN = 0
    FIRST_COMPLETED = 1
    ALL_COMPLETED = 2
    FIRST_SUCCEEDED_OR_ALL_FAILED = 3
    ALL_SUCCEEDED_OR_FIRST_FAILED = 4


class Awaiting(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a suspended invocation waits for: a node over completion ids, signals by number or name, and nested nodes."""

    combinator: Combinator
    completions: tuple[int, ...] = ()
    signals: tuple[int, ...] = ()
    named_signals: tuple[str, ...] = ()
    nested: tuple["Awaiting", ...] = ()


class InvocationRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Everything durable about one invocation but its journal.

    Fields that queries filter on come first, so a scan can decode a short head. New fields go to the end, with defaults.
    All times are epoch milliseconds. incarnation: never reused, even when the same id is created again (engine.md §7.2).
    """

    status: Status
    target: Target
    created_ms: int
    modified_ms: int
    pin: Pin | None
    incarnation: int
    source: Source
    sinks: tuple[Sink, ...]
    completion_retention_ms: int
    journal_retention_ms: int
    idempotency_key: str | None = None
    execution_time_ms: int | None = None
    journal_length: int = 0
    """Commands and notifications; the internal cursor."""
    commands: int = 0
    """Commands alone; what classic entry indexes and acks count."""
    open_sleeps: int = 0
    inbox_seq: int | None = None
    awaiting: Awaiting | None = None
    outcome: Outcome | None = None
    inboxed_ms: int | None = None
    scheduled_ms: int | None = None
    running_ms: int | None = None
    completed_ms: int | None = None
    random_seed: int | None = None
    last_output: Outcome | None = None
    """The last Output command of the journal; becomes the outcome at End."""
    pause_error: Failure | None = None
    """Why it is paused; None if that is not an error's doing."""
    events: int = 0
    """How many have been stored, old ones that were dropped included."""
    trace: TraceContext | None = None
    """Where the span of the invocation belongs; None: in no trace."""
    created_version: str | None = None
    """Of this program, when it created the invocation; None in records of 0.1 before it was kept."""

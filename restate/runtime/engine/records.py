"""Engine input. Every record is a serializable value; ids and choices are made by whoever proposes it."""

from enum import IntEnum

import msgspec

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, Pin, Sink, Source
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure, Result
from restate.runtime.model.target import Generation, Target
from restate.runtime.model.timer import TimerKey as TimerKey
from restate.runtime.model.timer import TimerKind as TimerKind
from restate.runtime.model.trace import TraceContext


class Record(msgspec.Struct, frozen=True, array_like=True, tag=True, gc=False):
    """Base of all records; the tag is the class name."""


class Invoke(Record, frozen=True):
    """Start the invocation `id`, or join it if it exists.

    body: input bytes. headers: ((name, value), ...) for the handler. execution_time_ms: start then, not now.
    submit_request: ingress request that wants a SubmitReply once the record is durable.
    """

    id: InvocationId
    target: Target
    body: bytes
    headers: tuple[tuple[str, str], ...]
    source: Source
    sink: Sink | None
    completion_retention_ms: int
    journal_retention_ms: int
    idempotency_key: str | None = None
    execution_time_ms: int | None = None
    submit_request: int | None = None
    random_seed: int | None = None
    trace: TraceContext | None = None


class Attach(Record, frozen=True):
    """Give the outcome of `id` to `sink`. block: wait for the end; else answer at once, `not ready` included."""

    id: InvocationId
    sink: Sink
    block: bool


class AppendCommand(msgspec.Struct, frozen=True, array_like=True, tag="command", gc=False):
    """The SDK wrote a command. pin: only in the first append of an invocation that has none.

    completed: classic COMPLETED flag. ack: the SDK asked for an acknowledgement.
    """

    code: int
    raw: bytes
    ack: bool = False
    completed: bool = False
    callee: Callee | None = None
    pin: Pin | None = None


class ProposeRun(msgspec.Struct, frozen=True, array_like=True, tag="run", gc=False):
    """The SDK ran a closure and proposes its result; becomes the run's completion."""

    completion_id: int
    result: Result
    ack: bool = False
    pin: Pin | None = None


class Suspended(msgspec.Struct, frozen=True, array_like=True, tag="suspended", gc=False):
    """The attempt ended and waits. For classic, completions hold command indexes."""

    awaiting: Awaiting


class Paused(msgspec.Struct, frozen=True, array_like=True, tag="paused", gc=False):
    """Retries are used up, or the SDK asked for a pause, or an operator did: asked. Then it may have been taken back."""

    error: Failure | None
    asked: bool = False
    detail: str = ""
    """JSON text of the event that tells of it; empty: none does."""


class Reported(msgspec.Struct, frozen=True, array_like=True, tag="reported", gc=False):
    """An attempt failed and will be made again. detail: JSON text for people."""

    detail: str


class End(msgspec.Struct, frozen=True, array_like=True, tag="end", gc=False):
    """The handler is done; the last output is the outcome."""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed", gc=False):
    """The invocation fails for good with this error."""

    error: Failure


Effect = AppendCommand | ProposeRun | Suspended | Paused | Reported | End | Failed


class AttemptEffect(Record, frozen=True):
    """What the attempt `token` of `id` reports. A stale token makes it void."""

    id: InvocationId
    token: int
    effect: Effect


class Respond(Record, frozen=True):
    """The outcome of something `id` waits for: a call, an attach, a promise. generation: whose failure codes it has."""

    id: InvocationId
    incarnation: int
    completion_id: int
    generation: Generation
    result: Result


class SendSignal(Record, frozen=True):
    """Signal by number or name. Number 1 is cancel, in both generations."""

    id: InvocationId
    key: int | str
    result: Result


class CompleteAwakeable(Record, frozen=True):
    """Complete the classic awakeable `index` of `id` (a `prom_1` id)."""

    id: InvocationId
    index: int
    result: Result


class TimerFired(Record, frozen=True):
    """`now_ms >= key.due_ms` has come true. A timer that is gone is a no-op."""

    key: TimerKey


class TerminateKind(IntEnum):
    CANCEL = 0
    KILL = 1


class Terminate(Record, frozen=True):
    """Cancel or kill. request_id: the admin request that wants an AdminReply; None from a parent.

    path: the callers a classic cancel has come down through; where it meets one again, the calls go in a circle.
    """

    id: InvocationId
    kind: TerminateKind
    request_id: int | None = None
    path: tuple[InvocationId, ...] = ()


class Operation(IntEnum):
    """Operator commands without parameters."""

    PURGE = 0
    PURGE_JOURNAL = 1
    PAUSE = 2


class Operate(Record, frozen=True):
    """One operator command on one invocation."""

    id: InvocationId
    operation: Operation
    request_id: int | None = None


class Move(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Another deployment for an invocation that has a pin. deployment_id: None if there is no such deployment.

    latest: the newest of the service was asked for, not one by its id. Versions: the lowest and highest that it speaks.
    """

    deployment_id: str | None
    latest: bool
    min_protocol_version: int = 0
    max_protocol_version: int = 0


class Resume(Record, frozen=True):
    """Let a paused or suspended invocation go on, or one that backs off try again now. move: None keeps the deployment."""

    id: InvocationId
    move: Move | None = None
    request_id: int | None = None


class RestartAsNew(Record, frozen=True):
    """Run a completed invocation once more, as `new_id`, which has the same partition key.

    last_index: of the journal rows that are copied, with all their completions; 0 is the input alone.
    """

    id: InvocationId
    new_id: InvocationId
    last_index: int = 0
    move: Move | None = None
    request_id: int | None = None


class PatchState(Record, frozen=True):
    """Replace the whole state of an object: ((name, value), ...). It waits in the inbox while an invocation has the lock.

    version: hash of the state that the patch was made for; void if the state is another one by then. None: any.
    """

    generation: Generation
    service: str
    key: str
    state: tuple[tuple[bytes, bytes], ...]
    version: str | None = None


class DrainOutbox(Record, frozen=True):
    """Work off up to `count` messages that overflowed into the outbox."""

    count: int


class ChangeSchema(Record, frozen=True):
    """Replace schema rows: ((key, value or None to delete), ...). Void unless the stored version is `expected_version`."""

    expected_version: int
    rows: tuple[tuple[bytes, bytes | None], ...]
    request_id: int | None = None


class Boot(Record, frozen=True):
    """First record after opening the store: raises the boot counter and starts every Invoked invocation."""


Message = Invoke | Attach | Respond | SendSignal | CompleteAwakeable | Terminate
"""Records that invocations send to each other. They are applied in the batch of the record that caused them."""

"""Messages of the modern generation, versions 5 to 7 (service-protocol.md §4)."""

from collections.abc import Iterator, Sequence

from restate.runtime.journal import catalog
from restate.runtime.journal.catalog import Command
from restate.runtime.journal.input import INPUT_CODE
from restate.runtime.journal.run import RUN_COMPLETION, Run
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.invocation import Awaiting, Combinator
from restate.runtime.model.journal import SIGNAL_CODE, CommandRow, JournalRow, NotificationRow
from restate.runtime.model.result import CalleeId, Failure, Result, StateKeys, Success, Void
from restate.runtime.model.target import Generation
from restate.runtime.pb import modern_pb2 as pb
from restate.runtime.service_protocol.framing import REQUIRES_ACK, encode_frame, frame_parts
from restate.runtime.service_protocol.received import (
    AttemptError,
    AwaitingOnReceived,
    EndReceived,
    ErrorBehavior,
    ErrorReceived,
    Received,
    RunProposed,
    SuspensionReceived,
    encoding_error,
    parse,
    refusal,
)
from restate.runtime.service_protocol.start import StartInfo

START = 0x0000
SUSPENSION = 0x0001
ERROR = 0x0002
END = 0x0003
COMMAND_ACK = 0x0004
PROPOSE_RUN_COMPLETION = 0x0005
AWAITING_ON = 0x0006
RUN_ACK = 0x0007

FAILURE_METADATA_SINCE = 6
FUTURES_SINCE = 7
"""Version of the await trees, of AwaitingOn and of ProposeRunCompletionAck."""

NOT_FOR_US = {
    START: "Start",
    COMMAND_ACK: "CommandAck",
    RUN_ACK: "ProposeRunCompletionAck",
    INPUT_CODE: "Input",
    0x8002: "GetLazyStateCompletion",
    0x8006: "GetLazyStateKeysCompletion",
    0x8009: "GetPromiseCompletion",
    0x800A: "PeekPromiseCompletion",
    0x800B: "CompletePromiseCompletion",
    0x800C: "SleepCompletion",
    0x800D: "CallCompletion",
    0x800E: "CallInvocationIdCompletion",
    0x8011: "RunCompletion",
    0x8012: "AttachInvocationCompletion",
    0x8013: "GetInvocationOutputCompletion",
    SIGNAL_CODE: "SignalNotification",
    AWAITING_ON: "AwaitingOn",
}
"""Messages that only the server sends, and the one that only version 7 may."""

_END = EndReceived()
_COMBINATORS = {kind.value: kind for kind in Combinator}
_BEHAVIORS: dict[int, ErrorBehavior] = {pb.PAUSE: "pause", pb.FAIL: "fail"}


class Modern:
    """The modern side of an attempt.

    Invariant: `_completion_ids` are those of all commands so far, replayed ones included; `_open_runs` the ones of runs
    without a result. `_acked_runs` are to be acknowledged instead of echoed.
    """

    completable: frozenset[int] = frozenset()

    def __init__(self, version: int) -> None:
        self._version = version
        self._completion_ids: set[int] = set()
        self._open_runs: set[int] = set()
        self._acked_runs: set[int] = set()
        self.content_type = f"application/vnd.restate.invocation.v{version}"

    def start(self, info: StartInfo, rows: Sequence[JournalRow]) -> bytes:
        """Start and the replay: every row in journal order."""
        message = pb.Start(
            id=info.id,
            debug_id=info.debug_id,
            known_entries=len(rows),
            state_map=[pb.StateEntry(key=key, value=value) for key, value in info.state],
            partial_state=info.partial_state,
            key=info.key,
            retry_count_since_last_stored_entry=info.retry_count,
            duration_since_last_stored_entry=info.since_last_entry_ms,
            random_seed=info.random_seed,
        )
        frames = [encode_frame(START, message.SerializeToString())]
        for row in rows:
            if isinstance(row, CommandRow):
                self._replayed(row)
                frames += frame_parts(row.code, row.raw)
            else:
                if row.code == RUN_COMPLETION:
                    self._open_runs.discard(row.key)
                frames.append(encode_notification(row, self._version))
        return b"".join(frames)

    def _replayed(self, row: CommandRow) -> None:
        if catalog.completion_code(Generation.MODERN, row.code):
            command = catalog.decode(Generation.MODERN, row.code, row.raw, command_index=row.command_index)
            self._add(command)

    def _add(self, command: Command) -> None:
        self._completion_ids.update(command.completion_ids)
        if isinstance(command, Run):
            self._open_runs.add(command.completion_id)

    def notify(self, rows: Sequence[JournalRow]) -> bytes:
        """The notifications among `rows`; the service knows its commands, and a command from us is an error to it."""
        return b"".join(self._notify(row) for row in rows if isinstance(row, NotificationRow))

    def ack(self, command_index: int) -> bytes:
        return encode_frame(COMMAND_ACK, pb.CommandAck(command_index=command_index).SerializeToString())

    def admit(self, command: Command) -> None:
        """Refuse a new command that would get the completions of another one. Raises AttemptError."""
        ids = command.completion_ids
        for position, completion_id in enumerate(ids):
            if completion_id in self._completion_ids or completion_id in ids[:position]:
                raise AttemptError(
                    "RT0012",
                    f"expected a completion id that is not in use, got {completion_id} again,"
                    f" in {type(command).__name__}",
                )
        self._add(command)

    def decode(self, code: int, flags: int, body: bytes, commands: int) -> Received:
        """One message that is not a command of the service. Raises AttemptError."""
        if code == END:
            return _END
        if code == PROPOSE_RUN_COMPLETION:
            return self._proposal(body, flags)
        if code == SUSPENSION:
            return self._suspension(body)
        if code == ERROR:
            return decode_error(body)
        if code == AWAITING_ON and self._version >= FUTURES_SINCE:
            return decode_awaiting_on(body)
        raise refusal(code, NOT_FOR_US)

    def command_fault(self, code: int, command_index: int, error: ValueError) -> AttemptError:
        if isinstance(error, catalog.BadReference):
            kind = catalog.kind_of(Generation.MODERN, code)
            return AttemptError(
                "RT0017",
                f"cannot process command {kind} (command index {command_index}) because of a failed precondition: {error}",
            )
        return encoding_error(str(error))

    def _proposal(self, body: bytes, flags: int) -> RunProposed:
        proposal = decode_proposal(body, bool(flags & REQUIRES_ACK), self._version)
        completion_id = proposal.completion_id
        if completion_id not in self._open_runs:
            raise AttemptError(
                "RT0012",
                f"expected ProposeRunCompletion for a Run without a result, got completion id {completion_id}",
            )
        self._open_runs.remove(completion_id)
        if proposal.ack:
            self._acked_runs.add(completion_id)
        return proposal

    def _suspension(self, body: bytes) -> SuspensionReceived:
        suspension = decode_suspension(body, self._version)
        unknown = next(
            (one for one in _completions(suspension.awaiting) if one not in self._completion_ids), None
        )
        if unknown is not None:
            # Signals may come from anywhere; a completion that no command asks for would never come.
            raise AttemptError(
                "RT0012", f"expected a Suspension on completions of commands, got completion id {unknown}"
            )
        return suspension

    def _notify(self, row: NotificationRow) -> bytes:
        # The row says that some attempt was promised an ack; only the attempt that asked for it can make sense of one.
        if row.acked and row.key in self._acked_runs:
            ack = pb.ProposeRunCompletionAck(completion_id=row.key)
            return encode_frame(RUN_ACK, ack.SerializeToString())
        return encode_notification(row, self._version)


def encode_notification(row: NotificationRow, version: int) -> bytes:
    """A completion or signal, one frame."""
    message = pb.Notification()
    if isinstance(row.key, str):
        message.name = row.key
    elif row.is_signal:
        message.idx = row.key
    else:
        message.completion_id = row.key
    _set_result(message, row.result, version)
    return encode_frame(row.code, message.SerializeToString())


def decode_suspension(body: bytes, version: int) -> SuspensionReceived:
    """Raises AttemptError; an empty wait set is one, since nothing could ever end it."""
    message = pb.Suspension()
    parse(message, body, "Suspension")
    if version >= FUTURES_SINCE and message.HasField("awaiting_on"):
        awaiting = _awaiting(message.awaiting_on)
    else:
        awaiting = Awaiting(
            Combinator.FIRST_COMPLETED,
            tuple(message.waiting_completions),
            tuple(message.waiting_signals),
            tuple(message.waiting_named_signals),
        )
    if not _has_leaf(awaiting):
        raise encoding_error("expected a Suspension that names a completion or signal to wait for, got none")
    return SuspensionReceived(awaiting)


def decode_error(body: bytes) -> ErrorReceived:
    """Raises AttemptError."""
    message = pb.Error()
    parse(message, body, "Error")
    return ErrorReceived(
        message.code,
        message.message,
        message.stacktrace,
        message.related_command_index if message.HasField("related_command_index") else None,
        message.related_command_name if message.HasField("related_command_name") else None,
        message.related_command_type if message.HasField("related_command_type") else None,
        message.next_retry_delay if message.HasField("next_retry_delay") else None,
        _BEHAVIORS.get(message.behavior, "retry"),
    )


def decode_proposal(body: bytes, requires_ack: bool, version: int) -> RunProposed:
    """Raises AttemptError. Before version 7 the ack flag is legal, but the answer is the completion all the same."""
    message = pb.ProposeRunCompletion()
    parse(message, body, "ProposeRunCompletion")
    result: Result
    match message.WhichOneof("result"):
        case "value":
            result = Success(message.value)
        case "failure":
            result = _failure(message.failure, version)
        case _:
            raise encoding_error("expected value or failure in ProposeRunCompletion, got neither")
    return RunProposed(message.result_completion_id, result, requires_ack and version >= FUTURES_SINCE)


def decode_awaiting_on(body: bytes) -> AwaitingOnReceived:
    """Raises AttemptError."""
    message = pb.AwaitingOn()
    parse(message, body, "AwaitingOn")
    return AwaitingOnReceived(_awaiting(message.awaiting_on), message.executing_side_effects)


def _set_result(message: pb.Notification, result: Result, version: int) -> None:
    match result:
        case Void():
            message.void.SetInParent()
        case Success(value):
            # An empty value is a present, empty message.
            message.value.SetInParent()
            message.value.content = value
        case Failure(code, text, metadata):
            message.failure.SetInParent()
            message.failure.code = code
            message.failure.message = text
            if version >= FAILURE_METADATA_SINCE:
                for name, detail in metadata:
                    message.failure.metadata.add(key=name, value=detail)
        case StateKeys(keys):
            message.state_keys.SetInParent()
            message.state_keys.keys.extend(keys)
        case CalleeId(callee):
            message.invocation_id = format_invocation_id(InvocationId(callee))


def _failure(message: pb.Failure, version: int) -> Failure:
    if version < FAILURE_METADATA_SINCE:
        return Failure(message.code, message.message)
    return Failure(
        message.code, message.message, tuple((entry.key, entry.value) for entry in message.metadata)
    )


def _awaiting(future: pb.Future) -> Awaiting:
    """The tree; protobuf refuses to parse one of more than 100 levels, so recursion is safe here, in the engine and in
    the rows.
    """
    return Awaiting(
        _COMBINATORS.get(future.combinator_type, Combinator.UNKNOWN),
        tuple(future.waiting_completions),
        tuple(future.waiting_signals),
        tuple(future.waiting_named_signals),
        tuple(_awaiting(nested) for nested in future.nested_futures),
    )


def _completions(awaiting: Awaiting) -> Iterator[int]:
    """The completion ids that a tree names."""
    yield from awaiting.completions
    for nested in awaiting.nested:
        yield from _completions(nested)


def _has_leaf(awaiting: Awaiting) -> bool:
    return bool(awaiting.completions or awaiting.signals or awaiting.named_signals) or any(
        _has_leaf(nested) for nested in awaiting.nested
    )

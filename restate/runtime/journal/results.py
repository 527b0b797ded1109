"""Values and failures inside command messages → neutral results. A missing result is an error: guessing one loses data."""

from typing import Protocol

from restate.runtime.journal.catalog import CommandDecodeError
from restate.runtime.model.result import VOID, Failure, Outcome, Success, Void
from restate.runtime.pb import classic_pb2, modern_pb2


class _ModernResult(Protocol):
    """A modern message with the fields value and failure."""

    @property
    def value(self) -> modern_pb2.Value: ...
    @property
    def failure(self) -> modern_pb2.Failure: ...


def modern_failure(message: modern_pb2.Failure) -> Failure:
    metadata = tuple((pair.key, pair.value) for pair in message.metadata)
    return Failure(message.code, message.message, metadata)


def classic_failure(message: classic_pb2.Failure) -> Failure:
    return Failure(message.code, message.message)


def modern_outcome(message: _ModernResult, field: str | None) -> Outcome:
    """field: what WhichOneof says. Raises CommandDecodeError if nothing is set."""
    if field == "value":
        return Success(message.value.content)
    if field == "failure":
        return modern_failure(message.failure)
    raise missing("value or failure", message)


def modern_signal_result(message: modern_pb2.SendSignalCommand) -> Outcome | Void:
    field = message.WhichOneof("result")
    return VOID if field == "void" else modern_outcome(message, field)


def classic_outcome(
    message: classic_pb2.OutputStreamEntry | classic_pb2.CompleteAwakeableEntry,
) -> Outcome:
    """Raises CommandDecodeError if neither value nor failure is set."""
    field = message.WhichOneof("result")
    if field == "value":
        return Success(message.value)
    if field == "failure":
        return classic_failure(message.failure)
    raise missing("value or failure", message)


def missing(expected: str, message: object) -> CommandDecodeError:
    return CommandDecodeError(f"expected {expected} in {type(message).__name__}, got neither")

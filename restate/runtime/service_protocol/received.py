"""What an attempt reports of the service's side of the stream, and how an attempt fails."""

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs
from google.protobuf.message import DecodeError, Message

from restate.runtime.errors import RestateError
from restate.runtime.journal.catalog import Command
from restate.runtime.model.invocation import Awaiting
from restate.runtime.model.result import Result

_TOO_DEEP = "MaxDepth"
"""In the text of the protobuf library's error, which has no code; without it, the error is any other one."""

ErrorBehavior = Literal["retry", "pause", "fail"]


@attrs.frozen
class CommandReceived:
    """One command, to be appended. raw: its body, unchanged. command: the same, decoded.

    ack: the service waits for `Attempt.ack(command_index)`. completed: a classic entry with its result inside.
    """

    code: int
    raw: bytes
    ack: bool
    completed: bool
    command_index: int
    command: Command


@attrs.frozen
class RunProposed:
    """The result of a run. ack: version 7 gets an acknowledgement where the completion would be (NotificationRow.acked)."""

    completion_id: int
    result: Result
    ack: bool


@attrs.frozen
class SuspensionReceived:
    """Terminal: the handler waits. Classic completions are command indexes; any one of them resumes."""

    awaiting: Awaiting


@attrs.frozen
class EndReceived:
    """Terminal: the handler is done; the last output is the outcome."""


@attrs.frozen
class ErrorReceived:
    """Terminal: the attempt failed in the service. code: of the generation. related_*: the command at fault, if known.

    next_retry_delay_ms: the delay of this one retry, which then uses up no attempt.
    """

    code: int
    message: str
    stacktrace: str
    related_command_index: int | None = None
    related_command_name: str | None = None
    related_command_type: int | None = None
    next_retry_delay_ms: int | None = None
    behavior: ErrorBehavior = "retry"


@attrs.frozen
class AwaitingOnReceived:
    """Version 7: what the running handler waits for at the moment. executing_side_effects: a run is going on."""

    awaiting: Awaiting
    executing_side_effects: bool


Terminal = SuspensionReceived | EndReceived | ErrorReceived
Received = CommandReceived | RunProposed | AwaitingOnReceived | Terminal


class AttemptError(RestateError):
    """The service broke the protocol, or its stream ended early; the attempt is over.

    code: RTnnnn. received: messages of the same chunk that came before the fault; they count.
    """

    code: str

    def __init__(self, code: str, message: str, received: Sequence[Received] = ()) -> None:
        super().__init__(message, code=code)
        self.received = tuple(received)


def encoding_error(reason: str) -> AttemptError:
    """The bytes of a message are at fault."""
    return AttemptError("RT0012", f"message encoding error: {reason}")


def refusal(code: int, names: Mapping[int, str]) -> AttemptError:
    """A message that the service may not send, or not in this version. names: {code: name} of those that exist."""
    if code in names:
        return AttemptError("RT0012", f"received unexpected message: {names[code]}")
    return encoding_error(f"unknown message code {code:#06x}")


def parse(message: Message, body: bytes, name: str) -> None:
    """Fill `message`. Raises AttemptError."""
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        if _TOO_DEEP in str(error):
            raise AttemptError(
                "RT0025", f"{name} is nested too deeply: expected at most 100 levels"
            ) from error
        raise encoding_error(f"cannot decode {name}: {error}") from error

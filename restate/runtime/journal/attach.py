"""Attach to an invocation for its outcome, or ask for it without waiting."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, command
from restate.runtime.journal.results import missing
from restate.runtime.journal.signal import parse_target
from restate.runtime.model.ids import InvocationId
from restate.runtime.pb import modern_pb2


@attrs.frozen
class IdempotentRequest:
    """The invocation that a call with this idempotency key made. key: None for services."""

    service: str
    key: str | None
    handler: str
    idempotency_key: str


@attrs.frozen
class WorkflowRun:
    """The run of a workflow key."""

    service: str
    key: str


AttachTarget = InvocationId | IdempotentRequest | WorkflowRun


@command(modern=0x0412, completion=0x8012)
@attrs.frozen
class AttachInvocation:
    """Wait for the outcome of the target, however it was named."""

    target: AttachTarget
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.AttachInvocationCommand.FromString(raw)
        return cls(_target(message), message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        context.attach(self.completion_id, block=True)


@command(modern=0x0413, completion=0x8013)
@attrs.frozen
class GetInvocationOutput:
    """Take the outcome of the target if it has ended, else Void."""

    target: AttachTarget
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetInvocationOutputCommand.FromString(raw)
        return cls(_target(message), message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        context.attach(self.completion_id, block=False)


def _target(
    message: modern_pb2.AttachInvocationCommand | modern_pb2.GetInvocationOutputCommand,
) -> AttachTarget:
    match message.WhichOneof("target"):
        case "invocation_id":
            return parse_target(message.invocation_id)
        case "idempotent_request_target":
            request = message.idempotent_request_target
            key = request.service_key if request.HasField("service_key") else None
            return IdempotentRequest(request.service_name, key, request.handler_name, request.idempotency_key)
        case "workflow_target":
            return WorkflowRun(message.workflow_target.workflow_name, message.workflow_target.workflow_key)
        case _:
            raise missing("a target", message)

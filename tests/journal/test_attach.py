import pytest

from restate.runtime.journal.attach import (
    AttachInvocation,
    AttachTarget,
    GetInvocationOutput,
    IdempotentRequest,
    WorkflowRun,
)
from restate.runtime.journal.catalog import CommandDecodeError, decode
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.pb import modern_pb2 as pb
from tests.engine.commands import MODERN
from tests.journal.recorder import Recorder

TARGET = InvocationId(bytes(range(24)))


@pytest.mark.parametrize(
    ("message", "target"),
    [
        (pb.AttachInvocationCommand(invocation_id=format_invocation_id(TARGET)), TARGET),
        (
            pb.AttachInvocationCommand(
                idempotent_request_target=pb.IdempotentRequestTarget(
                    service_name="S", handler_name="h", idempotency_key="i"
                )
            ),
            IdempotentRequest("S", None, "h", "i"),
        ),
        (
            pb.AttachInvocationCommand(
                idempotent_request_target=pb.IdempotentRequestTarget(
                    service_name="S", service_key="", handler_name="h", idempotency_key="i"
                )
            ),
            IdempotentRequest("S", "", "h", "i"),
        ),
        (
            pb.AttachInvocationCommand(
                workflow_target=pb.WorkflowTarget(workflow_name="W", workflow_key="k")
            ),
            WorkflowRun("W", "k"),
        ),
    ],
)
def test_a_target_is_named_in_one_of_three_ways(
    message: pb.AttachInvocationCommand, target: AttachTarget
) -> None:
    message.result_completion_id = 4
    raw = message.SerializeToString()
    attach = decode(MODERN, 0x0412, raw, command_index=2)
    output = decode(MODERN, 0x0413, raw, command_index=2)
    assert attach == AttachInvocation(target, 4)
    assert output == GetInvocationOutput(target, 4)
    context = Recorder()
    attach.apply(context)
    output.apply(context)
    assert context.asked == [("attach", 4, True), ("attach", 4, False)]
    assert attach.completion_ids == output.completion_ids == (4,)


@pytest.mark.parametrize(
    "message", [pb.AttachInvocationCommand(), pb.AttachInvocationCommand(invocation_id="inv_1x")]
)
def test_a_bad_target_is_an_error(message: pb.AttachInvocationCommand) -> None:
    with pytest.raises(CommandDecodeError, match="expected"):
        decode(MODERN, 0x0412, message.SerializeToString(), command_index=2)

import pytest

from restate.runtime.journal.catalog import CommandDecodeError, decode
from restate.runtime.journal.signal import SendSignal
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.result import VOID, Failure, Result, Success
from restate.runtime.pb import modern_pb2
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.journal.recorder import Recorder

TARGET = InvocationId(bytes(range(24)))


@pytest.mark.parametrize("key", [0, 1, 17, "", "name"])
@pytest.mark.parametrize("result", [VOID, Success(b""), Failure(7, "no", (("k", "v"),))])
def test_a_signal_has_a_number_or_a_name_and_any_result(key: int | str, result: Result) -> None:
    outcome = None if result == VOID else result
    assert outcome is None or isinstance(outcome, Success | Failure)
    command = decode(MODERN, 0x0410, wire.send_signal(TARGET, key, outcome).raw, command_index=2)
    assert command == SendSignal(TARGET, key, result)
    context = Recorder()
    command.apply(context)
    assert context.asked == [("signal", TARGET, key, result)]


def test_the_name_of_the_entry_is_not_that_of_the_signal() -> None:
    raw = modern_pb2.SendSignalCommand(
        target_invocation_id=format_invocation_id(TARGET),
        name="go",
        void=modern_pb2.Void(),
        entry_name="mine",
    ).SerializeToString()
    assert decode(MODERN, 0x0410, raw, command_index=2) == SendSignal(TARGET, "go", VOID, "mine")


def test_a_signal_to_nobody_without_key_or_result_is_an_error() -> None:
    target = format_invocation_id(TARGET)
    for message, expected in (
        (modern_pb2.SendSignalCommand(target_invocation_id="inv_x", idx=1, void=modern_pb2.Void()), "inv_x"),
        (modern_pb2.SendSignalCommand(target_invocation_id=target, void=modern_pb2.Void()), "idx or name"),
        (modern_pb2.SendSignalCommand(target_invocation_id=target, idx=1), "value or failure"),
    ):
        with pytest.raises(CommandDecodeError, match=expected):
            decode(MODERN, 0x0410, message.SerializeToString(), command_index=2)

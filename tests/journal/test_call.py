from restate.runtime.journal.call import Call, OneWayCall
from restate.runtime.journal.catalog import decode
from restate.runtime.model.ids import InvocationId
from restate.runtime.pb import modern_pb2
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC, MODERN
from tests.engine.world import exclusive
from tests.journal.recorder import Recorder

CALLEE = InvocationId(bytes(24))


def test_a_modern_call_tells_the_callee_id_at_once_and_the_result_later() -> None:
    raw = modern_pb2.CallCommand(
        service_name="Counter",
        handler_name="add",
        key="k",
        parameter=b"1",
        headers=[modern_pb2.Header(key="h", value="v")],
        idempotency_key="",
        invocation_id_notification_idx=4,
        result_completion_id=5,
        name="n",
    ).SerializeToString()
    command = decode(MODERN, 0x040D, raw, command_index=1)
    assert command == Call("Counter", "add", "k", b"1", (("h", "v"),), "", 4, 5, "n")
    assert command.completion_ids == (4, 5)
    context = Recorder()
    command.apply(context)
    assert context.asked == [("call", b"1", (("h", "v"),), (4, 5), None)]


def test_a_call_with_a_scope_or_a_limit_key_needs_flow_control() -> None:
    for wanted in (modern_pb2.CallCommand(scope="tenant"), modern_pb2.CallCommand(limit_key="a/b")):
        command = decode(MODERN, 0x040D, wanted.SerializeToString(), command_index=1)
        assert isinstance(command, Call)
        assert command.needs_flow_control
    send = modern_pb2.OneWayCallCommand(scope="tenant").SerializeToString()
    sent = decode(MODERN, 0x040E, send, command_index=1)
    assert isinstance(sent, OneWayCall)
    assert sent.needs_flow_control


def test_a_classic_call_has_no_key_and_cannot_ask_for_the_callee_id() -> None:
    effect = wire.call(CLASSIC, CALLEE, exclusive(), body=b"1")
    command = decode(CLASSIC, effect.code, effect.raw, command_index=6)
    assert command == Call("Counter", "add", None, b"1", (), None, None, 6)
    assert command.completion_ids == (6,)


def test_a_send_has_no_result() -> None:
    effect = wire.send(MODERN, CALLEE, exclusive(), completion_id=4, body=b"1", at_ms=99)
    command = decode(MODERN, effect.code, effect.raw, command_index=1)
    assert command == OneWayCall("Counter", "add", "k", b"1", (), None, 4, 99)
    assert command.completion_ids == (4,)
    context = Recorder()
    command.apply(context)
    assert context.asked == [("call", b"1", (), (4, None), 99)]


def test_a_send_at_time_zero_is_a_send_now() -> None:
    effect = wire.send(CLASSIC, CALLEE, exclusive(), body=b"1")
    command = decode(CLASSIC, effect.code, effect.raw, command_index=6)
    assert command == OneWayCall("Counter", "add", None, b"1", (), None, None, 0)
    assert command.completion_ids == ()
    context = Recorder()
    command.apply(context)
    assert context.asked == [("call", b"1", (), (None, None), None)]


def test_a_caller_that_does_not_ask_for_the_callee_id_is_not_told() -> None:
    call = wire.call(MODERN, CALLEE, exclusive(), ids=(0, 5))
    assert decode(MODERN, call.code, call.raw, command_index=1).completion_ids == (5,)
    send = wire.send(MODERN, CALLEE, exclusive())
    assert decode(MODERN, send.code, send.raw, command_index=1).completion_ids == ()

"""Commands as the SDKs of both generations write them: each function gives the effect that appends one."""

from restate.runtime.engine.records import AppendCommand, ProposeRun
from restate.runtime.model.ids import InvocationId, format_awakeable_id, format_invocation_id
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure, Outcome, Success
from restate.runtime.model.target import Generation, Target
from restate.runtime.pb import classic_pb2 as c
from restate.runtime.pb import modern_pb2 as m

MODERN = Generation.MODERN
CLASSIC = Generation.CLASSIC
EMPTY = Success(b"")


def modern_failure(failure: Failure) -> m.Failure:
    metadata = [m.FailureMetadata(key=key, value=value) for key, value in failure.metadata]
    return m.Failure(code=failure.code, message=failure.message, metadata=metadata)


def classic_failure(failure: Failure) -> c.Failure:
    return c.Failure(code=failure.code, message=failure.message)


def output(generation: Generation, outcome: Outcome = EMPTY) -> AppendCommand:
    message: m.OutputCommand | c.OutputStreamEntry
    if generation is CLASSIC:
        if isinstance(outcome, Failure):
            message = c.OutputStreamEntry(failure=classic_failure(outcome))
        else:
            message = c.OutputStreamEntry(value=outcome.value)
    elif isinstance(outcome, Failure):
        message = m.OutputCommand(failure=modern_failure(outcome))
    else:
        message = m.OutputCommand(value=m.Value(content=outcome.value))
    return AppendCommand(0x0401, message.SerializeToString())


def get_state(
    generation: Generation, name: bytes, completion_id: int = 0, *, ack: bool = False
) -> AppendCommand:
    if generation is CLASSIC:
        return AppendCommand(0x0800, c.GetStateEntry(key=name).SerializeToString(), ack)
    return AppendCommand(
        0x0402, m.GetLazyStateCommand(key=name, result_completion_id=completion_id).SerializeToString(), ack
    )


def get_eager_state(generation: Generation, name: bytes, value: bytes | None) -> AppendCommand:
    if generation is CLASSIC:
        entry = (
            c.GetStateEntry(key=name, empty=c.Empty())
            if value is None
            else c.GetStateEntry(key=name, value=value)
        )
        return AppendCommand(0x0800, entry.SerializeToString(), completed=True)
    command = m.GetEagerStateCommand(key=name)
    if value is None:
        command.void.SetInParent()
    else:
        command.value.content = value
    return AppendCommand(0x0407, command.SerializeToString())


def state_keys(generation: Generation, completion_id: int = 0) -> AppendCommand:
    if generation is CLASSIC:
        return AppendCommand(0x0804, c.GetStateKeysEntry().SerializeToString())
    return AppendCommand(
        0x0406, m.GetLazyStateKeysCommand(result_completion_id=completion_id).SerializeToString()
    )


def eager_state_keys(names: list[bytes]) -> AppendCommand:
    """The SDK has listed the keys it was given with the start."""
    value = m.StateKeys(keys=names)
    return AppendCommand(0x0408, m.GetEagerStateKeysCommand(value=value).SerializeToString())


def set_state(generation: Generation, name: bytes, value: bytes) -> AppendCommand:
    if generation is CLASSIC:
        return AppendCommand(0x0801, c.SetStateEntry(key=name, value=value).SerializeToString())
    return AppendCommand(
        0x0403, m.SetStateCommand(key=name, value=m.Value(content=value)).SerializeToString()
    )


def clear_state(generation: Generation, name: bytes) -> AppendCommand:
    if generation is CLASSIC:
        return AppendCommand(0x0802, c.ClearStateEntry(key=name).SerializeToString())
    return AppendCommand(0x0404, m.ClearStateCommand(key=name).SerializeToString())


def clear_all_state(generation: Generation) -> AppendCommand:
    return AppendCommand(0x0803 if generation is CLASSIC else 0x0405, b"")


def sleep(generation: Generation, until_ms: int, completion_id: int = 0) -> AppendCommand:
    if generation is CLASSIC:
        return AppendCommand(0x0C00, c.SleepEntry(wake_up_time=until_ms).SerializeToString())
    return AppendCommand(
        0x040C, m.SleepCommand(wake_up_time=until_ms, result_completion_id=completion_id).SerializeToString()
    )


def call(
    generation: Generation,
    callee: InvocationId,
    target: Target,
    *,
    ids: tuple[int, int] = (0, 0),
    body: bytes = b"",
    retention_ms: int = 0,
) -> AppendCommand:
    """ids: completion ids of (callee id, result); modern only."""
    settled = Callee(callee, target, retention_ms, retention_ms)
    if generation is CLASSIC:
        raw = c.InvokeEntry(
            service_name=target.service, method_name=target.handler, parameter=body
        ).SerializeToString()
        return AppendCommand(0x0C01, raw, callee=settled)
    raw = m.CallCommand(
        service_name=target.service,
        handler_name=target.handler,
        key=target.key or "",
        parameter=body,
        invocation_id_notification_idx=ids[0],
        result_completion_id=ids[1],
    ).SerializeToString()
    return AppendCommand(0x040D, raw, callee=settled)


def send(
    generation: Generation,
    callee: InvocationId,
    target: Target,
    *,
    completion_id: int = 0,
    body: bytes = b"",
    at_ms: int = 0,
) -> AppendCommand:
    settled = Callee(callee, target)
    if generation is CLASSIC:
        raw = c.BackgroundInvokeEntry(
            service_name=target.service, method_name=target.handler, parameter=body, invoke_time=at_ms
        ).SerializeToString()
        return AppendCommand(0x0C02, raw, callee=settled)
    raw = m.OneWayCallCommand(
        service_name=target.service,
        handler_name=target.handler,
        key=target.key or "",
        parameter=body,
        invoke_time=at_ms,
        invocation_id_notification_idx=completion_id,
    ).SerializeToString()
    return AppendCommand(0x040E, raw, callee=settled)


def run(completion_id: int) -> AppendCommand:
    return AppendCommand(0x0411, m.RunCommand(result_completion_id=completion_id).SerializeToString())


def propose(completion_id: int, outcome: Outcome, *, ack: bool = False) -> ProposeRun:
    return ProposeRun(completion_id, outcome, ack)


def side_effect(value: bytes) -> AppendCommand:
    """Classic; the SDK always asks for its ack."""
    return AppendCommand(0xFC01, c.SideEffectEntry(value=value).SerializeToString(), ack=True)


def awakeable() -> AppendCommand:
    """Classic."""
    return AppendCommand(0x0C03, c.AwakeableEntry().SerializeToString())


def complete_awakeable(
    generation: Generation, prefix: str, target: InvocationId, index: int, outcome: Outcome
) -> AppendCommand:
    id_text = format_awakeable_id(prefix, target, index)
    if generation is CLASSIC:
        entry = c.CompleteAwakeableEntry(id=id_text)
        if isinstance(outcome, Failure):
            entry.failure.CopyFrom(classic_failure(outcome))
        else:
            entry.value = outcome.value
        return AppendCommand(0x0C04, entry.SerializeToString())
    command = m.CompleteAwakeableCommand(awakeable_id=id_text)
    if isinstance(outcome, Failure):
        command.failure.CopyFrom(modern_failure(outcome))
    else:
        command.value.content = outcome.value
        command.value.SetInParent()
    return AppendCommand(0x0414, command.SerializeToString())


def send_signal(target: InvocationId, key: int | str, outcome: Outcome | None = None) -> AppendCommand:
    command = m.SendSignalCommand(target_invocation_id=format_invocation_id(target))
    if isinstance(key, int):
        command.idx = key
    else:
        command.name = key
    if outcome is None:
        command.void.SetInParent()
    elif isinstance(outcome, Failure):
        command.failure.CopyFrom(modern_failure(outcome))
    else:
        command.value.content = outcome.value
        command.value.SetInParent()
    return AppendCommand(0x0410, command.SerializeToString())


def attach(target: InvocationId, completion_id: int) -> AppendCommand:
    raw = m.AttachInvocationCommand(
        invocation_id=format_invocation_id(target), result_completion_id=completion_id
    ).SerializeToString()
    return AppendCommand(0x0412, raw, callee=Callee(target, None))


def get_output(target: InvocationId, completion_id: int) -> AppendCommand:
    raw = m.GetInvocationOutputCommand(
        invocation_id=format_invocation_id(target), result_completion_id=completion_id
    ).SerializeToString()
    return AppendCommand(0x0413, raw, callee=Callee(target, None))


def get_promise(name: str, completion_id: int) -> AppendCommand:
    return AppendCommand(
        0x0409, m.GetPromiseCommand(key=name, result_completion_id=completion_id).SerializeToString()
    )


def peek_promise(name: str, completion_id: int) -> AppendCommand:
    return AppendCommand(
        0x040A, m.PeekPromiseCommand(key=name, result_completion_id=completion_id).SerializeToString()
    )


def complete_promise(name: str, completion_id: int, outcome: Outcome) -> AppendCommand:
    command = m.CompletePromiseCommand(key=name, result_completion_id=completion_id)
    if isinstance(outcome, Failure):
        command.completion_failure.CopyFrom(modern_failure(outcome))
    else:
        command.completion_value.content = outcome.value
        command.completion_value.SetInParent()
    return AppendCommand(0x040B, command.SerializeToString())

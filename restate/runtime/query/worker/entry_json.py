"""Journal entries of the modern generation as JSON: `entry_json` in full, `entry_lite_json` without payloads.

The form is the one that the modern command line parses (sql.md §1.3): externally tagged, payloads as arrays of numbers.
"""

import json
from typing import Any, assert_never

from restate.runtime.journal.attach import (
    AttachInvocation,
    AttachTarget,
    GetInvocationOutput,
    IdempotentRequest,
    WorkflowRun,
)
from restate.runtime.journal.awakeable import CompleteAwakeable
from restate.runtime.journal.call import Call, OneWayCall
from restate.runtime.journal.catalog import Command
from restate.runtime.journal.input import Input
from restate.runtime.journal.output import Output
from restate.runtime.journal.promise import CompletePromise, GetPromise, PeekPromise
from restate.runtime.journal.run import Run
from restate.runtime.journal.signal import SendSignal
from restate.runtime.journal.sleep import Sleep
from restate.runtime.journal.state import (
    ClearState,
    GetEagerState,
    GetEagerStateKeys,
    GetLazyState,
    GetLazyStateKeys,
    SetState,
)
from restate.runtime.model.ids import InvocationId, format_awakeable_id, format_invocation_id
from restate.runtime.model.journal import Callee, NotificationRow
from restate.runtime.model.result import CalleeId, Failure, Result, StateKeys, Success, Void
from restate.runtime.model.target import HandlerType, ServiceType, Target

Json = dict[str, Any]

_NO_SPAN: Json = {
    "span_context": {
        "trace_id": [0] * 16,
        "span_id": [0] * 8,
        "trace_flags": 0,
        "is_remote": False,
        "trace_state": "",
    },
    "cause": None,
}
_HANDLER_TYPES = {
    HandlerType.EXCLUSIVE: "Exclusive",
    HandlerType.SHARED: "Shared",
    HandlerType.WORKFLOW: "Workflow",
}


def command_json(kind: str, command: Command, callee: Callee | None, *, lite: bool) -> str:
    """kind: `Sleep`, `SetState`, ... callee: of a call or send."""
    fields = _fields(command, callee, lite=lite)
    if not lite or (command.name and kind in ("Run", "Sleep")):
        fields["name"] = command.name
    return _text({"Command": {kind: fields}})


def notification_json(kind: str, row: NotificationRow, *, lite: bool) -> str:
    """kind: that of the command it completes, or `Signal`."""
    if row.is_signal:
        place: Json = {"Index" if isinstance(row.key, int) else "Name": row.key}
        if lite:
            tagged = {f"Signal{name}": value for name, value in place.items()}
            return _text(_lite("Signal", tagged, row.result))
        return _text({"Notification": {"Signal": {"id": place, "result": _result(row.result)}}})
    if lite:
        return _text(_lite({"Completion": kind}, {"CompletionId": row.key}, row.result))
    fields: Json = {"completion_id": row.key}
    match row.result:
        case StateKeys(names):
            fields["state_keys"] = [_name(name) for name in names]
        case CalleeId(invocation):
            fields["invocation_id"] = format_invocation_id(InvocationId(invocation))
        case result if kind != "Sleep":
            fields["result"] = _result(result)
    return _text({"Notification": {"Completion": {kind: fields}}})


def _lite(kind: Any, place: Json, result: Result) -> Json:
    return {"Notification": {"ty": kind, "id": place, "result": _variant(result)}}


def _text(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _name(raw: bytes) -> str:
    return raw.decode(errors="replace")


def _result(result: Result) -> Any:
    match result:
        case Void():
            return "Void"
        case Success(value):
            return {"Success": list(value)}
        case Failure(code, message, metadata):
            fields: Json = {"code": code, "message": message}
            if metadata:
                fields["metadata"] = [{"key": key, "value": value} for key, value in metadata]
            return {"Failure": fields}
        case StateKeys(names):
            return {"StateKeys": [_name(name) for name in names]}
        case CalleeId(invocation):
            return {"InvocationId": format_invocation_id(InvocationId(invocation))}
        case _:
            assert_never(result)


def _variant(result: Result) -> str:
    match result:
        case CalleeId():
            return "InvocationId"
        case _:
            return type(result).__name__


def _fields(command: Command, callee: Callee | None, *, lite: bool) -> Json:
    """Without the name."""
    match command:
        case Input():
            return {} if lite else {"headers": _headers(command.headers), "payload": list(command.value)}
        case Output():
            return {"result": _variant(command.outcome) if lite else _result(command.outcome)}
        case GetLazyState():
            return {"key": _name(command.key), "completion_id": command.completion_id}
        case SetState():
            key: Json = {"key": _name(command.key)}
            return key if lite else {**key, "value": list(command.value)}
        case ClearState():
            return {"key": _name(command.key)}
        case GetLazyStateKeys() | Run():
            return {"completion_id": command.completion_id}
        case GetEagerState():
            found: Result = Void() if command.value is None else Success(command.value)
            return {"key": _name(command.key), "result": _variant(found) if lite else _result(found)}
        case GetEagerStateKeys():
            return {} if lite else {"state_keys": [_name(key) for key in command.keys]}
        case GetPromise() | PeekPromise():
            return {"key": command.key, "completion_id": command.completion_id}
        case CompletePromise():
            value: Json = {} if lite else {"value": _result(command.result)}
            return {"key": command.key, **value, "completion_id": command.completion_id}
        case Sleep():
            return {"wake_up_time": command.wake_up_time_ms, "completion_id": command.completion_id}
        case Call():
            return {
                **_request(command, callee, lite=lite),
                "invocation_id_completion_id": command.callee_completion_id or 0,
                "result_completion_id": command.result_completion_id,
            }
        case OneWayCall():
            return {
                **_request(command, callee, lite=lite),
                "invoke_time": command.invoke_time_ms,
                "invocation_id_completion_id": command.callee_completion_id or 0,
            }
        case SendSignal():
            return {
                "target_invocation_id": format_invocation_id(command.target),
                "signal_id": {"Index" if isinstance(command.key, int) else "Name": command.key},
                "result": _variant(command.result) if lite else _result(command.result),
            }
        case AttachInvocation() | GetInvocationOutput():
            return {"target": _attach_target(command.target), "completion_id": command.completion_id}
        case CompleteAwakeable():
            text = format_awakeable_id(command.prefix, command.target, command.index)
            return {"id": text, "result": _variant(command.result) if lite else _result(command.result)}
        case _:
            # ClearAllState, and what a newer catalog may add.
            return {}


def _headers(headers: tuple[tuple[str, str], ...]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in headers]


def _request(command: Call | OneWayCall, callee: Callee | None, *, lite: bool) -> Json:
    invocation = None if callee is None else format_invocation_id(callee.invocation)
    target = None if callee is None or callee.target is None else _target(callee.target)
    if lite:
        return {"invocation_id": invocation, "invocation_target": target}
    return {
        "request": {
            "invocation_id": invocation,
            "invocation_target": target,
            "span_context": _NO_SPAN,
            "parameter": list(command.parameter),
            "headers": _headers(command.headers),
            "idempotency_key": command.idempotency_key,
            "completion_retention_duration": _duration(
                0 if callee is None else callee.completion_retention_ms
            ),
            "journal_retention_duration": _duration(0 if callee is None else callee.journal_retention_ms),
        }
    }


def _duration(milliseconds: int) -> Json:
    seconds, rest = divmod(milliseconds, 1000)
    return {"secs": seconds, "nanos": rest * 1_000_000}


def _target(target: Target) -> Json:
    """In the terms of the modern generation."""
    if not target.has_state:
        return {"Service": {"name": target.service, "handler": target.handler, "scope": None}}
    kind = "Workflow" if target.service_type is ServiceType.WORKFLOW else "VirtualObject"
    return {
        kind: {
            "name": target.service,
            "key": target.key,
            "handler": target.handler,
            "handler_ty": _HANDLER_TYPES.get(target.handler_type, "Exclusive"),
            "scope": None,
        }
    }


def _attach_target(target: AttachTarget) -> Json:
    match target:
        case IdempotentRequest():
            return {
                "IdempotentRequest": {
                    "service_name": target.service,
                    "service_key": target.key,
                    "service_handler": target.handler,
                    "idempotency_key": target.idempotency_key,
                }
            }
        case WorkflowRun():
            return {"Workflow": {"service_name": target.service, "key": target.key}}
        case bytes():
            return {"InvocationId": format_invocation_id(target)}

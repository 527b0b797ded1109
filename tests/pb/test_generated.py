"""The field numbers are the wire: each table below is that of the specification, not of our .proto texts."""

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, json_format, struct_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from restate.runtime.pb import classic_pb2, discovery_pb2, ext_pb2, health_pb2, modern_pb2, services_pb2
from tests.support.sdk_peer import CLASSIC, MODERN

_COMPLETION = {"completion_id": 1, "idx": 2, "name": 3, "void": 4, "value": 5, "failure": 6}
_NOTIFICATION = {**_COMPLETION, "invocation_id": 16, "state_keys": 17}
_TARGET = {"invocation_id": 1, "idempotent_request_target": 3, "workflow_target": 4}
_ID = {"result_completion_id": 11, "name": 12}

MODERN_FIELDS: dict[str, dict[str, int]] = {
    "Start": {
        "id": 1,
        "debug_id": 2,
        "known_entries": 3,
        "state_map": 4,
        "partial_state": 5,
        "key": 6,
        "retry_count_since_last_stored_entry": 7,
        "duration_since_last_stored_entry": 8,
        "random_seed": 9,
        "scope": 10,
        "limit_key": 11,
        "idempotency_key": 12,
    },
    "Suspension": {
        "waiting_completions": 1,
        "waiting_signals": 2,
        "waiting_named_signals": 3,
        "awaiting_on": 4,
    },
    "Error": {
        "code": 1,
        "message": 2,
        "stacktrace": 3,
        "related_command_index": 4,
        "related_command_name": 5,
        "related_command_type": 6,
        "next_retry_delay": 8,
        "behavior": 9,
    },
    "End": {},
    "CommandAck": {"command_index": 1},
    "ProposeRunCompletion": {"result_completion_id": 1, "value": 14, "failure": 15},
    "AwaitingOn": {"awaiting_on": 1, "executing_side_effects": 2},
    "ProposeRunCompletionAck": {"completion_id": 1},
    "Input": {"headers": 1, "name": 12, "value": 14},
    "Output": {"name": 12, "value": 14, "failure": 15},
    "GetLazyState": {"key": 1, **_ID},
    "SetState": {"key": 1, "value": 3, "name": 12},
    "ClearState": {"key": 1, "name": 12},
    "ClearAllState": {"name": 12},
    "GetLazyStateKeys": _ID,
    "GetEagerState": {"key": 1, "name": 12, "void": 13, "value": 14},
    "GetEagerStateKeys": {"name": 12, "value": 14},
    "GetPromise": {"key": 1, **_ID},
    "PeekPromise": {"key": 1, **_ID},
    "CompletePromise": {"key": 1, "completion_value": 2, "completion_failure": 3, **_ID},
    "Sleep": {"wake_up_time": 1, **_ID},
    "Call": {
        "service_name": 1,
        "handler_name": 2,
        "parameter": 3,
        "headers": 4,
        "key": 5,
        "idempotency_key": 6,
        "scope": 7,
        "limit_key": 8,
        "invocation_id_notification_idx": 10,
        **_ID,
    },
    "OneWayCall": {
        "service_name": 1,
        "handler_name": 2,
        "parameter": 3,
        "invoke_time": 4,
        "headers": 5,
        "key": 6,
        "idempotency_key": 7,
        "scope": 8,
        "limit_key": 9,
        "invocation_id_notification_idx": 10,
        "name": 12,
    },
    "SendSignal": {
        "target_invocation_id": 1,
        "idx": 2,
        "name": 3,
        "void": 4,
        "value": 5,
        "failure": 6,
        "entry_name": 12,
    },
    "Run": _ID,
    "AttachInvocation": {**_TARGET, **_ID},
    "GetInvocationOutput": {**_TARGET, **_ID},
    "CompleteAwakeable": {"awakeable_id": 1, "value": 2, "failure": 3, "name": 12},
}

CLASSIC_FIELDS: dict[str, dict[str, int]] = {
    "Start": {"id": 1, "debug_id": 2, "known_entries": 3, "state_map": 4, "partial_state": 5},
    "Completion": {"entry_index": 1, "empty": 13, "value": 14, "failure": 15},
    "Suspension": {"entry_indexes": 1},
    "Error": {"code": 1, "message": 2, "description": 3},
    "EntryAck": {"entry_index": 1},
    "End": {},
    "PollInputStream": {"value": 14, "failure": 15},
    "OutputStream": {"value": 14, "failure": 15},
    "GetState": {"key": 1, "empty": 13, "value": 14, "failure": 15},
    "SetState": {"key": 1, "value": 3},
    "ClearState": {"key": 1},
    "ClearAllState": {},
    "GetStateKeys": {"value": 14, "failure": 15},
    "Sleep": {"wake_up_time": 1, "empty": 13, "failure": 15},
    "Invoke": {"service_name": 1, "method_name": 2, "parameter": 3, "value": 14, "failure": 15},
    "BackgroundInvoke": {"service_name": 1, "method_name": 2, "parameter": 3, "invoke_time": 4},
    "Awakeable": {"value": 14, "failure": 15},
    "CompleteAwakeable": {"id": 1, "value": 5, "failure": 6},
    "SideEffect": {"value": 14, "failure": 15},
    "Combinator": {"combinator_id": 1, "journal_entries_order": 2},
}

NESTED_FIELDS: dict[type[Message], dict[str, int]] = {
    modern_pb2.Value: {"content": 1},
    modern_pb2.Failure: {"code": 1, "message": 2, "metadata": 3},
    modern_pb2.FailureMetadata: {"key": 1, "value": 2},
    modern_pb2.Header: {"key": 1, "value": 2},
    modern_pb2.StateKeys: {"keys": 1},
    modern_pb2.StateEntry: {"key": 1, "value": 2},
    modern_pb2.Future: {
        "waiting_completions": 1,
        "waiting_signals": 2,
        "waiting_named_signals": 3,
        "nested_futures": 4,
        "combinator_type": 5,
    },
    modern_pb2.IdempotentRequestTarget: {
        "service_name": 1,
        "service_key": 2,
        "handler_name": 3,
        "idempotency_key": 4,
        "scope": 5,
    },
    modern_pb2.WorkflowTarget: {"workflow_name": 1, "workflow_key": 2, "scope": 3},
    classic_pb2.Failure: {"code": 1, "message": 2},
    classic_pb2.StateEntry: {"key": 1, "value": 2},
    classic_pb2.StateKeys: {"keys": 1},
    classic_pb2.SideEffectFailure: {"failure": 1, "terminal": 2},
    discovery_pb2.ServiceDiscoveryResponse: {
        "files": 1,
        "services": 2,
        "min_protocol_version": 3,
        "max_protocol_version": 4,
        "protocol_mode": 5,
    },
    services_pb2.InvokeRequest: {"service": 1, "method": 2, "pb": 3, "json": 4},
    services_pb2.InvokeResponse: {"id": 1},
    services_pb2.ResolveAwakeableRequest: {"id": 1, "bytes_result": 2, "json_result": 3},
    services_pb2.RejectAwakeableRequest: {"id": 1, "reason": 2},
    health_pb2.HealthCheckRequest: {"service": 1},
    health_pb2.HealthCheckResponse: {"status": 1},
}


def numbers(kind: type[Message]) -> dict[str, int]:
    return {field.name: field.number for field in kind.DESCRIPTOR.fields}


@pytest.mark.parametrize("name", MODERN)
def test_modern_field_numbers(name: str) -> None:
    code, kind = MODERN[name]
    assert numbers(kind) == (_NOTIFICATION if code >= 0x8000 else MODERN_FIELDS[name])


@pytest.mark.parametrize("name", CLASSIC)
def test_classic_field_numbers(name: str) -> None:
    assert numbers(CLASSIC[name][1]) == CLASSIC_FIELDS[name]


@pytest.mark.parametrize("kind", NESTED_FIELDS, ids=lambda kind: kind.DESCRIPTOR.full_name)
def test_field_numbers_inside(kind: type[Message]) -> None:
    assert numbers(kind) == NESTED_FIELDS[kind]


@pytest.mark.parametrize("generation", [MODERN, CLASSIC], ids=["modern", "classic"])
def test_every_field_survives_a_round_trip(generation: dict[str, tuple[int, type[Message]]]) -> None:
    for _, kind in generation.values():
        for field in kind.DESCRIPTOR.fields:
            message = kind()
            _fill(message, field)
            assert message.ByteSize() > 0
            again = kind.FromString(message.SerializeToString())
            assert again == message
            assert [found.name for found, _ in again.ListFields()] == [field.name]


def _fill(message: Any, field: Any) -> None:
    """Set one field to something that is not its default; members of a oneof to their default, which must show."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if field.is_repeated:
            getattr(message, field.name).add()
        else:
            getattr(message, field.name).SetInParent()
        return
    value: Any = {FieldDescriptor.TYPE_BYTES: b"x", FieldDescriptor.TYPE_STRING: "x"}.get(field.type, 1)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    else:
        setattr(message, field.name, type(value)() if field.containing_oneof else value)


def test_repeated_numbers_are_packed() -> None:
    assert classic_pb2.Suspension(entry_indexes=[1, 2]).SerializeToString() == b"\x0a\x02\x01\x02"
    assert modern_pb2.Suspension(waiting_signals=[17, 1]).SerializeToString() == b"\x12\x02\x11\x01"


def test_all_modules_load_together_under_file_names_of_ours() -> None:
    for module in (modern_pb2, classic_pb2, discovery_pb2, ext_pb2, health_pb2, services_pb2):
        assert module.DESCRIPTOR.name.startswith("restate/runtime/pb/")
    assert modern_pb2.DESCRIPTOR.package == "restate.modern"
    assert classic_pb2.DESCRIPTOR.package == "restate.classic"


def test_an_option_with_value_zero_is_present() -> None:
    options: Any = descriptor_pb2.ServiceOptions.FromString(b"\x90\x82\x19\x00")
    assert options.HasExtension(ext_pb2.service_type)
    assert options.Extensions[ext_pb2.service_type] == ext_pb2.UNKEYED
    empty: Any = descriptor_pb2.FieldOptions()
    assert not empty.HasExtension(ext_pb2.field)
    assert ext_pb2.EVENT_METADATA == 2


def test_the_json_argument_of_a_send_has_its_public_name() -> None:
    request = json_format.Parse('{"service": "S", "argument": {"a": 1}}', services_pb2.InvokeRequest())
    assert request.json == struct_pb2.Struct(fields={"a": struct_pb2.Value(number_value=1)})

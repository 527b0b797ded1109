"""The columns of stored invocations, each as a function of one record."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from restate.runtime.model import codes
from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.invocation import (
    Awaiting,
    Combinator,
    IngressSource,
    InvocationRecord,
    RestartSource,
    ServiceSource,
    Status,
    SubscriptionSource,
)
from restate.runtime.model.result import Failure, Outcome, Success
from restate.runtime.model.target import Generation, ServiceType

_FUTURES_SINCE = 7
"""The protocol version whose SDKs tell how what they wait for combines."""

Getter = Callable[[InvocationRecord], Any]

STORED_STATUS: Mapping[Status, str] = {
    Status.SCHEDULED: "scheduled",
    Status.INBOXED: "inboxed",
    Status.INVOKED: "invoked",
    Status.SUSPENDED: "suspended",
    Status.PAUSED: "paused",
    Status.COMPLETED: "completed",
}
_SERVICE_TYPES: Mapping[ServiceType, str] = {
    ServiceType.SERVICE: "service",
    ServiceType.VIRTUAL_OBJECT: "virtual_object",
    ServiceType.WORKFLOW: "workflow",
    ServiceType.UNKEYED: "service",
    ServiceType.KEYED: "virtual_object",
    ServiceType.SINGLETON: "virtual_object",
}
_INSTANCE_TYPES: Mapping[ServiceType, str] = {
    ServiceType.SERVICE: "unkeyed",
    ServiceType.VIRTUAL_OBJECT: "keyed",
    ServiceType.WORKFLOW: "keyed",
    ServiceType.UNKEYED: "unkeyed",
    ServiceType.KEYED: "keyed",
    ServiceType.SINGLETON: "singleton",
}
_COMBINATORS: Mapping[Combinator, str] = {
    Combinator.UNKNOWN: "Unknown",
    Combinator.FIRST_COMPLETED: "FirstCompleted",
    Combinator.ALL_COMPLETED: "AllCompleted",
    Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED: "FirstSucceededOrAllFailed",
    Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED: "AllSucceededOrFirstFailed",
}


def service_type(kind: ServiceType) -> str:
    """As modern clients know it."""
    return _SERVICE_TYPES[kind]


def instance_type(kind: ServiceType) -> str:
    """As classic clients know it."""
    return _INSTANCE_TYPES[kind]


def failure_text(failure: Failure, generation: Generation) -> str:
    """`[409] cancelled`; codes are those of HTTP in both generations."""
    return f"[{codes.convert(failure.code, generation, Generation.MODERN)}] {failure.message}"


def _active(record: InvocationRecord) -> bool:
    return record.status not in (Status.SCHEDULED, Status.INBOXED)


def journal_size(record: InvocationRecord) -> int | None:
    """Classic journals consist of commands, which hold their completions."""
    if not _active(record):
        return None
    classic = record.target.generation is Generation.CLASSIC
    return record.commands if classic else record.journal_length


def completion_result(outcome: Outcome | None) -> str | None:
    if outcome is None:
        return None
    return "success" if isinstance(outcome, Success) else "failure"


def _completion_failure(record: InvocationRecord) -> str | None:
    outcome = record.outcome
    return failure_text(outcome, record.target.generation) if isinstance(outcome, Failure) else None


def _invoked_by(record: InvocationRecord) -> str:
    match record.source:
        case IngressSource():
            return "ingress"
        case ServiceSource():
            return "service"
        case RestartSource():
            return "restart_as_new"
        case SubscriptionSource():
            return "subscription"


def classic_invoked_by(record: InvocationRecord) -> str:
    """`ingress`, `service`, and `restate` for everything else."""
    match record.source:
        case IngressSource():
            return "ingress"
        case ServiceSource():
            return "service"
        case RestartSource() | SubscriptionSource():
            return "restate"


def caller_id(record: InvocationRecord) -> str | None:
    source = record.source
    return format_invocation_id(source.invocation) if isinstance(source, ServiceSource) else None


def caller_service(record: InvocationRecord) -> str | None:
    source = record.source
    return source.target.service if isinstance(source, ServiceSource) else None


def _caller_target(record: InvocationRecord) -> str | None:
    source = record.source
    return str(source.target) if isinstance(source, ServiceSource) else None


def _subscription(record: InvocationRecord) -> str | None:
    source = record.source
    return source.subscription if isinstance(source, SubscriptionSource) else None


def _restarted_from(record: InvocationRecord) -> str | None:
    source = record.source
    return format_invocation_id(source.invocation) if isinstance(source, RestartSource) else None


def _awaiting(record: InvocationRecord) -> Awaiting | None:
    return record.awaiting if record.status is Status.SUSPENDED else None


def _nodes(awaiting: Awaiting) -> Iterator[Awaiting]:
    yield awaiting
    for inner in awaiting.nested:
        yield from _nodes(inner)


def _completions(record: InvocationRecord) -> list[int] | None:
    awaiting = _awaiting(record)
    if awaiting is None:
        return None
    return sorted({number for node in _nodes(awaiting) for number in node.completions})


def _signals(record: InvocationRecord) -> list[int] | None:
    awaiting = _awaiting(record)
    if awaiting is None:
        return None
    return sorted({number for node in _nodes(awaiting) for number in node.signals})


def _future(record: InvocationRecord) -> str | None:
    awaiting = _awaiting(record)
    if awaiting is None:
        return None
    if record.pin is None or record.pin.protocol_version < _FUTURES_SINCE:
        # Older protocols tell what is waited for, but not how it combines.
        awaiting = msgspec.structs.replace(awaiting, combinator=Combinator.UNKNOWN)
    return json.dumps(_future_node(awaiting), separators=(",", ":"))


def _future_node(awaiting: Awaiting) -> dict[str, Any]:
    members: list[dict[str, Any]] = [
        {"Single": {"CompletionId": number}} for number in sorted(awaiting.completions)
    ]
    members += [{"Single": {"SignalIndex": number}} for number in sorted(awaiting.signals)]
    members += [{"Single": {"SignalName": name}} for name in awaiting.named_signals]
    members += [_future_node(inner) for inner in awaiting.nested]
    return {_COMBINATORS[awaiting.combinator]: members}


def pinned_deployment(record: InvocationRecord) -> str | None:
    return None if record.pin is None else record.pin.deployment_id


def trace_id(record: InvocationRecord) -> str | None:
    return None if record.trace is None else record.trace.trace_id.hex()


RECORD_COLUMNS: Mapping[str, Getter] = {
    "completion_result": lambda record: completion_result(record.outcome),
    "completion_failure": _completion_failure,
    "target": lambda record: str(record.target),
    "target_service_name": lambda record: record.target.service,
    "target_service_key": lambda record: record.target.object_key,
    "target_handler_name": lambda record: record.target.handler,
    "target_service_ty": lambda record: _SERVICE_TYPES[record.target.service_type],
    "idempotency_key": lambda record: record.idempotency_key,
    "invoked_by": _invoked_by,
    "invoked_by_id": caller_id,
    "invoked_by_subscription_id": _subscription,
    "invoked_by_service_name": caller_service,
    "invoked_by_target": _caller_target,
    "restarted_from": _restarted_from,
    "pinned_deployment_id": pinned_deployment,
    "pinned_service_protocol_version": lambda record: (
        None if record.pin is None else record.pin.protocol_version
    ),
    "trace_id": trace_id,
    "journal_size": journal_size,
    "journal_commands_size": lambda record: record.commands if _active(record) else None,
    "created_at": lambda record: record.created_ms,
    "created_using_restate_version": lambda record: record.created_version,
    "modified_at": lambda record: record.modified_ms,
    "inboxed_at": lambda record: record.inboxed_ms,
    "scheduled_at": lambda record: record.scheduled_ms,
    "scheduled_start_at": lambda record: record.execution_time_ms,
    "running_at": lambda record: record.running_ms,
    "completed_at": lambda record: record.completed_ms,
    "completion_retention": lambda record: record.completion_retention_ms,
    "journal_retention": lambda record: record.journal_retention_ms,
    "suspended_waiting_for_completions": _completions,
    "suspended_waiting_for_signals": _signals,
    "suspended_waiting_future_json": _future,
}
"""What one stored record tells of itself: columns of `sys_invocation` and `sys_invocation_status`."""

CLASSIC_RECORD_COLUMNS: Mapping[str, Getter] = {
    "service": lambda record: record.target.service,
    "method": lambda record: record.target.handler,
    "invoked_by": classic_invoked_by,
    "invoked_by_service": caller_service,
    "invoked_by_id": caller_id,
    "pinned_deployment_id": pinned_deployment,
    "trace_id": trace_id,
    "journal_size": journal_size,
    "created_at": lambda record: record.created_ms,
    "modified_at": lambda record: record.modified_ms,
}
"""The same of `sys_status`."""

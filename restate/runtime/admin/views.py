"""JSON shapes of deployments, services and handlers (admin.md §3.1, §4.2, §4.3).

Under /v2 to /v4 everything is a valid modern object: classic services appear as Service or VirtualObject. Without
prefix a classic service carries the fields of both generations; clients ignore what they do not know.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from restate.runtime.model.duration import format_duration
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.schema.deployment import Deployment, Handler, InputRule, Options, OutputRule, Service
from restate.runtime.schema.options import Defaults, effective

Json = dict[str, Any]

_MODERN_TYPES = {
    ServiceType.SERVICE: "Service",
    ServiceType.UNKEYED: "Service",
    ServiceType.VIRTUAL_OBJECT: "VirtualObject",
    ServiceType.KEYED: "VirtualObject",
    ServiceType.SINGLETON: "VirtualObject",
    ServiceType.WORKFLOW: "Workflow",
}
_INSTANCE_TYPES = {
    ServiceType.UNKEYED: "Unkeyed",
    ServiceType.KEYED: "Keyed",
    ServiceType.SINGLETON: "Singleton",
}
_HANDLER_TYPES = {
    HandlerType.EXCLUSIVE: "Exclusive",
    HandlerType.SHARED: "Shared",
    HandlerType.WORKFLOW: "Workflow",
}
_INACTIVITY_IGNORED = {
    "code": "RT0021",
    "message": "inactivity_timeout is ignored: the deployment answers in request-response mode.",
}


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with nine digits, as clients of the official server see it."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}000000Z"


def deployment_view(deployment: Deployment, services: list[Json]) -> Json:
    """services: as `service_views` or `service_names` give them."""
    return _without_empty(
        {
            "id": deployment.id,
            "uri": deployment.uri,
            "protocol_type": deployment.protocol_type,
            "http_version": deployment.http_version,
            "additional_headers": dict(deployment.additional_headers),
            "metadata": dict(deployment.metadata),
            "created_at": format_time(deployment.created_ms),
            "min_protocol_version": deployment.min_protocol_version,
            "max_protocol_version": deployment.max_protocol_version,
            "sdk_version": deployment.sdk_version,
        }
    ) | {"services": services}


def registration_view(deployment: Deployment, services: list[Json]) -> Json:
    """The reply to a registration."""
    return _without_empty(
        {
            "id": deployment.id,
            "min_protocol_version": deployment.min_protocol_version,
            "max_protocol_version": deployment.max_protocol_version,
            "sdk_version": deployment.sdk_version,
        }
    ) | {"services": services}


def service_names(deployment: Deployment) -> list[Json]:
    return [{"name": service.name, "revision": service.revision} for service in deployment.services]


def service_views(deployment: Deployment, defaults: Defaults, *, superset: bool) -> list[Json]:
    """The services of one deployment, in its revisions."""
    return [service_view(service, deployment, defaults, superset=superset) for service in deployment.services]


def service_view(service: Service, deployment: Deployment, defaults: Defaults, *, superset: bool) -> Json:
    """superset: without prefix, where classic services keep their own fields too."""
    view: Json = {
        "name": service.name,
        "ty": _MODERN_TYPES[service.type],
        "handlers": [handler_view(service, handler) for handler in service.handlers],
        "deployment_id": service.deployment_id,
        "revision": service.revision,
        "public": service.public,
    }
    view |= _without_empty({"documentation": service.documentation, "metadata": dict(service.metadata)})
    view |= _effective_view(service, deployment, defaults)
    if superset and service.type.generation is Generation.CLASSIC:
        view["methods"] = method_views(service)
        view["instance_type"] = _INSTANCE_TYPES[service.type]
    return view


def method_views(service: Service) -> list[Json]:
    """The methods of a classic service."""
    return [method_view(service, handler) for handler in service.handlers if handler.classic is not None]


def method_view(service: Service, handler: Handler) -> Json:
    method = handler.classic
    assert method is not None
    view: Json = {
        "name": handler.name,
        "input_type": method.input_type,
        "output_type": method.output_type,
    }
    if service.type is ServiceType.KEYED:
        view["key_field_number"] = method.key_field
    return view


def handler_view(service: Service, handler: Handler) -> Json:
    """Options appear only where the handler sets them; `retry_policy.max_attempts` always does."""
    view: Json = {"name": handler.name}
    if handler.type is not HandlerType.PLAIN:
        view["ty"] = _HANDLER_TYPES[handler.type]
    view["public"] = handler.public and service.public
    if handler.classic is not None:
        view["input_description"] = handler.classic.input_type
        view["output_description"] = handler.classic.output_type
    else:
        view["input_description"] = _describe(handler.input)
        view["output_description"] = _describe(handler.output)
    options = handler.options
    return view | _without_empty(
        {
            "documentation": handler.documentation,
            "metadata": dict(handler.metadata),
            "idempotency_retention": _duration(options.idempotency_retention_ms),
            "workflow_completion_retention": _duration(options.workflow_retention_ms),
            "journal_retention": _duration(options.journal_retention_ms),
            "inactivity_timeout": _duration(options.inactivity_timeout_ms),
            "abort_timeout": _duration(options.abort_timeout_ms),
            "enable_lazy_state": options.enable_lazy_state,
            "input_json_schema": _schema(handler.input.json_schema),
            "output_json_schema": _schema(handler.output.json_schema),
            "retry_policy": _retry_overrides(options),
        }
    )


def _effective_view(service: Service, deployment: Deployment, defaults: Defaults) -> Json:
    values = effective(service, None, defaults)
    one_way = deployment.protocol_type == "RequestResponse"
    view: Json = {
        "idempotency_retention": format_duration(values.idempotency_retention_ms),
        # There is no open stream whose silence could be noticed.
        "inactivity_timeout": "0s" if one_way else format_duration(values.inactivity_timeout_ms),
        "abort_timeout": format_duration(values.abort_timeout_ms),
        "enable_lazy_state": values.enable_lazy_state,
        "retry_policy": {
            "initial_interval": format_duration(values.retry.initial_interval_ms),
            "exponentiation_factor": float(values.retry.factor),
            "max_attempts": values.retry.max_attempts,
            "max_interval": format_duration(values.retry.max_interval_ms),
            "on_max_attempts": values.retry.on_max_attempts.capitalize(),
        },
    }
    if values.journal_retention_ms:
        view["journal_retention"] = format_duration(values.journal_retention_ms)
    if service.type is ServiceType.WORKFLOW:
        view["workflow_completion_retention"] = format_duration(values.workflow_retention_ms)
    if one_way and service.options.inactivity_timeout_ms is not None:
        view["info"] = [_INACTIVITY_IGNORED]
    return view


def _retry_overrides(options: Options) -> Json:
    on_max_attempts = options.retry_on_max_attempts
    overrides = _without_empty(
        {
            "initial_interval": _duration(options.retry_initial_interval_ms),
            "exponentiation_factor": options.retry_factor,
            "max_interval": _duration(options.retry_max_interval_ms),
            "on_max_attempts": None if on_max_attempts is None else on_max_attempts.capitalize(),
        }
    )
    return overrides | {"max_attempts": options.retry_max_attempts}


def _describe(rule: InputRule | OutputRule) -> str:
    """In a few words: `none`, `JSON string`, `*/*`."""
    if rule.content_type is None:
        return "none"
    if not rule.content_type.startswith("application/json"):
        return rule.content_type
    schema = _schema(rule.json_schema)
    kind = schema.get("type") if isinstance(schema, dict) else None
    return f"JSON {kind}" if isinstance(kind, str) else "JSON"


def _schema(text: bytes | None) -> Any:
    return None if text is None else json.loads(text)


def _duration(value_ms: int | None) -> str | None:
    return None if value_ms is None else format_duration(value_ms)


def _without_empty(view: Json) -> Json:
    return {name: value for name, value in view.items() if value is not None and value != {}}


def sorted_by_creation(deployments: Iterable[Deployment]) -> list[Deployment]:
    return sorted(deployments, key=lambda deployment: (deployment.created_ms, deployment.id))

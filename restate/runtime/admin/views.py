"""From what is registered to what the routes answer.

Under /v2 to /v4 everything is a valid modern object: classic services appear as Service or VirtualObject. Without
prefix a service carries the fields of both generations, so that the clients of each can read the whole list; they ignore
what they do not know. The methods of a modern service are those of its synthesized contract.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from restate.runtime.admin.models import (
    DeploymentDetail,
    DeploymentEntry,
    HandlerKind,
    HandlerMetadata,
    Info,
    InstanceType,
    MethodMetadata,
    RegisteredDeployment,
    RetryPolicyMetadata,
    ServiceKind,
    ServiceMetadata,
    ServiceNameRevision,
)
from restate.runtime.model.duration import format_duration
from restate.runtime.model.retry import OnMaxAttempts
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from restate.runtime.schema.deployment import Deployment, Handler, InputRule, Options, OutputRule, Service
from restate.runtime.schema.options import Defaults, Effective, effective

Json = dict[str, Any]

_text_of = lru_cache(maxsize=1024)(format_duration)
"""Durations as text. Lists repeat the same few of them thousands of times."""
T = TypeVar("T")

_MODERN_TYPES: dict[ServiceType, ServiceKind] = {
    ServiceType.SERVICE: "Service",
    ServiceType.UNKEYED: "Service",
    ServiceType.VIRTUAL_OBJECT: "VirtualObject",
    ServiceType.KEYED: "VirtualObject",
    ServiceType.SINGLETON: "VirtualObject",
    ServiceType.WORKFLOW: "Workflow",
}
_INSTANCE_TYPES: dict[ServiceType, InstanceType] = {
    ServiceType.UNKEYED: "Unkeyed",
    ServiceType.KEYED: "Keyed",
    ServiceType.SINGLETON: "Singleton",
    ServiceType.SERVICE: "Unkeyed",
    ServiceType.VIRTUAL_OBJECT: "Keyed",
    ServiceType.WORKFLOW: "Keyed",
}
_HANDLER_TYPES: dict[HandlerType, HandlerKind] = {
    HandlerType.EXCLUSIVE: "Exclusive",
    HandlerType.SHARED: "Shared",
    HandlerType.WORKFLOW: "Workflow",
}
_ON_MAX_ATTEMPTS: dict[OnMaxAttempts, Literal["Pause", "Kill"]] = {"pause": "Pause", "kill": "Kill"}
_LAMBDA_NOT_CALLED = Info(
    "RT0010",
    "This server does not call AWS Lambda: the services of the function are not known, and attempts on it fail. Serve"
    " them over HTTP.",
)


def format_time(time_ms: int) -> str:
    """RFC 3339 in UTC with nine digits, as clients of the official server see it."""
    seconds, milliseconds = divmod(time_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}000000Z"


def deployment_entry(deployment: Deployment) -> DeploymentEntry:
    names = [ServiceNameRevision(service.name, service.revision) for service in deployment.services]
    return DeploymentEntry(**_deployment_fields(deployment), services=names)


def deployment_detail(deployment: Deployment, defaults: Defaults, *, superset: bool) -> DeploymentDetail:
    """superset: without prefix, where services carry the fields of both generations."""
    services = service_views(deployment, defaults, superset=superset)
    return DeploymentDetail(**_deployment_fields(deployment), services=services)


def registered_deployment(
    deployment: Deployment, defaults: Defaults, *, superset: bool
) -> RegisteredDeployment:
    """The reply to a registration."""
    return RegisteredDeployment(
        id=deployment.id,
        services=service_views(deployment, defaults, superset=superset),
        min_protocol_version=deployment.min_protocol_version,
        max_protocol_version=deployment.max_protocol_version,
        sdk_version=_given(deployment.sdk_version),
        info=_deployment_info(deployment),
    )


def service_views(deployment: Deployment, defaults: Defaults, *, superset: bool) -> list[ServiceMetadata]:
    """The services of one deployment, in its revisions."""
    return [service_view(service, deployment, defaults, superset=superset) for service in deployment.services]


def service_view(
    service: Service, deployment: Deployment, defaults: Defaults, *, superset: bool
) -> ServiceMetadata:
    """superset: without prefix, where services carry the fields of both generations."""
    values = effective(service, None, defaults)
    one_way = deployment.protocol_type == "RequestResponse"
    journal_ms = values.journal_retention_ms
    keeps_journals = journal_ms > 0 or service.options.journal_retention_ms is not None
    return ServiceMetadata(
        name=service.name,
        ty=_MODERN_TYPES[service.type],
        handlers=[handler_view(service, handler, deployment, defaults) for handler in service.handlers],
        deployment_id=service.deployment_id,
        revision=service.revision,
        public=service.public,
        documentation=_given(service.documentation),
        metadata=_given(dict(service.metadata)),
        idempotency_retention=_text_of(values.idempotency_retention_ms),
        workflow_completion_retention=_workflow_retention(service, values),
        # None at all is the default of classic services; of others it is a choice to be shown.
        journal_retention=_text_of(journal_ms) if keeps_journals else UNSET,
        # There is no open stream whose silence could be noticed.
        inactivity_timeout="0s" if one_way else _text_of(values.inactivity_timeout_ms),
        abort_timeout=_text_of(values.abort_timeout_ms),
        enable_lazy_state=values.enable_lazy_state,
        retry_policy=RetryPolicyMetadata(
            initial_interval=_text_of(values.retry.initial_interval_ms),
            exponentiation_factor=float(values.retry.factor),
            max_attempts=values.retry.max_attempts,
            max_interval=_text_of(values.retry.max_interval_ms),
            on_max_attempts=_ON_MAX_ATTEMPTS[values.retry.on_max_attempts],
        ),
        info=_ineffective(service, service.options, deployment, defaults, "service"),
        methods=method_views(service) if superset else UNSET,
        instance_type=_INSTANCE_TYPES[service.type] if superset else UNSET,
    )


def method_views(service: Service) -> list[MethodMetadata]:
    """The methods of the service's contract; of a modern service it has the public handlers."""
    return [method_view(service, handler) for handler in service.handlers if handler.public]


def method_view(service: Service, handler: Handler) -> MethodMetadata:
    """handler: one that the contract has."""
    method = handler.classic
    if method is None:
        return MethodMetadata(
            name=handler.name,
            input_type=RpcRequest.DESCRIPTOR.full_name,
            output_type=RpcResponse.DESCRIPTOR.full_name,
            key_field_number=RpcRequest.KEY_FIELD_NUMBER if service.type.keyed else UNSET,
        )
    return MethodMetadata(
        name=handler.name,
        input_type=method.input_type,
        output_type=method.output_type,
        key_field_number=_given(method.key_field) if service.type is ServiceType.KEYED else UNSET,
    )


def handler_view(
    service: Service, handler: Handler, deployment: Deployment, defaults: Defaults
) -> HandlerMetadata:
    """Options appear only where the handler sets them; `retry_policy.max_attempts` always does."""
    options = handler.options
    one_way = deployment.protocol_type == "RequestResponse"
    set_journal = options.journal_retention_ms is not None
    journal_ms = effective(service, handler, defaults).journal_retention_ms if set_journal else None
    classic = handler.classic
    return HandlerMetadata(
        name=handler.name,
        ty=_HANDLER_TYPES.get(handler.type, UNSET),
        public=service.is_public(handler),
        input_description=_describe(handler.input) if classic is None else classic.input_type,
        output_description=_describe(handler.output) if classic is None else classic.output_type,
        documentation=_given(handler.documentation),
        metadata=_given(dict(handler.metadata)),
        idempotency_retention=_duration(options.idempotency_retention_ms),
        journal_retention=_duration(journal_ms),
        inactivity_timeout=UNSET if one_way else _duration(options.inactivity_timeout_ms),
        abort_timeout=_duration(options.abort_timeout_ms),
        enable_lazy_state=_given(options.enable_lazy_state),
        input_json_schema=_schema(handler.input.json_schema),
        output_json_schema=_schema(handler.output.json_schema),
        retry_policy=RetryPolicyMetadata(
            initial_interval=_duration(options.retry_initial_interval_ms),
            exponentiation_factor=_given(options.retry_factor),
            max_attempts=options.retry_max_attempts,
            max_interval=_duration(options.retry_max_interval_ms),
            on_max_attempts=UNSET
            if options.retry_on_max_attempts is None
            else _ON_MAX_ATTEMPTS[options.retry_on_max_attempts],
        ),
        info=_ineffective(service, options, deployment, defaults, "handler"),
    )


def sorted_by_creation(deployments: Iterable[Deployment]) -> list[Deployment]:
    return sorted(deployments, key=lambda deployment: (deployment.created_ms, deployment.id))


def _deployment_fields(deployment: Deployment) -> Json:
    """Those that an entry of the list and the detail have in common."""
    at_uri = deployment.arn is None
    return {
        "id": deployment.id,
        "uri": deployment.uri if at_uri else UNSET,
        "protocol_type": deployment.protocol_type if at_uri else UNSET,
        "http_version": deployment.http_version if at_uri else UNSET,
        "arn": _given(deployment.arn),
        "assume_role_arn": _given(deployment.assume_role_arn),
        "additional_headers": _given(dict(deployment.additional_headers)),
        "metadata": _given(dict(deployment.metadata)),
        "created_at": format_time(deployment.created_ms),
        "min_protocol_version": deployment.min_protocol_version,
        "max_protocol_version": deployment.max_protocol_version,
        "sdk_version": _given(deployment.sdk_version),
        "info": _deployment_info(deployment),
    }


def _deployment_info(deployment: Deployment) -> list[Info] | UnsetType:
    return UNSET if deployment.arn is None else [_LAMBDA_NOT_CALLED]


def _workflow_retention(service: Service, values: Effective) -> str | UnsetType:
    """That of the run handler, which is the only one that ends a workflow."""
    if service.type is not ServiceType.WORKFLOW:
        return UNSET
    own = (handler.options.workflow_retention_ms for handler in service.handlers)
    retention_ms = next((value for value in own if value is not None), values.workflow_retention_ms)
    return _text_of(retention_ms)


def _ineffective(
    service: Service, options: Options, deployment: Deployment, defaults: Defaults, owner: str
) -> list[Info] | UnsetType:
    """What `options`, those of `service` or one of its handlers, ask for in vain."""
    found = []
    timeout_ms = options.inactivity_timeout_ms
    if timeout_ms is not None and deployment.protocol_type == "RequestResponse":
        text = (
            f"The inactivity_timeout {_text_of(timeout_ms)} has no effect: the {owner} is served in"
            " request-response mode."
        )
        found.append(Info("RT0021", text))
    maximum_ms = defaults.of(service.type.generation).max_journal_retention_ms
    asked_ms = options.journal_retention_ms
    if asked_ms is not None and maximum_ms is not None and asked_ms > maximum_ms:
        text = (
            f"The journal_retention {_text_of(asked_ms)} of the {owner} is lowered to the server's maximum,"
            f" {_text_of(maximum_ms)}."
        )
        found.append(Info("RT0022", text))
    return found or UNSET


def _describe(rule: InputRule | OutputRule) -> str:
    """In a few words: `none`, `JSON string`, `JSON 'Title'`, else the content type; `optional` where it may be empty."""
    schema = None if rule.json_schema is None else msgspec.json.decode(rule.json_schema)
    if isinstance(schema, dict):
        if isinstance(title := schema.get("title"), str):
            return f"JSON '{title}'"
        if isinstance(kind := schema.get("type"), str):
            return f"JSON {kind}"
    if rule.content_type is None:
        return "none"
    optional = isinstance(rule, OutputRule) and rule.set_content_type_if_empty
    return f"optional {rule.content_type}" if optional else rule.content_type


def _schema(text: bytes | None) -> msgspec.Raw | UnsetType:
    return UNSET if text is None else msgspec.Raw(text)


def _duration(value_ms: int | None) -> str | UnsetType:
    return UNSET if value_ms is None else _text_of(value_ms)


def _given(value: T | None) -> T | UnsetType:
    """None and empty maps are left out."""
    return UNSET if value is None or value == {} else value

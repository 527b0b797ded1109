"""What the routes about deployments and services answer, field by field (admin.md §3.1, §4.2, §4.3).

A field that is UNSET is left out of the JSON. Durations are text, `1h 30m`; times are RFC 3339 in UTC. Without slots the
encoder keeps the order of the fields, which people who read the JSON are grateful for.
"""

from typing import Any, Literal

import attrs
from msgspec import UNSET, UnsetType

from restate.runtime.schema.deployment import HttpVersion, ProtocolType

ServiceKind = Literal["Service", "VirtualObject", "Workflow"]
HandlerKind = Literal["Exclusive", "Shared", "Workflow"]
InstanceType = Literal["Keyed", "Unkeyed", "Singleton"]


@attrs.frozen(slots=False)
class Info:
    """Something an operator should know. code: of the error table."""

    code: str
    message: str


@attrs.frozen(kw_only=True, slots=False)
class RetryPolicyMetadata:
    """Of a service: what holds. Of a handler: what it sets. max_attempts None: of a service no limit."""

    initial_interval: str | UnsetType = UNSET
    exponentiation_factor: float | UnsetType = UNSET
    max_attempts: int | None
    max_interval: str | UnsetType = UNSET
    on_max_attempts: Literal["Pause", "Kill"] | UnsetType = UNSET


@attrs.frozen(kw_only=True, slots=False)
class HandlerMetadata:
    """One handler; its settings appear only where it sets them. ty: absent for plain services."""

    name: str
    ty: HandlerKind | UnsetType = UNSET
    public: bool
    input_description: str
    output_description: str
    documentation: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    idempotency_retention: str | UnsetType = UNSET
    journal_retention: str | UnsetType = UNSET
    inactivity_timeout: str | UnsetType = UNSET
    abort_timeout: str | UnsetType = UNSET
    enable_lazy_state: bool | UnsetType = UNSET
    input_json_schema: Any = UNSET
    output_json_schema: Any = UNSET
    retry_policy: RetryPolicyMetadata
    info: list[Info] | UnsetType = UNSET


@attrs.frozen(kw_only=True, slots=False)
class MethodMetadata:
    """A method of a contract. Types are full message names. key_field_number: of keyed services."""

    name: str
    input_type: str
    output_type: str
    key_field_number: int | UnsetType = UNSET


@attrs.frozen(kw_only=True, slots=False)
class ServiceMetadata:
    """One revision of a service, with what holds for handlers that set nothing themselves.

    methods, instance_type: only without version in the path, for classic clients.
    """

    name: str
    ty: ServiceKind
    handlers: list[HandlerMetadata]
    deployment_id: str
    revision: int
    public: bool
    documentation: str | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    idempotency_retention: str
    workflow_completion_retention: str | UnsetType = UNSET
    journal_retention: str | UnsetType = UNSET
    inactivity_timeout: str
    abort_timeout: str
    enable_lazy_state: bool
    retry_policy: RetryPolicyMetadata
    info: list[Info] | UnsetType = UNSET
    methods: list[MethodMetadata] | UnsetType = UNSET
    instance_type: InstanceType | UnsetType = UNSET


@attrs.frozen(slots=False)
class ServiceNameRevision:
    name: str
    revision: int


@attrs.frozen(kw_only=True, slots=False)
class _Deployment:
    """At a `uri`, or the AWS Lambda function `arn`."""

    id: str
    uri: str | UnsetType = UNSET
    protocol_type: ProtocolType | UnsetType = UNSET
    http_version: HttpVersion | UnsetType = UNSET
    arn: str | UnsetType = UNSET
    assume_role_arn: str | UnsetType = UNSET
    additional_headers: dict[str, str] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    created_at: str
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | UnsetType = UNSET
    info: list[Info] | UnsetType = UNSET


@attrs.frozen(kw_only=True, slots=False)
class DeploymentEntry(_Deployment):
    """A deployment in a list."""

    services: list[ServiceNameRevision]


@attrs.frozen(kw_only=True, slots=False)
class DeploymentDetail(_Deployment):
    """A deployment alone. services: in its own revisions."""

    services: list[ServiceMetadata]


@attrs.frozen(kw_only=True, slots=False)
class RegisteredDeployment:
    """The answer to a registration."""

    id: str
    services: list[ServiceMetadata]
    min_protocol_version: int
    max_protocol_version: int
    sdk_version: str | UnsetType = UNSET
    info: list[Info] | UnsetType = UNSET


@attrs.frozen(slots=False)
class DeploymentList:
    deployments: list[DeploymentEntry]


@attrs.frozen(slots=False)
class ServiceList:
    services: list[ServiceMetadata]


@attrs.frozen(slots=False)
class HandlerList:
    handlers: list[HandlerMetadata]


@attrs.frozen(slots=False)
class MethodList:
    methods: list[MethodMetadata]

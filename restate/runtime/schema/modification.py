"""What operators change about what is registered, without a new revision: settings of services, addresses of deployments.

As in `registration.py`, the outcome is a list of rows that hold for the registry they were decided on.
"""

from collections.abc import Callable

import attrs
import msgspec

from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.registration import (
    Announcement,
    Registration,
    check_generation,
    check_name,
    retire,
)
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row, deployment_row


@attrs.frozen
class ServiceChanges:
    """Settings of a service, times in ms; None leaves a setting as it is. They hold until the next registration."""

    public: bool | None = None
    idempotency_retention_ms: int | None = None
    workflow_retention_ms: int | None = None
    journal_retention_ms: int | None = None
    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None


class UnknownService(DeploymentError):
    """There is no service with this name."""


def modify_service(registry: Registry, name: str, changes: ServiceChanges) -> tuple[Row, ...]:
    """The rows that change the latest revision of a service. Raises UnknownService, DeploymentError 400."""
    service = registry.service(name)
    if service is None:
        raise UnknownService(f"not found in the schema registry: service with name '{name}'", http_status=404)
    if changes.workflow_retention_ms is not None and service.type is not ServiceType.WORKFLOW:
        kind = service.type.name.title().replace("_", "")
        raise DeploymentError(
            f"modifying retention time for service type {kind} is unsupported", http_status=400
        )
    given = {key: value for key, value in attrs.asdict(changes).items() if value is not None}
    public = given.pop("public", service.public)
    changed = msgspec.structs.replace(
        service, public=public, options=msgspec.structs.replace(service.options, **given)
    )
    if changed == service:
        return ()
    deployment = registry.deployments[service.deployment_id]
    services = tuple(changed if entry.name == name else entry for entry in deployment.services)
    return (deployment_row(msgspec.structs.replace(deployment, services=services)),)


@attrs.frozen
class Move:
    """Where a deployment is from now on; what a deployment at an address does not have is empty or None."""

    uri: str
    additional_headers: tuple[tuple[str, str], ...]
    arn: str | None = None
    assume_role_arn: str | None = None


def update_deployment(
    registry: Registry,
    deployment_id: DeploymentId,
    move: Move,
    announcement: Announcement | None,
    *,
    overwrite: bool,
    is_live: Callable[[str], bool],
) -> Registration | None:
    """Move a deployment, and with `overwrite` replace its services by those found there, which keep their revisions.

    announcement: None when nobody was asked, as for AWS Lambda; then there is nothing to overwrite with. None if there
    is no such deployment. Raises DeploymentError META0016 when what is found speaks other protocol versions.
    """
    deployment = registry.deployments.get(deployment_id)
    if deployment is None:
        return None
    changed = msgspec.structs.replace(
        deployment,
        uri=move.uri,
        additional_headers=move.additional_headers,
        arn=move.arn,
        assume_role_arn=move.assume_role_arn,
    )
    rows: tuple[Row, ...] = ()
    if announcement is not None:
        _check_versions(deployment, announcement)
        changed = msgspec.structs.replace(
            changed,
            protocol_type=announcement.protocol_type,
            http_version=announcement.http_version,
            min_protocol_version=announcement.min_protocol_version,
            max_protocol_version=announcement.max_protocol_version,
            sdk_version=announcement.sdk_version,
        )
        if overwrite:
            services = _replaced_services(registry, deployment, announcement, is_live)
            changed = msgspec.structs.replace(
                changed,
                generation=announcement.generation,
                services=services,
                descriptors=announcement.descriptors,
            )
            rows = tuple(retire(registry, deployment, keep=frozenset(service.name for service in services)))
    if changed == deployment:
        return Registration(deployment, (), False)
    return Registration(changed, (deployment_row(changed), *rows), False)


def _check_versions(deployment: Deployment, announcement: Announcement) -> None:
    """Of a Lambda function nothing is known, so there is nothing to compare with."""
    stored = deployment.generation, deployment.min_protocol_version, deployment.max_protocol_version
    found = (
        announcement.generation,
        announcement.min_protocol_version,
        announcement.max_protocol_version,
    )
    if deployment.arn is None and stored != found:
        raise DeploymentError(
            f"the update would change the service protocol versions of {deployment.id} from"
            f" {_words(*stored)} to {_words(*found)}",
            code="META0016",
        )


def _words(generation: Generation, low: int, high: int) -> str:
    return f"{generation.name.lower()} {low} to {high}"


def _replaced_services(
    registry: Registry,
    deployment: Deployment,
    announcement: Announcement,
    is_live: Callable[[str], bool],
) -> tuple[Service, ...]:
    found = {service.name: service for service in announcement.services}
    for name in found:
        check_name(name, announcement.generation)
    check_generation(registry, announcement.generation, found, deployment, is_live)
    before = {service.name: service for service in deployment.services}
    return tuple(_replaced(before.get(name), service, deployment.id) for name, service in found.items())


def _replaced(old: Service | None, service: Service, deployment_id: DeploymentId) -> Service:
    revision, removed = (1, False) if old is None else (old.revision, old.removed)
    return msgspec.structs.replace(service, deployment_id=deployment_id, revision=revision, removed=removed)

"""The rules of registering and removing deployments; what they decide are the schema rows to store.

Rows are computed against one registry and must be stored only if that registry is still the latest: the partition's
`change_schema` compares versions, and the caller computes them again when it refuses.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from urllib.parse import urlsplit

import attrs
import msgspec

from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation
from restate.runtime.schema.deployment import Deployment, HttpVersion, ProtocolType, Service
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row, deployment_key, deployment_row


@attrs.frozen
class Announcement:
    """What a deployment has told about itself. services: without deployment id and revision."""

    generation: Generation
    protocol_type: ProtocolType
    http_version: HttpVersion
    min_protocol_version: int
    max_protocol_version: int
    services: tuple[Service, ...]
    sdk_version: str | None = None
    descriptors: bytes = b""


UNASKED_LAMBDA = Announcement(Generation.MODERN, "RequestResponse", "HTTP/1.1", 5, 7, ())
"""What is stored about an AWS Lambda function, which this server cannot ask: no services, any protocol version."""


@attrs.frozen
class Request:
    """What the operator asks for. uri: absolute, with a path; "" with `arn`. force: None means by the announced generation.

    routing_headers: names in lower case; two deployments may have the same address if they differ in one of these
    additional headers. force replaces what is known about the address and passes the checks of compatibility; breaking only passes them.
    """

    uri: str
    additional_headers: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    force: bool | None = None
    breaking: bool = False
    arn: str | None = None
    assume_role_arn: str | None = None
    routing_headers: frozenset[str] = frozenset()

    @property
    def address(self) -> str:
        """The URI or the ARN, for people."""
        return self.uri if self.arn is None else self.arn


@attrs.frozen
class Registration:
    """The outcome. rows: to be stored; empty when nothing changes. is_new: the id was not known before."""

    deployment: Deployment
    rows: tuple[Row, ...]
    is_new: bool


def find_by_address(
    registry: Registry, request: Request, protocol_type: ProtocolType | None = None
) -> Deployment | None:
    """The newest deployment at this address: authority, path and routing headers count, scheme and query do not.

    protocol_type: two classic deployments may differ in nothing else (admin.md §5.1); None matches both.
    """
    wanted = _identity(request, request.routing_headers)
    found = [
        deployment
        for deployment in registry.deployments.values()
        if _identity(deployment, request.routing_headers) == wanted
        and (protocol_type in (None, deployment.protocol_type) or deployment.generation is Generation.MODERN)
    ]
    return max(found, key=lambda deployment: deployment.created_ms, default=None)


def forced(explicit: bool | None, generation: Generation) -> bool:
    """Whether registering replaces what is known, where the operator did not say."""
    return generation is Generation.CLASSIC if explicit is None else explicit


def register(
    registry: Registry,
    request: Request,
    announcement: Announcement,
    *,
    new_id: DeploymentId,
    now_ms: int,
    is_live: Callable[[str], bool],
) -> Registration:
    """Decide what registering `announcement` at `request.uri` changes (admin.md §5.2). Raises DeploymentError.

    is_live: whether an invocation of that service exists that has not ended; asked before a service changes its
    generation.
    """
    generation = announcement.generation
    force = forced(request.force, generation)
    services = {service.name: service for service in announcement.services}
    for name in services:
        check_name(name, generation)
    known = find_by_address(registry, request, announcement.protocol_type)
    if known is not None and not force:
        if generation is Generation.MODERN:
            return Registration(known, (), False)
        raise DeploymentError(
            f"a deployment with the address {request.address} is already registered: {known.id}",
            code="META0004",
        )
    check_generation(registry, generation, services, known, is_live)
    deployment_id = new_id if known is None else known.id
    owned = tuple(
        _revise(registry, service, deployment_id, tolerant=force or request.breaking)
        for service in services.values()
    )
    deployment = Deployment(
        deployment_id,
        generation,
        request.uri,
        announcement.protocol_type,
        announcement.http_version,
        announcement.min_protocol_version,
        announcement.max_protocol_version,
        now_ms,
        owned,
        request.additional_headers,
        request.metadata,
        announcement.sdk_version,
        announcement.descriptors,
        request.arn,
        request.assume_role_arn,
    )
    retired = () if known is None else tuple(retire(registry, known, keep=frozenset(services)))
    return Registration(deployment, (deployment_row(deployment), *retired), known is None)


def remove(registry: Registry, deployment_id: DeploymentId) -> tuple[Row, ...] | None:
    """The rows that remove a deployment; None if there is none with this id.

    Modern services fall back to another deployment that has them. Classic ones are gone, unless another deployment has
    a later revision (admin.md §5.4).
    """
    deployment = registry.deployments.get(deployment_id)
    if deployment is None:
        return None
    return (deployment_key(deployment_id), None), *retire(registry, deployment, keep=frozenset())


def check_name(name: str, generation: Generation) -> None:
    """Refuse names that the server keeps for itself. Raises DeploymentError."""
    lower = name.lower()
    reserved = lower in ("restate", "openapi") or name.startswith(("dev.restate.", "grpc."))
    if generation is Generation.MODERN:
        reserved = reserved or lower.startswith("restate")
    if reserved:
        raise DeploymentError(
            f"the service name {name!r} is reserved",
            code="META0005",
            http_status=403 if generation is Generation.CLASSIC else 400,
        )


def _identity(
    owner: Request | Deployment, routing_headers: frozenset[str]
) -> tuple[tuple[str, str], tuple[tuple[str, str], ...]]:
    """What makes two deployments the same."""
    if owner.arn is not None:
        return ("", owner.arn), ()
    routing = tuple(header for header in owner.additional_headers if header[0] in routing_headers)
    return _authority_and_path(owner.uri), routing


@lru_cache(maxsize=4096)
def _authority_and_path(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc.lower(), parts.path or "/"


def check_generation(
    registry: Registry,
    generation: Generation,
    services: dict[str, Service],
    known: Deployment | None,
    is_live: Callable[[str], bool],
) -> None:
    """A service name belongs to one generation (settled.md, 13 and 26)."""
    for owner in registry.deployments.values():
        if owner.generation is generation:
            continue
        for service in owner.services:
            switches = known is not None and owner.id == known.id
            if not switches and service.name not in services:
                continue
            if not switches or is_live(service.name):
                raise DeploymentError(
                    f"the service {service.name!r} belongs to the {owner.generation.name.lower()} deployment"
                    f" {owner.id} and cannot become {generation.name.lower()} while that has it or calls of it run",
                    code="META0006",
                )


def _revise(registry: Registry, service: Service, deployment_id: DeploymentId, *, tolerant: bool) -> Service:
    """The announced service as the revision after the latest one."""
    latest = registry.service(service.name)
    if latest is None:
        return msgspec.structs.replace(service, deployment_id=deployment_id, revision=1)
    if not tolerant:
        _check_compatible(latest, service)
    classic = service.type.generation is Generation.CLASSIC
    return msgspec.structs.replace(
        service,
        deployment_id=deployment_id,
        revision=(latest.revision + 1) % 2**32,
        # Classic keeps what an operator has set, except when the latest revision itself is overwritten (admin.md §5.3).
        public=latest.public if classic and latest.deployment_id != deployment_id else service.public,
    )


def _check_compatible(latest: Service, service: Service) -> None:
    if service.type is not latest.type:
        raise DeploymentError(
            f"the service {service.name!r} is registered as {latest.type.name}, and would become {service.type.name}",
            code="META0006",
        )
    # A modern SDK leaves out what it no longer serves; only classic contracts promise their methods for ever.
    if service.type.generation is Generation.MODERN:
        return
    gone = sorted(
        {handler.name for handler in latest.handlers} - {handler.name for handler in service.handlers}
    )
    if gone:
        raise DeploymentError(
            f"the service {service.name!r} would lose its methods {', '.join(gone)}", code="META0006"
        )


def retire(registry: Registry, leaving: Deployment, *, keep: frozenset[str]) -> Iterator[Row]:
    """Rows of other deployments that must not take over the classic services whose latest revision `leaving` has."""
    if leaving.generation is Generation.MODERN:
        return
    names = {
        service.name
        for service in leaving.services
        if service.name not in keep and _owns_latest(registry, leaving, service.name)
    }
    for other in registry.deployments.values():
        if other.id == leaving.id or not any(
            service.name in names and not service.removed for service in other.services
        ):
            continue
        services = tuple(
            msgspec.structs.replace(service, removed=True) if service.name in names else service
            for service in other.services
        )
        yield deployment_row(msgspec.structs.replace(other, services=services))


def _owns_latest(registry: Registry, deployment: Deployment, service: str) -> bool:
    latest = registry.service(service)
    return latest is not None and latest.deployment_id == deployment.id

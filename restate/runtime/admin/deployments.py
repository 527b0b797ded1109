"""/deployments: create, list, read, remove."""

import logging
from typing import Any

import attrs
from quart import Blueprint, Response

from restate.runtime.admin.addresses import read_arn, read_headers, read_uri
from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.body import bool_parameter, read_body
from restate.runtime.admin.changes import (
    find_deployment,
    read_deployment_id,
    store,
    unknown_deployment,
)
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models import DeploymentList
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.views import (
    deployment_detail,
    deployment_entry,
    registered_deployment,
    sorted_by_creation,
)
from restate.runtime.model.ids import DeploymentId, format_deployment_id
from restate.runtime.model.target import Generation
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.file_sets import file_set
from restate.runtime.schema.registration import (
    UNASKED_LAMBDA,
    Announcement,
    Registration,
    Request,
    find_by_address,
    forced,
    register,
    remove,
)
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row

log = logging.getLogger("restate.admin")


@attrs.frozen
class CreateDeployment:
    """Body of POST /deployments. `uri` counts where both are given. force None: by prefix and generation (settled.md, 25)."""

    uri: str | None = None
    arn: str | None = None
    assume_role_arn: str | None = None
    additional_headers: dict[str, str] | None = None
    metadata: dict[str, str] | None = None
    use_http_11: bool = False
    force: bool | None = None
    breaking: bool = False
    dry_run: bool = False
    auth: Any = None


def add_deployment_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    routes = _Routes(parts, version)
    for method, rule, view in (
        ("POST", "/deployments", routes.create),
        ("GET", "/deployments", routes.list_all),
        ("GET", "/deployments/<deployment>", routes.read),
        ("DELETE", "/deployments/<deployment>", routes.delete),
        ("GET", "/deployments/<deployment>/descriptors", routes.descriptors),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}", view, methods=[method])


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._version = version

    async def create(self) -> Response:
        body = await read_body(CreateDeployment)
        asked = self._request(body)
        known = find_by_address(self._parts.partition.schema, asked)
        if known is not None and self._keeps(known, asked):
            if self._version == 2:
                raise Refusal(409, f"Conflict: deployment {known.id} already exists")
            return self._created(Registration(known, (), False))
        announcement = await self._announcement(asked, use_http_11=body.use_http_11)
        new_id = format_deployment_id(self._parts.ids.ulid())

        def decide(registry: Registry) -> tuple[Registration, tuple[Row, ...]]:
            registration = self._decide(registry, asked, announcement, new_id)
            return registration, () if body.dry_run else registration.rows

        registration = await store(self._parts, decide)
        if not body.dry_run:
            _log_registration(registration.deployment)
        return self._created(registration)

    async def _announcement(self, asked: Request, *, use_http_11: bool) -> Announcement:
        if asked.arn is not None:
            return UNASKED_LAMBDA
        return await self._parts.discovery.discover(
            asked.uri, asked.additional_headers, use_http_11=use_http_11
        )

    def _request(self, body: CreateDeployment) -> Request:
        if body.uri is None and body.arn is None:
            raise Refusal(
                422,
                "Failed to deserialize the JSON body into the target type: expected `uri`, the address of a deployment,"
                " or `arn`, that of a Lambda function",
            )
        if body.auth is not None:
            raise Refusal(
                400, "The request field 'auth' is invalid. Reason: no kind of authentication is supported."
            )
        force = body.force
        if force is None and self._version is not None:
            force = self._version == 2
        by_uri = body.uri is not None
        return Request(
            "" if body.uri is None else read_uri(body.uri, assume_http=self._version is None),
            read_headers(body.additional_headers or {}),
            tuple(sorted((body.metadata or {}).items())),
            force,
            body.breaking,
            None if by_uri or body.arn is None else read_arn(body.arn),
            None if by_uri else body.assume_role_arn,
            self._parts.settings.routing_header_names,
        )

    def _keeps(self, known: Deployment, asked: Request) -> bool:
        """Whether the known deployment is the answer, without asking it: never for classic's own, unprefixed routes."""
        by_modern_rules = known.generation is Generation.MODERN or self._version is not None
        return by_modern_rules and not forced(asked.force, known.generation)

    def _decide(
        self, registry: Registry, asked: Request, announcement: Announcement, new_id: DeploymentId
    ) -> Registration:
        if asked.force is None:
            # What is stored decides the default; an address that is new follows what it announced.
            known = find_by_address(registry, asked, announcement.protocol_type)
            generation = announcement.generation if known is None else known.generation
            asked = attrs.evolve(asked, force=forced(None, generation))
        return register(
            registry,
            asked,
            announcement,
            new_id=new_id,
            now_ms=self._parts.clock.now_ms(),
            is_live=self._parts.is_live,
        )

    def _created(self, registration: Registration) -> Response:
        deployment = registration.deployment
        classic = self._version is None and deployment.generation is Generation.CLASSIC
        overwritten = self._version == 2 and bool(registration.rows)
        status = 201 if registration.is_new or classic or overwritten else 200
        prefix = "" if self._version is None else f"/v{self._version}"
        return json_response(
            registered_deployment(deployment, self._parts.defaults, superset=self._version is None),
            status,
            {"location": f"{prefix}/deployments/{deployment.id}"},
        )

    async def list_all(self) -> Response:
        deployments = sorted_by_creation(self._parts.partition.schema.deployments.values())
        return json_response(DeploymentList([deployment_entry(entry) for entry in deployments]))

    async def read(self, deployment: str) -> Response:
        found = find_deployment(self._parts, deployment)
        superset = self._version is None
        return json_response(deployment_detail(found, self._parts.defaults, superset=superset))

    async def descriptors(self, deployment: str) -> Response:
        """A FileDescriptorSet."""
        found = find_deployment(self._parts, deployment)
        return Response(file_set(found), content_type="application/x-protobuf")

    async def delete(self, deployment: str) -> Response:
        wanted = read_deployment_id(deployment)
        if not bool_parameter("force"):
            # Draining and then removing is not there, upstream neither.
            raise Refusal(
                501,
                "A deployment is only removed at once: expected the query parameter `force=true`. Invocations that are"
                " pinned to it fail until they are moved; SELECT id FROM sys_invocation WHERE pinned_deployment_id ="
                " '...' AND status != 'completed' lists them.",
            )

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            rows = remove(registry, wanted)
            if rows is None:
                raise unknown_deployment(wanted)
            return None, rows

        await store(self._parts, decide)
        log.info("removed deployment %s", wanted)
        return empty_response(202)


def _log_registration(deployment: Deployment) -> None:
    services = ", ".join(f"{service.name} (revision {service.revision})" for service in deployment.services)
    log.info(
        "registered %s deployment %s at %s: %s",
        deployment.generation.name.lower(),
        deployment.id,
        deployment.address,
        services or "no services",
    )

"""/deployments: create, list, read, remove."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import attrs
from quart import Blueprint, Response

from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.body import bool_parameter, read_body
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.views import (
    deployment_view,
    registration_view,
    service_names,
    service_views,
    sorted_by_creation,
)
from restate.runtime.model.ids import DeploymentId, IdError, format_deployment_id, parse_deployment_id
from restate.runtime.model.target import Generation
from restate.runtime.schema.address import AddressSyntaxError, parse_uri
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.registration import (
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

T = TypeVar("T")


@attrs.frozen
class CreateDeployment:
    """Body of POST /deployments. force None: by prefix and generation (settled.md, 25)."""

    uri: str | None = None
    arn: str | None = None
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
        known = find_by_address(self._parts.partition.schema, asked.uri)
        if known is not None and self._keeps(known, asked):
            if self._version == 2:
                raise Refusal(409, f"Conflict: deployment {known.id} already exists")
            return self._created(Registration(known, (), False))
        announcement = await self._parts.discovery.discover(
            asked.uri, asked.additional_headers, use_http_11=body.use_http_11
        )
        new_id = format_deployment_id(self._parts.ids.ulid())

        def decide(registry: Registry) -> tuple[Registration, tuple[Row, ...]]:
            registration = self._decide(registry, asked, announcement, new_id)
            return registration, () if body.dry_run else registration.rows

        registration = await _store(self._parts, decide)
        if not body.dry_run:
            _log_registration(registration.deployment)
        return self._created(registration)

    def _request(self, body: CreateDeployment) -> Request:
        if body.uri is None:
            raise Refusal(
                400 if body.arn is not None else 422,
                "The request field 'uri' is missing: deployments are reached over HTTP; AWS Lambda is not supported.",
            )
        if body.auth is not None:
            raise Refusal(
                400, "The request field 'auth' is invalid. Reason: no kind of authentication is supported."
            )
        force = body.force
        if force is None and self._version is not None:
            force = self._version == 2
        return Request(
            _uri(body.uri, assume_http=self._version is None),
            _headers(body.additional_headers or {}),
            tuple(sorted((body.metadata or {}).items())),
            force,
            body.breaking,
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
            known = find_by_address(registry, asked.uri, announcement.protocol_type)
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
            registration_view(deployment, self._services(deployment)),
            status,
            {"location": f"{prefix}/deployments/{deployment.id}"},
        )

    async def list_all(self) -> Response:
        deployments = sorted_by_creation(self._parts.partition.schema.deployments.values())
        return json_response(
            {"deployments": [deployment_view(entry, service_names(entry)) for entry in deployments]}
        )

    async def read(self, deployment: str) -> Response:
        found = self._find(deployment)
        return json_response(deployment_view(found, self._services(found)))

    async def descriptors(self, deployment: str) -> Response:
        """The FileDescriptorSet of a classic deployment, repaired."""
        found = self._find(deployment)
        if found.generation is Generation.MODERN:
            raise Refusal(404, f"The deployment '{found.id}' has no protobuf descriptors")
        return Response(found.descriptors, content_type="application/x-protobuf")

    async def delete(self, deployment: str) -> Response:
        if not bool_parameter("force"):
            # Draining and then removing is not there, upstream neither; the client says so on 501.
            return empty_response(501)
        wanted = _deployment_id(deployment)

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            rows = remove(registry, wanted)
            if rows is None:
                raise _unknown(wanted)
            return None, rows

        await _store(self._parts, decide)
        log.info("removed deployment %s", wanted)
        return empty_response(202)

    def _find(self, text: str) -> Deployment:
        deployment_id = _deployment_id(text)
        found = self._parts.partition.schema.deployments.get(deployment_id)
        if found is None:
            raise _unknown(deployment_id)
        return found

    def _services(self, deployment: Deployment) -> list[dict[str, object]]:
        return service_views(deployment, self._parts.defaults, superset=self._version is None)


async def _store(parts: Parts, decide: Callable[[Registry], tuple[T, tuple[Row, ...]]]) -> T:
    """Decide on the published registry and store, again and again until nobody else was faster."""
    while True:
        registry = parts.partition.schema
        result, rows = decide(registry)
        if not rows or await parts.partition.change_schema(registry.version, rows):
            return result


def _log_registration(deployment: Deployment) -> None:
    services = ", ".join(f"{service.name} (revision {service.revision})" for service in deployment.services)
    log.info(
        "registered %s deployment %s at %s: %s",
        deployment.generation.name.lower(),
        deployment.id,
        deployment.uri,
        services or "no services",
    )


def _unknown(deployment_id: DeploymentId) -> Refusal:
    return Refusal(404, f"The requested deployment '{deployment_id}' does not exist")


def _deployment_id(text: str) -> DeploymentId:
    try:
        return parse_deployment_id(text)
    except IdError as error:
        raise Refusal(400, f"Invalid URL: Cannot parse {text[:100]!r} as a deployment id: {error}") from None


def _uri(text: str, *, assume_http: bool) -> str:
    try:
        return parse_uri(text, assume_http=assume_http)
    except AddressSyntaxError as error:
        if error.relative:
            raise Refusal(
                400,
                f"The request field 'uri' is invalid. Reason: The provided uri {text[:200]} is not absolute, only"
                " absolute URIs can be used.",
            ) from None
        raise Refusal(
            422, f"Failed to deserialize the JSON body into the target type: uri: {error}"
        ) from None


def _headers(given: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Lower-case names, in order. Raises Refusal where HTTP does not allow them."""
    for name, value in given.items():
        if not _is_token(name) or not _is_header_value(value):
            raise Refusal(
                422,
                "Failed to deserialize the JSON body into the target type: additional_headers:"
                f" {name[:100]!r} is not a header with a value that HTTP allows",
            )
    return tuple(sorted((name.lower(), value.strip()) for name, value in given.items()))


def _is_token(name: str) -> bool:
    return bool(name) and name.isascii() and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)


def _is_header_value(value: str) -> bool:
    return all(char == "\t" or " " <= char <= "~" for char in value)

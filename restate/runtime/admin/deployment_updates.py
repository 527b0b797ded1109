"""PATCH /deployments/{id}, under /v2 also PUT: other address or headers, or the services anew (admin.md §4.2)."""

import logging

import attrs
from quart import Blueprint, Response

from restate.runtime.admin.addresses import read_arn, read_headers, read_uri
from restate.runtime.admin.answer import error_response, json_response
from restate.runtime.admin.body import read_body
from restate.runtime.admin.changes import find_deployment, store, unknown_deployment
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.views import deployment_detail
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.modification import Move, update_deployment
from restate.runtime.schema.registration import Announcement
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row

log = logging.getLogger("restate.admin")


@attrs.frozen
class UpdateDeployment:
    """The body. What is absent stays as it is; overwrite also replaces the services by those found at the address."""

    uri: str | None = None
    use_http_11: bool | None = None
    arn: str | None = None
    assume_role_arn: str | None = None
    additional_headers: dict[str, str] | None = None
    overwrite: bool = False
    dry_run: bool = False

    @property
    def is_empty(self) -> bool:
        given = (self.uri, self.use_http_11, self.arn, self.assume_role_arn, self.additional_headers)
        return not self.overwrite and all(value is None for value in given)


def add_deployment_update_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    rule = "/deployments/<deployment>"
    routes = _Routes(parts, version)
    blueprint.add_url_rule(rule, f"PATCH {rule}", routes.update, methods=["PATCH"])
    put = routes.update if version == 2 else _put_is_gone
    blueprint.add_url_rule(rule, f"PUT {rule}", put, methods=["PUT"])


async def _put_is_gone(deployment: str) -> Response:
    del deployment
    allowed = {"allow": "DELETE, GET, HEAD, PATCH"}
    return error_response(405, "PUT deployment is deprecated, use PATCH instead", headers=allowed)


def _place(deployment: Deployment) -> Move:
    return Move(deployment.uri, deployment.additional_headers, deployment.arn, deployment.assume_role_arn)


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._version = version

    async def update(self, deployment: str) -> Response:
        find_deployment(self._parts, deployment)
        body = await read_body(UpdateDeployment)
        updated = None
        while updated is None:
            found = find_deployment(self._parts, deployment)
            if body.is_empty:
                return self._answer(found)
            updated = await self._update(found, body)
        if not body.dry_run:
            log.info("updated deployment %s at %s", updated.id, updated.address)
        return self._answer(updated)

    async def _update(self, found: Deployment, body: UpdateDeployment) -> Deployment | None:
        """None if somebody else has moved the deployment before what is there now was known, so that it may be elsewhere."""
        move = self._move(found, body)
        announcement = await self._announcement(found, move, body)

        def decide(registry: Registry) -> tuple[Deployment | None, tuple[Row, ...]]:
            if _place(registry.deployments.get(found.id, found)) != _place(found):
                return None, ()
            updated = update_deployment(
                registry,
                found.id,
                move,
                announcement,
                overwrite=body.overwrite,
                is_live=self._parts.is_live,
            )
            if updated is None:
                raise unknown_deployment(found.id)
            return updated.deployment, () if body.dry_run else updated.rows

        return await store(self._parts, decide)

    def _move(self, found: Deployment, body: UpdateDeployment) -> Move:
        """Raises Refusal."""
        headers = (
            found.additional_headers
            if body.additional_headers is None
            else read_headers(body.additional_headers)
        )
        if body.uri is not None:
            return Move(read_uri(body.uri, assume_http=self._version is None), headers)
        if found.arn is not None:
            arn = found.arn if body.arn is None else read_arn(body.arn)
            return Move("", headers, arn, body.assume_role_arn or found.assume_role_arn)
        if body.arn is not None or body.assume_role_arn is not None:
            raise Refusal(
                400,
                f"The request field 'arn' is invalid. Reason: the deployment {found.id} is reached over HTTP, and what a"
                " Lambda function serves instead cannot be found out: this server does not call AWS Lambda.",
            )
        return Move(found.uri, headers)

    async def _announcement(
        self, found: Deployment, move: Move, body: UpdateDeployment
    ) -> Announcement | None:
        """None for a Lambda function, which nobody asks. Raises DeploymentError."""
        if move.arn is not None:
            return None
        use_http_11 = body.use_http_11
        if use_http_11 is None:
            # A new address is asked as a new deployment would be; otherwise what was found out still holds.
            use_http_11 = body.uri is None and found.http_version == "HTTP/1.1"
        return await self._parts.discovery.discover(
            move.uri, move.additional_headers, use_http_11=use_http_11
        )

    def _answer(self, deployment: Deployment) -> Response:
        superset = self._version is None
        return json_response(deployment_detail(deployment, self._parts.defaults, superset=superset))

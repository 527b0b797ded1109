"""/services/{service}/state: replace the state of an object (admin.md §3.2, §4.4)."""

import re

import attrs
from quart import Blueprint, Response

from restate.runtime.admin.answer import empty_response
from restate.runtime.admin.body import KeyText, read_body
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.engine.records import PatchState
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.schema.deployment import Service

_SCOPE = re.compile(r"[a-zA-Z0-9_.-]+")


@attrs.frozen
class ModifyState:
    """The body. The key is `object_key`, or `service_key` as in classic; version: of the state that is to be replaced."""

    new_state: dict[str, bytes]
    object_key: KeyText | None = None
    service_key: KeyText | None = None
    version: str | None = None
    scope: str | None = None


def add_state_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""

    async def modify(service: str) -> Response:
        body = await read_body(ModifyState)
        _check_scope(body.scope)
        found = parts.partition.schema.service(service)
        if found is None and body.new_state:
            raise Refusal(404, f"The requested service '{service}' does not exist")
        if found is not None and not _has_state(found, prefixed=version is not None):
            raise Refusal(400, "Cannot modify state for service type Service")
        patch = PatchState(
            _generation(found, body),
            service,
            _key(found, body),
            tuple(sorted((name.encode(), value) for name, value in body.new_state.items())),
            body.version,
        )
        await parts.partition.patch_state(patch)
        return empty_response(202)

    rule = "/services/<service>/state"
    blueprint.add_url_rule(rule, f"POST {rule}", modify, methods=["POST"])


def _check_scope(scope: str | None) -> None:
    if scope is None:
        return
    if not _SCOPE.fullmatch(scope):
        raise Refusal(500, "bad scope: value contains characters outside the allowed set [a-zA-Z0-9_.-]")
    raise Refusal(
        400, "The request field 'scope' is invalid. Reason: this server has no scopes; leave it out"
    )


def _has_state(service: Service, *, prefixed: bool) -> bool:
    """Classic itself does not check it; under a prefix its unkeyed services are of the type Service."""
    return service.type.keyed or (service.type.generation is Generation.CLASSIC and not prefixed)


def _generation(service: Service | None, body: ModifyState) -> Generation:
    """Of a service that is gone, what is left of its state is where the clients of its generation put it."""
    if service is not None:
        return service.type.generation
    return Generation.CLASSIC if body.object_key is None else Generation.MODERN


def _key(service: Service | None, body: ModifyState) -> str:
    if service is not None and service.type is ServiceType.SINGLETON:
        return ""
    key = body.service_key if body.object_key is None else body.object_key
    if key is None or key.text is None:
        raise Refusal(
            422, "Failed to deserialize the JSON body into the target type: missing field `object_key`"
        )
    return key.text

"""/invocations: what operators do with one invocation."""

from functools import partial

from quart import Blueprint, Response

from restate.runtime.admin.answer import empty_response, json_response
from restate.runtime.admin.body import parameter
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models_replies import RestartedInvocation
from restate.runtime.admin.operations import (
    NAMES,
    Operations,
    Options,
    read_deployment,
    read_invocation_id,
)
from restate.runtime.admin.parts import Parts
from restate.runtime.model.ids import format_invocation_id

_MODES = ("cancel", "kill", "purge")
_MAX_INDEX = 2**32 - 1


def add_invocation_routes(blueprint: Blueprint, parts: Parts) -> None:
    routes = _Routes(Operations(parts))
    for name in sorted(NAMES):
        rule = f"/invocations/<invocation>/{name}"
        blueprint.add_url_rule(rule, f"PATCH {rule}", partial(routes.operate, name), methods=["PATCH"])
    rule = "/invocations/<invocation>"
    blueprint.add_url_rule(rule, f"DELETE {rule}", routes.delete, methods=["DELETE"])


class _Routes:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def operate(self, name: str, invocation: str) -> Response:
        done = await self._operations.perform(name, read_invocation_id(invocation), _options(name))
        if done.new_id is not None:
            return json_response(RestartedInvocation(format_invocation_id(done.new_id)))
        return empty_response(202 if done.accepted else 200)

    async def delete(self, invocation: str) -> Response:
        """The old form of three of them: what became of it is not told."""
        mode = _given("mode", "cancel")
        # It takes the names in both cases.
        if mode.lower() not in _MODES or mode[1:] != mode[1:].lower():
            raise Refusal(
                400,
                f"Failed to deserialize query string: mode: expected {', '.join(_MODES[:-1])} or {_MODES[-1]},"
                f" got {mode[:50]!r}",
            )
        try:
            await self._operations.perform(mode.lower(), read_invocation_id(invocation))
        except Refusal as refusal:
            if refusal.status not in (404, 409):
                raise
        return empty_response(202)


def _options(name: str) -> Options:
    default = "latest" if name == "restart-as-new" else "keep"
    deployment = read_deployment(_given("deployment", default), "query parameter")
    return Options(deployment, _index(_given("from", "0")))


def _given(name: str, default: str) -> str:
    text = parameter(name)
    return default if text is None else text


def _index(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:11]) <= _MAX_INDEX):
        raise Refusal(
            400,
            f"Failed to deserialize query string: from: expected a number, 0 to {_MAX_INDEX}, got {text[:50]!r}",
        )
    return int(text)

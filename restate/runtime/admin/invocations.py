"""/invocations: cancel and kill."""

from quart import Blueprint, Response, request

from restate.runtime.admin.answer import empty_response
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import TerminateKind
from restate.runtime.model.ids import IdError, InvocationId, parse_invocation_id

# The old form of the route takes the names in both cases.
_MODES = {
    "cancel": TerminateKind.CANCEL,
    "Cancel": TerminateKind.CANCEL,
    "kill": TerminateKind.KILL,
    "Kill": TerminateKind.KILL,
}


def add_invocation_routes(blueprint: Blueprint, parts: Parts) -> None:
    routes = _Routes(parts)
    for method, rule, view in (
        ("PATCH", "/invocations/<invocation>/cancel", routes.cancel),
        ("PATCH", "/invocations/<invocation>/kill", routes.kill),
        ("DELETE", "/invocations/<invocation>", routes.delete),
    ):
        blueprint.add_url_rule(rule, f"{method} {rule}", view, methods=[method])


class _Routes:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def cancel(self, invocation: str) -> Response:
        return await self._terminate(invocation, TerminateKind.CANCEL)

    async def kill(self, invocation: str) -> Response:
        return await self._terminate(invocation, TerminateKind.KILL)

    async def delete(self, invocation: str) -> Response:
        """The old form of both: what became of it is not told."""
        mode = request.args.get("mode", "cancel")
        if mode not in _MODES:
            raise Refusal(
                400, f"Failed to deserialize query string: mode: expected cancel or kill, got {mode[:50]!r}"
            )
        await self._parts.partition.terminate(_invocation_id(invocation), _MODES[mode])
        return empty_response(202)

    async def _terminate(self, invocation: str, kind: TerminateKind) -> Response:
        outcome = await self._parts.partition.terminate(_invocation_id(invocation), kind)
        if outcome is AdminOutcome.NOT_FOUND:
            raise Refusal(404, f"The requested invocation '{invocation}' does not exist")
        if outcome is AdminOutcome.ALREADY_COMPLETED:
            raise Refusal(409, f"The invocation '{invocation}' was already completed.")
        return empty_response(202 if outcome is AdminOutcome.ACCEPTED else 200)


def _invocation_id(text: str) -> InvocationId:
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise Refusal(400, f"The request field 'invocation_id' is invalid. Reason: {error}") from None

"""/internal/invocations_batch_operations: one operation on many invocations, as the official web pages do it."""

from functools import partial

import attrs
import trio
from quart import Blueprint, Response

from restate.runtime.admin.answer import json_response
from restate.runtime.admin.body import read_body
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models_replies import (
    BatchOutcome,
    FailedOperation,
    RestartBatchOutcome,
    RestartedOfBatch,
)
from restate.runtime.admin.operations import NAMES, Done, Operations, Options, read_deployment
from restate.runtime.admin.parts import Parts
from restate.runtime.model.ids import IdError, InvocationId, format_invocation_id, parse_invocation_id
from restate.runtime.partition.handle import Overloaded

_MAX_SIZE = 1000


@attrs.frozen
class Batch:
    """The body. deployment: as in the routes for one; for resume and restart."""

    invocation_ids: list[str] = attrs.field(
        metadata={"items": {"type": "string", "pattern": "^inv_1[0-9a-zA-Z]{33}$"}, "maxItems": _MAX_SIZE}
    )
    deployment: str | None = None


def add_batch_routes(blueprint: Blueprint, parts: Parts) -> None:
    routes = _Routes(Operations(parts))
    for name in sorted(NAMES):
        rule = f"/internal/invocations_batch_operations/{name}"
        blueprint.add_url_rule(rule, f"POST {rule}", partial(routes.operate, name), methods=["POST"])


class _Routes:
    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def operate(self, name: str) -> Response:
        """Each invocation on its own: that some are refused is no error."""
        body = await read_body(Batch)
        if len(body.invocation_ids) > _MAX_SIZE:
            raise Refusal(
                400, f"Batch size {len(body.invocation_ids)} exceeds maximum allowed size of {_MAX_SIZE}"
            )
        invocations = [_read_id(text) for text in body.invocation_ids]
        default = "latest" if name == "restart-as-new" else "keep"
        deployment = default if body.deployment is None else body.deployment
        options = Options(read_deployment(deployment, "request field"))
        # In the order of the request, whichever is done first.
        results: list[Done | str] = [""] * len(invocations)

        async def perform(place: int, invocation: InvocationId) -> None:
            try:
                results[place] = await self._operations.perform(name, invocation, options)
            except (Refusal, Overloaded) as error:
                results[place] = error.message

        async with trio.open_nursery() as nursery:
            for place, invocation in enumerate(invocations):
                nursery.start_soon(perform, place, invocation)
        return json_response(_answer(body.invocation_ids, results))


def _read_id(text: str) -> InvocationId:
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise Refusal(
            422, f"Failed to deserialize the JSON body into the target type: invocation_ids: {error}"
        ) from None


def _answer(ids: list[str], results: list[Done | str]) -> BatchOutcome | RestartBatchOutcome:
    done: list[str] = []
    restarted: list[RestartedOfBatch] = []
    failed: list[FailedOperation] = []
    for text, result in zip(ids, results, strict=True):
        if isinstance(result, str):
            failed.append(FailedOperation(text, result))
        elif result.new_id is not None:
            restarted.append(RestartedOfBatch(text, format_invocation_id(result.new_id)))
        else:
            done.append(text)
    return RestartBatchOutcome(restarted, failed) if restarted else BatchOutcome(done, failed)

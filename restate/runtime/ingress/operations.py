"""Outcomes of invocations, awakeables and health: what lies under `/restate/` beside calls (ingress.md §3.6, §3.7)."""

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.ingress import awakeables
from restate.runtime.ingress.answers import (
    Answer,
    json_answer,
    json_options,
    not_found_answer,
    outcome_answer,
)
from restate.runtime.ingress.errors import IngressError, check_method, service_not_found
from restate.runtime.ingress.paths import (
    AwakeablePath,
    HealthPath,
    IdempotentPath,
    InvocationPath,
    TargetPath,
    WorkflowPath,
    split_idempotent,
)
from restate.runtime.ingress.targets import parse_target
from restate.runtime.model.ids import IdError, InvocationId, format_invocation_id, parse_invocation_id
from restate.runtime.model.result import Success
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Request
from restate.runtime.partition.handle import Partition
from restate.runtime.schema.addressing import idempotent_id, workflow_run_id

OperationPath = HealthPath | InvocationPath | IdempotentPath | WorkflowPath | TargetPath | AwakeablePath


class Operations:
    """Every method gives the answer, or raises IngressError, Overloaded, ShuttingDown or BodyTooLarge."""

    def __init__(self, partition: Partition, config: IngressConfig) -> None:
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._json = json_options(config)

    async def serve(self, path: OperationPath, request: Request) -> Answer:
        match path:
            case HealthPath():
                check_method(request, "GET")
                names = [service.name for service in self._partition.schema.services()]
                return json_answer(200, {"services": names})
            case InvocationPath(id_text, block):
                return await self._read(_invocation_id(id_text), block, request)
            case IdempotentPath():
                invocation, block = self._idempotent(path)
                return await self._read(invocation, block, request)
            case WorkflowPath(service, key, block):
                return await self._read(workflow_run_id(service, key), block, request)
            case TargetPath(operation):
                return await self._target(operation, request)
            case AwakeablePath(id_text, resolve):
                return await self._awakeable(id_text, resolve, request)

    async def _read(self, invocation: InvocationId, block: bool, request: Request) -> Answer:
        check_method(request, "GET")
        return await self._outcome(invocation, block)

    async def _outcome(self, invocation: InvocationId, block: bool) -> Answer:
        reply = await self._partition.attach(invocation, block=block)
        if reply.not_found:
            if block:
                return not_found_answer(invocation)
            raise IngressError(404, "invocation not found")
        if reply.outcome is None:
            raise IngressError(470, "the invocation exists but has not completed yet")
        schema = self._partition.schema
        if reply.target is None or reply.target.generation is Generation.MODERN:
            return outcome_answer(reply, schema, self._json)
        # A classic message becomes JSON. Imported with the first one, as the start is quicker without.
        from restate.runtime.grpc_server.packing import unhurried

        return await unhurried(reply.value_size, outcome_answer, reply, schema, self._json)

    def _idempotent(self, path: IdempotentPath) -> tuple[InvocationId, bool]:
        service = self._partition.schema.service(path.service)
        if service is None or service.type.generation is Generation.CLASSIC:
            raise service_not_found(path.service)
        key, handler, idempotency_key, block = split_idempotent(path.rest, keyed=service.type.keyed)
        return idempotent_id(service.name, key, handler, idempotency_key), block

    async def _target(self, operation: str, request: Request) -> Answer:
        check_method(request, "POST")
        invocation = parse_target(await request.body(self._size_limit))
        if operation == "lookup":
            return json_answer(200, {"invocationId": format_invocation_id(invocation)})
        return await self._outcome(invocation, operation == "attach")

    async def _awakeable(self, id_text: str, resolve: bool, request: Request) -> Answer:
        check_method(request, "POST")
        body = await request.body(self._size_limit)
        try:
            awakeable = awakeables.parse_id(id_text)
        except IdError as error:
            raise IngressError(400, f"bad awakeable id '{id_text}': {error}") from error
        result = Success(body) if resolve else body.decode("utf-8", "replace")
        await awakeables.complete(self._partition, awakeable, result)
        return 202, [], b""


def _invocation_id(text: str) -> InvocationId:
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise IngressError(400, f"bad invocation id '{text}': {error}") from error

"""Plain HTTP calls of modern services, and the operations on invocations and awakeables (ingress.md §3)."""

import json
from typing import Any
from urllib.parse import parse_qsl

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.bodies import check_input
from restate.runtime.ingress.errors import IngressError, failure_answer
from restate.runtime.ingress.headers import cors, execution_time_text, expiry_text, forwarded
from restate.runtime.ingress.paths import (
    AwakeablePath,
    HealthPath,
    IdempotentPath,
    InvocationPath,
    Path,
    ServicePath,
    TargetPath,
    WorkflowPath,
    split_handler,
)
from restate.runtime.ingress.targets import parse_target
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.duration import parse_duration
from restate.runtime.model.ids import (
    IdError,
    InvocationId,
    format_invocation_id,
    parse_awakeable_id,
    parse_invocation_id,
)
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.target import Generation, HandlerType
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.partition.handle import Partition
from restate.runtime.schema.addressing import address, idempotent_id, workflow_run_id
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.options import Defaults

_JSON = (b"content-type", b"application/json")
_REJECTED_CODE = 500


class ModernIngress:
    """Serves parsed paths. Every method answers the request or raises IngressError."""

    def __init__(
        self, partition: Partition, config: IngressConfig, clock: Clock, ids: IdSource, defaults: Defaults
    ) -> None:
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._clock = clock
        self._ids = ids
        self._defaults = defaults

    async def serve(self, path: Path, query: str, request: Request, response: Response) -> None:
        """Answer one request. Raises IngressError, Overloaded, ShuttingDown, BodyTooLarge."""
        match path:
            case ServicePath():
                await self._invoke(path, query, request, response)
            case HealthPath():
                names = [service.name for service in self._partition.schema.services()]
                await _send_json(request, response, 200, {"services": names})
            case InvocationPath(id_text, block):
                await self._outcome(_invocation_id(id_text), block, request, response)
            case IdempotentPath():
                await self._outcome(self._idempotent(path), path.block, request, response)
            case WorkflowPath(service, key, block):
                await self._outcome(workflow_run_id(service, key), block, request, response)
            case TargetPath(operation):
                await self._target(operation, request, response)
            case AwakeablePath(id_text, resolve):
                await self._awakeable(id_text, resolve, request, response)

    # -- call and send -------------------------------------------------------------------------------------------

    async def _invoke(self, path: ServicePath, query: str, request: Request, response: Response) -> None:
        service = self._service(path.service)
        key, name, send = split_handler(path.rest, keyed=service.type.keyed, explicit=path.explicit)
        handler = self._handler(service, name)
        idempotency_key = request.header(b"idempotency-key")
        if idempotency_key is not None and handler.type is HandlerType.WORKFLOW:
            raise IngressError(
                400,
                "cannot use the idempotency key with workflow handlers. The handler invocation will already be"
                " idempotent by the workflow key itself.",
            )
        _check_method(request, "GET", "POST")
        body = request.complete_body
        if body is None or len(body) > self._size_limit:
            body = await request.body(self._size_limit)
        check_input(handler.input, request.header(b"content-type"), body)
        delay_ms = _delay_ms(query) if query else None
        headers = forwarded(request)
        if delay_ms is not None and not send:
            raise IngressError(
                400, "cannot use the delay query parameter with calls. The delay is supported only with sends"
            )
        callee = address(
            self._partition.schema,
            service.name,
            name,
            key,
            idempotency_key=None if idempotency_key is None else idempotency_key.decode("latin-1"),
            ids=self._ids,
            defaults=self._defaults,
        )
        if send:
            await self._send(callee, body, headers, delay_ms, request, response)
        else:
            reply = await self._partition.call(callee, body, headers)
            await _answer(reply, handler, request, response)

    async def _send(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        delay_ms: int | None,
        request: Request,
        response: Response,
    ) -> None:
        execution_time_ms = None if not delay_ms else self._clock.now_ms() + delay_ms
        reply = await self._partition.send(callee, body, headers, execution_time_ms=execution_time_ms)
        id_text = format_invocation_id(reply.id)
        answer = {"invocationId": id_text}
        if reply.execution_time_ms is not None:
            answer["executionTime"] = execution_time_text(reply.execution_time_ms)
        answer["status"] = "Accepted" if reply.is_new else "PreviouslyAccepted"
        await _send_json(request, response, 202, answer, invocation=id_text)

    def _service(self, name: str) -> Service:
        service = self._partition.schema.service(name)
        if service is None or service.type.generation is Generation.CLASSIC:
            # Classic services are not served under these paths; for their callers they do not exist here.
            raise IngressError(
                404, f"service '{name}' not found, make sure to register the service before calling it."
            )
        return service

    def _handler(self, service: Service, name: str) -> Handler:
        handler = self._partition.schema.handler(service.name, name)
        if handler is None:
            raise IngressError(
                404,
                f"the service '{service.name}' exists, but the handler '{name}' was not found, check that the handler"
                " exists in the latest registered service version.",
            )
        if not (service.public and handler.public):
            raise IngressError(400, "the invoked service is not public")
        return handler

    # -- outcomes ------------------------------------------------------------------------------------------------

    async def _outcome(
        self, invocation: InvocationId, block: bool, request: Request, response: Response
    ) -> None:
        _check_method(request, "GET", "POST")
        reply = await self._partition.attach(invocation, block=block)
        if reply.not_found:
            if not block:
                raise IngressError(404, "invocation not found")
            await _fail(Failure(404, "not found"), Generation.MODERN, invocation, None, request, response)
            return
        if reply.outcome is None:
            raise IngressError(
                470,
                "the invocation exists but has not completed yet",
                invocation=format_invocation_id(invocation),
            )
        target = reply.target
        handler = None if target is None else self._partition.schema.handler(target.service, target.handler)
        await _answer(reply, handler, request, response)

    def _idempotent(self, path: IdempotentPath) -> InvocationId:
        service = self._service(path.target[0])
        key, handler, send = split_handler(path.target[1:], keyed=service.type.keyed, explicit="call")
        del send
        return idempotent_id(service.name, key, handler, path.idempotency_key)

    async def _target(self, operation: str, request: Request, response: Response) -> None:
        _check_method(request, "POST")
        invocation = parse_target(await request.body(self._size_limit))
        if operation == "lookup":
            await _send_json(request, response, 200, {"invocationId": format_invocation_id(invocation)})
        else:
            await self._outcome(invocation, operation == "attach", request, response)

    # -- awakeables ----------------------------------------------------------------------------------------------

    async def _awakeable(self, id_text: str, resolve: bool, request: Request, response: Response) -> None:
        _check_method(request, "POST")
        try:
            kind, invocation, index = parse_awakeable_id(id_text)
        except IdError as error:
            raise IngressError(400, f"bad awakeable id '{id_text}': {error}") from error
        body = await request.body(self._size_limit)
        result = Success(body) if resolve else Failure(_REJECTED_CODE, body.decode("utf-8", "replace"))
        if kind == "sign":
            await self._partition.signal(invocation, index, result)
        else:
            await self._partition.complete_awakeable(invocation, index, _classic(result))
        await response.send(202, cors(request))


def _classic(result: Success | Failure) -> Success | Failure:
    """A classic awakeable is rejected with gRPC's UNKNOWN, as its own API does."""
    return Failure(2, result.message) if isinstance(result, Failure) else result


def _check_method(request: Request, *allowed: str) -> None:
    if request.method not in allowed:
        raise IngressError(405, "method not allowed")


def _delay_ms(query: str) -> int | None:
    """The `delay` parameter: its name in any case, the first one wins. Raises IngressError 400."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.lower() == "delay":
            try:
                # Bare digits are the milliseconds that the Python SDK's client sends; an extension of ours.
                return int(value) if value.isdecimal() else parse_duration(value)
            except ValueError as error:
                raise IngressError(
                    400, f"bad delay query parameter, must be a ISO8601 duration: {error}"
                ) from error
    return None


def _invocation_id(text: str) -> InvocationId:
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise IngressError(400, f"bad invocation id '{text}': {error}") from error


async def _answer(reply: IngressReply, handler: Handler | None, request: Request, response: Response) -> None:
    """The outcome of an invocation, with the content type its handler promises."""
    outcome = reply.outcome
    assert outcome is not None
    if isinstance(outcome, Failure):
        generation = Generation.MODERN if reply.target is None else reply.target.generation
        await _fail(outcome, generation, reply.id, reply.expiry_ms, request, response)
        return
    headers: Headers = [(b"x-restate-id", format_invocation_id(reply.id).encode())]
    content_type = "application/json" if handler is None else handler.output.content_type
    if content_type is not None and (outcome.value or (handler and handler.output.set_content_type_if_empty)):
        headers.append((b"content-type", content_type.encode()))
    _add_expiry(headers, reply.expiry_ms)
    await response.send(200, headers + cors(request), outcome.value)


async def _fail(
    failure: Failure,
    generation: Generation,
    invocation: InvocationId,
    expiry_ms: int | None,
    request: Request,
    response: Response,
) -> None:
    status, headers, body = failure_answer(failure, generation)
    headers.append((b"x-restate-id", format_invocation_id(invocation).encode()))
    _add_expiry(headers, expiry_ms)
    await response.send(status, headers + cors(request), body)


def _add_expiry(headers: Headers, expiry_ms: int | None) -> None:
    if expiry_ms is not None:
        headers.append((b"idempotency-expires", expiry_text(expiry_ms).encode()))


async def _send_json(
    request: Request, response: Response, status: int, body: dict[str, Any], *, invocation: str | None = None
) -> None:
    headers: Headers = [_JSON]
    if invocation is not None:
        headers.insert(0, (b"x-restate-id", invocation.encode()))
    await response.send(status, headers + cors(request), json.dumps(body, separators=(",", ":")).encode())

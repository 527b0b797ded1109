"""Calls and sends of modern services over plain HTTP (ingress.md §3)."""

import attrs

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.ingress.answers import Answer, json_answer, json_options, outcome_answer
from restate.runtime.ingress.bodies import check_input
from restate.runtime.ingress.errors import IngressError, check_method, service_not_found
from restate.runtime.ingress.headers import (
    LAST_MS,
    cors,
    execution_time_text,
    forwarded,
    header_text,
    modern_idempotency_key,
)
from restate.runtime.ingress.measures import CALL, INVOCATION_ERROR, SEND, Measured
from restate.runtime.ingress.operations import Operations
from restate.runtime.ingress.paths import Path, ServicePath, split_handler
from restate.runtime.ingress.queries import bad_delay, delay_ms, parameter
from restate.runtime.ingress.scopes import refuse_limit_key, refuse_scope
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.model.trace import TraceContext
from restate.runtime.net.http import Request, Response
from restate.runtime.partition.handle import Partition
from restate.runtime.schema.addressing import AddressError, address
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.options import Defaults
from restate.runtime.telemetry.metrics import IngressMetrics
from restate.runtime.telemetry.tracing import Tracer, context_in


@attrs.frozen
class Route:
    """What a path means with the services as they are now."""

    service: Service
    handler: Handler
    key: str | None
    send: bool
    scope: str | None


class ModernIngress:
    """Serves parsed paths. Every method answers the request or raises IngressError."""

    def __init__(
        self,
        partition: Partition,
        config: IngressConfig,
        clock: Clock,
        ids: IdSource,
        defaults: Defaults,
        tracer: Tracer,
        metrics: IngressMetrics,
    ) -> None:
        self._tracer = tracer
        self._metrics = metrics
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._clock = clock
        self._ids = ids
        self._defaults = defaults
        self._operations = Operations(partition, config)
        self._json = json_options(config)

    async def serve(self, path: Path, query: str, request: Request, response: Response) -> None:
        """Answer one request. Raises IngressError, Overloaded, ShuttingDown, BodyTooLarge."""
        if isinstance(path, ServicePath):
            route = self._route(path)
            kind = SEND if route.send else CALL
            with Measured(self._metrics, route.service.name, route.handler.name, kind) as measured:
                status, headers, body = await self._invoke(route, query, request, measured)
        else:
            status, headers, body = await self._operations.serve(path, request)
        await response.send(status, headers + cors(request), body)

    async def _invoke(self, route: Route, query: str, request: Request, measured: Measured) -> Answer:
        """The checks come in the order of ingress.md §3.2: of several faults, clients are told the same one."""
        idempotency_key = modern_idempotency_key(request, route.handler)
        if route.scope is not None:
            refuse_scope(route.scope)
        check_method(request, "GET", "POST")
        # It stays with the request, which hands it over at last: it may be long, and so may the wait for the outcome.
        body = request.complete_body
        if body is None or len(body) > self._size_limit:
            body = await request.body(self._size_limit)
        check_input(route.handler.input, request.header(b"content-type"), body)
        del body
        delay = delay_ms(query) if query else None
        _check_limit_key(query, request)
        headers = forwarded(request)
        if delay is not None and not route.send:
            raise IngressError(
                400, "cannot use the delay query parameter with calls. The delay is supported only with sends"
            )
        callee = self._callee(route, idempotency_key)
        entry = self._tracer.entry(
            context_in(request.headers), route.service.name, route.handler.name, request.peer
        )
        with entry as trace:
            if route.send:
                return await self._send(callee, request.take_body(), headers, delay, trace)
            reply = await self._partition.call(callee, request.take_body(), headers, trace=trace)
        if isinstance(reply.outcome, Failure):
            measured.status = INVOCATION_ERROR
        return outcome_answer(reply, self._partition.schema, self._json)

    def _callee(self, route: Route, idempotency_key: str | None) -> Callee:
        try:
            return address(
                self._partition.schema,
                route.service.name,
                route.handler.name,
                route.key,
                idempotency_key=idempotency_key,
                ids=self._ids,
                defaults=self._defaults,
            )
        except AddressError as error:
            # The registry has changed while the body arrived.
            raise IngressError(503, f"the service '{route.service.name}' has just changed. Retry.") from error

    async def _send(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        delay: int | None,
        trace: TraceContext | None,
    ) -> Answer:
        execution_time_ms = None if delay is None else self._clock.now_ms() + delay
        if execution_time_ms is not None and execution_time_ms > LAST_MS:
            raise bad_delay("expected a time before the year 10000")
        reply = await self._partition.send(
            callee, body, headers, execution_time_ms=execution_time_ms, trace=trace
        )
        id_text = format_invocation_id(reply.id)
        answer: dict[str, object] = {"invocationId": id_text}
        if reply.execution_time_ms is not None:
            answer["executionTime"] = execution_time_text(reply.execution_time_ms)
        answer["status"] = "Accepted" if reply.is_new else "PreviouslyAccepted"
        return json_answer(202, answer, invocation=id_text)

    def _route(self, path: ServicePath) -> Route:
        """Raises IngressError: 400 for a shape the service does not have or a private handler, 404."""
        schema = self._partition.schema
        service = schema.service(path.service)
        if service is None or service.type.generation is Generation.CLASSIC:
            # Classic services are not served under these paths; for their callers they do not exist here.
            raise service_not_found(path.service)
        key, name, send = split_handler(path.rest, keyed=service.type.keyed, explicit=path.explicit)
        handler = schema.handler(service.name, name)
        if handler is None:
            raise IngressError(
                404,
                f"the service '{service.name}' exists, but the handler '{name}' was not found, check that the handler"
                " exists in the latest registered service version.",
            )
        if not service.is_public(handler):
            raise IngressError(400, "the invoked service is not public")
        return Route(service, handler, key, send, path.scope)


def _check_limit_key(query: str, request: Request) -> None:
    """A header wins over the parameter; an empty one counts as none. Raises IngressError 400."""
    value = request.header(b"x-restate-limit-key")
    if value is not None:
        limit_key: str | None = header_text(b"x-restate-limit-key", value)
    else:
        limit_key = parameter(query, "limit-key") if query else None
    if limit_key:
        raise refuse_limit_key(limit_key)

"""Services the server itself offers on the classic ingress: Ingress, Awakeables, Health (ingress.md §1.8)."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
from google.protobuf import empty_pb2, json_format
from google.protobuf.message import Message

from restate.runtime.ingress import awakeables
from restate.runtime.ingress.calls import ClassicCalls, Idempotency, method_not_found
from restate.runtime.model.ids import IdError, format_invocation_id
from restate.runtime.model.result import Success
from restate.runtime.model.target import Generation
from restate.runtime.partition.handle import Partition
from restate.runtime.pb import health_pb2, services_pb2
from restate.runtime.rpc import transcode
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.rpc.transcode import JsonOptions


@attrs.frozen
class BuiltinMethod:
    """One method: its messages, and what carries it out."""

    input_class: type[Message]
    output_class: type[Message]
    run: Callable[[Any, Idempotency], Awaitable[Message]]


class Builtins:
    """{service: {method: BuiltinMethod}}. Their names are reserved; none can be registered."""

    def __init__(self, partition: Partition, calls: ClassicCalls, json_options: JsonOptions) -> None:
        self._partition = partition
        self._calls = calls
        self._json = json_options
        empty = empty_pb2.Empty
        self._methods: dict[str, dict[str, BuiltinMethod]] = {
            "dev.restate.Ingress": {
                "Invoke": BuiltinMethod(
                    services_pb2.InvokeRequest, services_pb2.InvokeResponse, self._invoke
                ),
            },
            "dev.restate.Awakeables": {
                "Resolve": BuiltinMethod(services_pb2.ResolveAwakeableRequest, empty, self._resolve),
                "Reject": BuiltinMethod(services_pb2.RejectAwakeableRequest, empty, self._reject),
            },
            "grpc.health.v1.Health": {
                "Check": BuiltinMethod(
                    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse, self._check
                ),
            },
        }

    def has(self, service: str) -> bool:
        return service in self._methods

    def method(self, service: str, method: str) -> BuiltinMethod:
        """Raises RpcError."""
        found = self._methods[service].get(method)
        if found is not None:
            return found
        if (service, method) == ("grpc.health.v1.Health", "Watch"):
            raise RpcError(Code.UNIMPLEMENTED, "Watch unimplemented")
        raise method_not_found(service, method)

    async def _invoke(self, request: services_pb2.InvokeRequest, idempotency: Idempotency) -> Message:
        """Send without waiting for the outcome; answered once it is durable. The key is that of the target."""
        if self._calls.generation(request.service) is not Generation.CLASSIC:
            raise method_not_found(request.service, request.method)
        messages = self._calls.messages(request.service, request.method)
        match request.WhichOneof("encoded_argument"):
            case "pb":
                body = _argument(lambda: transcode.check_encoded(request.pb, messages.input_class))
            case "json":
                text = _compact_json(request.json)
                body = _argument(lambda: transcode.from_json(text, messages.input_class, self._json))
            case _:
                body = b""
        callee = self._calls.callee(
            request.service,
            request.method,
            body,
            idempotency=idempotency,
            key_fault=Code.INVALID_ARGUMENT,
        )
        reply = await self._partition.send(callee, body, ())
        return services_pb2.InvokeResponse(id=format_invocation_id(reply.id))

    async def _resolve(self, request: services_pb2.ResolveAwakeableRequest, _: Idempotency) -> Message:
        match request.WhichOneof("result"):
            case "bytes_result":
                value = request.bytes_result
            case "json_result":
                value = _compact_json(request.json_result)
            case _:
                raise RpcError(Code.INVALID_ARGUMENT, "result must be non-empty")
        await self._complete(request.id, Success(value))
        return empty_pb2.Empty()

    async def _reject(self, request: services_pb2.RejectAwakeableRequest, _: Idempotency) -> Message:
        await self._complete(request.id, request.reason)
        return empty_pb2.Empty()

    async def _complete(self, id_text: str, result: Success | str) -> None:
        try:
            awakeable = awakeables.parse_id(id_text)
        except IdError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from error
        await awakeables.complete(self._partition, awakeable, result)

    async def _check(self, request: health_pb2.HealthCheckRequest, _: Idempotency) -> Message:
        status = health_pb2.HealthCheckResponse.ServingStatus
        service = self._partition.schema.service(request.service)
        if request.service and not self.has(request.service):
            if service is None:
                raise RpcError(Code.NOT_FOUND, f"Service '{request.service}' not found")
            if not service.public:
                return health_pb2.HealthCheckResponse(status=status.NOT_SERVING)
        return health_pb2.HealthCheckResponse(status=status.SERVING)


def _argument(read: Callable[[], bytes]) -> bytes:
    """An argument that does not fit the method is the caller's FAILED_PRECONDITION, not a bad InvokeRequest."""
    try:
        return read()
    except RpcError as error:
        raise RpcError(Code.FAILED_PRECONDITION, error.message) from error


def _compact_json(value: Message) -> bytes:
    """What `JSON.stringify` would write: integral doubles without a fraction, no spaces."""
    try:
        parsed = _integral(json_format.MessageToDict(value))
    except json_format.SerializeToJsonError as error:
        raise RpcError(Code.INVALID_ARGUMENT, f"expected a JSON value: {error}") from error
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode()


def _integral(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, list):
        return [_integral(item) for item in value]
    if isinstance(value, dict):
        return {key: _integral(item) for key, item in value.items()}
    return value

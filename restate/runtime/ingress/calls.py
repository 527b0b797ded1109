"""From what an RPC client says to the callee of a call: visibility, key, idempotency (ingress.md §1.1, §1.4, §1.5, §4.1)."""

import attrs

from restate.runtime.grpc_server.packing import unhurried
from restate.runtime.ingress.bodies import check_input
from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.headers import forwarded_metadata, modern_idempotency_key
from restate.runtime.ingress.values import to_json
from restate.runtime.model.clock import IdSource
from restate.runtime.model.duration import MAX_DURATION_MS
from restate.runtime.model.journal import Callee
from restate.runtime.net.http import Request
from restate.runtime.partition.handle import Partition
from restate.runtime.pb.synth_pb2 import RpcRequest
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.schema.addressing import AddressError, AddressFault, address
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.messages import ClassicMessages, KeyExtractionError
from restate.runtime.schema.options import Defaults
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.synthesis import JSON_TYPE, takes_json
from restate.runtime.telemetry.tracing import NO_TRACER, Entry, Tracer, context_in

_MOST_DIGITS = 20


@attrs.define
class Prepared:
    """A call as the partition takes it."""

    callee: Callee
    _body: bytes
    headers: tuple[tuple[str, str], ...]
    entry: Entry

    def take_body(self) -> bytes:
        """Once: it may be long, and so may the wait for the outcome."""
        body, self._body = self._body, b""
        return body


def find_target(schema: Registry, service: str, method: str) -> tuple[Service, Handler]:
    """What a public method of either generation means, by names as descriptors have them.

    Raises RpcError NOT_FOUND or PERMISSION_DENIED.
    """
    found = schema.find(service)
    if found is None:
        raise RpcError(
            Code.NOT_FOUND,
            f"Service '{service}' not found. Check whether the deployment containing the service is registered.",
        )
    handler = schema.find_handler(found, method)
    if handler is None and found.public:
        raise method_not_found(service, method)
    if handler is None or not found.is_public(handler):
        raise RpcError(Code.PERMISSION_DENIED, f"Service {service} is not accessible")
    return found, handler


def method_not_found(service: str, method: str) -> RpcError:
    return RpcError(
        Code.NOT_FOUND,
        f"Service method '{service}/{method}' not found. Check whether you've registered the correct version of your"
        " service.",
    )


class Calls:
    """Makes the callees of both generations. Every method raises RpcError."""

    def __init__(
        self, partition: Partition, ids: IdSource, defaults: Defaults, tracer: Tracer = NO_TRACER
    ) -> None:
        self._partition = partition
        self._ids = ids
        self._defaults = defaults
        self._tracer = tracer

    async def classic(
        self,
        service: Service,
        handler: Handler,
        messages: ClassicMessages,
        body: bytes,
        request: Request,
        *,
        key_fault: Code = Code.INTERNAL,
    ) -> Prepared:
        """body: the encoded input message. key_fault: the status of a key that cannot be read."""
        idempotency = idempotency_of(request)
        try:
            key = await unhurried(len(body), messages.key_of, body)
        except KeyExtractionError as error:
            raise RpcError(key_fault, str(error)) from error
        callee = self._address(service, handler, key, idempotency)
        return Prepared(callee, body, (), self._entry(service, handler, request))

    async def modern(
        self, service: Service, handler: Handler, message: RpcRequest, request: Request
    ) -> Prepared:
        """A call through the contract that is made for the service."""
        if handler.input.content_type is not None and not takes_json(handler.input):
            raise RpcError(
                Code.UNIMPLEMENTED,
                f"{service.name}/{handler.name} takes {handler.input.content_type}, which only plain HTTP can carry",
            )
        given = message.HasField("request")
        body = await unhurried(message.ByteSize(), to_json, message.request) if given else b""
        try:
            check_input(handler.input, JSON_TYPE.encode() if given else None, body)
            idempotency = Idempotency(modern_idempotency_key(request, handler))
            headers = forwarded_metadata(request, JSON_TYPE if given else None)
        except IngressError as error:
            raise RpcError(Code.INVALID_ARGUMENT, error.message) from error
        if service.type.keyed and not message.key:
            raise RpcError(Code.INVALID_ARGUMENT, f"expected a key: {service.name} has one object for each")
        callee = self._address(service, handler, message.key, idempotency)
        return Prepared(callee, body, headers, self._entry(service, handler, request))

    def _entry(self, service: Service, handler: Handler, request: Request) -> Entry:
        return self._tracer.entry(context_in(request.headers), service.name, handler.name, request.peer)

    def _address(self, service: Service, handler: Handler, key: str, idempotency: "Idempotency") -> Callee:
        try:
            return address(
                self._partition.schema,
                service.name,
                handler.name,
                key,
                idempotency_key=idempotency.key,
                ids=self._ids,
                defaults=self._defaults,
                retention_ms=idempotency.retention_ms,
            )
        except AddressError as error:
            if error.fault is not AddressFault.KEY_NOT_ALLOWED:
                # The registry has changed while the body arrived.
                raise method_not_found(service.name, handler.name) from error
            raise RpcError(
                Code.INVALID_ARGUMENT, f"expected no key: {service.name} is not keyed, got '{key[:100]}'"
            ) from error


@attrs.frozen
class Idempotency:
    """What the caller asks for. key: any bytes, as Latin-1. retention_ms: None for the service's own."""

    key: str | None = None
    retention_ms: int | None = None


def idempotency_of(request: Request) -> Idempotency:
    """Of a call to classic. Raises RpcError INVALID_ARGUMENT. A period without a key is ignored, one of 0 is none."""
    key = request.header(b"idempotency-key")
    if key is None:
        return Idempotency()
    period = request.header(b"idempotency-retention-period")
    if period is None:
        return Idempotency(key.decode("latin-1"))
    if not period.isdigit() or len(period) > _MOST_DIGITS:
        text = period.decode("latin-1")[:40]
        raise RpcError(Code.INVALID_ARGUMENT, f"bad idempotency id format: expected seconds, got '{text}'")
    return Idempotency(key.decode("latin-1"), min(int(period) * 1000, MAX_DURATION_MS))

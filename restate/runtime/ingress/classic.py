"""Methods of classic services, for every RPC protocol (ingress.md §1.1 to §1.6)."""

from grpclib.const import Cardinality

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Method
from restate.runtime.ingress.calls import Calls
from restate.runtime.ingress.outcomes import classic_expiry, classic_value
from restate.runtime.ingress.waits import outcome_of
from restate.runtime.model.clock import Clock
from restate.runtime.partition.handle import Partition
from restate.runtime.rpc import transcode
from restate.runtime.rpc.protocols import Codec
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.messages import ClassicMessages


class ClassicMethods:
    """Messages pass as they are encoded; they are only looked at where a protocol wants JSON, and for the key."""

    def __init__(self, partition: Partition, calls: Calls, clock: Clock) -> None:
        self._partition = partition
        self._calls = calls
        self._clock = clock

    def method(self, service: Service, handler: Handler, messages: ClassicMessages) -> Method:
        async def handle(call: Call) -> None:
            await self._serve(call, service, handler, messages)

        return Method(
            service.name,
            handler.name,
            Cardinality.UNARY_UNARY,
            messages.input_class,
            messages.output_class,
            handle,
            no_side_effects=messages.no_side_effects,
        )

    async def _serve(self, call: Call, service: Service, handler: Handler, messages: ClassicMessages) -> None:
        body = await call.recv_bytes()
        if call.codec is Codec.PROTO:
            transcode.check_encoded(body, messages.input_class)
        prepared = await self._calls.classic(service, handler, messages, body, call.request)
        del body  # see Prepared.take_body
        reply = await outcome_of(self._partition, call, prepared)
        if prepared.callee.idempotency_key is not None:
            # The first answer tells it too; the stored result is then only milliseconds old.
            fresh_ms = self._clock.now_ms() + prepared.callee.completion_retention_ms
            call.initial_metadata.append(classic_expiry(reply.expiry_ms or fresh_ms))
        await call.send_bytes(classic_value(reply))

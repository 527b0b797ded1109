"""Handlers of modern services as methods, by the contracts that are made for them (ingress.md §4.1)."""

from grpclib.const import Cardinality

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Method
from restate.runtime.grpc_server.packing import unhurried
from restate.runtime.ingress.calls import Calls
from restate.runtime.ingress.outcomes import modern_response
from restate.runtime.ingress.waits import outcome_of
from restate.runtime.partition.handle import Partition
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from restate.runtime.schema.deployment import Handler, Service


class ModernMethods:
    """All of them take and give the same two messages, so nothing is built per service."""

    def __init__(self, partition: Partition, calls: Calls) -> None:
        self._partition = partition
        self._calls = calls

    def method(self, service: Service, handler: Handler) -> Method:
        async def handle(call: Call) -> None:
            await self._serve(call, service, handler)

        return Method(service.name, handler.name, Cardinality.UNARY_UNARY, RpcRequest, RpcResponse, handle)

    async def _serve(self, call: Call, service: Service, handler: Handler) -> None:
        message: RpcRequest = await call.recv_one()
        prepared = await self._calls.modern(service, handler, message, call.request)
        del message  # it may be long, and so may the wait
        reply = await outcome_of(self._partition, call, prepared)
        response = await unhurried(reply.value_size, modern_response, reply, handler, call.initial_metadata)
        await call.send_message(response)

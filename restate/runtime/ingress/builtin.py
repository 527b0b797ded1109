"""Services the server itself offers to callers: Ingress and Awakeables (ingress.md §1.8)."""

import attrs
from google.protobuf import empty_pb2
from google.protobuf.message import Message

from restate.runtime.grpc_server.bases.services_grpc import AwakeablesBase, IngressBase
from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.packing import unhurried
from restate.runtime.ingress import awakeables
from restate.runtime.ingress.calls import Calls, Prepared, find_target, method_not_found
from restate.runtime.ingress.values import to_json
from restate.runtime.ingress.waits import REFUSALS
from restate.runtime.model.ids import IdError, format_invocation_id
from restate.runtime.model.result import Success
from restate.runtime.net.http import Request
from restate.runtime.partition.handle import Partition
from restate.runtime.pb.services_pb2 import (
    InvokeRequest,
    InvokeResponse,
    RejectAwakeableRequest,
    ResolveAwakeableRequest,
)
from restate.runtime.pb.synth_pb2 import RpcRequest
from restate.runtime.rpc import transcode
from restate.runtime.rpc.json_options import JsonOptions
from restate.runtime.rpc.status import Code, RpcError


@attrs.frozen(eq=False)
class IngressService(IngressBase):
    """Starts invocations without waiting for their outcome."""

    _partition: Partition
    _calls: Calls
    _json: JsonOptions

    async def Invoke(self, call: Call) -> None:
        """Answered once the invocation is durable. The idempotency key is the target's."""
        message: InvokeRequest = await call.recv_one()
        with REFUSALS:
            prepared = await self._prepared(message, call.request)
            with prepared.entry as trace:
                reply = await self._partition.send(
                    prepared.callee, prepared.take_body(), prepared.headers, trace=trace
                )
        await call.send_message(InvokeResponse(id=format_invocation_id(reply.id)))

    async def _prepared(self, message: InvokeRequest, request: Request) -> Prepared:
        schema = self._partition.schema
        if schema.find(message.service) is None:
            raise method_not_found(message.service, message.method)
        service, handler = find_target(schema, message.service, message.method)
        messages = schema.classic_method(service.name, handler.name)
        if messages is None:
            argument = RpcRequest.FromString(await self._argument(message, RpcRequest))
            return await self._calls.modern(service, handler, argument, request)
        body = await self._argument(message, messages.input_class)
        return await self._calls.classic(
            service, handler, messages, body, request, key_fault=Code.INVALID_ARGUMENT
        )

    async def _argument(self, message: InvokeRequest, input_class: type[Message]) -> bytes:
        return await unhurried(message.ByteSize(), self._encoded, message, input_class)

    def _encoded(self, message: InvokeRequest, input_class: type[Message]) -> bytes:
        """The argument. One that does not fit the method is the caller's FAILED_PRECONDITION, not a bad InvokeRequest."""
        try:
            match message.WhichOneof("encoded_argument"):
                case "pb":
                    return transcode.check_encoded(message.pb, input_class)
                case "json":
                    return transcode.from_json(to_json(message.json), input_class, self._json)
                case _:
                    return b""
        except RpcError as error:
            raise RpcError(Code.FAILED_PRECONDITION, error.message) from error


@attrs.frozen(eq=False)
class AwakeablesService(AwakeablesBase):
    """Completes awakeables from outside."""

    _partition: Partition

    async def Resolve(self, call: Call) -> None:
        message: ResolveAwakeableRequest = await call.recv_one()
        match message.WhichOneof("result"):
            case "bytes_result":
                value = message.bytes_result
            case "json_result":
                value = await unhurried(message.ByteSize(), to_json, message.json_result)
            case _:
                raise RpcError(Code.INVALID_ARGUMENT, "result must be non-empty")
        await self._complete(call, message.id, Success(value))

    async def Reject(self, call: Call) -> None:
        message: RejectAwakeableRequest = await call.recv_one()
        await self._complete(call, message.id, message.reason)

    async def _complete(self, call: Call, id_text: str, result: Success | str) -> None:
        with REFUSALS:
            try:
                awakeable = awakeables.parse_id(id_text)
            except IdError as error:
                raise RpcError(Code.INVALID_ARGUMENT, str(error)) from error
            await awakeables.complete(self._partition, awakeable, result)
        await call.send_message(empty_pb2.Empty())

"""Services the server itself offers to callers: Ingress and Awakeables (ingress.md §1.8)."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from google.protobuf import empty_pb2
from google.protobuf.message import Message
from grpclib.const import Cardinality

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Method
from restate.runtime.ingress import awakeables
from restate.runtime.ingress.calls import Calls, Prepared, find_target, method_not_found
from restate.runtime.ingress.values import to_json
from restate.runtime.ingress.waits import refusals
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
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.rpc.transcode import JsonOptions

Run = Callable[[Any, Request], Awaitable[Message]]


class Builtins:
    """Each method gives its answer, or raises RpcError."""

    def __init__(self, partition: Partition, calls: Calls, json_options: JsonOptions) -> None:
        self._partition = partition
        self._calls = calls
        self._json = json_options

    def methods(self) -> Iterator[Method]:
        empty = empty_pb2.Empty
        yield _method("dev.restate.Ingress", "Invoke", InvokeRequest, InvokeResponse, self._invoke)
        yield _method("dev.restate.Awakeables", "Resolve", ResolveAwakeableRequest, empty, self._resolve)
        yield _method("dev.restate.Awakeables", "Reject", RejectAwakeableRequest, empty, self._reject)

    async def _invoke(self, message: InvokeRequest, request: Request) -> Message:
        """Send without waiting for the outcome; answered once it is durable. The idempotency key is the target's."""
        prepared = self._prepared(message, request)
        reply = await self._partition.send(prepared.callee, prepared.body, prepared.headers)
        return InvokeResponse(id=format_invocation_id(reply.id))

    def _prepared(self, message: InvokeRequest, request: Request) -> Prepared:
        schema = self._partition.schema
        if schema.find(message.service) is None:
            raise method_not_found(message.service, message.method)
        service, handler = find_target(schema, message.service, message.method)
        messages = schema.classic_method(service.name, handler.name)
        if messages is None:
            argument = RpcRequest.FromString(self._argument(message, RpcRequest))
            return self._calls.modern(service, handler, argument, request)
        body = self._argument(message, messages.input_class)
        return self._calls.classic(service, handler, messages, body, request, key_fault=Code.INVALID_ARGUMENT)

    def _argument(self, message: InvokeRequest, input_class: type[Message]) -> bytes:
        """Encoded. One that does not fit the method is the caller's FAILED_PRECONDITION, not a bad InvokeRequest."""
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

    async def _resolve(self, message: ResolveAwakeableRequest, _: Request) -> Message:
        match message.WhichOneof("result"):
            case "bytes_result":
                value = message.bytes_result
            case "json_result":
                value = to_json(message.json_result)
            case _:
                raise RpcError(Code.INVALID_ARGUMENT, "result must be non-empty")
        return await self._complete(message.id, Success(value))

    async def _reject(self, message: RejectAwakeableRequest, _: Request) -> Message:
        return await self._complete(message.id, message.reason)

    async def _complete(self, id_text: str, result: Success | str) -> Message:
        try:
            awakeable = awakeables.parse_id(id_text)
        except IdError as error:
            raise RpcError(Code.INVALID_ARGUMENT, str(error)) from error
        await awakeables.complete(self._partition, awakeable, result)
        return empty_pb2.Empty()


def _method(
    service: str, name: str, request_type: type[Message], reply_type: type[Message], run: Run
) -> Method:
    async def handle(call: Call) -> None:
        message = await call.recv_one()
        with refusals():
            answer = await run(message, call.request)
        await call.send_message(answer)

    return Method(service, name, Cardinality.UNARY_UNARY, request_type, reply_type, handle)

"""A server for `connectconformance`: the suite's own service on our RPC layer and listener. Nothing of it is product.

`python -m tests.support.conformance_server DESCRIPTORS` reads one ServerCompatRequest from stdin, says on stdout where
it listens, and serves until SIGTERM. DESCRIPTORS: a file with a FileDescriptorSet of the suite's contract.
"""

from __future__ import annotations

import logging
import signal
import struct
import sys
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import trio
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Cardinality, Method
from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.net.http import Request, Response
from restate.runtime.net.listener import bind, serve
from restate.runtime.rpc.connect import is_rpc_type
from restate.runtime.rpc.status import Code, Detail, RpcError

PACKAGE = "connectrpc.conformance.v1"
SERVICE = f"{PACKAGE}.ConformanceService"
_LENGTH = struct.Struct(">I")


class Service:
    """The methods of the suite's service: each answers as its request defines, and tells what it has seen."""

    def __init__(self, descriptors: bytes) -> None:
        self._pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors).file:
            self._pool.AddSerializedFile(file.SerializeToString())
        kinds = {
            "Unary": (self._unary, Cardinality.UNARY_UNARY),
            "IdempotentUnary": (self._unary, Cardinality.UNARY_UNARY),
            "ServerStream": (self._server_stream, Cardinality.UNARY_STREAM),
            "ClientStream": (self._client_stream, Cardinality.STREAM_UNARY),
            "BidiStream": (self._bidi_stream, Cardinality.STREAM_STREAM),
        }
        self._methods = {
            name: Method(
                SERVICE,
                name,
                cardinality,
                self.message(f"{name}Request"),
                self.message(f"{name}Response"),
                handle,
                no_side_effects=name == "IdempotentUnary",
            )
            for name, (handle, cardinality) in kinds.items()
        }

    def message(self, name: str) -> Any:
        """The class of one of the suite's messages."""
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))

    def find(self, service: str, name: str) -> Method:
        if service != SERVICE:
            raise RpcError(Code.NOT_FOUND, f"no service {service}")
        if name not in self._methods:
            raise RpcError(Code.UNIMPLEMENTED, f"no method {name}")
        return self._methods[name]

    async def _unary(self, call: Call) -> None:
        request = await call.recv_message()
        await self._answer(call, request.response_definition, [request])

    async def _client_stream(self, call: Call) -> None:
        requests = [request async for request in call]
        definition = (
            requests[0].response_definition if requests else self.message("UnaryResponseDefinition")()
        )
        await self._answer(call, definition, requests)

    async def _answer(self, call: Call, definition: Any, requests: list[Any]) -> None:
        """The one reply of a method that does not stream."""
        self._metadata(call, definition)
        await trio.sleep(definition.response_delay_ms / 1000)
        info = self._info(call, requests)
        if definition.WhichOneof("response") == "error":
            raise self._error(definition.error, info)
        reply = call.method.reply_type()
        payload: Any = reply.payload  # type: ignore[attr-defined]
        payload.data = definition.response_data
        payload.request_info.CopyFrom(info)
        await call.send_message(reply)

    async def _server_stream(self, call: Call) -> None:
        request = await call.recv_message()
        definition = request.response_definition
        self._metadata(call, definition)
        if request.HasField("response_definition"):
            await call.send_initial_metadata()
        sent = 0
        for data in definition.response_data:
            await self._send_piece(call, definition, data, [request] if not sent else [])
            sent += 1
        self._end(call, definition, [request], sent)

    async def _bidi_stream(self, call: Call) -> None:
        definition: Any = None
        full_duplex = False
        unreported: list[Any] = []  # requests that no reply has told about
        sent = 0
        async for request in call:
            unreported.append(request)
            if definition is None:
                definition, full_duplex = request.response_definition, request.full_duplex
                self._metadata(call, definition)
                if request.HasField("response_definition"):
                    await call.send_initial_metadata()
            if full_duplex:
                if sent == len(definition.response_data):
                    break
                await self._send_piece(call, definition, definition.response_data[sent], unreported)
                sent += 1
                unreported = []
        if definition is None:
            return
        for data in definition.response_data[sent:]:
            await self._send_piece(call, definition, data, unreported)
            unreported = []
            sent += 1
        self._end(call, definition, unreported, sent)

    async def _send_piece(self, call: Call, definition: Any, data: bytes, requests: list[Any]) -> None:
        await trio.sleep(definition.response_delay_ms / 1000)
        reply: Any = call.method.reply_type()
        reply.payload.data = data
        if requests:
            reply.payload.request_info.CopyFrom(self._info(call, requests))
        await call.send_message(reply)

    def _end(self, call: Call, definition: Any, requests: list[Any], sent: int) -> None:
        if definition.HasField("error"):
            raise self._error(definition.error, None if sent else self._info(call, requests))

    def _metadata(self, call: Call, definition: Any) -> None:
        for source, target in (
            (definition.response_headers, call.initial_metadata),
            (definition.response_trailers, call.trailing_metadata),
        ):
            target += [
                (entry.name.lower().encode(), value.encode()) for entry in source for value in entry.value
            ]

    def _info(self, call: Call, requests: list[Any]) -> Any:
        info = self.message("ConformancePayload.RequestInfo")()
        values: dict[str, list[str]] = {}
        for name, value in call.request.headers:
            values.setdefault(name.decode(), []).append(value.decode("latin-1"))
        for name_text, each in values.items():
            info.request_headers.add(name=name_text, value=each)
        if call.deadline is not None:
            info.timeout_ms = int(call.deadline.time_remaining() * 1000)
        for request in requests:
            url = f"type.googleapis.com/{request.DESCRIPTOR.full_name}"
            info.requests.add(type_url=url, value=request.SerializeToString())
        if call.request.method == "GET":
            query = call.request.target.decode().partition("?")[2]
            for name_text, value_text in parse_qsl(query, keep_blank_values=True):
                info.connect_get_info.query_params.add(name=name_text, value=[value_text])
        return info

    @staticmethod
    def _error(error: Any, info: Any | None) -> RpcError:
        details = [Detail(each.TypeName(), each.value) for each in error.details]
        if info is not None:
            details.append(Detail.of(info))
        return RpcError(Code(error.code), error.message, tuple(details))


async def dispatch(server: RpcServer, request: Request, response: Response) -> None:
    path, _, query = request.target.decode("latin-1").partition("?")
    if is_rpc_type(request.header(b"content-type")):
        await server.serve(path, query, request, response)
    else:
        await server.serve_connect(path, query, request, response)


async def main(descriptors: bytes) -> None:
    service = Service(descriptors)
    (length,) = _LENGTH.unpack(sys.stdin.buffer.read(_LENGTH.size))
    asked = service.message("ServerCompatRequest").FromString(sys.stdin.buffer.read(length))
    server = RpcServer(service.find, size_limit=asked.message_receive_limit, unknown_route="bare_404")
    listener = bind("127.0.0.1", 0)
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            await nursery.start(partial(serve, listener, partial(dispatch, server), nursery=nursery))
            host, port = listener.address
            answer = service.message("ServerCompatResponse")(host=host, port=port).SerializeToString()
            sys.stdout.buffer.write(_LENGTH.pack(len(answer)) + answer)
            sys.stdout.buffer.flush()
            await anext(signals)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)  # to stderr
    trio.run(main, Path(sys.argv[1]).read_bytes())

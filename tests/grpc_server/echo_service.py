"""A service for tests of the RPC layer: unary, server-streaming and bidi methods that say back what they hear."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import trio
from google.protobuf import wrappers_pb2
from grpclib.const import Status as GrpcStatus
from grpclib.exceptions import GRPCError

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Cardinality, Method
from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.net.http import Request, Response
from restate.runtime.net.limits import Limits
from restate.runtime.pb.rpc_pb2 import Status
from restate.runtime.rpc.frames import frame
from restate.runtime.rpc.status import Code, Detail, RpcError
from tests.support.net_server import Running, running

SERVICE = "test.Echo"
LIMIT = 200_000
Text = wrappers_pb2.StringValue


@attrs.define
class Echo:
    """What the handlers did."""

    begun: int = 0
    cancelled: int = 0
    calls: list[Call] = attrs.field(factory=list)
    go_on: trio.Event = attrs.field(factory=trio.Event)

    async def unary(self, call: Call) -> None:
        self.calls.append(call)
        call.initial_metadata.append((b"x-initial", b"i"))
        call.trailing_metadata.append((b"x-trailing", b"t"))
        await call.send_bytes(await call.recv_bytes())

    async def objects(self, call: Call) -> None:
        message = await call.recv_message()
        assert await call.recv_message() is None
        await call.send_message(Text(value=message.value.upper()))

    async def fail(self, call: Call) -> None:
        message = await call.recv_message()
        call.initial_metadata.append((b"x-initial", b"i"))
        call.trailing_metadata.append((b"x-trailing", b"t"))
        raise RpcError(Code.FAILED_PRECONDITION, "nö: 100%", (Detail.of(message),), ((b"x-error", b"e"),))

    async def crash(self, call: Call) -> None:
        raise KeyError("a bug")

    async def silent(self, call: Call) -> None:
        await call.recv_bytes()

    async def twice(self, call: Call) -> None:
        await call.send_bytes(await call.recv_bytes())
        await call.send_bytes(b"")

    async def grpclib(self, call: Call) -> None:
        raise GRPCError(GrpcStatus.ABORTED, "stop")

    async def told(self, call: Call) -> None:
        await call.send_initial_metadata(metadata={"x-early": "1"})
        await call.send_trailing_metadata(
            status=GrpcStatus.PERMISSION_DENIED, status_message="no", metadata={"x-more-bin": b"\xff"}
        )

    async def wait(self, call: Call) -> None:
        self.begun += 1
        try:
            await self.go_on.wait()
        except trio.Cancelled:
            self.cancelled += 1
            raise
        await call.send_bytes(b"")

    async def several(self, call: Call) -> None:
        message = await call.recv_message()
        for letter in message.value:
            await call.send_message(Text(value=letter))
        if message.value.endswith("!"):
            raise RpcError(Code.ABORTED, "stop")

    async def watch(self, call: Call) -> None:
        await call.recv_message()
        await call.send_message(Text(value="begun"))
        await self.wait(call)

    async def chat(self, call: Call) -> None:
        self.begun += 1
        try:
            async for message in call:
                await call.send_message(Text(value=f"<{message.value}>"))
        except trio.Cancelled:
            self.cancelled += 1
            raise

    def find(self, service: str, name: str) -> Method:
        if service != SERVICE:
            raise RpcError(Code.NOT_FOUND, f"Service '{service}' not found")
        kinds: dict[str, tuple[Callable[[Call], Awaitable[None]], Cardinality]] = {
            "Unary": (self.unary, Cardinality.UNARY_UNARY),
            "Objects": (self.objects, Cardinality.UNARY_UNARY),
            "Fail": (self.fail, Cardinality.UNARY_UNARY),
            "Crash": (self.crash, Cardinality.UNARY_UNARY),
            "Silent": (self.silent, Cardinality.UNARY_UNARY),
            "Twice": (self.twice, Cardinality.UNARY_UNARY),
            "Grpclib": (self.grpclib, Cardinality.UNARY_UNARY),
            "Told": (self.told, Cardinality.UNARY_UNARY),
            "Wait": (self.wait, Cardinality.UNARY_UNARY),
            "Several": (self.several, Cardinality.UNARY_STREAM),
            "Watch": (self.watch, Cardinality.UNARY_STREAM),
            "Chat": (self.chat, Cardinality.STREAM_STREAM),
        }
        if name not in kinds and name != "Wrapped":
            raise RpcError(Code.UNIMPLEMENTED, f"no method {name}")
        if name == "Wrapped":
            return Method(SERVICE, name, Cardinality.UNARY_UNARY, Status, Status, self.unary)
        handle, cardinality = kinds[name]
        return Method(SERVICE, name, cardinality, Text, Text, handle, no_side_effects=name == "Unary")


@asynccontextmanager
async def serving(limits: Limits | None = None, **options: Any) -> AsyncIterator[tuple[Running, Echo]]:
    """The service on a listener. Requests of gRPC types go to `serve`, others to `serve_connect`."""
    echo = Echo()
    server = RpcServer(echo.find, size_limit=LIMIT, **options)
    async with running(partial(dispatch, server), limits) as listener:
        yield listener, echo


async def dispatch(server: RpcServer, request: Request, response: Response) -> None:
    path, _, query = request.target.decode().partition("?")
    framed = (request.header(b"content-type") or b"").startswith(b"application/grpc")
    serve = server.serve if framed else server.serve_connect
    await serve(path, query, request, response)


def said(text: str) -> bytes:
    """The encoded message."""
    return Text(value=text).SerializeToString()


def framed(*texts: str) -> bytes:
    return b"".join(frame(said(text)) for text in texts)

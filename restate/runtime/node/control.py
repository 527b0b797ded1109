"""The node-ctrl port: is the process alive, is it ready, what does it measure; and gRPC, for those who ask that way.

Most starts see neither a gRPC client nor Prometheus at once, so what serves them is imported for the first one.
"""

import importlib
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import trio

from restate.runtime.net.access import REALM, REFUSAL, Gate
from restate.runtime.net.http import Request, Response
from restate.runtime.node.node import Node, Status
from restate.runtime.rpc.connect import is_proto_type, is_rpc_type
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from restate.runtime.grpc_server.server import RpcServer
    from restate.runtime.telemetry.exposition import Exposition

_JSON = [(b"content-type", b"application/json")]
_PACKAGES = ("/dev.restate.", "/grpc.")
"""How the paths of gRPC methods begin."""
_AT_ONCE = 500
"""Lines of metrics that the loop writes itself, which takes some 3 ms. Beside a busy loop a thread gets its turns late,
and takes ten times as long; it is for the many lines of many handlers, for which others must not wait."""


class NodeControl:
    """The handler of the port. request_size_limit: of a message in bytes."""

    def __init__(self, node: Node, metrics: Metrics, gate: Gate, *, request_size_limit: int) -> None:
        self._node = node
        self._metrics = metrics
        self._gate = gate
        self._size_limit = request_size_limit
        self._rpc: RpcServer | None = None
        self._exposition: Exposition | None = None
        self._importing = trio.Lock()
        self._pages: dict[str, Callable[[Request, Response], Awaitable[None]]] = {
            "/health": self._health,
            "/ready": self._ready,
            "/metrics": self._show_metrics,
        }

    async def __call__(self, request: Request, response: Response) -> None:
        path, _, query = request.target.decode("latin-1").partition("?")
        framed = is_rpc_type(request.header(b"content-type"))
        rpc = framed or _speaks_connect(path, request)
        if not self._gate.admits(request.header(b"authorization")):
            if rpc:
                refusal = RpcError(Code.UNAUTHENTICATED, REFUSAL)
                await (await self._rpc_server()).refuse(refusal, query, request, response)
            else:
                await _answer(response, 401, REFUSAL, (b"www-authenticate", REALM))
        elif framed:
            await (await self._rpc_server()).serve(path, query, request, response)
        elif rpc:
            await (await self._rpc_server()).serve_connect(path, query, request, response)
        else:
            await self._serve_page(path, request, response)

    async def _serve_page(self, path: str, request: Request, response: Response) -> None:
        page = self._pages.get(path)
        if page is None:
            await _answer(response, 404, f"expected {', '.join(self._pages)} or a method of gRPC")
        elif request.method not in ("GET", "HEAD"):
            await _answer(response, 405, f"expected GET, got {request.method}", (b"allow", b"GET, HEAD"))
        else:
            await page(request, response)

    async def _health(self, request: Request, response: Response) -> None:
        await _answer(response, 200, "ok")

    async def _ready(self, request: Request, response: Response) -> None:
        match self._node.status:
            case Status.STARTING_UP:
                await _answer(response, 503, "the server is starting")
            case Status.SHUTTING_DOWN:
                await _answer(response, 503, "the server is shutting down")
            case Status.ALIVE:
                await _answer(response, 200, "ok")

    async def _show_metrics(self, request: Request, response: Response) -> None:
        if self._exposition is None:
            module = await self._module("restate.runtime.telemetry.exposition")
            self._exposition = module.Exposition(self._metrics)
        accept = (request.header(b"accept") or b"").decode("latin-1")
        render = self._exposition.render
        if self._metrics.size() <= _AT_ONCE:
            text, content_type = render(accept)
        else:
            text, content_type = await trio.to_thread.run_sync(render, accept)
        await response.send(200, [(b"content-type", content_type.encode())], text)

    async def _rpc_server(self) -> "RpcServer":
        if self._rpc is None:
            module = await self._module("restate.runtime.node.services")
            self._rpc = module.rpc_server(self._node, size_limit=self._size_limit)
        assert self._rpc is not None
        return self._rpc

    async def _module(self, name: str) -> Any:
        async with self._importing:
            return await trio.to_thread.run_sync(importlib.import_module, name)


def _speaks_connect(path: str, request: Request) -> bool:
    """Whether this is a call of a method that is not framed."""
    return path.startswith(_PACKAGES) or is_proto_type(request.header(b"content-type"))


async def _answer(response: Response, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
    await response.send(status, [*_JSON, *headers], json.dumps({"message": message}).encode())

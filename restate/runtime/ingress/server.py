"""The handler of port 8080: one rule decides which protocol and generation a request speaks (ingress.md §4.2)."""

import importlib
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.ingress.bodies import takes_type
from restate.runtime.ingress.errors import IngressError, overloaded
from restate.runtime.ingress.headers import cors, preflight
from restate.runtime.ingress.modern import ModernIngress
from restate.runtime.ingress.paths import normalize, parse
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.target import Generation
from restate.runtime.net.access import REALM, REFUSAL, Gate
from restate.runtime.net.http import BodyTooLarge, Request, Response
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.rpc.compression import too_large
from restate.runtime.rpc.connect import is_proto_type, is_rpc_type, profile_of
from restate.runtime.rpc.status import STRICT, Code, RpcError
from restate.runtime.schema.options import Defaults
from restate.runtime.schema.symbols_builtin import BUILTIN_SERVICES
from restate.runtime.telemetry.metrics import UNREAD, IngressMetrics
from restate.runtime.telemetry.tracing import NO_TRACER, Tracer

if TYPE_CHECKING:
    from restate.runtime.grpc_server.server import RpcServer

RPC_MODULE = "restate.runtime.ingress.rpc"
"""Imported behind the start, or by the first RPC client if it is faster."""

_CONTROL = ("restate", "openapi")


class Speech(Enum):
    """How a request is answered."""

    FRAMED = "gRPC, gRPC-Web, or Connect's streams"
    CONNECT = "Connect, unary"
    PLAIN = "HTTP, as modern clients speak it"


class Ingress:
    """Admits requests up to the concurrency limit and hands each to the part that speaks its protocol."""

    def __init__(
        self,
        partition: Partition,
        config: IngressConfig,
        clock: Clock,
        ids: IdSource,
        defaults: Defaults,
        gate: Gate | None = None,
        tracer: Tracer = NO_TRACER,
        metrics: IngressMetrics = UNREAD.ingress,
    ) -> None:
        """gate: who may call; None: everybody."""
        self._gate = gate or Gate()
        self.permits = self._limit = config.concurrency_limit
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._requests = metrics.requests
        self._modern = ModernIngress(partition, config, clock, ids, defaults, tracer, metrics)
        self._make_rpc: Callable[[], RpcServer] = lambda: importlib.import_module(RPC_MODULE).rpc_server(
            partition, config, clock, ids, defaults, tracer, metrics
        )
        self._rpc_server: RpcServer | None = None

    @property
    def busy(self) -> bool:
        """Whether a request is in progress, those apart that may stay for days."""
        return self.permits < self._limit

    @property
    def _rpc(self) -> "RpcServer":
        if self._rpc_server is None:
            self._rpc_server = self._make_rpc()
        return self._rpc_server

    async def __call__(self, request: Request, response: Response) -> None:
        if request.method == "OPTIONS":
            await response.send(200, preflight(request))
            return
        path, query = normalize(request.target)
        if not self._gate.admits(request.header(b"authorization")):
            await self._turn_away(query, request, response)
            return
        if request.content_length is not None and request.content_length > self._size_limit:
            await self._too_large(path, query, request, response)
            return
        self.permits -= 1
        try:
            await self._serve(path, query, request, response)
        except IngressError as error:
            await self._refuse(error, request, response)
        except BodyTooLarge:
            await self._refuse(IngressError(413, "cannot read body: LengthLimitError"), request, response)
        except Overloaded:
            await self._refuse(_overloaded(), request, response)
        except ShuttingDown as error:
            await self._refuse(IngressError(503, str(error)), request, response)
        finally:
            self.permits += 1

    async def _serve(self, path: str, query: str, request: Request, response: Response) -> None:
        if self.permits < 0:
            if not _speaks_rpc(query, request):
                self._requests.add("rate-limited", "", "", "")
                raise _overloaded()
            self._requests.add("throttled", "", "", "")
            await self._rpc.refuse(overloaded(), query, request, response)
            return
        self._requests.add("admitted", "", "", "")
        if not self._partition.ready.is_set():
            await self._partition.ready.wait()
        speech = self._speech(path, query, request)
        if speech is Speech.PLAIN:
            await self._modern.serve(parse(path), query, request, response)
        elif speech is Speech.CONNECT:
            await self._rpc.serve_connect(path, query, request, response)
        else:
            await self._serve_framed(path, query, request, response)

    async def _serve_framed(self, path: str, query: str, request: Request, response: Response) -> None:
        """A stream gives its permit back as soon as it is known to be one, because it may stay for days."""
        released = False

        def release() -> None:
            nonlocal released
            released = True
            self.permits += 1

        try:
            await self._rpc.serve(path, query, request, response, release=release)
        finally:
            if released:
                self.permits -= 1  # `__call__` gives it back

    def _speech(self, path: str, query: str, request: Request) -> Speech:
        """The rule of ingress.md §4.2, from step 4 on."""
        name, _, method = path[1:].partition("/")
        if name in _CONTROL:
            return Speech.PLAIN
        content_type = request.header(b"content-type")
        if is_rpc_type(content_type):
            return Speech.FRAMED
        service = self._partition.schema.service(name)
        if service is None:
            return self._speech_to_unknown(name, query, request)
        if service.type.generation is Generation.CLASSIC:
            return Speech.CONNECT
        if not method or "/" in method:
            return Speech.PLAIN
        if _is_strict(query, request):
            return Speech.CONNECT
        if content_type is None or content_type == b"application/json" or not is_proto_type(content_type):
            return Speech.PLAIN
        handler = service.handler(method)
        if handler is None or takes_type(handler.input, content_type):
            return Speech.PLAIN
        return Speech.CONNECT

    def _speech_to_unknown(self, name: str, query: str, request: Request) -> Speech:
        """Of a service that is built in, is named as descriptors have it, or does not exist."""
        if name in BUILTIN_SERVICES:
            return Speech.CONNECT
        found = self._partition.schema.find(name)
        if found is not None and found.type.generation is Generation.CLASSIC:
            return Speech.CONNECT
        return Speech.CONNECT if _speaks_rpc(query, request) else Speech.PLAIN

    async def _turn_away(self, query: str, request: Request, response: Response) -> None:
        """A client without a token of this port."""
        if _speaks_rpc(query, request):
            await self._rpc.refuse(RpcError(Code.UNAUTHENTICATED, REFUSAL), query, request, response)
            return
        status, headers, body = IngressError(401, REFUSAL).answer()
        await response.send(status, [*headers, (b"www-authenticate", REALM), *cors(request)], body)

    async def _refuse(self, error: IngressError, request: Request, response: Response) -> None:
        status, headers, body = error.answer()
        await response.send(status, headers + cors(request), body)

    async def _too_large(self, path: str, query: str, request: Request, response: Response) -> None:
        """The client has said so beforehand; nothing was read. Plain text without the usual headers, like upstream."""
        if _speaks_rpc(query, request) and self._speech(path, query, request) is not Speech.PLAIN:
            await self._rpc.refuse(too_large(self._size_limit), query, request, response)
        else:
            plain = [(b"content-type", b"text/plain; charset=utf-8")]
            await response.send(413, plain, b"length limit exceeded")


def _speaks_rpc(query: str, request: Request) -> bool:
    """Whether the client is one of an RPC protocol, which must not be told of errors in another form."""
    content_type = request.header(b"content-type")
    return is_rpc_type(content_type) or is_proto_type(content_type) or _is_strict(query, request)


def _is_strict(query: str, request: Request) -> bool:
    """Whether the client says that it speaks Connect."""
    if request.header(b"connect-protocol-version") is not None:
        return True
    return request.method == "GET" and "connect" in query and profile_of(None, query) is STRICT


def _overloaded() -> IngressError:
    return IngressError(429, "too many requests, the ingress is overloaded. Retry later.")

"""Classic services over Connect unary, JSON and protobuf (ingress.md §1.1 to §1.6)."""

from datetime import UTC, datetime

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.builtin import Builtins
from restate.runtime.ingress.calls import ClassicCalls, idempotency_of
from restate.runtime.ingress.headers import cors
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.codes import convert
from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.rpc import transcode
from restate.runtime.rpc.connect import JSON, PROTO, codec_of, error_body, profile_of
from restate.runtime.rpc.status import STRICT, Code, RpcError, outcome_code
from restate.runtime.schema.messages import ClassicMessages
from restate.runtime.schema.options import Defaults

_RPC_TYPES = (b"application/grpc", b"application/connect+")
_CONTROL = ("restate", "openapi")


class ClassicIngress:
    """Serves what `speaks` claims; every request is answered in the Connect protocol."""

    def __init__(
        self, partition: Partition, config: IngressConfig, clock: Clock, ids: IdSource, defaults: Defaults
    ) -> None:
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._clock = clock
        self._calls = ClassicCalls(partition, ids, defaults)
        self._builtins = Builtins(partition, self._calls)

    def speaks(self, path: str, request: Request) -> bool:
        """Whether a request belongs here rather than to the modern ingress (the rule of ingress.md §4.2)."""
        service = path[1:].partition("/")[0]
        if service in _CONTROL:
            return False
        content_type = request.header(b"content-type")
        if content_type is not None and content_type.lower().startswith(_RPC_TYPES):
            return True
        if self._builtins.has(service) or self._calls.is_classic(service):
            return True
        if self._calls.is_known(service):
            return False
        proto = content_type is not None and content_type.lower().startswith(PROTO.encode())
        return proto or request.header(b"connect-protocol-version") is not None

    async def overloaded(self, request: Request, response: Response) -> None:
        """Answer that no permit was left."""
        await self._fail(RpcError(Code.RESOURCE_EXHAUSTED, "Resource exhausted"), [], request, response)

    async def serve(self, path: str, request: Request, response: Response) -> None:
        """Answer one request. Raises BodyTooLarge."""
        codec = codec_of(request.method, request.header(b"content-type"))
        if codec is None:
            strict = profile_of(request.header(b"connect-protocol-version")) is STRICT
            wrong_verb = strict and request.method not in ("GET", "POST")
            await response.send(405 if wrong_verb else 415, cors(request))
            return
        headers: Headers = []
        try:
            output = await self._call(path, codec, request, headers)
        except RpcError as error:
            await self._fail(error, headers, request, response)
        except Overloaded:
            await self.overloaded(request, response)
        except ShuttingDown:
            await self._fail(RpcError(Code.UNAVAILABLE, "Unavailable"), headers, request, response)
        else:
            headers.append((b"content-type", codec.encode()))
            await response.send(200, headers + cors(request), output)

    async def _call(self, path: str, codec: str, request: Request, headers: Headers) -> bytes:
        """The encoded answer; adds what the answer's head must say to `headers`, also when it raises RpcError."""
        segments = path.split("/")
        if len(segments) != 3:
            raise RpcError(Code.INVALID_ARGUMENT, f"Request path {path} invalid")
        _, service, method = segments
        if self._builtins.has(service):
            return await self._builtin(service, method, codec, request)
        self._calls.check_public(service)
        messages = self._calls.messages(service, method)
        body = await self._input(codec, request, messages)
        idempotency_key, retention_ms = idempotency_of(request)
        callee = self._calls.callee(
            service, method, body, idempotency_key=idempotency_key, retention_ms=retention_ms
        )
        reply = await self._partition.call(callee, body, ())
        headers.append((b"x-restate-id", format_invocation_id(reply.id).encode()))
        if idempotency_key is not None:
            # The first answer tells it too; the stored result is then only milliseconds old.
            kept_until_ms = reply.expiry_ms or self._clock.now_ms() + callee.completion_retention_ms
            headers.append((b"idempotency-expires", _rfc3339(kept_until_ms).encode()))
        return _output(reply, codec, messages)

    async def _builtin(self, service: str, method: str, codec: str, request: Request) -> bytes:
        found = self._builtins.method(service, method)
        if found is None:
            raise RpcError(Code.NOT_FOUND, f"Service method '{service}/{method}' not found.")
        raw = await self._body(request)
        if request.method == "GET":
            raw = b""
        elif codec == JSON:
            raw = transcode.from_json(raw, found.input_class)
        else:
            transcode.check_encoded(raw, found.input_class)
        answer = await found.run(found.input_class.FromString(raw))
        encoded = answer.SerializeToString()
        return transcode.to_json(encoded, found.output_class) if codec == JSON else encoded

    async def _input(self, codec: str, request: Request, messages: ClassicMessages) -> bytes:
        raw = await self._body(request)
        if request.method == "GET":
            return b""
        if codec == JSON:
            return transcode.from_json(raw, messages.input_class)
        return transcode.check_encoded(raw, messages.input_class)

    async def _body(self, request: Request) -> bytes:
        encoding = request.header(b"content-encoding")
        if encoding is not None and b"identity" not in encoding:
            raise RpcError(Code.UNIMPLEMENTED, "Operation is not implemented or not supported")
        return await request.body(self._size_limit)

    async def _fail(self, error: RpcError, headers: Headers, request: Request, response: Response) -> None:
        status, body = error_body(error, profile_of(request.header(b"connect-protocol-version")))
        await response.send(status, [*headers, (b"content-type", JSON.encode()), *cors(request)], body)


def _output(reply: IngressReply, codec: str, messages: ClassicMessages) -> bytes:
    outcome = reply.outcome
    assert outcome is not None
    if isinstance(outcome, Failure):
        generation = Generation.CLASSIC if reply.target is None else reply.target.generation
        code = convert(outcome.code, generation, Generation.CLASSIC)
        raise RpcError(outcome_code(code), outcome.message)
    return transcode.to_json(outcome.value, messages.output_class) if codec == JSON else outcome.value


def _rfc3339(epoch_ms: int) -> str:
    return f"{datetime.fromtimestamp(epoch_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}Z"

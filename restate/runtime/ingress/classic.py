"""Classic services over Connect unary, JSON and protobuf (ingress.md §1.1 to §1.6)."""

import trio

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.answers import json_options
from restate.runtime.ingress.builtin import Builtins
from restate.runtime.ingress.calls import ClassicCalls, idempotency_of
from restate.runtime.ingress.headers import classic_expiry_text, cors
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.codes import convert
from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.net.http import BodyTooLarge, Headers, Request, Response
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.rpc import compression, transcode
from restate.runtime.rpc.connect import (
    JSON,
    Unserved,
    codec_of,
    error_body,
    is_proto_type,
    is_rpc_type,
    profile_of,
    timeout_of,
)
from restate.runtime.rpc.status import STRICT, Code, Profile, RpcError, outcome_code
from restate.runtime.schema.messages import ClassicMessages
from restate.runtime.schema.options import Defaults

_CONTROL = ("restate", "openapi")
_TIMEOUT = b"connect-timeout-ms"


class ClassicIngress:
    """Serves what `speaks` claims; every request is answered in the Connect protocol."""

    def __init__(
        self, partition: Partition, config: IngressConfig, clock: Clock, ids: IdSource, defaults: Defaults
    ) -> None:
        self._partition = partition
        self._size_limit = config.request_size_limit
        self._clock = clock
        self._calls = ClassicCalls(partition, ids, defaults)
        self._json = json_options(config)
        self._builtins = Builtins(partition, self._calls, self._json)

    def speaks(self, path: str, query: str, request: Request) -> bool:
        """Whether a request belongs here rather than to the modern ingress (the rule of ingress.md §4.2)."""
        service = path[1:].partition("/")[0]
        if service in _CONTROL:
            return False
        content_type = request.header(b"content-type")
        if is_rpc_type(content_type):
            return True
        generation = self._calls.generation(service)
        if generation is not None:
            return generation is Generation.CLASSIC
        if self._builtins.has(service):
            return True
        return is_proto_type(content_type) or _profile(query, request) is STRICT

    async def refuse(self, error: RpcError, query: str, request: Request, response: Response) -> None:
        """Answer with an error that was found before the request was looked at."""
        await self._fail(error, [], _profile(query, request), request, response)

    async def serve(self, path: str, query: str, request: Request, response: Response) -> None:
        """Answer one request."""
        profile = _profile(query, request)
        codec = codec_of(request.method, request.header(b"content-type"), query, profile)
        if isinstance(codec, Unserved):
            await response.send(codec.status, [*codec.headers, *cors(request)])
            return
        headers: Headers = []
        try:
            output = await self._call(path, codec, request, headers)
        except RpcError as error:
            await self._fail(error, headers, profile, request, response)
        except BodyTooLarge as error:
            await self._fail(compression.too_large(error.limit), headers, profile, request, response)
        except Overloaded:
            await self._fail(overloaded(), headers, profile, request, response)
        except ShuttingDown:
            await self._fail(RpcError(Code.UNAVAILABLE, "Unavailable"), headers, profile, request, response)
        else:
            headers.append((b"content-type", codec.encode()))
            await response.send(200, headers + cors(request), output)

    async def _call(self, path: str, codec: str, request: Request, headers: Headers) -> bytes:
        """The encoded answer; adds what the answer's head must say to `headers`, also when it raises RpcError."""
        segments = path.split("/")
        if len(segments) != 3:
            raise RpcError(Code.INVALID_ARGUMENT, f"Request path {path} invalid")
        _, service, method = segments
        timeout_s = timeout_of(request.header(_TIMEOUT))
        if self._builtins.has(service):
            return await self._builtin(service, method, codec, request)
        messages = self._calls.messages(service, method)
        body = await self._input(codec, request, messages)
        idempotency = idempotency_of(request)
        callee = self._calls.callee(service, method, body, idempotency=idempotency)
        reply = await self._outcome(callee, body, timeout_s)
        headers.append((b"x-restate-id", format_invocation_id(reply.id).encode()))
        if idempotency.key is not None:
            # The first answer tells it too; the stored result is then only milliseconds old.
            kept_until_ms = reply.expiry_ms or self._clock.now_ms() + callee.completion_retention_ms
            headers.append((b"idempotency-expires", classic_expiry_text(kept_until_ms).encode()))
        value = _value(reply)
        return transcode.to_json(value, messages.output_class, self._json) if codec == JSON else value

    async def _outcome(self, callee: Callee, body: bytes, timeout_s: float | None) -> IngressReply:
        """A client's deadline ends the wait; the invocation goes on. Raises RpcError DEADLINE_EXCEEDED."""
        if timeout_s is None:
            return await self._partition.call(callee, body, ())
        with trio.move_on_after(timeout_s):
            return await self._partition.call(callee, body, ())
        raise RpcError(Code.DEADLINE_EXCEEDED, f"no outcome within {timeout_s:g} s; the invocation goes on")

    async def _builtin(self, service: str, method: str, codec: str, request: Request) -> bytes:
        found = self._builtins.method(service, method)
        raw = await self._body(request)
        if request.method == "GET":
            raw = b""
        elif codec == JSON:
            raw = transcode.from_json(raw, found.input_class, self._json)
        else:
            transcode.check_encoded(raw, found.input_class)
        answer = await found.run(found.input_class.FromString(raw), idempotency_of(request))
        encoded = answer.SerializeToString()
        return transcode.to_json(encoded, found.output_class, self._json) if codec == JSON else encoded

    async def _input(self, codec: str, request: Request, messages: ClassicMessages) -> bytes:
        raw = await self._body(request)
        if request.method == "GET":
            return b""
        if codec == JSON:
            return transcode.from_json(raw, messages.input_class, self._json)
        return transcode.check_encoded(raw, messages.input_class)

    async def _body(self, request: Request) -> bytes:
        raw = await request.body(self._size_limit)
        return compression.decompress(raw, request.header(b"content-encoding"), self._size_limit)

    async def _fail(
        self, error: RpcError, headers: Headers, profile: Profile, request: Request, response: Response
    ) -> None:
        status, body = error_body(error, profile)
        if error.code is Code.UNIMPLEMENTED:
            headers = [*headers, (b"accept-encoding", compression.ACCEPTED)]
        await response.send(status, [*headers, (b"content-type", JSON.encode()), *cors(request)], body)


def speaks_rpc(query: str, request: Request) -> bool:
    """Whether the client is one of an RPC protocol, which must not be told of errors in another form."""
    content_type = request.header(b"content-type")
    return is_rpc_type(content_type) or is_proto_type(content_type) or _profile(query, request) is STRICT


def overloaded() -> RpcError:
    return RpcError(Code.RESOURCE_EXHAUSTED, "Resource exhausted")


def _profile(query: str, request: Request) -> Profile:
    return profile_of(request.header(b"connect-protocol-version"), query if request.method == "GET" else "")


def _value(reply: IngressReply) -> bytes:
    """The encoded message. Raises RpcError when the invocation has failed."""
    outcome = reply.outcome
    assert outcome is not None
    if isinstance(outcome, Failure):
        generation = Generation.CLASSIC if reply.target is None else reply.target.generation
        code = convert(outcome.code, generation, Generation.CLASSIC)
        raise RpcError(outcome_code(code), outcome.message)
    return outcome.value

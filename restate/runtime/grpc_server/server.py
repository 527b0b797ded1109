"""Answers RPC requests: which protocol, which method, the deadline, and the end of every call."""

import logging
from collections.abc import Awaitable, Callable
from typing import Literal

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from restate.runtime.grpc_server.answers import Answer, ConnectAnswer, framed_answer
from restate.runtime.grpc_server.call import Call, Deadline, Source
from restate.runtime.grpc_server.method import Method
from restate.runtime.grpc_server.sources import BodySource, FramedSource, ValueSource
from restate.runtime.net.http import (
    BodyTooLarge,
    ConnectionClosed,
    Headers,
    Request,
    Response,
    only_closed,
)
from restate.runtime.rpc import compression, connect, grpc, transcode
from restate.runtime.rpc.connect import Place
from restate.runtime.rpc.json_options import CLASSIC_JSON, JsonOptions
from restate.runtime.rpc.protocols import (
    CONNECT_JSON,
    CONNECT_PROTO,
    Codec,
    Protocol,
    Wire,
    answer_wire,
    framed_wire,
)
from restate.runtime.rpc.status import STRICT, Code, Detail, Profile, RpcError

log = logging.getLogger("restate.rpc")

_INTERNAL = RpcError(Code.INTERNAL, "Internal Server Error")

Find = Callable[[str, str], Method]
"""(service, method) → Method. Raises RpcError."""


def _no_headers(request: Request) -> Headers:
    return []


class RpcServer:
    """The RPC protocols over HTTP. Errors that `find` and handlers raise are answered; others are logged as INTERNAL.

    size_limit: of a message in bytes, compressed and not. unknown_route: what becomes of NOT_FOUND from `find`: an
    error of the protocol (classic), or a bare HTTP 404, which every client reads as UNIMPLEMENTED. browser_headers:
    for answers that a page may read, all but those of gRPC on h2.
    """

    def __init__(
        self,
        find: Find,
        *,
        size_limit: int,
        json_options: JsonOptions = CLASSIC_JSON,
        unknown_route: Literal["classic", "bare_404"] = "classic",
        browser_headers: Callable[[Request], Headers] = _no_headers,
    ) -> None:
        self._find = find
        self._size_limit = size_limit
        self._json = json_options
        self._bare_404 = unknown_route == "bare_404"
        self._browser_headers = browser_headers

    async def serve(
        self,
        path: str,
        query: str,
        request: Request,
        response: Response,
        *,
        release: Callable[[], None] | None = None,
    ) -> None:
        """Answer a request with a content type of gRPC, gRPC-Web or Connect's streams.

        release: called once when the call turns out to be a stream, which holds no permit of the caller.
        """
        heads = dict(request.headers)
        wire = framed_wire(heads.get(b"content-type", b""))
        status = _refusal(wire, request)
        if status is not None or wire is None:
            await response.send(status or 415, self._browser_headers(request))
            return
        coding = heads.get(b"grpc-encoding")
        try:
            method = self._method(path)
            timeout_s = grpc.timeout_of(heads.get(b"grpc-timeout"))
            compression.check_coding(coding)
        except RpcError as error:
            await self.refuse(error, query, request, response)
            return
        if method.streams and release is not None:
            release()
        compress = compression.answers_in_gzip(coding, heads.get(b"grpc-accept-encoding"))
        answer = self._framed_answer(wire, request, response, compress=compress)
        many = method.cardinality.client_streaming
        source = FramedSource(
            request, encoding=coding, limit=self._size_limit, text=wire.text, single=not many
        )
        # gRPC-Web is half duplex: over HTTP/1.1 an answer ends what the client may still send.
        prepare = source.read_all if many and wire.protocol is Protocol.GRPC_WEB else None
        await self._run(self._call(method, request, wire, STRICT, source, answer, timeout_s), answer, prepare)

    async def serve_connect(self, path: str, query: str, request: Request, response: Response) -> None:
        """Answer a request of the Connect protocol, unary: a POST of JSON or protobuf, or a GET."""
        profile = _profile(query, request)
        headers = self._browser_headers(request)
        asked = connect.asked(request.method, request.header(b"content-type"), query, profile)
        if isinstance(asked, connect.Unserved):
            await response.send(asked.status, [*self._explained(asked, path), *headers])
            return
        wire = CONNECT_JSON if asked.codec is Codec.JSON else CONNECT_PROTO
        try:
            method = self._method(path)
            source, coding = self._connect_source(asked, method, profile, query, request)
            compress = compression.answers_in_gzip(coding, request.header(b"accept-encoding"))
            answer = ConnectAnswer(response, wire, profile, compress=compress, headers=headers)
            timeout_s = connect.timeout_of(request.header(b"connect-timeout-ms"))
        except RpcError as error:
            await self.refuse(error, query, request, response)
            return
        if method.streams:
            await response.send(415, headers)
        elif asked.place is Place.QUERY and not method.no_side_effects:
            await response.send(connect.NOT_BY_GET.status, [*connect.NOT_BY_GET.headers, *headers])
        else:
            await self._run(self._call(method, request, wire, profile, source, answer, timeout_s), answer)

    async def refuse(self, error: RpcError, query: str, request: Request, response: Response) -> None:
        """Answer with an error that was found before the request was looked at, in the form of its protocol."""
        if self._bare_404 and error.code is Code.NOT_FOUND:
            await response.send(404, [])
            return
        headers = self._browser_headers(request)
        content_type = request.header(b"content-type")
        wire = None if content_type is None else framed_wire(content_type)
        answer: Answer
        if wire is not None:
            status = _refusal(wire, request)
            if status is not None:
                await response.send(status, headers)
                return
            answer = self._framed_answer(wire, request, response, compress=False)
        else:
            profile = _profile(query, request)
            answer = ConnectAnswer(response, CONNECT_JSON, profile, compress=False, headers=headers)
        await answer.fail(error, [], [])

    def _connect_source(
        self, asked: connect.Asked, method: Method, profile: Profile, query: str, request: Request
    ) -> tuple[Source, bytes | None]:
        """The message, and the coding in which it came. Raises RpcError."""
        if asked.place is Place.BODY:
            coding = request.header(b"content-encoding")
            if profile is STRICT:
                compression.check_coding(coding)
            return BodySource(request, encoding=coding, limit=self._size_limit), coding
        if asked.place is Place.NOWHERE:
            return ValueSource(transcode.to_json(b"", method.request_type), limit=self._size_limit), None
        message, coding = connect.message_in(query)
        return ValueSource(message, encoding=coding, limit=self._size_limit), coding

    def _explained(self, asked: connect.Unserved, path: str) -> Headers:
        """The headers of this answer; most methods are not served by GET, and say so."""
        if asked is connect.WRONG_VERB:
            try:
                method = self._method(path)
            except RpcError:
                return list(asked.headers)
            if not method.no_side_effects:
                return list(connect.NOT_BY_GET.headers)
        return list(asked.headers)

    def _framed_answer(self, wire: Wire, request: Request, response: Response, *, compress: bool) -> Answer:
        if wire.protocol is Protocol.GRPC:
            return framed_answer(response, wire, compress=compress, headers=[])
        headers = self._browser_headers(request)
        return framed_answer(
            response, answer_wire(wire, request.header(b"accept")), compress=compress, headers=headers
        )

    def _method(self, path: str) -> Method:
        """Raises RpcError."""
        segments = path.split("/")
        if len(segments) != 3 or segments[0]:
            raise RpcError(Code.INVALID_ARGUMENT, f"Request path {path} invalid")
        return self._find(segments[1], segments[2])

    def _call(
        self,
        method: Method,
        request: Request,
        wire: Wire,
        profile: Profile,
        source: Source,
        answer: Answer,
        timeout_s: float | None,
    ) -> Call:
        deadline = None if timeout_s is None else Deadline.after(timeout_s)
        return Call(method, request, wire, profile, source, answer, deadline, self._json)

    async def _run(
        self, call: Call, answer: Answer, prepare: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Let the handler work, and end the call. prepare: what comes before, within the deadline."""
        try:
            if call.deadline is None:
                await _handle(call, prepare)
            else:
                await _within(call.deadline, call, answer, prepare)
        except RpcError as error:
            failure: RpcError | None = error
        except GRPCError as error:
            failure = _from_grpclib(error)
        except BodyTooLarge as error:
            failure = compression.too_large(error.limit)
        except ConnectionClosed:
            raise
        except Exception as error:
            if only_closed(error):
                raise
            log.exception("the handler of %s/%s failed", call.method.service, call.method.name)
            failure = _INTERNAL
        else:
            failure = call.failure
        await self._end(call, answer, failure)

    async def _end(self, call: Call, answer: Answer, failure: RpcError | None) -> None:
        initial, trailing = call.initial_metadata, call.trailing_metadata
        if failure is not None:
            await answer.fail(failure, initial, trailing)
        elif call.method.cardinality.server_streaming:
            if not answer.started:
                await answer.start(initial)
            await answer.finish(trailing)
        elif call.reply is not None:
            await answer.reply(call.reply, initial, trailing)
        else:
            log.error("the handler of %s/%s sent no reply", call.method.service, call.method.name)
            await answer.fail(_INTERNAL, initial, trailing)


async def _handle(call: Call, prepare: Callable[[], Awaitable[None]] | None) -> None:
    if prepare is not None:
        await prepare()
    await call.method.handle(call)


async def _within(
    deadline: Deadline, call: Call, answer: Answer, prepare: Callable[[], Awaitable[None]] | None
) -> None:
    """Raises RpcError DEADLINE_EXCEEDED; a handler that has no time left is not even begun."""
    if deadline.timeout_s > 0:
        with trio.move_on_at(deadline.at):
            await _handle(call, prepare)
            return
        if answer.writing:
            raise ConnectionClosed("the deadline passed in the middle of a message")
    raise RpcError(Code.DEADLINE_EXCEEDED, f"no answer within {deadline.timeout_s:g} s")


def _refusal(wire: Wire | None, request: Request) -> int | None:
    """The status, without a body, for what is no call of gRPC or gRPC-Web."""
    if request.method != "POST":
        return 405
    if wire is None:
        return 415
    if wire.protocol is Protocol.GRPC and request.http_version != "2":
        return 400  # there are no trailers
    return None


def _profile(query: str, request: Request) -> Profile:
    return connect.profile_of(
        request.header(b"connect-protocol-version"), query if request.method == "GET" else ""
    )


def _from_grpclib(error: GRPCError) -> RpcError:
    if error.status is Status.OK:
        return _INTERNAL
    details = tuple(Detail.of(detail) for detail in error.details or ())
    return RpcError(Code(error.status.value), error.message or "", details)

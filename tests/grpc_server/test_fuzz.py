"""Whatever a client sends, it is answered once and in form, and handlers see whole messages only.

RPC_FUZZ_EXAMPLES says how many requests are tried.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
from typing import Any

import attrs
import trio
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Cardinality, Method
from restate.runtime.grpc_server.server import RpcServer
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.rpc.connect import is_rpc_type
from restate.runtime.rpc.frames import frame
from restate.runtime.rpc.grpc_web import TextReader
from restate.runtime.rpc.protocols import Protocol, framed_wire
from restate.runtime.rpc.status import Code, RpcError
from tests.grpc_server.echo_service import Text, said
from tests.rpc.test_frames import cut

EXAMPLES = int(os.environ.get("RPC_FUZZ_EXAMPLES", "100"))
LIMIT = 2000


class Recorded(Response):
    """The answer, as a handler gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.status = 0
        self.headers: Headers = []
        self.body = b""
        self.trailers: Headers | None = None

    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        await self.start(status, headers)
        self.body = body
        self.finished = True

    async def start(self, status: int, headers: Headers) -> None:
        assert not self.started
        self.started = True
        self.status, self.headers = status, headers

    async def write(self, data: bytes) -> None:
        assert self.started
        assert not self.finished
        self.body += data

    async def finish(self, trailers: Headers | None = None) -> None:
        assert self.started
        assert not self.finished
        self.finished = True
        self.trailers = trailers


@attrs.define
class Peer:
    """The handlers. They take what comes to them and keep it."""

    messages: list[Any] = attrs.field(factory=list)

    async def unary(self, call: Call) -> None:
        raw = await call.recv_bytes()
        self.messages.append(raw)
        await call.send_bytes(raw)

    async def chat(self, call: Call) -> None:
        assert call.metadata is not None
        async for message in call:
            self.messages.append(message.SerializeToString())
            await call.send_message(message)

    def find(self, service: str, name: str) -> Method:
        if name == "Unary":
            return Method(
                service, name, Cardinality.UNARY_UNARY, Text, Text, self.unary, no_side_effects=True
            )
        if name == "Chat":
            return Method(service, name, Cardinality.STREAM_STREAM, Text, Text, self.chat)
        raise RpcError(Code.NOT_FOUND, "nothing here")


messages = st.one_of(
    st.text(max_size=20, alphabet=st.characters(exclude_categories=["Cs"])).map(said),
    st.binary(max_size=20),
    st.just(b"x" * (LIMIT + 1)),
)
frames = st.builds(frame, messages, st.sampled_from([0, 0, 0, 1, 2, 0x80]))
packed = messages.map(gzip.compress)
bodies = st.one_of(
    st.binary(max_size=40),
    st.lists(frames, max_size=3).map(b"".join),
    st.builds(frame, packed, st.just(1)),
    packed,
    messages,
    st.text(max_size=10).map(lambda text: json.dumps(text).encode()),
    st.lists(frames, max_size=2).map(b"".join).map(base64.b64encode),
)
junk = st.binary(max_size=12).filter(lambda value: not set(value) & set(b"\r\n\0"))
headers = st.fixed_dictionaries(
    {},
    optional={
        b"content-type": st.one_of(
            st.sampled_from(
                [
                    *(b"application/grpc" + tail for tail in (b"", b"+proto", b"+json", b"+x")),
                    *(b"application/grpc-web" + tail for tail in (b"", b"+json", b"-text", b"-text+proto")),
                    *(b"application/json", b"application/proto", b"application/json; charset=utf-8"),
                    b"application/connect+json",
                ]
            ),
            junk,
        ),
        b"grpc-encoding": st.one_of(st.sampled_from([b"gzip", b"identity"]), junk),
        b"content-encoding": st.one_of(st.sampled_from([b"gzip", b"identity"]), junk),
        b"grpc-accept-encoding": junk,
        b"accept-encoding": st.one_of(st.just(b"gzip"), junk),
        b"accept": st.one_of(st.just(b"application/grpc-web-text"), junk),
        b"grpc-timeout": st.one_of(st.sampled_from([b"5S", b"0S", b"99999999H"]), junk),
        b"connect-timeout-ms": st.one_of(st.sampled_from([b"5000", b"0", b"9999999999"]), junk),
        b"connect-protocol-version": st.one_of(st.just(b"1"), junk),
        b"x-own-bin": junk,
    },
)
queries = st.one_of(
    st.just(""),
    st.text(max_size=20, alphabet="&=%+abcdef0123456789"),
    st.builds(
        "connect=v1&encoding={}&base64={}&compression={}&message={}".format,
        st.sampled_from(["json", "proto", "x"]),
        st.sampled_from(["0", "1", ""]),
        st.sampled_from(["", "gzip", "identity", "br"]),
        bodies.map(base64.urlsafe_b64encode).map(bytes.decode),
    ),
)


@settings(max_examples=EXAMPLES)
@given(
    verb=st.sampled_from(["POST", "POST", "POST", "GET", "PUT", "HEAD"]),
    path=st.one_of(
        st.sampled_from(["/s/Unary", "/s/Chat", "/s/Nope"]), st.text(max_size=8, alphabet="/sUnary")
    ),
    query=queries,
    head=headers,
    body=bodies,
    places=st.lists(st.integers(0, 100), max_size=3),
    version=st.sampled_from(["2", "2", "1.1"]),
)
def test_every_request_is_answered_in_form(
    verb: str, path: str, query: str, head: dict[bytes, bytes], body: bytes, places: list[int], version: str
) -> None:
    peer, answer = Peer(), Recorded()
    pieces = [piece for piece in cut(body, places) if piece]
    request = Request(
        verb, path.encode(), list(head.items()), version, ("a", 1), pending=pieces, arrived=True
    )

    async def serve() -> None:
        server = RpcServer(peer.find, size_limit=LIMIT)
        if is_rpc_type(head.get(b"content-type")):
            await server.serve(path, query, request, answer)
        else:
            await server.serve_connect(path, query, request, answer)

    trio.run(serve)
    assert answer.finished
    check_form(answer, head)
    for message in peer.messages:
        assert len(message) <= LIMIT
    if path == "/s/Chat":
        for message in peer.messages:
            check_whole(message)


def check_form(answer: Recorded, head: dict[bytes, bytes]) -> None:
    """What any client of the protocol relies on."""
    sent = dict(answer.headers)
    wire = framed_wire(head.get(b"content-type", b""))
    if not answer.body and answer.trailers is None:
        return  # a bare status, or the empty message
    if wire is not None and wire.protocol is Protocol.GRPC:
        assert answer.status == 200
        assert [name for name, _ in answer.trailers or []].count(b"grpc-status") == 1
        assert answer.body == b"" or dict(answer.trailers or [])[b"grpc-status"] in (
            b"0",
            b"3",
            b"8",
            b"12",
            b"13",
        )
    elif wire is not None:
        assert answer.trailers is None
        plain = answer.body
        if b"text" in sent[b"content-type"]:
            reader = TextReader()
            plain = reader.feed(answer.body)
            reader.end()
        assert plain.count(b"grpc-status:") == 1
    elif answer.status != 200:
        error = json.loads(answer.body)
        assert error.keys() <= {"code", "message", "details"}
        assert sent[b"content-type"] == b"application/json"


def check_whole(message: bytes) -> None:
    try:
        Text.FromString(message)
    except DecodeError as error:
        raise AssertionError("a handler got a message that cannot be read") from error

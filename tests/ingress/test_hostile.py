"""Whatever a client sends, it is answered, and never with a fault of the server."""

from __future__ import annotations

import base64
import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from google.protobuf.struct_pb2 import ListValue, Value
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pb.synth_pb2 import RpcRequest
from tests.ingress.registries import both
from tests.support.fake_partition import Port

SCHEMA = both()
WORDS = (
    "", "restate", "call", "send", "scope", "attach", "output", "lookup", "invocation", "workflow", "awakeables", "a",
    "resolve", "reject", "health", "openapi", "Greeter", "greet", "raw", "none", "Counter", "add", "Flow", "run",
    "my.greeter", "my.counter", "dev.restate.Ingress", "Invoke", "dev.restate.Awakeables", "Resolve",
    "grpc.health.v1.Health", "Check", "%ff", "%2F", "k", "sign_1", "prom_1AAAA", "inv_1" + "0" * 33, "é",
)  # fmt: skip
PATHS = [
    path.split("/")
    for path in (
        "Greeter/raw", "Greeter/greet/send", "Counter/k/add", "Flow/k/run", "my.greeter/call", "my.counter/call",
        "dev.restate.Ingress/Invoke", "dev.restate.Awakeables/Resolve", "dev.restate.Awakeables/Reject",
        "grpc.health.v1.Health/Check", "Counter/add",
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "restate/lookup", "restate/attach", "restate/a/prom_1AAAA/resolve",
        "restate/invocation/Counter/k/add/i/attach", "restate/workflow/Flow/k/output",
    )
]  # fmt: skip
QUERIES = (
    "",
    "?",
    "?delay=1s",
    "?delay=",
    "?delay=%ff",
    "?limit-key=a",
    "?message=x",
    "?connect=v1",
    "?encoding=proto&message=%ff%00",
    "?encoding=json&message=%7B%7D&connect=v1&compression=gzip",
    "?encoding=proto&base64=1&message=-_=!",
    "?" + "&" * 2000,
)
TYPES = (
    None,
    "",
    "application/json",
    "application/proto",
    "application/grpc",
    "application/grpc+json",
    "application/grpc-web",
    "application/grpc-web-text+proto",
    "application/grpc-web+nope",
    "application/connect+json",
    "text/plain; charset=x",
    "\xff",
)
MESSAGES = (
    b"",
    b"\x0a\x01k",
    b"\x0a\x02\xff\xff",
    RpcRequest(key="k", request={"number_value": math.nan}).SerializeToString(),
    RpcRequest(request={"list_value": ListValue(values=[Value()])}).SerializeToString(),
    b"{}",
    b"\x12\x02" * 200,
)
FRAMED = [
    flag + len(message).to_bytes(4, "big") + message
    for message in MESSAGES
    for flag in (b"\0", b"\1", b"\x80")
]
BODIES = st.one_of(
    st.none(),
    st.sampled_from([*FRAMED, *(base64.b64encode(framed) for framed in FRAMED), b"\0\xff\xff\xff\xff"]),
    st.binary(max_size=30),
    st.lists(st.binary(min_size=1, max_size=10), max_size=3),
    st.sampled_from(
        (
            b'{"target":"workflow","workflowName":"\\ud800","workflowKey":"k"}',
            b'{"service":"my.greeter","method":"call","argument":{"key":null}}',
            b'{"service":"my.counter","method":"call","pb":"CgFr"}',
            b'{"id":"prom_1","json_result":{}}',
            b"[" * 3000,
            b'{"request":' + b"[" * 3000,
            b'{"request":1e400}',
        )
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ("idempotency_key", "idempotency_retention_period", "connect_protocol_version", "connect_timeout_ms", "origin",
         "content_encoding", "grpc_encoding", "grpc_timeout", "accept", "te", "traceparent", "x_restate_limit_key", "x_other")
    ),
    st.sampled_from(("", "1", "1S", "gzip", "identity", "application/grpc-web-text", "\xe9", "9" * 25, "a b")),
    max_size=3,
)  # fmt: skip


@given(
    st.sampled_from(("GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "BREW")),
    st.one_of(st.lists(st.sampled_from(WORDS), max_size=8), st.sampled_from(PATHS)),
    st.sampled_from(QUERIES),
    st.sampled_from(TYPES),
    BODIES,
    HEADERS,
    st.sampled_from(("1.1", "2")),
)
def test_every_request_is_answered(
    method: str,
    segments: list[str],
    query: str,
    content_type: str | None,
    body: bytes | list[bytes] | None,
    headers: dict[str, str],
    http_version: str,
) -> None:
    if content_type is not None:
        headers = headers | {"content_type": content_type}
    target = "/" + "/".join(segments) + query

    async def ask() -> int:
        answer = await Port(SCHEMA).ask(method, target, body, http_version=http_version, **headers)
        return answer.status

    # The fake's answer is no message of a classic method, which is the one fault there is: of the service.
    with no_faults():
        assert trio.run(ask) != 500 or "my." in target


@contextmanager
def no_faults() -> Iterator[None]:
    """A fault of a handler is told to the client as INTERNAL, as the service's are; the log knows the difference."""
    faults: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: faults.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("restate.rpc")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert faults == []

"""Calls over gRPC, gRPC-Web and Connect: one behaviour in every protocol."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trio
import trio.testing
from google.protobuf import empty_pb2, json_format

from restate.runtime.model.codes import MODERN_JOURNAL_MISMATCH
from restate.runtime.model.ids import format_awakeable_id, format_invocation_id
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.model.trace import parse_traceparent
from restate.runtime.partition.handle import Overloaded, ShuttingDown
from restate.runtime.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from restate.runtime.pb.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from restate.runtime.pb.services_pb2 import (
    InvokeRequest,
    InvokeResponse,
    RejectAwakeableRequest,
    ResolveAwakeableRequest,
)
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from restate.runtime.rpc.status import Code
from restate.runtime.schema.addressing import classic_idempotent_id, idempotent_id
from restate.runtime.schema.deployment import Handler, InputRule
from restate.runtime.schema.rows import deployment_row
from tests.ingress.registries import both
from tests.ingress.rpc_calls import PROTOCOLS, Outcome, call, replies, stream
from tests.schema.builders import deployment, service
from tests.support.fake_partition import AN_ID, Answer, Port

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def port() -> Port:
    return Port(both())


def rpc(value: Any = ..., key: str = "") -> RpcRequest:
    """`...`: without a request."""
    fields = {"key": key} | ({} if value is ... else {"request": value})
    return json_format.ParseDict(fields, RpcRequest())


async def modern(port: Port, protocol: str, path: str, message: RpcRequest, **headers: str) -> Outcome:
    return await call(port, protocol, path, message, RpcResponse, **headers)


async def classic(port: Port, protocol: str, path: str, **fields: Any) -> Outcome:
    headers = {name: fields.pop(name) for name in list(fields) if "_" in name or name == "traceparent"}
    found = port.partition.schema.classic_method(path.split("/")[1], "call")
    assert found is not None
    if port.partition.outcome == Success(b'"done"'):
        port.partition.outcome = Success(b"")
    return await call(port, protocol, path, found.input_class(**fields), found.output_class, **headers)


# Classic services.


async def test_a_classic_method_is_called(port: Port, protocol: str) -> None:
    found = port.partition.schema.classic_method("my.counter", "call")
    assert found is not None
    port.partition.outcome = Success(found.output_class(response={"string_value": "hi"}).SerializeToString())
    outcome = await classic(port, protocol, "/my.counter/call", key="k", traceparent=TRACE)
    assert outcome.code is None
    assert outcome.message.response.string_value == "hi"
    ((_, callee, body, headers),) = port.partition.asked
    assert (callee.target.service, callee.target.key, body) == ("my.counter", "k", b"\x0a\x01k")
    assert headers == {}
    assert port.partition.traces == [parse_traceparent(TRACE)]
    assert outcome.metadata["x-restate-id"] == format_invocation_id(callee.invocation)


async def test_classic_failures_have_their_codes_and_the_id(port: Port, protocol: str) -> None:
    for number, code in ((9, Code.FAILED_PRECONDITION), (64, Code.ABORTED), (33, Code.UNKNOWN)):
        port.partition.outcome = Failure(number, "nö")
        outcome = await classic(port, protocol, "/my.greeter/call")
        assert (outcome.code, outcome.message) == (code, "nö")
        assert outcome.metadata["x-restate-id"].startswith("inv_")


async def test_classic_idempotency_is_that_of_the_service(port: Port, protocol: str) -> None:
    outcome = await classic(
        port, protocol, "/my.greeter/call", idempotency_key="i", idempotency_retention_period="3"
    )
    callee = port.partition.asked[0][1]
    assert callee.invocation == classic_idempotent_id("my.greeter", "i")
    assert callee.completion_retention_ms == 3000
    assert outcome.metadata["idempotency-expires"].endswith("Z")
    outcome = await classic(
        port, protocol, "/my.greeter/call", idempotency_key="i", idempotency_retention_period="x"
    )
    assert outcome.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/my.secret/call", Code.PERMISSION_DENIED, "Service my.secret is not accessible"),
        ("/Secret/tell", Code.PERMISSION_DENIED, "Service Secret is not accessible"),
        ("/Greeter/hidden", Code.PERMISSION_DENIED, "Service Greeter is not accessible"),
        ("/my.greeter/nope", Code.NOT_FOUND, "Service method 'my.greeter/nope' not found."),
        ("/Greeter/nope", Code.NOT_FOUND, "Service method 'Greeter/nope' not found."),
        ("/Nope/nope", Code.NOT_FOUND, "Service 'Nope' not found."),
        ("/dev.restate.Ingress/Nope", Code.NOT_FOUND, "Service method 'dev.restate.Ingress/Nope' not"),
        ("/dev.restate.internal.RemoteContext/Start", Code.NOT_FOUND, "Service 'dev.restate.internal"),
    ],
)
async def test_what_cannot_be_called(port: Port, protocol: str, path: str, code: Code, message: str) -> None:
    outcome = await call(port, protocol, path, RpcRequest(), RpcResponse)
    assert outcome.code is code
    assert outcome.message.startswith(message)
    assert port.partition.asked == []


# Modern services.


@pytest.mark.parametrize(
    ("value", "body"),
    [("Bob", b'"Bob"'), (3, b"3"), (2.5, b"2.5"), (None, b"null"), ([1, {"a": True}], b'[1,{"a":true}]'),
     (2.0**60, b"1.152921504606847e+18"), ("\u00e9", '"\u00e9"'.encode())],
)  # fmt: skip
async def test_a_request_reaches_the_handler_as_json(
    port: Port, protocol: str, value: Any, body: bytes
) -> None:
    outcome = await modern(port, protocol, "/Greeter/greet", rpc(value))
    assert outcome.code is None
    assert outcome.message == RpcResponse(response={"string_value": "done"})
    ((_, callee, sent, headers),) = port.partition.asked
    assert (sent, headers["content-type"]) == (body, "application/json")
    assert outcome.metadata["x-restate-id"] == format_invocation_id(callee.invocation)


async def test_long_messages_are_transcoded_beside_the_loop(port: Port, protocol: str) -> None:
    value = {"text": "x" * 20_000, "numbers": [1.5] * 5_000}
    text = json.dumps(value, separators=(",", ":")).encode()
    port.partition.outcome = Success(text)
    outcome = await modern(port, protocol, "/Greeter/greet", rpc(value))
    assert outcome.message == json_format.ParseDict({"response": value}, RpcResponse())
    assert json.loads(port.partition.asked[0][2]) == value


async def test_without_a_request_there_is_no_body(port: Port, protocol: str) -> None:
    for handler in ("greet", "none", "raw"):
        await modern(port, protocol, f"/Greeter/{handler}", rpc())
        *_, sent, headers = port.partition.asked[-1]
        assert (sent, "content-type" in headers) == (b"", False)


@pytest.mark.parametrize(
    ("answered", "expected"),
    [(b"", RpcResponse()), (b"null", RpcResponse(response={"null_value": 0})),
     (b"[1,2]", json_format.ParseDict({"response": [1, 2]}, RpcResponse()))],
)  # fmt: skip
async def test_the_answer_becomes_a_value(
    port: Port, protocol: str, answered: bytes, expected: RpcResponse
) -> None:
    port.partition.outcome = Success(answered)
    outcome = await modern(port, protocol, "/Greeter/greet", rpc("x"))
    assert (outcome.code, outcome.message) == (None, expected)


@pytest.mark.parametrize(
    ("handler", "answered"),
    [("greet", b"not json"), ("greet", b"NaN"), ("greet", b'"\\ud800"'), ("greet", b"[" * 200 + b"]" * 200),
     ("greet", b"\xff"), ("raw", b"1"), ("greet", b"1" * 400)],
)  # fmt: skip
async def test_an_answer_that_is_no_json_is_internal(
    port: Port, protocol: str, handler: str, answered: bytes
) -> None:
    port.partition.outcome = Success(answered)
    outcome = await modern(port, protocol, f"/Greeter/{handler}", rpc())
    assert outcome.code is Code.INTERNAL
    assert outcome.metadata["x-restate-id"].startswith("inv_")


async def test_keyed_services_need_a_key_and_others_must_not_have_one(port: Port, protocol: str) -> None:
    assert (await modern(port, protocol, "/Counter/add", rpc(1))).code is Code.INVALID_ARGUMENT
    assert (await modern(port, protocol, "/Greeter/greet", rpc(1, "k"))).code is Code.INVALID_ARGUMENT
    assert port.partition.asked == []
    for path in ("/Counter/add", "/Flow/run", "/Flow/peek"):
        assert (await modern(port, protocol, path, rpc(1, "k é"))).code is None
        assert port.partition.asked[-1][1].target.key == "k é"


async def test_an_input_that_the_handler_does_not_take(port: Port, protocol: str) -> None:
    schema = port.partition.schema.changed(2, (deployment_row(deployment("dp_t", text_service())),))
    port.partition.schema = schema
    assert (await modern(port, protocol, "/Text/say", rpc("x"))).code is Code.UNIMPLEMENTED
    assert (await modern(port, protocol, "/Greeter/none", rpc("x"))).code is Code.INVALID_ARGUMENT
    assert port.partition.asked == []


def text_service() -> Any:
    return service(
        "Text", ServiceType.SERVICE, Handler("say", HandlerType.PLAIN, input=InputRule("text/plain"))
    )


async def test_metadata_reaches_the_handler_without_the_protocols_own(port: Port, protocol: str) -> None:
    await modern(
        port,
        protocol,
        "/Greeter/greet",
        rpc("x"),
        te="trailers",
        grpc_accept_encoding="gzip",
        accept_encoding="gzip",
        traceparent=TRACE,
        x_own="1",
        host="example.org",
        idempotency_retention_period="3",
    )
    assert port.partition.asked[0][3] == {
        "content-type": "application/json",
        "traceparent": TRACE,
        "x-own": "1",
        "idempotency-retention-period": "3",
        "x-restate-ingress-path": "/Greeter/greet",
    }


async def test_metadata_that_is_not_ascii_is_refused(port: Port, protocol: str) -> None:
    outcome = await modern(port, protocol, "/Greeter/greet", rpc("x"), x_own="\xe9")
    assert (outcome.code, outcome.message[:16]) == (Code.INVALID_ARGUMENT, "bad header x-own")


async def test_modern_idempotency_is_that_of_the_handler(port: Port, protocol: str) -> None:
    await modern(port, protocol, "/Counter/add", rpc(1, "k"), idempotency_key="i")
    callee = port.partition.asked[0][1]
    assert callee.invocation == idempotent_id("Counter", "k", "add", "i")
    port.partition.expiry_ms = 1_700_000_000_064
    outcome = await modern(port, protocol, "/Counter/add", rpc(1, "k"), idempotency_key="i")
    assert outcome.metadata["idempotency-expires"] == "2023-11-14T22:13:20.064+00:00"
    refused = await modern(port, protocol, "/Flow/run", rpc(1, "k"), idempotency_key="i")
    assert refused.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("number", "code"),
    [(400, 3), (401, 16), (403, 7), (404, 5), (405, 9), (408, 4), (409, 10), (410, 9), (412, 9), (413, 8),
     (415, 3), (418, 9), (429, 8), (470, 9), (499, 1), (500, 13), (501, 12), (502, 2), (503, 14), (504, 4),
     (MODERN_JOURNAL_MISMATCH, 13), (573, 13), (600, 2), (99, 2), (5, 2)],
)  # fmt: skip
async def test_codes_of_modern_failures(port: Port, number: int, code: int) -> None:
    for protocol in PROTOCOLS:
        port.partition.outcome = Failure(number, "no\nwé")
        outcome = await modern(port, protocol, "/Greeter/greet", rpc("x"))
        assert (outcome.code, outcome.message) == (code, "no\nwé")
        assert outcome.metadata["x-restate-error-source"] == "invocation"
        assert outcome.metadata["x-restate-error-code"] == str(number)


async def test_names_as_descriptors_have_them_route(port: Port, protocol: str) -> None:
    rows = (deployment_row(deployment("dp_a", service("my-app.greeter-service"))),)
    port.partition.schema = port.partition.schema.changed(2, rows)
    for name in ("my-app.greeter-service", "my_app.greeter_service"):
        assert (await modern(port, protocol, f"/{name}/call", rpc("x"))).code is None
        assert port.partition.asked[-1][1].target.service == "my-app.greeter-service"


# What holds for both.


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [(Overloaded("full"), Code.RESOURCE_EXHAUSTED, "Resource exhausted"),
     (ShuttingDown("later"), Code.UNAVAILABLE, "Unavailable")],
)  # fmt: skip
async def test_refusals_of_the_partition(
    port: Port, protocol: str, error: Exception, code: Code, message: str
) -> None:
    port.partition.error = error
    resolve = ResolveAwakeableRequest(id=format_awakeable_id("prom", AN_ID, 1), bytes_result=b"x")
    for outcome in (
        await modern(port, protocol, "/Greeter/greet", rpc("x")),
        await classic(port, protocol, "/my.greeter/call"),
        await call(port, protocol, "/dev.restate.Awakeables/Resolve", resolve, empty_pb2.Empty),
    ):
        assert (outcome.code, outcome.message) == (code, message)
        assert "x-restate-id" not in outcome.metadata


async def test_a_deadline_ends_the_wait_and_the_client_knows_the_id(
    port: Port, protocol: str, autojump_clock: object
) -> None:
    port.partition.never = True
    header = {"connect_timeout_ms": "200"} if protocol.startswith("connect") else {"grpc_timeout": "200m"}
    outcomes = [
        await modern(port, protocol, "/Greeter/greet", rpc("x"), **header),
        await classic(port, protocol, "/my.greeter/call", **header),
    ]
    for outcome, asked in zip(outcomes, port.partition.asked, strict=True):
        assert outcome.code is Code.DEADLINE_EXCEEDED
        assert outcome.metadata["x-restate-id"] == format_invocation_id(asked[1].invocation)


@pytest.mark.parametrize("value", ["", "x", "1", "-1S", "123456789S", "1.5S", "1s"])
async def test_bad_deadlines_are_refused(port: Port, value: str) -> None:
    outcome = await modern(port, "grpc", "/Greeter/greet", rpc("x"), grpc_timeout=value)
    assert outcome.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("path", ["/Greeter/greet", "/my.counter/call", "/dev.restate.Ingress/Invoke"])
@pytest.mark.parametrize("body", [b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe", b"\x12\x02\x0a"])
async def test_malformed_protobuf_is_refused(port: Port, path: str, body: bytes) -> None:
    frame = b"\0" + len(body).to_bytes(4, "big") + body
    answer = await port.ask("POST", path, frame, http_version="2", content_type="application/grpc")
    assert dict(answer.trailers)[b"grpc-status"] == b"3"
    answer = await port.ask("POST", path, body, content_type="application/proto")
    if path == "/Greeter/greet":
        strict = {"content_type": "application/proto", "connect_protocol_version": "1"}
        answer = await port.ask("POST", path, body, **strict)
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")
    assert port.partition.asked == []


@pytest.mark.parametrize("body", ["", "[]", "{", '{"nope":1}', '{"key":1}', '{"request":NaN}', "\xff"])
async def test_malformed_json_is_refused(port: Port, body: str) -> None:
    answer = await port.ask(
        "POST",
        "/Greeter/greet",
        body.encode("latin-1"),
        content_type="application/json",
        connect_protocol_version="1",
    )
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")


async def test_malformed_base64_is_refused(port: Port) -> None:
    for body in (b"!!!!", b"AAA", b"AAAAAAA=AAAA"):
        answer = await port.ask("POST", "/Greeter/greet", body, content_type="application/grpc-web-text")
        assert b"grpc-status" in base64.b64decode(answer.body)
        assert port.partition.asked == []


# Built-in services.


async def test_invoke_sends_to_both_generations(port: Port, protocol: str) -> None:
    for name, method in (("my.counter", "call"), ("Counter", "add")):
        message = InvokeRequest(service=name, method=method)
        message.json.update({"key": "k", "request": 1})
        outcome = await call(
            port, protocol, "/dev.restate.Ingress/Invoke", message, InvokeResponse, idempotency_key="i"
        )
        kind, callee, body, _ = port.partition.asked[-1]
        assert outcome.message.id == format_invocation_id(callee.invocation)
        assert (kind, callee.target.key) == ("send", "k")
        assert body == (b"1" if name == "Counter" else b"\x0a\x01k\x12\x09\x11\0\0\0\0\0\0\xf0?")
    first, second = (asked[1].invocation for asked in port.partition.asked)
    assert first == classic_idempotent_id("my.counter", "i")
    assert second == idempotent_id("Counter", "k", "add", "i")


@pytest.mark.parametrize(
    ("name", "method", "argument", "code"),
    [
        ("Counter", "add", {"nope": 1}, Code.FAILED_PRECONDITION),
        ("Counter", "add", {"request": 1}, Code.INVALID_ARGUMENT),
        ("Greeter", "greet", {"key": "k"}, Code.INVALID_ARGUMENT),
        ("Greeter", "none", {"request": 1}, Code.INVALID_ARGUMENT),
        ("Flow", "run", {"key": "k"}, Code.INVALID_ARGUMENT),
        ("Secret", "tell", {}, Code.PERMISSION_DENIED),
        ("my.secret", "call", {}, Code.PERMISSION_DENIED),
        ("Nope", "x", {}, Code.NOT_FOUND),
        ("my.counter", "call", {"key": 5}, Code.FAILED_PRECONDITION),
    ],
)
async def test_what_invoke_refuses(
    port: Port, protocol: str, name: str, method: str, argument: dict[str, Any], code: Code
) -> None:
    message = InvokeRequest(service=name, method=method)
    message.json.update(argument)
    outcome = await call(
        port, protocol, "/dev.restate.Ingress/Invoke", message, InvokeResponse, idempotency_key="i"
    )
    assert outcome.code is code
    assert port.partition.asked == []


async def test_awakeables_are_completed(port: Port, protocol: str) -> None:
    awakeable = format_awakeable_id("sign", AN_ID, 17)
    resolve = ResolveAwakeableRequest(id=awakeable)
    resolve.json_result.string_value = "x"
    outcome = await call(port, protocol, "/dev.restate.Awakeables/Resolve", resolve, empty_pb2.Empty)
    assert outcome.code is None
    reject = RejectAwakeableRequest(id=awakeable, reason="no")
    assert (
        await call(port, protocol, "/dev.restate.Awakeables/Reject", reject, empty_pb2.Empty)
    ).code is None
    assert port.partition.asked == [
        ("signal", AN_ID, 17, Success(b'"x"')),
        ("signal", AN_ID, 17, Failure(500, "no")),
    ]
    for bad in ("", "x", "prom_1", "sign_1!", awakeable[:-1]):
        request = RejectAwakeableRequest(id=bad)
        outcome = await call(port, protocol, "/dev.restate.Awakeables/Reject", request, empty_pb2.Empty)
        assert outcome.code is Code.INVALID_ARGUMENT
    empty = ResolveAwakeableRequest(id=awakeable)
    outcome = await call(port, protocol, "/dev.restate.Awakeables/Resolve", empty, empty_pb2.Empty)
    assert (outcome.code, outcome.message) == (Code.INVALID_ARGUMENT, "result must be non-empty")


async def test_health_of_every_kind_of_service(port: Port, protocol: str) -> None:
    serving, not_serving = HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING
    for name, status in (
        ("", serving),
        ("Greeter", serving),
        ("my.greeter", serving),
        ("Secret", not_serving),
        ("grpc.reflection.v1.ServerReflection", serving),
    ):
        outcome = await check(port, protocol, name)
        assert outcome.message.status == status
    assert (await check(port, protocol, "Nope")).code is Code.NOT_FOUND
    port.partition.refusing = True
    assert (await check(port, protocol, "Greeter")).message.status == not_serving


async def check(port: Port, protocol: str, name: str) -> Outcome:
    request = HealthCheckRequest(service=name)
    return await call(port, protocol, "/grpc.health.v1.Health/Check", request, HealthCheckResponse)


@pytest.mark.parametrize("framed", ["grpc", "grpc-web"])
async def test_watch_tells_every_change(port: Port, framed: str) -> None:
    answer = Answer()

    def statuses() -> list[int]:
        return [each.status for each in replies(answer, HealthCheckResponse)]

    async def publish(*rows: Any) -> None:
        port.partition.schema = port.partition.schema.changed(9, rows)
        changed, port.partition.changed = port.partition.changed, trio.Event()
        changed.set()
        await trio.testing.wait_all_tasks_blocked()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, port, answer, framed)
        await trio.testing.wait_all_tasks_blocked()
        assert statuses() == [HealthCheckResponse.SERVICE_UNKNOWN]
        await publish(deployment_row(deployment("dp_n", service("New"))))
        await publish(deployment_row(deployment("dp_o", service("Other"))))
        await publish(deployment_row(deployment("dp_n", service("New", public=False))))
        assert statuses()[1:] == [HealthCheckResponse.SERVING, HealthCheckResponse.NOT_SERVING]
        assert answer.trailers == []
        port.partition.refusing = True
        await publish(deployment_row(deployment("dp_n", service("New"))))
    assert len(statuses()) == 3
    assert answer.finished
    assert b"14" in (dict(answer.trailers).get(b"grpc-status") or answer.body)


async def watch(port: Port, answer: Answer, framed: str) -> None:
    path = "/grpc.health.v1.Health/Watch"
    await stream(port, path, HealthCheckRequest(service="New"), answer=answer, protocol=framed)


async def test_streams_hold_no_permit() -> None:
    port = Port(both(), concurrency_limit=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, port, Answer(), "grpc")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(3):
            assert (await port.ask("GET", "/Greeter/raw")).status == 200
        nursery.cancel_scope.cancel()
    assert port.ingress.permits == 1


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
@pytest.mark.parametrize("framed", ["grpc", "grpc-web"])
async def test_reflection_answers_one_by_one(port: Port, version: str, framed: str) -> None:
    answer = await stream(
        port,
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        ServerReflectionRequest(host="h", list_services=""),
        ServerReflectionRequest(file_containing_symbol="Counter.add"),
        ServerReflectionRequest(file_containing_symbol="my.secret"),
        protocol=framed,
    )
    listed, files, error = replies(answer, ServerReflectionResponse)
    names = {each.name for each in listed.list_services_response.service}
    assert {"Greeter", "Counter", "Flow", "my.greeter", "my.counter", "my.single"} < names
    assert not {"Secret", "my.secret"} & names
    assert listed.valid_host == "h"
    assert files.original_request.file_containing_symbol == "Counter.add"
    assert len(files.file_descriptor_response.file_descriptor_proto) > 1
    assert (error.error_response.error_code, error.error_response.error_message) == (5, "my.secret")


@pytest.mark.parametrize(
    ("target", "headers"),
    [("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", {}), ("/grpc.health.v1.Health/Watch", {})],
)
async def test_streams_are_not_served_over_connect(port: Port, target: str, headers: dict[str, str]) -> None:
    answer = await port.json(target, "{}", **headers)
    assert (answer.status, answer.body) == (415, b"")

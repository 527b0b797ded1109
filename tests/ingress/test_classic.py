"""Connect calls of classic and built-in services, against a partition that answers as told."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from restate.runtime.config.ports import IngressJson
from restate.runtime.ingress.headers import classic_expiry_text
from restate.runtime.model.ids import format_awakeable_id, format_invocation_id
from restate.runtime.model.result import Failure, Success
from restate.runtime.partition.handle import Overloaded, ShuttingDown
from restate.runtime.pb import health_pb2, services_pb2
from restate.runtime.schema.addressing import classic_idempotent_id
from tests.ingress.registries import both
from tests.support.clock import EPOCH_MS
from tests.support.fake_partition import AN_ID, Answer, Port

PROTO = "application/proto"
INVOKE = "/dev.restate.Ingress/Invoke"


def messages(port: Port, service: str = "my.greeter") -> Any:
    found = port.partition.schema.classic_method(service, "call")
    assert found is not None
    return found


@pytest.fixture
def port() -> Port:
    made = Port(both())
    made.partition.outcome = Success(
        messages(made).output_class(response={"string_value": "hi"}).SerializeToString()
    )
    return made


def refusal(answer: Answer) -> tuple[int, str, str]:
    assert answer.header("content-type") == "application/json"
    return answer.status, answer.json["code"], answer.json["message"]


async def test_json_in_and_out(port: Port) -> None:
    answer = await port.json("/my.greeter/call", '{"request":"Bob"}')
    assert (answer.status, answer.body) == (200, b'{"response":"hi"}')
    assert answer.header("content-type") == "application/json"
    ((_, callee, body, headers),) = port.partition.asked
    assert messages(port).input_class.FromString(body).request.string_value == "Bob"
    assert headers == {}
    assert len(callee.target.key) == 36
    assert answer.header("x-restate-id") == format_invocation_id(callee.invocation)


async def test_json_follows_the_configuration(port: Port) -> None:
    lenient = Port(
        both(), json=IngressJson(deserialize_deny_unknown_fields=False, serialize_skip_default_fields=True)
    )
    lenient.partition.outcome = port.partition.outcome
    assert (await lenient.json("/my.greeter/call", '{"nope":1}')).status == 200
    assert (await lenient.json("/grpc.health.v1.Health/Check", '{"nope":1}')).status == 200
    assert (await port.json("/my.greeter/call", '{"nope":1}')).status == 400


async def test_protobuf_in_and_out(port: Port) -> None:
    body = messages(port).input_class(key="k").SerializeToString()
    answer = await port.ask("POST", "/my.greeter/call", body, content_type="application/protobuf")
    assert (answer.status, answer.header("content-type")) == (200, PROTO)
    assert answer.body == port.partition.outcome.value  # type: ignore[union-attr]
    assert port.partition.asked[0][2] == body


async def test_a_bare_get_is_an_empty_message(port: Port) -> None:
    answer = await port.ask("GET", "/my.greeter/call?a=b")
    assert (answer.status, answer.json) == (200, {"response": "hi"})
    assert port.partition.asked[0][2] == b""
    assert (await port.ask("GET", "/my.greeter/call?message=x&encoding=json")).status == 405


@pytest.mark.parametrize(("service", "key"), [("my.counter", "k1"), ("my.single", "")])
async def test_the_key_comes_from_the_message(port: Port, service: str, key: str) -> None:
    await port.json(f"/{service}/call", '{"key":"k1"}')
    assert port.partition.asked[0][1].target.key == key


@pytest.mark.parametrize(
    ("code", "plain", "strict"),
    [
        (1, (408, "cancelled"), (499, "canceled")),
        (3, (400, "invalid_argument"), (400, "invalid_argument")),
        (4, (408, "deadline_exceeded"), (504, "deadline_exceeded")),
        (9, (412, "failed_precondition"), (400, "failed_precondition")),
        (13, (500, "internal"), (500, "internal")),
        (33, (500, "unknown"), (500, "unknown")),
        (64, (409, "aborted"), (409, "aborted")),
    ],
)
async def test_a_failure_has_a_status_by_the_clients_profile(
    port: Port, code: int, plain: tuple[int, str], strict: tuple[int, str]
) -> None:
    port.partition.outcome = Failure(code, "é")
    assert refusal(await port.json("/my.greeter/call")) == (*plain, "é")
    assert refusal(await port.json("/my.greeter/call", connect_protocol_version="1")) == (*strict, "é")


@pytest.mark.parametrize(
    ("target", "body", "status", "code", "message"),
    [
        ("/my.greeter", "{}", 400, "invalid_argument", "Request path /my.greeter invalid"),
        ("/my.greeter/a/b", "{}", 400, "invalid_argument", "Request path /my.greeter/a/b invalid"),
        (
            "/my.greeter/nope",
            "{}",
            404,
            "not_found",
            "Service method 'my.greeter/nope' not found. Check whether you've",
        ),
        ("/my.secret/call", "{}", 403, "permission_denied", "Service my.secret is not accessible"),
        ("/my.greeter/call", "", 400, "invalid_argument", "Error when parsing request: "),
        ("/my.greeter/call", "{} x", 400, "invalid_argument", "Error when parsing request: "),
        (
            "/my.greeter/call",
            '{"x":1}',
            400,
            "invalid_argument",
            "Error when parsing request: unrecognized field name 'x'",
        ),
        (
            "/dev.restate.Ingress/Nope",
            "{}",
            404,
            "not_found",
            "Service method 'dev.restate.Ingress/Nope' not found. ",
        ),
        (INVOKE, "{}", 404, "not_found", "Service method '/' not found. Check whether"),
        (
            INVOKE,
            '{"service":"Greeter","method":"nope"}',
            404,
            "not_found",
            "Service method 'Greeter/nope' not found.",
        ),
        (
            INVOKE,
            '{"service":"my.secret","method":"call"}',
            403,
            "permission_denied",
            "Service my.secret is not",
        ),
        (
            INVOKE,
            '{"service":"my.greeter","method":"call","argument":{"x":1}}',
            412,
            "failed_precondition",
            "Error when",
        ),
        (
            INVOKE,
            '{"service":"my.greeter","method":"call","pb":"Cv8="}',
            412,
            "failed_precondition",
            "Error when parsing",
        ),
        (
            "/dev.restate.Awakeables/Resolve",
            '{"id":"prom_1x","json_result":1}',
            400,
            "invalid_argument",
            "base62 decode",
        ),
        (
            "/dev.restate.Awakeables/Resolve",
            '{"id":"x"}',
            400,
            "invalid_argument",
            "result must be non-empty",
        ),
        ("/dev.restate.Awakeables/Reject", '{"id":""}', 400, "invalid_argument", "bad length"),
        ("/grpc.health.v1.Health/Check", '{"service":"Nope"}', 404, "not_found", "Service 'Nope' not found"),
        (
            "/grpc.health.v1.Health/Nope",
            "{}",
            404,
            "not_found",
            "Service method 'grpc.health.v1.Health/Nope'",
        ),
    ],
)
async def test_refusals(port: Port, target: str, body: str, status: int, code: str, message: str) -> None:
    found = refusal(await port.json(target, body))
    assert (found[0], found[1], found[2][: len(message)]) == (status, code, message)
    assert port.partition.asked == []


async def test_a_key_that_cannot_be_read_is_internal(port: Port) -> None:
    body = b"\x08\x01"  # a number where the key's text belongs; protobuf itself keeps it as an unknown field
    answer = await port.ask("POST", "/my.counter/call", body, content_type=PROTO)
    assert refusal(answer)[:2] == (500, "internal")
    request = services_pb2.InvokeRequest(service="my.counter", method="call", pb=body)
    answer = await port.ask("POST", INVOKE, request.SerializeToString(), content_type=PROTO)
    assert refusal(answer)[:2] == (400, "invalid_argument")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("PUT", {"content_type": "application/json"}, 415),
        ("PUT", {"content_type": "application/json", "connect_protocol_version": "1"}, 405),
        ("POST", {}, 415),
        ("POST", {"content_type": "application/grpc"}, 400),  # on HTTP/1.1
        ("POST", {"content_type": "application/grpc+foo"}, 415),
        ("POST", {"content_type": "application/connect+json"}, 415),
        ("DELETE", {"content_type": "application/grpc"}, 405),
    ],
)
@pytest.mark.parametrize("target", ["/my.greeter/call", "/grpc.health.v1.Health/Check"])
async def test_what_is_no_call_has_an_empty_answer(
    port: Port, target: str, method: str, headers: dict[str, str], status: int
) -> None:
    answer = await port.ask(method, target, b"", **headers)
    assert (answer.status, answer.body, answer.header("content-type")) == (status, b"", None)


@pytest.mark.parametrize(
    "headers",
    [{"content_type": PROTO}, {"connect_protocol_version": "1", "content_type": "application/json"}],
)
async def test_an_unknown_service_is_told_in_the_clients_protocol(
    port: Port, headers: dict[str, str]
) -> None:
    answer = await port.ask("POST", "/Nope/x", b"", **headers)
    text = "Service 'Nope' not found. Check whether the deployment containing the service is registered."
    assert refusal(answer) == (404, "not_found", text)
    assert (await port.json("/Nope/x")).json["source"] == "ingress"


async def test_a_modern_handler_may_take_protobuf_as_it_is(port: Port) -> None:
    await port.ask("POST", "/Greeter/raw", b"x", content_type=PROTO)
    assert port.partition.asked[0][2] == b"x"


async def test_the_first_answer_of_a_keyed_call_tells_when_it_expires(port: Port) -> None:
    answer = await port.json("/my.greeter/call", idempotency_key="\xe9")
    assert answer.header("x-restate-id") == format_invocation_id(classic_idempotent_id("my.greeter", "\xe9"))
    assert port.partition.asked[0][1].completion_retention_ms == 1_800_000
    assert answer.header("idempotency-expires") == classic_expiry_text(EPOCH_MS + 1_800_000)


async def test_a_stored_answer_tells_when_it_expires_failures_too(port: Port) -> None:
    port.partition.expiry_ms = 1_700_000_000_064
    port.partition.outcome = Failure(13, "m")
    answer = await port.json("/my.greeter/call", idempotency_key="i")
    assert (answer.status, answer.header("idempotency-expires")) == (500, "2023-11-14T22:13:20.064Z")
    assert (await port.json("/my.greeter/call")).header("idempotency-expires") is None


@pytest.mark.parametrize(
    ("period", "retention_ms"),
    [("3", 3000), ("0", 1_800_000), ("99999999999999999999", 2**53)],
)
async def test_the_caller_chooses_the_retention(port: Port, period: str, retention_ms: int) -> None:
    await port.json("/my.greeter/call", idempotency_key="i", idempotency_retention_period=period)
    assert port.partition.asked[0][1].completion_retention_ms == retention_ms


@pytest.mark.parametrize("period", ["", "x", "-1", "1.5", "1" * 21])
async def test_a_bad_retention_is_refused_with_a_key_only(port: Port, period: str) -> None:
    answer = await port.json("/my.greeter/call", idempotency_key="i", idempotency_retention_period=period)
    status, code, message = refusal(answer)
    assert (status, code, message[:30]) == (400, "invalid_argument", "bad idempotency id format: exp")
    assert (await port.json("/my.greeter/call", idempotency_retention_period=period)).status == 200


async def test_gzip_is_unpacked(port: Port) -> None:
    packed = gzip.compress(b'{"request":"Bob"}')
    answer = await port.ask(
        "POST", "/my.greeter/call", packed, content_type="application/json", content_encoding="gzip"
    )
    assert answer.status == 200
    answer = await port.ask(
        "POST", "/my.greeter/call", b"x", content_type="application/json", content_encoding="br"
    )
    assert refusal(answer) == (501, "unimplemented", "Operation is not implemented or not supported")
    assert answer.header("accept-encoding") == "gzip"


async def test_a_timeout_ends_the_wait_only(port: Port, autojump_clock: object) -> None:
    port.partition.never = True
    answer = await port.json("/my.greeter/call", connect_timeout_ms="200")
    assert refusal(answer)[:2] == (408, "deadline_exceeded")
    assert (await port.json("/my.greeter/call", connect_timeout_ms="x")).status == 400
    assert len(port.partition.asked) == 1


async def test_invoke_sends_and_gives_the_id(port: Port) -> None:
    for argument in ('"argument":{"request":{"n":1}}', '"pb":"Egwq"', '"method":"call"'):
        text = f'{{"service":"my.greeter","method":"call",{argument}}}'
        if argument.startswith('"method'):
            text = '{"service":"my.greeter","method":"call"}'
        if argument.startswith('"pb'):
            text = '{"service":"my.greeter","method":"call","pb":"CgFr"}'
        answer = await port.json(INVOKE, text)
        assert (answer.status, answer.json) == (
            200,
            {"id": format_invocation_id(port.partition.asked[-1][1].invocation)},
        )
    first, second, third = (asked[2] for asked in port.partition.asked)
    assert messages(port).input_class.FromString(first).request.struct_value["n"] == 1
    assert (second, third) == (b"\x0a\x01k", b"")


async def test_invoke_with_a_key_gives_the_same_id_again(port: Port) -> None:
    body = '{"service":"my.greeter","method":"call"}'
    ids = {(await port.json(INVOKE, body, idempotency_key="i")).json["id"] for _ in range(2)}
    assert ids == {format_invocation_id(classic_idempotent_id("my.greeter", "i"))}


@pytest.mark.parametrize(
    ("prefix", "request_body", "asked"),
    [
        (
            "prom",
            '"json_result":{"a":[1,2.5,null]}',
            ("complete_awakeable", AN_ID, 3, Success(b'{"a":[1,2.5,null]}')),
        ),
        ("prom", '"json_result":null', ("complete_awakeable", AN_ID, 3, Success(b"null"))),
        ("prom", '"bytes_result":"YQ=="', ("complete_awakeable", AN_ID, 3, Success(b"a"))),
        ("sign", '"json_result":"x"', ("signal", AN_ID, 3, Success(b'"x"'))),
        ("prom", '"reason":"no"', ("complete_awakeable", AN_ID, 3, Failure(2, "no"))),
        ("sign", '"reason":"no"', ("signal", AN_ID, 3, Failure(500, "no"))),
    ],
)
async def test_awakeables_are_completed(
    port: Port, prefix: str, request_body: str, asked: tuple[object, ...]
) -> None:
    operation = "Reject" if "reason" in request_body else "Resolve"
    body = f'{{"id":"{format_awakeable_id(prefix, AN_ID, 3)}",{request_body}}}'
    answer = await port.json(f"/dev.restate.Awakeables/{operation}", body, idempotency_key="i")
    assert (answer.status, answer.body, port.partition.asked) == (200, b"{}", [asked])


@pytest.mark.parametrize(
    ("service", "status"),
    [("", "SERVING"), ("my.greeter", "SERVING"), ("Greeter", "SERVING"), ("my.secret", "NOT_SERVING"),
     ("Secret", "NOT_SERVING"), ("dev.restate.Ingress", "SERVING")],
)  # fmt: skip
async def test_health(port: Port, service: str, status: str) -> None:
    answer = await port.json("/grpc.health.v1.Health/Check", f'{{"service":"{service}"}}')
    assert answer.json == {"status": status}
    body = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    answer = await port.ask("POST", "/grpc.health.v1.Health/Check", body, content_type=PROTO)
    assert health_pb2.HealthCheckResponse.FromString(answer.body).status == (1 if status == "SERVING" else 2)


async def test_health_by_get(port: Port) -> None:
    assert (await port.ask("GET", "/grpc.health.v1.Health/Check")).json == {"status": "SERVING"}


async def test_a_full_partition_and_a_shutdown_are_told_as_codes(port: Port) -> None:
    port.partition.error = Overloaded("full")
    assert refusal(await port.json("/my.greeter/call")) == (429, "resource_exhausted", "Resource exhausted")
    port.partition.error = ShuttingDown("come back")
    assert refusal(await port.json("/my.greeter/call")) == (503, "unavailable", "Unavailable")


async def test_the_key_of_a_long_message_is_found(port: Port) -> None:
    unknown_fields = b"\xf8\x07\x01" * 20_000
    answer = await port.ask("POST", "/my.counter/call", unknown_fields + b"\x0a\x01k", content_type=PROTO)
    assert answer.status == 200
    assert port.partition.asked[0][1].target.key == "k"

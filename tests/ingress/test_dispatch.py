"""The one rule that decides who answers a request (ingress.md §4.2), and how its ambiguities are settled (§4.3)."""

from __future__ import annotations

import msgspec
import pytest
from google.protobuf.descriptor_pb2 import MethodOptions

from restate.runtime.ingress.server import Speech
from restate.runtime.model.result import Success
from restate.runtime.net.http import Request
from restate.runtime.pb import ext_pb2
from restate.runtime.rpc.frames import frame
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.rows import deployment_row
from tests.ingress.registries import both
from tests.schema.builders import deployment, registry, service
from tests.schema.classic import contract, file, file_set
from tests.support.fake_partition import Port

JSON = {"content_type": "application/json"}
PROTO = {"content_type": "application/proto"}
STRICT = {"content_type": "application/json", "connect_protocol_version": "1"}
GRPC = {"content_type": "application/grpc"}
WEB = {"content_type": "application/grpc-web+proto"}


@pytest.fixture
def port() -> Port:
    made = Port(both())
    made.partition.outcome = Success(b"")
    return made


def speech(port: Port, method: str, target: str, **headers: str) -> Speech:
    path, _, query = target.partition("?")
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request(method, target.encode(), named, "1.1", ("127.0.0.1", 1))
    return port.ingress._speech(path, query, request)


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        # 4: control paths, whatever the content type
        ("/restate/call/Greeter/raw", GRPC, Speech.PLAIN),
        ("/openapi/x", STRICT, Speech.PLAIN),
        # 5: RPC types, wherever they go
        ("/Greeter/greet", GRPC, Speech.FRAMED),
        ("/Greeter/greet", WEB, Speech.FRAMED),
        ("/my.greeter/call", GRPC, Speech.FRAMED),
        ("/Nope/x", GRPC, Speech.FRAMED),
        ("/Counter/k/add", GRPC, Speech.FRAMED),
        ("/Greeter/greet", {"content_type": "application/connect+json"}, Speech.FRAMED),
        # 6: built-in and classic services
        ("/my.greeter/call", JSON, Speech.CONNECT),
        ("/my.greeter/call", PROTO, Speech.CONNECT),
        ("/my.greeter/call", {}, Speech.CONNECT),
        ("/grpc.health.v1.Health/Check", JSON, Speech.CONNECT),
        # 7: modern services, with Connect's own header
        ("/Greeter/greet", STRICT, Speech.CONNECT),
        ("/Greeter/raw", PROTO | STRICT, Speech.CONNECT),
        ("/Counter/k/add", STRICT, Speech.PLAIN),
        # 8: protobuf that the handler's rule refuses
        ("/Greeter/greet", PROTO, Speech.CONNECT),
        ("/Greeter/none", PROTO, Speech.CONNECT),
        ("/Greeter/raw", PROTO, Speech.PLAIN),
        ("/Greeter/nope", PROTO, Speech.PLAIN),
        # 9
        ("/Greeter/greet", JSON, Speech.PLAIN),
        ("/Greeter/greet", {}, Speech.PLAIN),
        ("/Greeter", STRICT, Speech.PLAIN),
        # 10
        ("/my.greeter/k/call", JSON, Speech.CONNECT),
        # 11 and 12: unknown services
        ("/Nope/x", STRICT, Speech.CONNECT),
        ("/Nope/x", PROTO, Speech.CONNECT),
        ("/Nope/x", JSON, Speech.PLAIN),
        ("/", {}, Speech.PLAIN),
    ],
)
def test_who_answers(port: Port, target: str, headers: dict[str, str], expected: Speech) -> None:
    assert speech(port, "POST", target, **headers) is expected


def test_a_get_may_say_that_it_is_connect(port: Port) -> None:
    assert speech(port, "GET", "/Greeter/greet?connect=v1&encoding=json") is Speech.CONNECT
    assert speech(port, "GET", "/Greeter/greet?message=x&encoding=json") is Speech.PLAIN
    assert speech(port, "POST", "/Greeter/greet?connect=v1", **JSON) is Speech.PLAIN


def test_changed_names_are_for_rpc_clients(port: Port) -> None:
    rows = (deployment_row(deployment("dp_a", service("a-b"))),)
    port.partition.schema = port.partition.schema.changed(2, rows)
    assert speech(port, "POST", "/a_b/call", **JSON) is Speech.PLAIN
    assert speech(port, "POST", "/a_b/call", **STRICT) is Speech.CONNECT


async def test_json_for_a_modern_handler_is_raw_unless_the_client_speaks_connect(port: Port) -> None:
    await port.json("/Greeter/greet", '{"request":"x"}')
    assert port.partition.asked[-1][2] == b'{"request":"x"}'
    answer = await port.ask("POST", "/Greeter/greet", b'{"request":"x"}', **STRICT)
    assert (answer.status, answer.body) == (200, b"{}")
    assert port.partition.asked[-1][2] == b'"x"'


async def test_the_key_of_a_modern_object_is_in_the_path_or_in_the_message(port: Port) -> None:
    answer = await port.json("/Counter/add", '{"key":"k"}')
    assert (answer.status, answer.json["source"]) == (400, "ingress")
    answer = await port.ask("POST", "/Counter/add", b'{"key":"k"}', **STRICT)
    assert (answer.status, port.partition.asked[-1][1].target.key) == (200, "k")


async def test_grpc_wins_over_a_raw_handler_but_not_on_explicit_paths(port: Port) -> None:
    answer = await port.ask("POST", "/Greeter/raw", frame(b""), http_version="2", **GRPC)
    assert dict(answer.trailers)[b"grpc-status"] == b"0"
    assert (await port.ask("POST", "/restate/call/Greeter/raw", b"x", **GRPC)).status == 200
    assert port.partition.asked[-1][2] == b"x"


async def test_protobuf_that_a_handler_refuses_is_connect_in_the_plain_profile(port: Port) -> None:
    answer = await port.ask("POST", "/Counter/add", b"\x0a\x01k", content_type="application/protobuf")
    assert (answer.status, answer.header("x-restate-id") is not None) == (400, False)  # */* takes it raw
    answer = await port.ask("POST", "/Greeter/greet", b"\x0a\x01k", **PROTO)
    assert (answer.status, answer.json["code"]) == (400, "invalid_argument")


async def test_other_segment_counts(port: Port) -> None:
    answer = await port.json("/my.greeter/k/call")
    assert (answer.status, answer.json["message"]) == (400, "Request path /my.greeter/k/call invalid")
    answer = await port.ask("POST", "/Counter/k/add", frame(b""), http_version="2", **GRPC)
    assert dict(answer.trailers)[b"grpc-status"] == b"3"


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("PUT", "/my.greeter/call", JSON, 415),
        ("PUT", "/my.greeter/call", STRICT, 405),
        ("DELETE", "/Greeter/greet", STRICT, 405),
        ("DELETE", "/Greeter/greet", GRPC, 405),
        ("DELETE", "/Greeter/greet", JSON, 405),
        ("GET", "/Greeter/greet?connect=v1&encoding=json&message=%7B%7D", {}, 405),
        ("GET", "/Greeter/greet?connect=v1&encoding=foo&message=%7B%7D", {}, 415),
        ("GET", "/my.greeter/call?encoding=json&message=%7B%7D", {}, 405),
        ("POST", "/Greeter/greet", STRICT | {"content_type": "application/json; charset=latin1"}, 415),
        ("POST", "/my.greeter/call", {"content_type": "application/json; charset=latin1"}, 200),
    ],
)
async def test_verbs_and_types(
    port: Port, method: str, target: str, headers: dict[str, str], status: int
) -> None:
    assert (await port.ask(method, target, b"{}" if method == "POST" else None, **headers)).status == status


async def test_slashes_are_normalised_for_both_generations(port: Port) -> None:
    assert (await port.json("//my.greeter/call/")).status == 200
    assert (await port.json("//Greeter/raw/")).status == 200


async def test_sends_are_not_offered_for_classic_services(port: Port) -> None:
    assert (await port.json("/my.greeter/call/send")).status == 400
    assert (await port.json("/restate/send/my.greeter/call")).status == 404
    assert port.partition.asked == []


@pytest.mark.parametrize("headers", [GRPC, WEB, PROTO, STRICT])
async def test_limits_are_told_in_the_clients_protocol(headers: dict[str, str]) -> None:
    small = Port(both(), request_size_limit=10)
    whole = frame(bytes(11)) if headers in (GRPC, WEB) else bytes(11)
    for body in (whole, [whole[:6], whole[6:]]):
        answer = await small.ask("POST", "/my.greeter/call", body, http_version="2", **headers)
        if headers is WEB:
            assert b"grpc-status:8" in answer.body
        elif headers is GRPC:
            assert dict(answer.trailers)[b"grpc-status"] == b"8"
        else:
            assert (answer.status, answer.json["code"]) == (429, "resource_exhausted")
    full = Port(both(), concurrency_limit=0)
    answer = await full.ask("POST", "/my.greeter/call", b"", http_version="2", **headers)
    if headers is WEB:
        assert b"grpc-status:8" in answer.body
    elif headers is GRPC:
        assert dict(answer.trailers)[b"grpc-status"] == b"8"
    else:
        assert (answer.status, answer.json["message"]) == (429, "Resource exhausted")


async def test_a_page_may_read_what_it_needs(port: Port) -> None:
    for headers in (WEB, STRICT, JSON):
        answer = await port.ask("POST", "/Greeter/greet", b"{}", origin="https://a", **headers)
        assert answer.header("access-control-allow-origin") == "https://a"
        exposed = (answer.header("access-control-expose-headers") or "").split(", ")
        assert {"grpc-status", "grpc-message", "x-restate-id", "idempotency-expires"} <= set(exposed)


@pytest.fixture
def harmless() -> Port:
    """`my-shop` with the method `look-up`, which has no side effects, and `buy`, which has some."""
    user = file(contract("my-shop", ext_pb2.UNKEYED, ("look-up", "Req"), ("buy", "Req")))
    user.service[0].method[0].options.idempotency_level = MethodOptions.NO_SIDE_EFFECTS
    repaired = repair(file_set(user))
    (found,) = classic_services(repaired, ["my-shop"])
    stored = msgspec.structs.replace(
        deployment("dp_c", found), descriptors=repaired.files.SerializeToString()
    )
    made = Port(registry(stored))
    made.partition.outcome = Success(b"")
    return made


@pytest.mark.parametrize("path", ["/my-shop/look-up", "/my_shop/look_up"])
async def test_a_method_without_side_effects_is_called_by_get(harmless: Port, path: str) -> None:
    for query in (
        "encoding=json&message=%7B%22key%22%3A%22k%22%7D",
        "message=CgFr&base64=1&encoding=proto&connect=v1&unknown=1",
        "message=%0a%01k&encoding=proto",
    ):
        answer = await harmless.ask("GET", f"{path}?{query}")
        assert answer.status == 200, answer.body
        assert harmless.partition.asked[-1][2] == b"\x0a\x01k"
        assert harmless.partition.asked[-1][1].target.handler == "look-up"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("buy", "encoding=json&message=%7B%7D", 405),
        ("look-up", "encoding=foo&message=%7B%7D", 415),
        ("look-up", "message=%7B%7D", 415),
        ("look-up", "encoding=json", 400),
        ("look-up", "encoding=json&message=%7B", 400),
        ("look-up", "encoding=proto&message=!!&base64=1", 400),
        ("look-up", "encoding=proto&message=%ff", 400),
        ("look-up", "encoding=json&message=%7B%7D&compression=br", 501),
        ("look-up", "encoding=json&message=%7B%7D&compression=gzip", 400),
    ],
)
async def test_what_a_get_cannot_do(harmless: Port, path: str, query: str, status: int) -> None:
    assert (await harmless.ask("GET", f"/my-shop/{path}?{query}")).status == status
    assert harmless.partition.asked == []

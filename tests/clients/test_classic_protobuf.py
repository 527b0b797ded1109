"""Protobuf services of the classic SDK (TypeScript 0.8.1), generated and bound as its users do it, on our server."""

from __future__ import annotations

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.support import environments
from tests.support.caller import eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from tests.clients.conftest import Bed
    from tests.support.caller import Reply

_PACKAGE = "acme.shop.v1"


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC_PROTOBUF


@pytest.fixture(scope="module")
def everything(bed: Bed) -> type[Message]:
    """The class of acme.shop.v1.Everything. Asks for the bed, whose program skips where the tools are missing."""
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (environments.classic_protobuf() / "shop.binpb").read_bytes()
    )
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Everything"))


def ask(bed: Bed, method: str, **fields: object) -> Reply:
    return bed.caller.call(f"{_PACKAGE}.{method}", fields)


def answer(bed: Bed, method: str, **fields: object) -> Any:
    return ask(bed, method, **fields).ok()


def invoke(bed: Bed, service: str, method: str, **argument: object) -> str:
    """One-way call through the built-in service; the invocation's id."""
    body = {"service": f"{_PACKAGE}.{service}", "method": method, "argument": argument}
    return str(bed.caller.call("dev.restate.Ingress/Invoke", body).ok()["id"])


def ask_encoded(bed: Bed, method: str, message: bytes) -> httpx.Response:
    """Call with a protobuf message instead of JSON."""
    return httpx.post(
        f"{bed.server.ingress}/{_PACKAGE}.{method}",
        content=message,
        headers={"content-type": "application/proto", "connect-protocol-version": "1"},
        timeout=60,
        trust_env=False,
    )


FULL: dict[str, object] = {
    "text": "grüße",
    "flag": True,
    "small": -5,
    "big": "-9223372036854775808",
    "unsignedBig": "18446744073709551615",
    "signedBig": "-9007199254740993",
    "fixedBig": "9007199254740993",
    "fraction": 0.1,
    "half": 0.5,
    "blob": base64.b64encode(bytes(range(256))).decode(),
    "size": "SIZE_LARGE",
    "sizes": ["SIZE_SMALL", "SIZE_UNSPECIFIED"],
    "numbers": [1, -2, 3],
    "words": ["", "a"],
    "inner": {"name": "root", "children": [{"name": "leaf", "children": []}]},
    "byName": {"x": {"name": "in a map", "children": []}},
    "byNumber": {"-7": "seven"},
    "firstText": "of the first oneof",
    "secondInner": {"name": "of the second oneof", "children": []},
    "maybeText": "",
    "maybeNumber": 0,
    "at": "2024-02-29T12:34:56.789Z",
    "takes": "90.500s",
    "object": {"list": [1.0, "two", None, {"deep": True}]},
    "anything": ["any", {"value": 1.0}],
    "wrappedText": "wrapped",
    "wrappedBig": "5",
    "any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
}


def test_every_kind_of_field_passes_through_json_and_the_sdk(bed: Bed) -> None:
    reflected = answer(bed, "Mirror/Reflect", **FULL)
    # The first oneof is none to the SDK's discovery, so its other member is printed like any field.
    assert reflected.pop("firstNumber", 0) == 0
    assert reflected == FULL


def test_what_is_not_given_is_answered_by_its_default_or_not_at_all(bed: Bed) -> None:
    reflected = answer(bed, "Mirror/Reflect")
    assert (reflected["text"], reflected["big"], reflected["size"]) == ("", "0", "SIZE_UNSPECIFIED")
    assert (reflected["numbers"], reflected["byName"], reflected["blob"]) == ([], {}, "")
    absent = {"inner", "secondText", "secondInner", "maybeText", "maybeNumber", "at", "wrappedText", "any"}
    assert not absent & reflected.keys()


def test_names_of_the_contract_and_other_forms_of_values_are_taken(bed: Bed) -> None:
    reflected = answer(bed, "Mirror/Reflect", unsigned_big=7, big=8, size=1, by_number={"3": "x"}, blob="_-8")
    assert (reflected["unsignedBig"], reflected["big"], reflected["size"]) == ("7", "8", "SIZE_SMALL")
    assert (reflected["byNumber"], reflected["blob"]) == ({"3": "x"}, "/+8=")


def test_encoded_messages_pass_as_they_are(bed: Bed, everything: type[Message]) -> None:
    sent: Any = everything(text="x", big=-(2**63), sizes=[1, 2], second_text="", maybe_number=0)
    sent.by_name["k"].children.add(name="leaf")
    sent.at.FromJsonString("2024-02-29T12:34:56.789Z")
    sent.object["a"] = [True, None]
    reply = ask_encoded(bed, "Mirror/Reflect", sent.SerializeToString())
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/proto")
    assert everything.FromString(reply.content) == sent


def test_empty_messages(bed: Bed) -> None:
    assert answer(bed, "Mirror/Nothing") == {}
    assert ask_encoded(bed, "Mirror/Nothing", b"").content == b""


@pytest.mark.parametrize(
    "fields",
    [
        {"nope": 1},
        {"small": 2**31},
        {"big": "x"},
        {"size": "SIZE_HUGE"},
        {"secondText": "a", "secondInner": {}},
        {"at": "yesterday"},
        {"blob": "?"},
    ],
    ids=lambda fields: "-".join(fields),
)
def test_json_that_does_not_fit_the_contract_is_refused(bed: Bed, fields: dict[str, object]) -> None:
    reply = ask(bed, "Mirror/Reflect", **fields)
    assert (reply.status, reply.value["code"]) == (400, "invalid_argument")


def test_bytes_that_are_no_message_are_refused(bed: Bed) -> None:
    reply = ask_encoded(bed, "Mirror/Reflect", b"\xff\xff")
    assert (reply.status_code, reply.json()["code"]) == (400, "invalid_argument")


def test_the_key_is_found_under_another_number_in_each_method(bed: Bed) -> None:
    answer(bed, "Carts/Add", customerId="keyed", item="tea", count="9007199254740993")
    assert answer(bed, "Carts/Add", customerId="keyed", item="tea", count=1) == {
        "customer": "keyed",
        "items": {"tea": "9007199254740994"},
    }
    assert answer(bed, "Carts/View", customer="keyed")["items"] == {"tea": "9007199254740994"}
    assert answer(bed, "Carts/View", customer="another")["items"] == {}
    assert answer(bed, "Carts/View")["items"] == {}, "an absent key is the empty one"
    assert answer(bed, "Carts/Empty", customer="keyed") == {}
    assert answer(bed, "Carts/View", customer="keyed")["items"] == {}


def test_calls_of_one_key_run_one_at_a_time(bed: Bed) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(answer, bed, "Carts/Add", customerId="turns", item="tea", count=1, sleepMs=30)
            for _ in range(4)
        ]
        assert sorted(call.result()["items"]["tea"] for call in calls) == ["1", "2", "3", "4"]


def test_calls_of_a_singleton_run_one_at_a_time(bed: Bed) -> None:
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(answer, bed, "Invoices/Next", sleepMs=30) for _ in range(4)]
        numbers = sorted(call.result()["number"] for call in calls)
    assert numbers == list(range(numbers[0], numbers[0] + 4))


def test_calls_one_way_calls_and_delayed_calls_between_contracts(bed: Bed) -> None:
    started = time.monotonic()
    receipt = answer(bed, "Desk/Order", customer="order", item="cup", delayMs=2500)
    assert receipt["now"] == {"customer": "order", "items": {"cup": "2"}}
    assert receipt["invoice"] >= 1

    def cups() -> int:
        return int(answer(bed, "Carts/View", customer="order")["items"]["cup"])

    eventually(lambda: cups() == 3, what="the one-way call")
    eventually(lambda: cups() == 4, what="the delayed call")
    assert time.monotonic() - started >= 2.5


def test_a_terminal_error_comes_up_through_calls(bed: Bed) -> None:
    for depth in (0, 2):
        reply = ask(bed, "Desk/Refuse", code=6, message="sold out", depth=depth)
        assert (reply.status, reply.value["code"]) == (409, "already_exists")
        assert "sold out" in reply.value["message"]


def test_side_effects_and_a_sleep_over_a_suspension(bed: Bed) -> None:
    assert answer(bed, "Desk/Steps", name="suspends", sleepMs=2000) == {"attempts": 2, "effects": 2}


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_an_awakeable_is_completed_by_another_contract(bed: Bed, wait: float) -> None:
    name = f"decided{wait}"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answer, bed, "Desk/Wait", name=name)
        awakeable_id = eventually(lambda: bed.program.read(f"{name}.awakeable"), what="the awakeable's id")
        time.sleep(wait)
        assert answer(bed, "Desk/Decide", id=awakeable_id, value={"yes": [1.0, None]}) == {}
        assert waiting.result() == {"value": {"yes": [1.0, None]}}


def test_an_awakeable_is_rejected_by_another_contract(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, bed, "Desk/Wait", name="rejected")
        awakeable_id = eventually(lambda: bed.program.read("rejected.awakeable"), what="the awakeable's id")
        answer(bed, "Desk/Decide", id=awakeable_id, rejection="not today")
        assert "not today" in waiting.result().value["message"]


def test_one_way_calls_from_outside(bed: Bed) -> None:
    invoke(bed, "Carts", "Add", customerId="outside", item="tea", count=2)
    eventually(
        lambda: answer(bed, "Carts/View", customer="outside")["items"] == {"tea": "2"}, what="the call"
    )


def test_one_way_calls_with_an_encoded_argument(bed: Bed) -> None:
    body = {
        "service": f"{_PACKAGE}.Carts",
        "method": "Add",
        # item = 1, count = 2, customer_id = 7
        "pb": base64.b64encode(b"\x0a\x03tea\x10\x03\x3a\x07encoded").decode(),
    }
    bed.caller.call("dev.restate.Ingress/Invoke", body).ok()
    eventually(
        lambda: answer(bed, "Carts/View", customer="encoded")["items"] == {"tea": "3"}, what="the call"
    )

"""What holds for every request: CORS, limits, and one listener for both generations and protocols."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from restate.runtime.net.limits import Limits
from tests.ingress.registries import both
from tests.support.fake_partition import Answer, Port
from tests.support.net_server import running

VARY = "origin, access-control-request-method, access-control-request-headers"


@pytest.fixture
def port() -> Port:
    return Port(both(), request_size_limit=10, concurrency_limit=2)


@pytest.mark.parametrize("target", ["/Greeter/raw", "/Nope/x", "/", "/my.greeter/call", "/restate/health"])
async def test_any_origin_may_read_any_answer(port: Port, target: str) -> None:
    for origin in ("https://example.org", None):
        headers = {} if origin is None else {"origin": origin}
        answer = await port.ask("GET", target, None, **headers)
        assert answer.header("vary") == VARY
        assert answer.header("access-control-allow-credentials") == "true"
        assert answer.header("access-control-allow-origin") == origin
        assert "x-restate-id" in (answer.header("access-control-expose-headers") or "")


async def test_a_preflight_mirrors_what_is_asked_for(port: Port) -> None:
    answer = await port.ask(
        "OPTIONS",
        "/any/where",
        origin="https://example.org",
        access_control_request_method="PUT",
        access_control_request_headers="a, b",
    )
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("access-control-allow-methods") == "PUT"
    assert answer.header("access-control-allow-headers") == "a, b"
    assert (await port.ask("OPTIONS", "/")).header("access-control-allow-methods") is None


@pytest.mark.parametrize("target", ["/Greeter/raw", "/Nope/x", "/", "/restate/lookup", "/my.greeter/call"])
async def test_a_body_that_is_declared_too_long_is_refused_in_plain_text(port: Port, target: str) -> None:
    answer = await port.ask("POST", target, bytes(11), content_type="application/json", origin="o")
    assert (answer.status, answer.body) == (413, b"length limit exceeded")
    assert answer.headers == [(b"content-type", b"text/plain; charset=utf-8")]


async def test_a_body_that_turns_out_too_long_is_refused(port: Port) -> None:
    answer = await port.ask("POST", "/Greeter/raw", [bytes(6), bytes(5)], content_type="a/b")
    assert (answer.status, answer.json["message"]) == (413, "cannot read body: LengthLimitError")
    assert port.partition.asked == []


@pytest.mark.parametrize("body", [bytes(11), [bytes(6), bytes(5)]])
async def test_rpc_clients_are_told_of_limits_in_their_protocol(
    port: Port, body: bytes | list[bytes]
) -> None:
    answer = await port.ask("POST", "/my.greeter/call", body, content_type="application/proto")
    assert (answer.status, answer.json["code"]) == (429, "resource_exhausted")


@pytest.mark.parametrize("body", [bytes(10), [bytes(5), bytes(5)]])
async def test_a_body_of_exactly_the_limit_passes(port: Port, body: bytes | list[bytes]) -> None:
    assert (await port.ask("POST", "/Greeter/raw", body, content_type="a/b")).status == 200
    assert port.partition.asked[0][2] == bytes(10)


async def test_requests_over_the_concurrency_limit_are_refused_at_once(port: Port) -> None:
    port.partition.never = True
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(port.ask, "GET", "/Greeter/raw")
        await trio.testing.wait_all_tasks_blocked()
        for target in ("/Greeter/raw", "/restate/health", "/", "/my.greeter/call"):
            answer = await port.ask("GET", target)
            assert (answer.status, answer.json["source"]) == (429, "ingress")
            assert answer.json["message"] == "too many requests, the ingress is overloaded. Retry later."
        strict = await port.ask("POST", "/my.greeter/call", connect_protocol_version="1")
        assert (strict.status, strict.json["message"]) == (429, "Resource exhausted")
        assert (await port.ask("OPTIONS", "/")).status == 200
        nursery.cancel_scope.cancel()
    port.partition.never = False
    assert (await port.ask("GET", "/Greeter/raw")).status == 200


async def test_requests_wait_until_the_engine_is_ready(port: Port) -> None:
    port.partition.ready = trio.Event()
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await port.ask("GET", "/restate/health"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        assert answers == []
        port.partition.ready.set()
    assert answers[0].status == 200


async def test_http_1_and_h2_are_served_alike(port: Port) -> None:
    async with running(port.ingress) as listener:
        async with await listener.connect_h1() as h1:
            await h1.send(b"POST //Greeter/raw/ HTTP/1.1\r\nhost: a\r\ncontent-type: a/b\r\n")
            await h1.send(b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
            assert (await h1.response()).status == 200
            await h1.send(b"GET http://x/Counter/k%20/add HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await h1.response()).status == 200
        async with await listener.connect_h2() as h2:
            answer = await h2.exchange(b"POST", b"/Greeter/raw", b"xyz", [(b"content-type", b"a/b")])
            assert answer.status == 200
    assert [asked[2] for asked in port.partition.asked] == [b"abcde", b"", b"xyz"]
    assert port.partition.asked[1][1].target.key == "k "


async def test_a_client_that_leaves_ends_the_wait_only(port: Port) -> None:
    port.partition.never = True
    async with running(port.ingress) as listener:
        async with await listener.connect_h2() as h2:
            h2.begin(b"GET", b"/Greeter/raw", end=True)
            await h2.flush()
            while not port.partition.asked:
                await trio.testing.wait_all_tasks_blocked(0.001)
        await listener.left_alone()
        port.partition.never = False
        async with await listener.connect_h2() as h2:
            assert (await h2.exchange(b"GET", b"/Greeter/raw")).status == 200


async def test_http_1_clients_that_leave_free_their_permits(port: Port) -> None:
    port.partition.never = True
    async with running(port.ingress, Limits(tick=0.02)) as listener:
        for left in (1, 2, 3):  # one more than there are permits
            async with await listener.connect_h1() as h1:
                await h1.send(b"GET /Greeter/raw HTTP/1.1\r\nhost: a\r\n\r\n")
                while len(port.partition.asked) < left:
                    await trio.testing.wait_all_tasks_blocked(0.001)
            await listener.left_alone()

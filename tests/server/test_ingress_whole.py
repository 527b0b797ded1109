"""Port 8080 over the whole engine: real HTTP in, a scripted service behind it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from restate.runtime.ingress.server import Ingress
from restate.runtime.schema.options import DEFAULTS
from tests.support.net_server import Answer, H1Peer, running
from tests.support.rig import Conversation, Rig


async def echo(conversation: Conversation) -> None:
    """Answers with the input; fails when the input says so. Of a classic service: with the empty message."""
    _, command, *_ = await conversation.replay()
    if conversation.peer.classic:
        conversation.say("OutputStream", value=b"")
    elif command.message.value.content == b'"fail"':
        conversation.say("Output", failure={"code": 418, "message": "tea"})
    else:
        conversation.say("Output", value={"content": command.message.value.content})
    conversation.say("End")
    conversation.close()


@asynccontextmanager
async def a_client() -> AsyncIterator[tuple[Rig, H1Peer]]:
    """The engine with the services of `Rig`, and a connection to its ingress."""
    async with trio.open_nursery() as nursery:
        rig = Rig(nursery, echo)
        await rig.start()
        ingress = Ingress(rig.partition, rig.config.ingress, rig.clock, rig.ids, DEFAULTS)
        async with running(ingress) as listener, await listener.connect_h1() as client:
            yield rig, client
        nursery.cancel_scope.cancel()


async def ask(client: H1Peer, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", "host: a", f"content-length: {len(body)}"]
    if body:
        lines.append("content-type: application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    await client.send("\r\n".join([*lines, "", ""]).encode() + body)
    return await client.response()


async def test_calls_return_what_the_handler_returns_or_throws() -> None:
    async with a_client() as (_, client):
        answer = await ask(client, "POST", "/Greeter/greet", b'"hi"')
        assert (answer.status, answer.body) == (200, b'"hi"')
        answer = await ask(client, "POST", "/Counter/k/add", b'"fail"')
        assert answer.status == 418
        assert json.loads(answer.body) == {"code": 418, "message": "tea", "source": "invocation"}


async def test_one_idempotency_key_is_one_execution() -> None:
    async with a_client() as (rig, client):
        first = await ask(client, "POST", "/Greeter/greet", b'"1"', idempotency_key="i")
        second = await ask(client, "POST", "/Greeter/greet", b'"2"', idempotency_key="i")
        assert (first.body, second.body) == (b'"1"', b'"1"')
        assert first.headers[b"x-restate-id"] == second.headers[b"x-restate-id"]
        assert b"idempotency-expires" not in first.headers
        assert second.headers[b"idempotency-expires"].endswith(b"+00:00")
        by_key = await ask(client, "GET", "/restate/invocation/Greeter/greet/i/output")
        assert (by_key.status, by_key.body) == (200, b'"1"')
        assert len(rig.client.conversations) == 1


async def test_a_send_is_attached_to_by_its_id() -> None:
    async with a_client() as (_, client):
        answer = await ask(client, "POST", "/Greeter/greet/send", b'"later"')
        sent = json.loads(answer.body)
        assert (answer.status, sent["status"]) == (202, "Accepted")
        answer = await ask(client, "GET", f"/restate/invocation/{sent['invocationId']}/attach")
        assert (answer.status, answer.body) == (200, b'"later"')


async def test_a_delayed_send_is_known_before_it_runs() -> None:
    async with a_client() as (rig, client):
        answer = await ask(client, "POST", "/Greeter/greet/send?delay=1h", b'"later"')
        invocation = json.loads(answer.body)["invocationId"]
        answer = await ask(client, "GET", f"/restate/output/{invocation}")
        assert answer.status == 470
        assert rig.client.conversations == []


async def test_a_workflow_runs_once_per_key() -> None:
    async with a_client() as (rig, client):
        assert (await ask(client, "POST", "/Signup/w/run", b'"1"')).body == b'"1"'
        again = await ask(client, "POST", "/Signup/w/run", b'"2"')
        assert (again.status, json.loads(again.body)["message"]) == (
            409,
            "the workflow method was already invoked",
        )
        sent = await ask(client, "POST", "/Signup/w/run/send", b'"2"')
        assert (sent.status, json.loads(sent.body)["status"]) == (202, "PreviouslyAccepted")
        assert (await ask(client, "GET", "/restate/workflow/Signup/w/output")).body == b'"1"'
        assert len(rig.client.conversations) == 1


async def test_unknown_invocations_are_not_found() -> None:
    async with a_client() as (_, client):
        answer = await ask(client, "GET", "/restate/workflow/Signup/nobody/attach")
        assert json.loads(answer.body) == {"code": 404, "message": "not found", "source": "invocation"}
        answer = await ask(client, "GET", "/restate/workflow/Signup/nobody/output")
        assert json.loads(answer.body) == {
            "code": 404,
            "message": "invocation not found",
            "source": "ingress",
        }


async def test_bad_requests_disturb_nobody() -> None:
    async with a_client() as (_, client):
        for method, path, status in (
            ("GET", "/", 400),
            ("POST", "/Nope/x", 404),
            ("POST", "/Greeter/nope", 404),
            ("POST", "/Counter/add", 400),
            ("DELETE", "/Greeter/greet", 405),
            ("POST", "/Counter/%ff/add", 400),
            ("POST", "/restate/awakeables/x/resolve", 400),
        ):
            assert (await ask(client, method, path)).status == status
        assert (await ask(client, "POST", "/Greeter/greet", b'"hi"')).status == 200


async def test_classic_services_are_called_by_connect() -> None:
    async with a_client() as (rig, client):
        await rig.register_classic()
        for _ in range(2):
            answer = await ask(client, "POST", "/Keyed/m", b'{"key":"k"}', idempotency_key="i")
            assert (answer.status, answer.body) == (200, b"{}")
            assert answer.headers[b"idempotency-expires"].endswith(b"Z")
        assert len(rig.client.conversations) == 1
        invoke = b'{"service":"Plain","method":"m","argument":{"key":"x"}}'
        answer = await ask(client, "POST", "/dev.restate.Ingress/Invoke", invoke)
        with trio.fail_after(30):
            attached = await ask(client, "GET", f"/restate/attach/{json.loads(answer.body)['id']}")
        # A classic outcome without idempotency key is not kept: it is either awaited or gone.
        assert attached.status in (200, 404)
        assert (await ask(client, "POST", "/Plain/nope", b"{}")).status == 404

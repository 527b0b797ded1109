"""gRPC on port 8080 over the whole engine: real h2 in, a scripted service behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
import trio.testing

from restate.runtime.ingress.server import Ingress
from restate.runtime.model.ids import DeploymentId, parse_invocation_id
from restate.runtime.pb.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse
from restate.runtime.pb.synth_pb2 import RpcRequest, RpcResponse
from restate.runtime.rpc.frames import frame
from restate.runtime.schema.options import DEFAULTS
from restate.runtime.schema.rows import deployment_row
from tests.schema.builders import deployment, service
from tests.support.net_server import Answer, H2Peer, running
from tests.support.rig import Conversation, Rig

GRPC = [(b"content-type", b"application/grpc"), (b"te", b"trailers")]
REFLECTION = b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


class Service:
    """Echoes its input once `go_on` is set."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended = 0
        self.go_on = trio.Event()

    async def __call__(self, conversation: Conversation) -> None:
        _, command, *_ = await conversation.replay()
        self.begun += 1
        await self.go_on.wait()
        if conversation.peer.classic:
            conversation.say("OutputStream", value=b"")
        else:
            conversation.say("Output", value={"content": command.message.value.content})
        conversation.say("End")
        conversation.close()
        self.ended += 1


@asynccontextmanager
async def a_client() -> AsyncIterator[tuple[Rig, Service, H2Peer]]:
    async with trio.open_nursery() as nursery:
        played = Service()
        rig = Rig(nursery, played)
        await rig.start()
        ingress = Ingress(rig.partition, rig.config.ingress, rig.clock, rig.ids, DEFAULTS)
        async with running(ingress) as listener, await listener.connect_h2() as client:
            yield rig, played, client
        nursery.cancel_scope.cancel()


def greeting(text: str, key: str = "") -> bytes:
    return frame(RpcRequest(key=key, request={"string_value": text}).SerializeToString())


async def ask(client: H2Peer, path: bytes, body: bytes, *headers: tuple[bytes, bytes]) -> Answer:
    return await client.exchange(b"POST", path, body, [*GRPC, *headers])


async def test_both_generations_are_called_and_keyed_calls_run_once() -> None:
    async with a_client() as (rig, played, client):
        await rig.register_classic()
        played.go_on.set()
        told = []
        for _ in range(2):
            answer = await ask(client, b"/Counter/add", greeting("hi", "k"), (b"idempotency-key", b"i"))
            assert answer.trailers[b"grpc-status"] == b"0"
            assert RpcResponse.FromString(answer.body[5:]).response.string_value == "hi"
            told.append(b"idempotency-expires" in answer.headers)
        assert told == [False, True]
        for _ in range(2):
            answer = await ask(client, b"/Keyed/m", frame(b"\x0a\x01k"), (b"idempotency-key", b"i"))
            assert (answer.trailers[b"grpc-status"], answer.body) == (b"0", frame(b""))
            assert answer.headers[b"idempotency-expires"].endswith(b"Z")
        assert played.begun == 2


async def test_a_deadline_that_passes_leaves_the_invocation_alone() -> None:
    async with a_client() as (rig, played, client):
        invocations = []
        for path, body in ((b"/Counter/add", greeting("hi", "k")), (b"/Greeter/greet", greeting("hi"))):
            answer = await ask(client, path, body, (b"grpc-timeout", b"20m"))
            assert (answer.trailers[b"grpc-status"], answer.body) == (b"4", b"")
            invocations.append(parse_invocation_id(answer.headers[b"x-restate-id"].decode()))
        played.go_on.set()
        for invocation in invocations:
            with trio.fail_after(30):
                reply = await rig.partition.attach(invocation, block=True)
            assert reply.outcome is not None
        assert played.begun == 2


async def test_a_client_that_resets_its_stream_leaves_the_invocation_alone() -> None:
    async with a_client() as (_, played, client):
        stream_id = client.begin(b"POST", b"/Greeter/greet", GRPC, end=False)
        await client.send_body(stream_id, greeting("hi"))
        with trio.fail_after(30):
            while not played.begun:
                await trio.testing.wait_all_tasks_blocked(0.001)
        client.h2.reset_stream(stream_id)
        await client.flush()
        played.go_on.set()
        with trio.fail_after(30):
            while not played.ended:
                await trio.testing.wait_all_tasks_blocked(0.001)
        answer = await ask(client, b"/Greeter/greet", greeting("again"))
        assert answer.trailers[b"grpc-status"] == b"0"


async def test_a_new_deployment_shows_on_the_stream_that_is_open() -> None:
    async with a_client() as (rig, _, client):
        asked = frame(ServerReflectionRequest(list_services="").SerializeToString())
        stream_id = client.begin(b"POST", REFLECTION, GRPC, end=False)
        await client.send_body(stream_id, asked, end=False)
        assert "New" not in await listed(client, stream_id, 1)
        row = deployment_row(deployment(DeploymentId("dp_new"), service("New")))
        assert await rig.partition.change_schema(rig.partition.schema.version, (row,))
        await client.send_body(stream_id, asked, end=False)
        assert "New" in await listed(client, stream_id, 2)
        client.h2.end_stream(stream_id)
        await client.flush()
        assert (await client.answer(stream_id)).trailers[b"grpc-status"] == b"0"


async def listed(client: H2Peer, stream_id: int, count: int) -> set[str]:
    """The names in the last answer of a reflection stream, once there are `count`."""
    await client.until(lambda: len(answers(client.answers[stream_id].body)) == count)
    last = answers(client.answers[stream_id].body)[-1]
    return {each.name for each in last.list_services_response.service}


def answers(data: bytes) -> list[ServerReflectionResponse]:
    """The complete ones."""
    found = []
    while len(data) >= 5 and len(data) >= (end := 5 + int.from_bytes(data[1:5], "big")):
        found.append(ServerReflectionResponse.FromString(data[5:end]))
        data = data[end:]
    return found

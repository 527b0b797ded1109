"""Serializers are asked as the official server asks them; the exchange with the deployment is scripted."""

from typing import Any

import pytest
import trio.testing

from restate.runtime import config
from restate.runtime.discovery.handle import Discovery
from restate.runtime.discovery.serdes import Operation, SerdeRequest
from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation
from restate.runtime.net.client import ClientError, ConnectFailed, Exchange
from restate.runtime.schema.deployment import Deployment
from restate.runtime.service_protocol.identity import Identity
from tests.discovery.test_handle import Reply, ScriptedClient
from tests.support.clock import TrioClock

DEPLOYMENT = Deployment(
    DeploymentId("dp_1"),
    Generation.MODERN,
    "http://h:1/base/",
    "BidiStream",
    "HTTP/1.1",
    5,
    7,
    1,
    (),
    (("a", "b"),),
)


async def convert(client: ScriptedClient, operation: Operation = "decode") -> bytes:
    settings = config.Discovery(response_size_limit=100_000)
    discovery = Discovery(client, settings, Identity("test", TrioClock()))
    return await discovery.convert(DEPLOYMENT, SerdeRequest("S", operation, "my/serde x", b"body"))


@pytest.mark.parametrize(
    ("operation", "content_type", "accept"),
    [
        ("decode", b"application/octet-stream", b"application/json"),
        ("encode", b"application/json", b"*/*"),
    ],
)
async def test_the_question_names_service_and_serializer(
    operation: Operation, content_type: bytes, accept: bytes
) -> None:
    client = ScriptedClient(Reply(body=b"made"))
    assert await convert(client, operation) == b"made"
    [(method, path, headers, http_version)] = client.asked
    assert (method, path, http_version) == (
        "POST",
        f"/base/serdes/S/{operation}/my/serde%20x".encode(),
        "1.1",
    )
    assert headers[b"content-type"] == content_type
    assert headers[b"accept"] == accept
    assert headers[b"x-restate-serdes-protocol"] == b"v1"
    assert headers[b"a"] == b"b"
    assert client.bodies == [b"body"]


@pytest.mark.parametrize("reply", [Reply(status=404), Reply(status=500), ConnectFailed("refused")])
async def test_no_good_answer_is_an_error_of_the_deployment(reply: Reply | ClientError) -> None:
    with pytest.raises(DeploymentError) as failed:
        await convert(ScriptedClient(reply))
    assert failed.value.http_status == 500


async def test_an_answer_that_never_comes_ends(autojump_clock: trio.testing.MockClock) -> None:
    class Silent(ScriptedClient):
        async def open(self, *_: Any, **__: Any) -> Exchange:
            await trio.sleep_forever()

    with pytest.raises(DeploymentError, match="did not answer within the 10 s of"):
        await convert(Silent(Reply()))

"""The questions and the rule of service-protocol.md §1.3, against scripted answers."""

from collections.abc import Callable
from typing import Any

import attrs
import pytest
import trio

from restate.runtime import config
from restate.runtime.discovery.handle import Discovery
from restate.runtime.errors import DeploymentError
from restate.runtime.model.target import Generation
from restate.runtime.net.client import (
    Client,
    ClientError,
    ConnectFailed,
    Exchange,
    HttpVersion,
    ProtocolFailure,
    ResponseHead,
)
from restate.runtime.pb import discovery_pb2, ext_pb2
from restate.runtime.schema.registration import Announcement
from restate.runtime.service_protocol.discovery import CLASSIC_TYPE, MODERN_ACCEPT, MODERN_TYPES
from restate.runtime.service_protocol.identity import Identity
from tests.schema.classic import contract, file, file_set
from tests.support.clock import TrioClock

URI = "http://127.0.0.1:9080/base?x=1"
MANIFEST = b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":7,"services":[]}'


@attrs.frozen
class Reply:
    status: int = 200
    content_type: str | None = MODERN_TYPES[3]
    body: bytes = MANIFEST
    headers: dict[str, str] = attrs.field(factory=dict)
    http_version: str = "2"


class ScriptedExchange(Exchange):
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._chunks = [reply.body[:7], reply.body[7:]]

    async def send(self, data: bytes) -> None:
        raise AssertionError("the question has no body")

    async def end(self) -> None:
        raise AssertionError("the question ends with its head")

    async def response(self) -> ResponseHead:
        await trio.lowlevel.checkpoint()
        headers = [(name.encode(), value.encode()) for name, value in self._reply.headers.items()]
        if self._reply.content_type is not None:
            headers.append((b"content-type", self._reply.content_type.encode()))
        return ResponseHead(self._reply.status, headers, self._reply.http_version)

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        while self._chunks:
            chunk = self._chunks.pop(0)
            if chunk:
                return chunk
        return b""

    def receive_nowait(self) -> bytes | None:
        raise AssertionError("not used")

    def abort(self) -> None:
        pass


class ScriptedClient(Client):
    """Gives the replies in order, the last one again and again. asked: (method, path, headers, http version)."""

    def __init__(self, *replies: Reply | ClientError) -> None:
        super().__init__()
        self._replies = list(replies)
        self.asked: list[tuple[str, bytes, dict[bytes, bytes], HttpVersion]] = []
        self.bodies: list[bytes | None] = []

    async def open(
        self,
        uri: str,
        method: str,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        body: bytes | None = None,
        end: bool = False,
        http_version: HttpVersion = "2",
    ) -> Exchange:
        await trio.lowlevel.checkpoint()
        assert end
        self.bodies.append(body)
        self.asked.append((method, path, dict(headers), http_version))
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, ClientError):
            raise reply
        return ScriptedExchange(reply)

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _, _ in self.asked]


def classic_reply(**changes: Any) -> Reply:
    answer = discovery_pb2.ServiceDiscoveryResponse(
        files=file_set(file(contract("k", ext_pb2.KEYED, ("m", "Req")))), services=["k"]
    )
    return attrs.evolve(Reply(content_type=CLASSIC_TYPE, body=answer.SerializeToString()), **changes)


async def discover(client: Client, uri: str = URI, **arguments: Any) -> Announcement:
    settings = config.Discovery(response_size_limit=100_000)
    return await Discovery(client, settings, Identity("test", TrioClock())).discover(uri, **arguments)


async def refused(client: Client, **arguments: Any) -> DeploymentError:
    with pytest.raises(DeploymentError) as caught:
        await discover(client, **arguments)
    return caught.value


async def test_a_modern_deployment_answers_the_first_question() -> None:
    client = ScriptedClient(Reply(headers={"x-restate-server": "sdk/1"}))
    found = await discover(client, headers=[("a", "b")])
    assert client.asked == [
        (
            "GET",
            b"/base/discover?x=1",
            {b"accept": MODERN_ACCEPT.encode(), b"a": b"b", b"x-restate-cluster-name": b"test"},
            "2",
        ),
    ]
    assert (found.generation, found.http_version, found.sdk_version) == (
        Generation.MODERN,
        "HTTP/2.0",
        "sdk/1",
    )


@pytest.mark.parametrize(
    ("uri", "use_http_11", "asked"), [("http://h/", True, "1.1"), ("https://h/", False, "auto")]
)
async def test_the_transport_follows_scheme_and_wish(uri: str, use_http_11: bool, asked: str) -> None:
    client = ScriptedClient(Reply(http_version="1.1"))
    found = await discover(client, uri, use_http_11=use_http_11)
    assert client.asked[0][3] == asked
    assert found.http_version == "HTTP/1.1"


async def test_a_classic_deployment_may_answer_the_modern_question() -> None:
    client = ScriptedClient(classic_reply())
    assert (await discover(client)).generation is Generation.CLASSIC
    assert client.methods == ["GET"]


@pytest.mark.parametrize("status", [400, 404, 405, 406, 415, 200])
async def test_a_classic_deployment_that_refuses_it_is_asked_its_own(status: int) -> None:
    client = ScriptedClient(Reply(status, "text/plain", b""), classic_reply())
    found = await discover(client, headers=[("a", "b")])
    assert found.generation is Generation.CLASSIC
    assert client.asked[1] == (
        "POST",
        b"/base/discover?x=1",
        {b"content-type": CLASSIC_TYPE.encode(), b"accept": CLASSIC_TYPE.encode(), b"a": b"b"},
        "2",
    )


@pytest.mark.parametrize(
    "second", [Reply(404, None, b""), Reply(200, "text/html", b"x"), ConnectFailed("gone")]
)
async def test_when_both_fail_the_modern_error_is_told(second: Reply | ClientError) -> None:
    error = await refused(ScriptedClient(Reply(404, "text/plain", b"not here"), second))
    assert (error.code, error.http_status) == ("META0003", 500)
    assert "404" in error.message
    assert "not here" in error.message


@pytest.mark.parametrize("content_type", [None, "text/html", f"{MODERN_TYPES[0]}; charset=utf-8"])
async def test_a_content_type_of_neither_generation(content_type: str | None) -> None:
    error = await refused(ScriptedClient(Reply(content_type=content_type)))
    assert error.code == "META0013"


async def test_a_status_that_no_classic_sdk_gives_is_reported_at_once() -> None:
    client = ScriptedClient(Reply(403, "text/plain", b""))
    assert (await refused(client)).code == "META0003"
    assert client.methods == ["GET"]


async def test_a_deployment_that_asks_who_we_are_is_explained() -> None:
    assert (
        "request_identity_private_key_pem_file"
        in (await refused(ScriptedClient(Reply(401, None, b"")))).message
    )


@pytest.mark.parametrize("trouble", [Reply(503, None, b""), Reply(429, None, b""), ConnectFailed("refused")])
async def test_trouble_is_retried_for_less_than_two_seconds(
    trouble: Reply | ClientError, autojump_clock: trio.testing.MockClock
) -> None:
    client = ScriptedClient(trouble)
    error = await refused(client)
    assert (error.code, client.methods) == ("META0003", ["GET"] * 5)
    assert 1 < trio.current_time() < 2


async def test_a_deployment_that_is_just_starting_is_found(autojump_clock: trio.testing.MockClock) -> None:
    client = ScriptedClient(ConnectFailed("refused"), Reply(503, None, b""), Reply())
    assert (await discover(client)).generation is Generation.MODERN


async def test_a_peer_without_http_2_is_told_apart() -> None:
    client = ScriptedClient(ProtocolFailure("not HTTP/2", http1_peer=True))
    assert (await refused(client)).code == "META0014"
    assert client.methods == ["GET"]


async def test_an_answer_that_never_comes_ends(autojump_clock: trio.testing.MockClock) -> None:
    class Silent(ScriptedClient):
        async def open(self, *_: Any, **__: Any) -> Exchange:
            await trio.sleep_forever()
            raise AssertionError

    error = await refused(Silent(Reply()))
    assert error.code == "META0003"
    assert trio.current_time() == pytest.approx(10)


async def test_however_many_attempts_there_may_be_the_time_limit_holds(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = ScriptedClient(ConnectFailed("refused"))
    settings = config.Discovery(max_attempts=2**31 - 1)
    with pytest.raises(DeploymentError) as caught:
        await Discovery(client, settings, Identity("test", TrioClock())).discover(URI)
    assert caught.value.code == "META0003"
    assert trio.current_time() == pytest.approx(10)
    assert len(client.asked) == 7


async def test_an_answer_over_the_limit_is_refused() -> None:
    error = await refused(ScriptedClient(Reply(body=b"x" * 100_001)))
    assert "100000 bytes" in error.message


async def test_what_cannot_be_sent_is_the_operators_fault() -> None:
    class Strict(ScriptedClient):
        async def open(self, *_: Any, **__: Any) -> Exchange:
            await trio.lowlevel.checkpoint()
            raise ValueError("bad header")

    assert (await refused(Strict(Reply()))).http_status == 400


@pytest.mark.parametrize("make", [classic_reply, Reply])
async def test_nonsense_in_the_right_type_is_an_error_of_the_deployment(make: Callable[..., Reply]) -> None:
    error = await refused(ScriptedClient(make(body=b"\xff\xff")))
    assert (error.code, error.http_status) == (None, 500)

"""HTTP/1.1 exchanges against a scripted peer that is nothing but bytes."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from restate.runtime.net import client as client_module
from restate.runtime.net.client import Client, ClientLimits, ConnectionLost, Exchange, ProtocolFailure
from tests.support.h2_peer import Network

URI = "http://service.test:9080/base"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(client_module, "dial", network.dial)
    return network


@pytest.fixture
async def client(network: Network) -> AsyncIterator[Client]:
    client = Client(ClientLimits(header_list_bytes=1000))
    async with trio.open_nursery() as nursery:
        await nursery.start(client.run)
        yield client
        nursery.cancel_scope.cancel()


async def post(client: Client, body: bytes | None = None, *, end: bool = False) -> Exchange:
    headers = [(b"Content-Type", b"application/x"), (b"connection", b"close")]
    return await client.open(URI, "POST", b"/invoke/S/h", headers, body=body, end=end, http_version="1.1")


async def read_all(exchange: Exchange) -> bytes:
    body = b""
    while chunk := await exchange.receive():
        body += chunk
    return body


async def sent_to(stream: trio.abc.Stream) -> bytes:
    """What has arrived at the peer."""
    await trio.testing.wait_all_tasks_blocked()
    return bytes(await stream.receive_some(100_000))


async def test_the_request_is_chunked_until_its_end(client: Client, network: Network) -> None:
    async with await post(client, b"first") as exchange:
        peer = await network.accept()
        await exchange.send(b"second piece")
        await exchange.end()
        await exchange.end()
        assert await sent_to(peer) == (
            b"POST /invoke/S/h HTTP/1.1\r\nhost: service.test:9080\r\ncontent-type: application/x\r\n"
            b"transfer-encoding: chunked\r\n\r\n5\r\nfirst\r\nc\r\nsecond piece\r\n0\r\n\r\n"
        )
        await peer.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n"
        )
        head = await exchange.response()
        assert (head.status, head.headers[0], head.http_version) == (200, (b"content-type", b"a"), "1.1")
        assert await exchange.receive() == b"ok"
        assert exchange.receive_nowait() is None
        await peer.send_all(b"0\r\n\r\n")
        assert await exchange.receive() == b""
        assert await exchange.receive() == b""


async def test_a_complete_body_has_its_length(client: Client, network: Network) -> None:
    async with await post(client, b"whole", end=True):
        assert (await sent_to(await network.accept())).endswith(b"content-length: 5\r\n\r\nwhole")


async def test_a_get_has_no_body(client: Client, network: Network) -> None:
    async with await client.open(URI, "GET", b"/base/discover", [], end=True, http_version="1.1"):
        request = await sent_to(await network.accept())
    assert request == b"GET /base/discover HTTP/1.1\r\nhost: service.test:9080\r\n\r\n"


async def test_a_connection_serves_several_exchanges(client: Client, network: Network) -> None:
    peer = None
    for number in range(3):
        async with await post(client, b"x", end=True) as exchange:
            peer = peer or await network.accept()
            await sent_to(peer)
            await peer.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % number)
            assert await read_all(exchange) == b"%d" % number
    assert network.dialed == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
    ],
)
async def test_a_connection_that_may_not_go_on_is_left(
    client: Client, network: Network, answer: bytes
) -> None:
    for _ in range(2):
        async with await post(client, b"x", end=True) as exchange:
            await (await network.accept()).send_all(answer)
            assert await read_all(exchange) == b"ok"
    assert network.dialed == 2


async def test_an_aborted_exchange_takes_its_connection_along(client: Client, network: Network) -> None:
    exchange = await post(client, b"x", end=True)
    exchange.abort()
    exchange.abort()
    with pytest.raises(ConnectionLost):
        await exchange.response()
    (await post(client)).abort()
    assert network.dialed == 2


async def test_a_body_without_length_ends_with_the_stream(client: Client, network: Network) -> None:
    async with await post(client, b"x", end=True) as exchange:
        peer = await network.accept()
        await peer.send_all(b"HTTP/1.0 200 OK\r\n\r\nto the end")
        await peer.aclose()
        assert await read_all(exchange) == b"to the end"


async def test_a_cut_answer_is_a_lost_connection(client: Client, network: Network) -> None:
    async with await post(client, b"x", end=True) as exchange:
        peer = await network.accept()
        await peer.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart")
        await peer.aclose()
        assert await exchange.receive() == b"part"
        with pytest.raises(ConnectionLost, match="before its answer was complete"):
            await exchange.receive()


async def test_an_interim_answer_is_passed_over(client: Client, network: Network) -> None:
    async with await post(client, b"x", end=True) as exchange:
        peer = await network.accept()
        await peer.send_all(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n")
        await peer.send_all(b"HTTP/1.1 503 No\r\nretry-after: 2\r\ncontent-length: 0\r\n\r\n")
        head = await exchange.response()
        assert (head.status, head.headers) == (503, [(b"retry-after", b"2"), (b"content-length", b"0")])
        assert await exchange.receive() == b""


async def test_an_early_answer_is_found_although_the_request_cannot_be_sent(
    client: Client, network: Network
) -> None:
    async with await post(client, b"x") as exchange:
        peer = await network.accept()
        await peer.send_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await peer.aclose()
        await exchange.send(b"more")
        await exchange.end()
        assert (await exchange.response()).status == 413


async def test_a_peer_that_speaks_http2_is_named(client: Client, network: Network) -> None:
    async with await post(client, b"x", end=True) as exchange:
        await (await network.accept()).send_all(
            b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64"
        )
        with pytest.raises(ProtocolFailure, match="the peer speaks HTTP/2; register the deployment without"):
            await exchange.response()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-long: " + b"v" * 2000 + b"\r\n\r\n",
    ],
)
async def test_nonsense_and_endless_headers_are_protocol_failures(
    client: Client, network: Network, answer: bytes
) -> None:
    async with await post(client, b"x", end=True) as exchange:
        await (await network.accept()).send_all(answer)
        with pytest.raises(ProtocolFailure):
            await exchange.response()


async def test_a_cancelled_write_ends_the_use_of_the_connection(client: Client, network: Network) -> None:
    exchange = await post(client, b"x")
    with trio.move_on_after(0) as scope:
        await exchange.send(b"cut")
    assert scope.cancelled_caught
    with pytest.raises(ConnectionLost):
        await exchange.send(b"more")
    exchange.abort()


async def test_an_idle_connection_is_not_used_after_its_time(
    client: Client, network: Network, autojump_clock: trio.testing.MockClock
) -> None:
    for _ in range(2):
        async with await post(client, b"x", end=True) as exchange:
            await (await network.accept()).send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await read_all(exchange)
        await trio.sleep(301)
    assert network.dialed == 2


async def test_a_request_into_a_closing_idle_connection_is_sent_again(
    client: Client, network: Network
) -> None:
    async with await post(client, b"x", end=True) as exchange:
        peer = await network.accept()
        await peer.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        await read_all(exchange)
    async with await post(client, b"on its way") as exchange:
        await peer.aclose()
        await exchange.end()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.response)
            replacement = await network.accept()
            assert (await sent_to(replacement)).endswith(b"\r\n\r\na\r\non its way\r\n0\r\n\r\n")
            await replacement.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        assert await read_all(exchange) == b"ok"

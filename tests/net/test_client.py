"""How the client chooses a protocol, and what it does with real sockets. `test_tls` has the secured ones."""

import socket
from collections.abc import AsyncIterator
from functools import partial

import pytest
import trio
import trio.testing

from restate.runtime.net import client as client_module
from restate.runtime.net.client import Client, ClientLimits, ConnectFailed, HttpVersion, ProtocolFailure
from restate.runtime.net.origin import Origin
from tests.support.h2_peer import H2Peer, Network

HTTP_VERSIONS: tuple[HttpVersion, ...] = ("2", "1.1", "auto")
HTTP1_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nh1"


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(client_module, "dial", network.dial)
    return network


@pytest.fixture
async def client(nursery: trio.Nursery) -> AsyncIterator[Client]:
    client = Client(ClientLimits(connect_timeout_s=5))
    await nursery.start(client.run)
    yield client
    nursery.cancel_scope.cancel()


async def get(client: Client, uri: str, http_version: HttpVersion = "2") -> bytes:
    async with await client.open(
        uri, "GET", b"/discover", [(b"Accept", b"*/*")], end=True, http_version=http_version
    ) as exchange:
        assert (await exchange.response()).status == 200
        return await exchange.receive()


async def answer_h2(stream: trio.abc.Stream) -> None:
    """Answer every request on a connection with "h2"."""
    async with trio.open_nursery() as nursery:
        peer = H2Peer(stream)
        nursery.start_soon(peer.serve)
        await peer.start()
        number = 0
        while True:
            request = await peer.complete(number)
            await peer.answer(request.stream_id, b"h2")
            number += 1


async def answer_h1(stream: trio.abc.Stream) -> None:
    """Answer a connection as an HTTP/1.1 service does, which refuses the HTTP/2 preface."""
    asked = await stream.receive_some(65536)
    await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n" if asked.startswith(b"PRI") else HTTP1_ANSWER)


async def test_auto_remembers_who_speaks_http1_only(
    client: Client, network: Network, nursery: trio.Nursery
) -> None:
    async def serve() -> None:
        while True:
            nursery.start_soon(answer_h1, await network.accept())

    nursery.start_soon(serve)
    assert await get(client, "http://old.test", "auto") == b"h1"
    assert network.dialed == 2
    assert await get(client, "http://old.test", "auto") == b"h1"
    assert network.dialed == 3
    with pytest.raises(ProtocolFailure) as caught:
        await get(client, "http://old.test", "2")
    assert caught.value.http1_peer


async def test_auto_is_http2_when_the_peer_can(
    client: Client, network: Network, nursery: trio.Nursery
) -> None:
    async def serve() -> None:
        while True:
            nursery.start_soon(answer_h2, await network.accept())

    nursery.start_soon(serve)
    assert await get(client, "http://new.test", "auto") == b"h2"
    assert await get(client, "http://new.test/other/base", "2") == b"h2"
    assert network.dialed == 1
    assert await get(client, "http://another.test", "2") == b"h2"
    assert network.dialed == 2


async def test_of_many_origins_only_those_in_use_are_kept(
    client: Client, network: Network, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "_MANY_ORIGINS", 10)

    async def serve() -> None:
        while True:
            nursery.start_soon(answer_h2, await network.accept())

    nursery.start_soon(serve)
    await get(client, "http://used.test")
    network.refusing = True
    for number in range(50):
        for version in HTTP_VERSIONS:
            with pytest.raises(ConnectFailed):
                await get(client, f"http://gone{number}.test", version)
    assert len(client._h2_pools) + len(client._h1_pools) <= 10
    # A new connection would be refused.
    assert await get(client, "http://used.test") == b"h2"


async def test_tls_without_http2_is_told_apart(
    client: Client, network: Network, nursery: trio.Nursery
) -> None:
    network.alpn = "http/1.1"
    with pytest.raises(ProtocolFailure) as caught:
        await get(client, "https://old.test", "2")
    assert caught.value.http1_peer
    getting = partial(get, client, "https://old.test", "auto")
    nursery.start_soon(getting)
    await network.accept()
    await network.accept()
    await answer_h1(await network.accept())
    assert network.offered == [("h2", "http/1.1"), ("h2", "http/1.1"), ("http/1.1",)]


@pytest.mark.parametrize(
    ("uri", "authority", "port"),
    [
        ("http://127.0.0.1:9080/base", b"127.0.0.1:9080", 9080),
        ("http://service", b"service", 80),
        ("https://user:secret@service/", b"service", 443),
        ("http://[::1]:9080", b"[::1]:9080", 9080),
        ("HTTPS://service:8443", b"service:8443", 8443),
    ],
)
def test_origins(uri: str, authority: bytes, port: int) -> None:
    origin = Origin.of(uri)
    assert (origin.authority, origin.port) == (authority, port)


@pytest.mark.parametrize("uri", ["service:9080", "ftp://service", "http://", "http:///path", "http://a:b"])
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(ValueError, match=r"expected|Port"):
        Origin.of(uri)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (b"invoke", []),
        (b"/invoke/a b", []),
        (b"/invoke/\xc3\xa9", []),
        (b"/", [(b"x-key", b"a\r\nb: c")]),
        (b"/", [(b"x key", b"v")]),
        (b"/", [(b":path", b"v")]),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_once(
    client: Client, network: Network, path: bytes, headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(ValueError, match=r"expected|header"):
        await client.open("http://service.test", "POST", path, headers)
    assert network.dialed == 0


async def test_headers_are_sent_in_order_and_lower_case(
    client: Client, network: Network, nursery: trio.Nursery
) -> None:
    headers = [(b"X-B", b" 1 "), (b"x-a", b"2"), (b"Host", b"other"), (b"Connection", b"close")]
    nursery.start_soon(partial(client.open, "http://service.test", "POST", b"/?q=1", headers))
    peer = H2Peer(await network.accept())
    nursery.start_soon(peer.serve)
    await peer.start()
    assert list((await peer.request()).headers.items())[3:] == [
        (b":path", b"/?q=1"),
        (b"x-b", b"1"),
        (b"x-a", b"2"),
    ]


async def test_a_closed_port_is_a_connect_failure(client: Client) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        for http_version in ("2", "1.1"):
            with pytest.raises(ConnectFailed, match="refused"):
                await get(client, f"http://127.0.0.1:{port}", http_version)


async def test_a_port_that_takes_no_tls_is_a_connect_failure(client: Client, nursery: trio.Nursery) -> None:
    async def nonsense(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 not TLS\r\n")

    port = await listen(nursery, nonsense)
    with pytest.raises(ConnectFailed, match="cannot connect to https://127"):
        await get(client, f"https://127.0.0.1:{port}")


async def test_exchanges_over_sockets(client: Client, nursery: trio.Nursery) -> None:
    h2_port = await listen(nursery, answer_h2)
    h1_port = await listen(nursery, answer_h1)
    assert await get(client, f"http://127.0.0.1:{h2_port}") == b"h2"
    assert await get(client, f"http://127.0.0.1:{h1_port}", "1.1") == b"h1"
    # The peer has closed the connection that was kept.
    assert await get(client, f"http://127.0.0.1:{h1_port}", "1.1") == b"h1"


async def listen(nursery: trio.Nursery, handler: object) -> int:
    """Serve connections on a free port, until the test ends; gives the port."""

    async def guarded(stream: trio.SocketStream) -> None:
        try:
            await handler(stream)  # type: ignore[operator]
        except* (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            pass

    listeners = await nursery.start(partial(trio.serve_tcp, guarded, 0, host="127.0.0.1"))
    port: int = listeners[0].socket.getsockname()[1]
    return port

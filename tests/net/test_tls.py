"""https:// deployments over real sockets: trust, names, ALPN; and http:// ones through a proxy."""

import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import trio
import trustme

from restate.runtime.net.client import Client, ClientLimits, ConnectFailed, HttpVersion, ProtocolFailure
from restate.runtime.net.proxy import Proxy
from tests.net.test_client import answer_h1, answer_h2, get, listen
from tests.support.h2_peer import H2Peer

AUTHORITY = trustme.CA()
DAY = datetime.timedelta(days=1)
Handler = Callable[[trio.abc.Stream], Awaitable[None]]


@pytest.fixture
async def client(nursery: trio.Nursery) -> AsyncIterator[Client]:
    """Trusts AUTHORITY."""
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    client = Client(ClientLimits(connect_timeout_s=5), ssl_context=trust)
    await nursery.start(client.run)
    yield client
    nursery.cancel_scope.cancel()


def secured(certificate: trustme.LeafCert, handlers: Mapping[str | None, Handler]) -> Handler:
    """Speaks TLS, then what the handler of the negotiated protocol speaks."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    context.set_alpn_protocols([protocol for protocol in handlers if protocol])

    async def serve(stream: trio.abc.Stream) -> None:
        secure = trio.SSLStream(stream, context, server_side=True)
        await secure.do_handshake()
        await handlers[secure.selected_alpn_protocol()](secure)

    return serve


H2: dict[str | None, Handler] = {"h2": answer_h2}
H1: dict[str | None, Handler] = {"http/1.1": answer_h1}


@pytest.mark.parametrize(
    ("offered", "http_version", "answer"),
    [
        (H2 | H1, "2", b"h2"),
        (H2 | H1, "auto", b"h2"),
        (H2 | H1, "1.1", b"h1"),
        (H1, "auto", b"h1"),
    ],
)
async def test_the_protocol_is_negotiated(
    client: Client,
    nursery: trio.Nursery,
    offered: dict[str | None, Handler],
    http_version: HttpVersion,
    answer: bytes,
) -> None:
    port = await listen(nursery, secured(AUTHORITY.issue_cert("127.0.0.1"), offered))
    assert await get(client, f"https://127.0.0.1:{port}", http_version) == answer


async def test_a_service_without_http_2_is_told_apart(client: Client, nursery: trio.Nursery) -> None:
    port = await listen(nursery, secured(AUTHORITY.issue_cert("127.0.0.1"), H1))
    with pytest.raises(ProtocolFailure, match="does not offer HTTP/2 by ALPN") as caught:
        await get(client, f"https://127.0.0.1:{port}")
    assert caught.value.http1_peer


def expired() -> trustme.LeafCert:
    now = datetime.datetime.now(datetime.UTC)
    return AUTHORITY.issue_cert("127.0.0.1", not_before=now - 2 * DAY, not_after=now - DAY)


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (expired, "its certificate is not accepted: certificate has expired$"),
        (lambda: AUTHORITY.issue_cert("service.test"), "not accepted: IP address mismatch.*'127.0.0.1'$"),
        (
            lambda: trustme.CA().issue_cert("127.0.0.1"),
            r"not accepted: unable to get local issuer certificate; .*net\.client_ca_file",
        ),
    ],
    ids=["expired", "another name", "unknown authority"],
)
async def test_a_certificate_that_is_not_accepted_is_explained(
    client: Client, nursery: trio.Nursery, certificate: Callable[[], trustme.LeafCert], text: str
) -> None:
    port = await listen(nursery, secured(certificate(), H2 | H1))
    for http_version in ("2", "1.1"):
        with pytest.raises(ConnectFailed, match=text):
            await get(client, f"https://127.0.0.1:{port}", http_version)


async def test_without_a_file_the_systems_certificates_hold(nursery: trio.Nursery) -> None:
    client = Client(ClientLimits(connect_timeout_s=5))
    await nursery.start(client.run)
    port = await listen(nursery, secured(AUTHORITY.issue_cert("127.0.0.1"), H2))
    with pytest.raises(ConnectFailed, match="its certificate is not accepted"):
        await get(client, f"https://127.0.0.1:{port}")
    nursery.cancel_scope.cancel()


async def test_a_service_without_tls_is_explained(client: Client, nursery: trio.Nursery) -> None:
    port = await listen(nursery, answer_h1)
    with pytest.raises(ConnectFailed, match="does not answer in TLS"):
        await get(client, f"https://127.0.0.1:{port}")


async def tell_authority_h2(stream: trio.abc.Stream) -> None:
    """Answer one request with the authority it names."""
    async with trio.open_nursery() as nursery:
        peer = H2Peer(stream)
        nursery.start_soon(peer.serve)
        await peer.start()
        request = await peer.complete()
        await peer.answer(request.stream_id, request.headers[b":authority"])


async def tell_authority_h1(stream: trio.abc.Stream) -> None:
    asked = bytes(await stream.receive_some(65536))
    assert asked.startswith(b"GET /discover HTTP/1.1\r\n")
    (host,) = (line[6:] for line in asked.split(b"\r\n") if line.lower().startswith(b"host: "))
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(host), host))


@pytest.mark.parametrize(
    ("http_version", "protocol", "tell"),
    [("2", "h2", tell_authority_h2), ("1.1", "http/1.1", tell_authority_h1)],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_gets_the_request_with_the_authority_of_the_service(
    nursery: trio.Nursery, scheme: str, http_version: HttpVersion, protocol: str, tell: Handler
) -> None:
    over_tls = secured(AUTHORITY.issue_cert("127.0.0.1"), {protocol: tell})
    port = await listen(nursery, tell if scheme == "http" else over_tls)
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    client = Client(ssl_context=trust, proxy=Proxy.of(f"{scheme}://127.0.0.1:{port}"))
    await nursery.start(client.run)
    assert await get(client, "http://service.test:9080/base", http_version) == b"service.test:9080"
    nursery.cancel_scope.cancel()


async def test_a_proxy_that_is_not_there_is_named(nursery: trio.Nursery) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    client = Client(proxy=Proxy.of(f"http://127.0.0.1:{port}"))
    await nursery.start(client.run)
    expected = f"the proxy for http://service.test: cannot connect to http://127.0.0.1:{port}"
    with pytest.raises(ConnectFailed, match=expected):
        await get(client, "http://service.test")
    nursery.cancel_scope.cancel()

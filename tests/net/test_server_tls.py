"""Our listener over TLS, with real clients of the protocol."""

import ssl
from functools import partial
from pathlib import Path

import httpx
import pytest
import trio
import trustme

from restate.runtime.errors import ConfigError
from restate.runtime.net.limits import Limits
from restate.runtime.net.tls import ServerTls, server_tls
from tests.support.net_server import PATIENCE, running

AUTHORITY = trustme.CA()
PROTOCOLS = ("h2", "http/1.1")


def certificate(folder: Path, *names: str) -> tuple[Path, Path]:
    """Files of a certificate and its key."""
    issued = AUTHORITY.issue_cert(*names)
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    files[1].write_bytes(issued.private_key_pem.bytes())
    return files


@pytest.fixture
def tls(tmp_path: Path) -> ServerTls:
    made = server_tls("ingress", *certificate(tmp_path, "localhost"), PROTOCOLS)
    assert made is not None
    return made


def client(http2: bool) -> httpx.AsyncClient:
    trust = ssl.create_default_context()
    AUTHORITY.configure_trust(trust)
    return httpx.AsyncClient(http2=http2, http1=not http2, verify=trust, timeout=PATIENCE, trust_env=False)


@pytest.mark.parametrize("http2", [False, True])
async def test_bodies_of_every_size_go_both_ways(tls: ServerTls, http2: bool) -> None:
    async with running(tls=tls.context) as server, client(http2) as http:
        for size in (0, 1, 16_384, 3_000_000):
            body = bytes(range(256)) * (size // 256 + 1)
            answer = await http.post(f"https://localhost:{server.port}/x", content=body[:size])
            assert (answer.status_code, answer.content) == (200, body[:size])
            assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert server.drain.connections == 0


async def test_many_exchanges_at_a_time_share_a_connection(tls: ServerTls) -> None:
    async with running(tls=tls.context) as server, client(http2=True) as http:
        url = f"https://localhost:{server.port}/x"
        await http.post(url, content=b"first")
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(partial(http.post, url, content=bytes(20_000)))


async def test_a_plain_client_is_closed_and_the_others_are_served(tls: ServerTls) -> None:
    async with running(tls=tls.context) as server:
        async with await server.connect() as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            with trio.fail_after(PATIENCE):
                while await stream.receive_some():
                    pass
        await server.left_alone()
        async with client(http2=False) as http:
            assert (await http.get(f"https://localhost:{server.port}/")).status_code == 200


async def test_a_handshake_that_does_not_go_on_is_given_up(tls: ServerTls) -> None:
    limits = Limits(first_bytes_timeout=0.05, tick=0.01)
    async with running(limits=limits, tls=tls.context) as server, await server.connect() as stream:
        await stream.send_all(b"\x16\x03\x01")
        with trio.fail_after(PATIENCE):
            assert await stream.receive_some() == b""


async def test_a_certificate_that_is_read_again_is_shown_to_new_clients(
    tls: ServerTls, tmp_path: Path
) -> None:
    async with running(tls=tls.context) as server:
        certificate(tmp_path, "localhost", "second.example")
        tls.reload()
        async with client(http2=False) as http:
            answer = await http.get(
                f"https://localhost:{server.port}/", extensions={"sni_hostname": "second.example"}
            )
            assert answer.status_code == 200


def test_a_certificate_that_cannot_be_read_again_leaves_the_old_one(tls: ServerTls, tmp_path: Path) -> None:
    (tmp_path / "certificate.pem").write_text("rubbish")
    with pytest.raises(ConfigError, match=r"ingress.tls_certificate_file: expected a certificate"):
        tls.reload()
    assert tls.context.cert_store_stats() is not None


@pytest.mark.parametrize(
    ("certificate_file", "key_file", "message"),
    [
        (None, "key.pem", r"ingress.tls_key_file: expected ingress.tls_certificate_file"),
        ("missing.pem", None, "No such file"),
        (
            "certificate.pem",
            "certificate.pem",
            "ingress.tls_key_file: expected the private key of the certificate",
        ),
        ("certificate.pem", None, "expected a certificate and its private key"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, certificate_file: str | None, key_file: str | None, message: str
) -> None:
    certificate(tmp_path, "localhost")
    with pytest.raises(ConfigError, match=message):
        server_tls(
            "ingress",
            None if certificate_file is None else tmp_path / certificate_file,
            None if key_file is None else tmp_path / key_file,
        )


def test_without_a_certificate_there_is_no_tls() -> None:
    assert server_tls("ingress", None, None) is None

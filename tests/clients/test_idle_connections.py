"""What clients cost that stay connected and ask nothing."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import h2.connection
import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support.caller import eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.server import Server

COUNT = 2_000
_REQUEST = b"GET /restate/health HTTP/1.1\r\nhost: a\r\n\r\n"


def ask_h1(client: socket.socket) -> None:
    client.sendall(_REQUEST)
    assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")


def ask_h2(client: socket.socket) -> None:
    connection = h2.connection.H2Connection()
    connection.initiate_connection()
    head = {":method": "GET", ":path": "/restate/health", ":scheme": "http", ":authority": "a"}
    connection.send_headers(1, list(head.items()), end_stream=True)
    client.sendall(connection.data_to_send())
    ended = False
    while not ended:
        events = connection.receive_data(client.recv(65_536))
        ended = any(type(event).__name__ == "StreamEnded" for event in events)
        client.sendall(connection.data_to_send())


@pytest.mark.parametrize(
    ("ask", "limit_bytes"), [(ask_h1, 20_000_000), (ask_h2, 80_000_000)], ids=["HTTP/1.1", "h2"]
)
def test_connections_that_are_kept(
    ask: Callable[[socket.socket], None], limit_bytes: int, tmp_path: Path
) -> None:
    server = make_server("ours", tmp_path, INACTIVITY)
    try:
        with ExitStack() as kept:
            for _ in range(20):
                ask(connected(server, kept))
            before = server.process.rss_bytes()
            for _ in range(COUNT):
                ask(connected(server, kept))
            grown = server.process.rss_bytes() - before
            assert grown <= limit_bytes
            open_files = server.process.open_files()
            assert open_files > COUNT
        # Whoever leaves leaves nothing behind.
        eventually(lambda: server.process.open_files() < open_files - COUNT, what="the end of connections")
        with ExitStack() as kept:
            ask(connected(server, kept))
    finally:
        server.stop()


def connected(server: Server, kept: ExitStack) -> socket.socket:
    return kept.enter_context(socket.create_connection(("127.0.0.1", server.ports["ingress"]), timeout=60))

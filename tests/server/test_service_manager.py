"""The server under a service manager: told of its state, given its sockets, asked to reload."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.server.process import ServerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(20)
        yield sock


async def test_the_manager_hears_of_start_and_end(tmp_path: Path, manager: socket.socket) -> None:
    server = ServerProcess(tmp_path, shell_prefix=f"export NOTIFY_SOCKET={manager.getsockname()};")
    try:
        ports = await server.ports()
        assert manager.recv(500).decode() == "READY=1\nSTATUS=" + ", ".join(
            f"{name} {port}" for name, port in ports.items()
        )
        await server.terminate()
        assert manager.recv(500).startswith(b"STOPPING=1")
    finally:
        server.kill()


def with_socket(tmp_path: Path, passed: socket.socket, name: str) -> ServerProcess:
    """A server that is given this socket for the port `name`."""
    descriptor = passed.fileno()
    prefix = f"export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES={name};"
    return ServerProcess(tmp_path, [descriptor], shell_prefix=f"{prefix} exec 3<&{descriptor};")


async def test_a_passed_socket_is_served(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as passed:
        port = passed.getsockname()[1]
        server = with_socket(tmp_path, passed, "ingress")
        try:
            assert (await server.ports())["ingress"] == port
            async with httpx.AsyncClient() as client:
                answer = await client.get(f"http://127.0.0.1:{port}/restate/health")
            assert answer.status_code == 200
            await server.terminate()
        finally:
            server.kill()


async def test_a_passed_socket_that_everybody_reaches_is_warned_of(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as passed:
        port = passed.getsockname()[1]
        server = with_socket(tmp_path, passed, "admin")
        try:
            await server.ports()
            assert f"the admin port listens on 0.0.0.0:{port} and asks nobody for a token" in server.stderr
            await server.terminate()
        finally:
            server.kill()


async def test_a_hangup_reads_the_log_filter_again_and_keeps_everything_else(
    tmp_path: Path, manager: socket.socket
) -> None:
    file = tmp_path / "restate.toml"
    file.write_text('[observability.log]\nfilter = "info"\n')
    server = ServerProcess(tmp_path, shell_prefix=f"export NOTIFY_SOCKET={manager.getsockname()};")
    try:
        await server.ports()
        file.write_text('[observability.log]\nfilter = "nonsense=x"\n')
        server.signal(signal.SIGHUP)
        await server.until(lambda: "what was before stays in force" in server.stderr, "the refusal")
        assert "code=RT0002" in server.stderr
        file.write_text('[observability.log]\nfilter = "info"\nformat = "json"\n')
        server.signal(signal.SIGHUP)
        await server.until(lambda: '"message":"SIGHUP' in server.stderr.replace('": "', '":"'), "JSON")
        heard = [manager.recv(500).split(b"\n")[0] for _ in range(5)]
        assert heard == [b"READY=1", b"RELOADING=1", b"READY=1", b"RELOADING=1", b"READY=1"]
        await server.terminate()
    finally:
        server.kill()

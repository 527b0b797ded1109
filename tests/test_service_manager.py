import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
import trio.testing

from restate.runtime.errors import ConfigError
from restate.runtime.service_manager import ServiceManager, inherited_sockets

ROOT = Path(__file__).parent.parent


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.setblocking(False)
        yield sock


def environment(manager: socket.socket, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.getsockname(), **more}


def test_the_manager_is_told_of_the_start_and_the_end(manager: socket.socket) -> None:
    environ = environment(manager)
    server = ServiceManager(environ)
    server.ready("ingress on 127.0.0.1:8080")
    server.stopping()
    assert manager.recv(200) == b"READY=1\nSTATUS=ingress on 127.0.0.1:8080"
    assert manager.recv(200) == b"STOPPING=1\nSTATUS=draining"
    assert environ == {}


def test_a_reload_names_its_time(manager: socket.socket) -> None:
    ServiceManager(environment(manager)).reloading()
    assert manager.recv(200).startswith(b"RELOADING=1\nMONOTONIC_USEC=")


def test_without_a_manager_nobody_is_told() -> None:
    ServiceManager({}).ready("x")


def test_a_manager_that_has_gone_is_asked_once(
    manager: socket.socket, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = ServiceManager(environment(manager))
    manager.close()
    os.unlink(tmp_path / "notify")
    server.ready("x")
    server.ready("y")
    assert len(caplog.records) == 1


async def test_the_watchdog_is_fed_in_half_of_its_interval(
    manager: socket.socket, autojump_clock: trio.testing.MockClock
) -> None:
    server = ServiceManager(environment(manager, WATCHDOG_USEC="20000000"))
    with trio.move_on_after(35):
        await server.watch()
    assert [manager.recv(100) for _ in range(4)] == [b"WATCHDOG=1"] * 4
    with pytest.raises(BlockingIOError):
        manager.recv(100)


async def test_a_watchdog_of_another_process_is_not_fed(manager: socket.socket) -> None:
    await ServiceManager(environment(manager, WATCHDOG_USEC="20000000", WATCHDOG_PID="1")).watch()


def test_sockets_for_another_process_are_left_alone() -> None:
    assert inherited_sockets({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) == {}


def test_sockets_need_names() -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "ingress:unknown"}
    with pytest.raises(ConfigError, match="got 2 sockets with the names 'ingress:unknown'"):
        inherited_sockets(environ)


PROGRAM = """
import os, sys
from restate.runtime.service_manager import inherited_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
for name, sock in inherited_sockets(os.environ).items():
    print(name, sock.getsockname()[1], "LISTEN_FDS" in os.environ)
"""


def _passing(descriptor: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"import os; os.dup2({descriptor}, 3)\n{PROGRAM}"],
        pass_fds=[descriptor],
        env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "admin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_passed_socket_is_found_by_its_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        done = _passing(listening.fileno())
        assert done.stdout == f"admin {listening.getsockname()[1]} False\n", done.stderr


def test_something_else_than_a_listening_socket_is_refused() -> None:
    with socket.socket() as sock:
        assert "expected a listening TCP socket for admin as descriptor 3" in _passing(sock.fileno()).stderr
    with (ROOT / "README.md").open() as file:
        assert "expected a socket for admin as descriptor 3" in _passing(file.fileno()).stderr

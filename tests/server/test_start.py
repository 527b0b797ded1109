"""How the server starts, and how it says that it cannot."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest
import trio

from restate.runtime.storage.rocksdb import RocksStore
from tests.server.process import (
    COMMAND,
    Conversation,
    ServerProcess,
    environment,
    ingress,
    register,
    running_server,
    running_service,
    send,
)

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

NAMES = ["node_ctrl", "ingress", "admin", "postgres"]


async def hangs(sdk: Conversation) -> None:
    await sdk.replay()
    await trio.sleep_forever()


def refused(folder: Path, *arguments: str, **settings: str) -> str:
    """The one line of a server that does not start."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = done.stderr.splitlines()
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("restate-server: ")
    return lines[0]


async def test_it_announces_each_port_in_the_log_and_all_of_them_in_a_file(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        ports = await server.ports()
        assert list(ports) == NAMES
        await server.until(lambda: "postgres listening" in server.stderr, "the last line of the start")
        for name, port in ports.items():
            assert f"{name} listening on 127.0.0.1:{port}" in server.stderr
        assert [path.name for path in server.base_dir.iterdir() if path.is_file()] == ["ports.json"]
        async with await ingress(server) as http:
            assert (await http.get("/restate/health")).status_code == 200
            for name, path in {"node_ctrl": "/ready", "admin": "/health"}.items():
                assert (await http.get(f"http://127.0.0.1:{ports[name]}{path}")).status_code == 200


async def test_whoever_reads_the_ports_file_is_answered_at_once(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server, await ingress(server) as http:
        assert (await http.get("/restate/health")).status_code == 200


async def test_a_client_that_comes_before_the_admin_app_is_there_waits_for_it(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        ports = await server.ports()
        async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
            answer = await http.get(f"http://127.0.0.1:{ports['admin']}/health")
        assert answer.status_code == 200


@pytest.mark.parametrize("name", NAMES)
def test_a_port_in_use_is_named(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        line = refused(tmp_path, **{f"{name.upper()}__BIND_ADDRESS": address})
    assert f"[RT0004] {name}.bind_address (environment RESTATE_{name.upper()}__BIND_ADDRESS): " in line
    assert f"cannot listen on {address}: it is in use" in line
    assert "bind_address" in line.rpartition(". ")[2]
    assert not (tmp_path / "target").exists()


def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    line = refused(tmp_path, INGRESS__BIND_ADDRESS="192.0.2.1:8080")
    assert "[RT0004] ingress.bind_address (" in line
    assert "cannot listen on 192.0.2.1:8080" in line


async def test_a_database_in_use_is_named_and_its_server_is_not_disturbed(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        ports = await server.ports()
        line = await trio.to_thread.run_sync(refused, tmp_path, "--base-dir", str(server.base_dir))
        assert "[RT0005]" in line
        assert "in use by another process" in line
        assert await server.ports() == ports
        await server.terminate()
    async with running_server(tmp_path) as server:
        await server.terminate()


@pytest.mark.parametrize("base_dir", ["file", "file/below", "/proc/nowhere"])
def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path, base_dir: str) -> None:
    (tmp_path / "file").touch()
    line = refused(tmp_path, "--base-dir", base_dir)
    assert f"{base_dir}/db': " in line


def test_a_ports_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "target" / "ports.tmp").mkdir(parents=True)
    assert "ports.json'" in refused(tmp_path)


def test_data_of_another_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "target" / "db"
    store = RocksStore.open(path)
    store.write([("meta", b"format_version", (99).to_bytes(8, "big"))])
    store.close()
    line = refused(tmp_path)
    assert "[RT0008]" in line
    assert "found version 99" in line


def test_a_log_that_lost_acknowledged_writes_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "target" / "db"
    RocksStore.open(path).close()
    (path / "COMMITTED").write_bytes((1000).to_bytes(8, "big"))
    assert "is damaged: expected 1000 writes" in refused(tmp_path)


def test_damaged_files_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "target" / "db"
    RocksStore.open(path).close()
    (path / "CURRENT").write_text("nonsense")
    assert "damaged" in refused(tmp_path)


def test_rows_of_another_version_are_named(tmp_path: Path) -> None:
    store = RocksStore.open(tmp_path / "target" / "db")
    store.write([("schema", b"deployment/dp_1", b"\xff")])
    store.close()
    assert "[RT0008]" in refused(tmp_path)


@pytest.mark.parametrize(
    ("setting", "text"),
    [("ingress.bind_adress", ":0"), ("ingress.bind_address", "nowhere"), ("shutdown_grace_period", "long")],
)
def test_what_is_wrong_in_the_configuration_is_named(tmp_path: Path, setting: str, text: str) -> None:
    line = refused(tmp_path, "--set", f"{setting}={text}")
    assert "[RT0002]" in line
    assert setting in line


async def test_a_disk_that_is_full_ends_it_with_one_clear_line(tmp_path: Path) -> None:
    async with running_service(hangs=hangs) as service:
        # A limit on the size of files, 4 MiB, fails writes as a full disk does.
        server = ServerProcess(tmp_path, shell_prefix="ulimit -f 4096;")
        try:
            await server.ports()
            await register(server, service)
            async with await ingress(server) as http:
                with pytest.raises(httpx.TransportError):
                    await fill_the_disk(http)
            assert await server.status(5) == 1
            assert "Traceback" not in server.stderr
            (line,) = (line for line in server.lines if line.startswith("restate-server: "))
            assert "File too large" in line
        finally:
            server.kill()

    async with running_server(tmp_path) as server:
        await server.terminate()


async def fill_the_disk(http: httpx.AsyncClient) -> None:
    for _ in range(100):
        await send(http, "Bed/hangs/send", "x" * 200_000)


async def test_a_signal_while_it_starts_ends_it_in_good_order(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path)
    try:
        await server.until((tmp_path / "data" / "db").exists, "the database")
        server.signal(signal.SIGTERM)
        assert await server.status(3) == 0, server.stderr
        assert not (server.base_dir / "ports.json").exists()
    finally:
        server.kill()


async def test_after_a_kill_the_old_ports_file_is_replaced(tmp_path: Path) -> None:
    async with running_server(tmp_path) as server:
        before = await server.ports()
        server.kill()
    stale = tmp_path / "data" / "ports.json"
    assert json.loads(stale.read_text()) == before
    server = ServerProcess(tmp_path)
    try:
        await server.until(lambda: "postgres listening" in server.stderr, "the start")
        after = await server.ports()
        listening = dict(re.findall(r"(\w+) listening on 127\.0\.0\.1:(\d+)", server.stderr))
        assert {name: int(port) for name, port in listening.items()} == after
    finally:
        server.kill()

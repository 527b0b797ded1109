"""What the README says of port 8080, done as it stands there: its service, its lines, its client."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support import environments
from tests.support.caller import Caller, eventually
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

README = (environments.ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n### {title}\n")[1].split("\n### ")[0]


def blocks(title: str, language: str = "") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the README's Python service."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "service.py").write_text(blocks("A service of today's SDKs", "python")[0])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    hypercorn = environments.python_sdk().with_name("hypercorn")
    command = [str(hypercorn), "--bind", f"127.0.0.1:{port}", "service:app"]
    program = Process(command, {"PYTHONPATH": str(folder)}, folder / "service.log")
    server = make_server("ours", folder, INACTIVITY)
    try:
        with Caller(server) as caller:
            uri = f"http://127.0.0.1:{port}"
            eventually(
                lambda: caller.admin("POST", "/deployments", {"uri": uri}).status == 201, what="the service"
            )
        yield server
    finally:
        server.stop()
        program.kill()


def run(line: str, server: Server, folder: Path) -> str:
    """What a line of the README says."""
    protoc = f"{sys.executable} -m grpc_tools.protoc"
    for name, program in (
        ("grpcurl", environments.grpcurl()),
        ("protoc", protoc),
        ("curl", "curl -sS --noproxy '*'"),
    ):
        if line.startswith(f"{name} "):
            line = line.replace(name, str(program), 1)
    line = line.replace("localhost:8080", f"127.0.0.1:{server.ports['ingress']}")
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def test_the_lines_and_the_client_for_rpc(served: Server, tmp_path: Path) -> None:
    lines, generation = blocks("gRPC, gRPC-Web and Connect")
    said = [run(line, served, tmp_path) for line in lines.splitlines()]
    listed, described, called, once, sent, health, connect = said
    assert "Counter" in listed.split()
    assert "rpc add" in described
    assert ('"response": 5' in called, '"response": 10' in once) == (True, True)
    assert '"id": "inv_1' in sent
    assert "SERVING" in health
    assert connect == '{"response":20.0}'
    (tmp_path / "client.mjs").write_text(
        blocks("gRPC, gRPC-Web and Connect", "js")[0].replace(
            "localhost:8080", served.ingress.removeprefix("http://")
        )
    )
    (tmp_path / "node_modules").symlink_to(environments.rpc_clients() / "node_modules")
    environments.node()
    steps = [line for line in generation.splitlines() if not line.startswith("npm ")]
    assert [run(line, served, tmp_path) for line in steps][-1] == "25\n"

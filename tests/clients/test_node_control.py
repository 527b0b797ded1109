"""The node-ctrl port for real clients: grpcurl, gRPC's own Python client, curl; and what it says of a start and an end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support import environments
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.server import OurServer, Server, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

IDENT = "dev.restate.node_ctrl.NodeCtrl/GetIdent"
SERVICES = [
    "dev.restate.cluster_controller.ClusterController",
    "dev.restate.node_ctrl.NodeCtrl",
    "dev.restate.worker.Worker",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
]
_CLIENT = Path(__file__).parents[1] / "support" / "services" / "node_client.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = make_server("ours", tmp_path_factory.mktemp("node"), INACTIVITY)
    try:
        yield server
    finally:
        server.stop()


def address(server: Server) -> str:
    return f"127.0.0.1:{server.ports['node_ctrl']}"


def grpcurl(server: Server, *arguments: str, data: object = None) -> subprocess.CompletedProcess[str]:
    """arguments: flags and, last, a verb or method."""
    *flags, last = arguments
    given = [] if data is None else ["-d", json.dumps(data)]
    command = [str(environments.grpcurl()), "-plaintext", *flags, *given, address(server), *last.split(" ")]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def ident(server: Server) -> dict[str, Any]:
    """{} when the server does not answer."""
    said = grpcurl(server, IDENT)
    answer: dict[str, Any] = json.loads(said.stdout) if said.returncode == 0 else {}
    return answer


def test_grpcurl_finds_and_calls_everything(server: Server) -> None:
    assert grpcurl(server, "list").stdout.split() == SERVICES
    described = grpcurl(server, "describe dev.restate.node_ctrl.IdentResponse").stdout
    assert ".dev.restate.common.NodeId node_id = 2;" in described
    assert ident(server) == {
        "status": "ALIVE",
        "node_id": {"id": 1, "generation": 1},
        "nodes_config_version": 1,
    }
    attach = "dev.restate.cluster_controller.ClusterController/AttachNode"
    assert grpcurl(server, attach, data={"node_name": "bed"}).stdout.split() == ["{}"]
    refused = grpcurl(server, attach, data={"node_name": "two", "node_id": {"id": 2}})
    assert "Code: FailedPrecondition" in refused.stderr
    version = grpcurl(server, "dev.restate.worker.Worker/GetBifrostVersion").stdout
    assert json.loads(version) == {"version": "1"}
    assert json.loads(grpcurl(server, "grpc.health.v1.Health/Check").stdout) == {"status": "SERVING"}
    unknown = grpcurl(server, "dev.restate.node_ctrl.NodeCtrl/Nope")
    assert unknown.returncode != 0


def test_grpcio_calls_everything_by_reflection(server: Server) -> None:
    assert grpcio(server) == {
        "health": "SERVING",
        "services": SERVICES,
        "ident": {"status": "ALIVE", "nodeId": {"id": 1, "generation": 1}, "nodesConfigVersion": 1},
        "attach": {},
        "attach_other": [
            "FAILED_PRECONDITION",
            "expected node 1, got node 2: this server is a cluster of one node, which others cannot join",
        ],
        "bifrost": {"version": "1"},
        "watched": "SERVING",
    }


def grpcio(server: Server, *arguments: str) -> Any:
    command = [str(environments.grpc_python()), str(_CLIENT), address(server), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_pages_for_browsers_and_probes_stand_beside_grpc(server: Server) -> None:
    with httpx.Client(base_url=f"http://{address(server)}", trust_env=False) as http:
        assert http.get("/health").json() == {"message": "ok"}
        assert http.get("/ready").status_code == 200
        assert "restate_node_status" in http.get("/metrics").text
        json_call = http.post(f"/{IDENT}", json={})
        assert (json_call.status_code, json_call.json()["status"]) == (200, "ALIVE")


def test_clients_without_a_token_are_refused_in_their_protocol(tmp_path: Path) -> None:
    server = OurServer(tmp_path, attrs.evolve(INACTIVITY, variables={"RESTATE_NODE_CTRL__TOKEN": "secret"}))
    try:
        server.start()
        assert "code = Unauthenticated" in grpcurl(server, IDENT).stderr
        bearer = ["-H", "authorization: Bearer secret"]
        assert json.loads(grpcurl(server, *bearer, IDENT).stdout)["status"] == "ALIVE"
        assert grpcio(server, "wrong") == {"health": "UNAUTHENTICATED"}
        assert grpcio(server, "secret") == {"health": "SERVING"}
        for path in ("/metrics", "/health", "/ready"):
            assert httpx.get(f"http://{address(server)}{path}", trust_env=False).status_code == 401
    finally:
        server.stop()


def test_the_port_tells_of_the_end_until_it_has_come(tmp_path: Path) -> None:
    """An attempt that does not suspend holds the server up; meanwhile node-ctrl answers, and says what goes on."""
    program = start_program(Sdk.PYTHON, tmp_path / "bed")
    server = make_server("ours", tmp_path, Settings(inactivity_timeout="60s"))
    try:
        assert ident(server)["node_id"] == {"id": 1, "generation": 1}
        with Caller(server) as caller:
            caller.register(program.uri)
            caller.send("Steps/longRun", {"ms": 30_000})
            eventually(
                lambda: 'status="started",transient=""} 1.0' in metrics(server) or None,
                what="the attempt",
            )
        os.kill(server.process.pid, signal.SIGTERM)
        eventually(
            lambda: ident(server).get("status") == "SHUTTING_DOWN" or None, what="the shutdown to be told"
        )
        health = grpcurl(server, "grpc.health.v1.Health/Check")
        assert json.loads(health.stdout) == {"status": "NOT_SERVING"}
        ready = httpx.get(f"http://{address(server)}/ready", trust_env=False)
        assert (ready.status_code, ready.json()["message"]) == (503, "the server is shutting down")
        assert 'restate_node_status{status="shutting_down"} 1.0' in metrics(server)
        # The other ports are closed by now.
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.ingress}/restate/health", trust_env=False)
        program.stop()
        eventually(lambda: not server.process.is_running(), what="the end of the server")
        server.stop()
        server.start()
        assert ident(server)["node_id"] == {"id": 1, "generation": 2}
    finally:
        server.stop()
        program.stop()


def metrics(server: Server) -> str:
    return httpx.get(f"http://{address(server)}/metrics", trust_env=False).text

"""SIGTERM while everything is under way: the server ends within its grace period, and nothing accepted is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import threading
import time
import uuid
from typing import TYPE_CHECKING

import attrs
import h2.config
import h2.connection
import httpx
import pytest

from tests.clients.conftest import INACTIVITY, start_program
from tests.support.caller import Caller, Reply, eventually
from tests.support.load import Load, Modern
from tests.support.pg_peer import query, startup
from tests.support.programs import Sdk
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.programs import ServiceProgram

pytestmark = pytest.mark.slow

GRACE_S = 15.0
GRACE = attrs.evolve(INACTIVITY, variables={"RESTATE_SHUTDOWN_GRACE_PERIOD": f"{GRACE_S:g}s"})
ENDLESS = "select count(*) from generate_series(1, 2000000000) a, generate_series(1, 1000) b"
MANY = "select value, repeat('x', 1000) as fill from generate_series(1, 100000000)"


class PatientCaller(Caller):
    """Takes the answer of a server that shuts down for none, as careful clients do."""

    def _request(self, method: str, url: str, body: object, headers: dict[str, str]) -> Reply:
        reply = super()._request(method, url, body, headers)
        if reply.status == 503:
            raise httpx.RemoteProtocolError(f"503 {reply.body.decode()}")
        return reply


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProgram]:
    program = start_program(Sdk.PYTHON, tmp_path_factory.mktemp("shutdown") / "bed")
    yield program
    program.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OurServer]:
    server = OurServer(tmp_path, GRACE)
    server.start()
    yield server
    server.stop()


def end(server: OurServer) -> float:
    """SIGTERM for the server alone, not its workers; the seconds until it has ended in good order.

    A drain that takes longer than the grace period ends with another status.
    """
    began = time.monotonic()
    os.kill(server.process.pid, signal.SIGTERM)
    eventually(lambda: not server.process.is_running(), what="the end of the server")
    took_s = time.monotonic() - began
    assert server.process.stop() == 0, server.log_text()[-3000:]
    return took_s


def connection(port: int) -> socket.socket:
    """One that takes almost nothing as long as nobody reads."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(60)
    made.connect(("127.0.0.1", port))
    return made


def posted(port: int, path: str, body: object) -> socket.socket:
    """A connection whose answer nobody reads."""
    made = connection(port)
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    made.sendall(head.encode() + content)
    return made


def postgres(port: int, sql: str) -> socket.socket:
    made = connection(port)
    made.sendall(startup(user="x") + query(sql))
    return made


def open_stream(port: int, path: str, message: bytes, *, end_stream: bool) -> socket.socket:
    """A call of gRPC over HTTP/2 that goes on; its beginning has been answered."""
    made = socket.create_connection(("127.0.0.1", port), timeout=60)
    http2 = h2.connection.H2Connection(h2.config.H2Configuration())
    http2.initiate_connection()
    headers = {":method": "POST", ":scheme": "http", ":authority": "x", ":path": path}
    http2.send_headers(1, [*headers.items(), ("content-type", "application/grpc"), ("te", "trailers")])
    http2.send_data(1, struct.pack(">BI", 0, len(message)) + message, end_stream=end_stream)
    made.sendall(http2.data_to_send())
    heard: list[object] = []
    while not any(type(event).__name__ == "DataReceived" for event in heard):
        data = made.recv(65536)
        assert data, f"{path} was closed"
        heard += http2.receive_data(data)
        made.sendall(http2.data_to_send())
    return made


def crowd(server: OurServer) -> list[socket.socket]:
    """Everything that does not go away by itself."""
    ports = server.ports
    reflect = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
    list_services = b"\x3a\x00"
    return [
        posted(ports["ingress"], "/Greeter/greet", "x" * 8_000_000),
        posted(ports["admin"], "/query", {"query": MANY}),
        postgres(ports["postgres"], MANY),
        postgres(ports["postgres"], ENDLESS),
        connection(ports["postgres"]),
        connection(ports["ingress"]),
        connection(ports["admin"]),
        open_stream(ports["ingress"], reflect, list_services, end_stream=False),
        open_stream(ports["node_ctrl"], reflect, list_services, end_stream=False),
        open_stream(ports["ingress"], "/grpc.health.v1.Health/Watch", b"", end_stream=True),
        open_stream(ports["node_ctrl"], "/grpc.health.v1.Health/Watch", b"", end_stream=True),
    ]


@contextlib.contextmanager
def running_query(server: OurServer) -> Iterator[None]:
    """A query of the admin port that computes on and on; its client waits."""

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(f"{server.admin}/query", json={"query": ENDLESS}, timeout=60, trust_env=False)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    thread.join(60)
    assert not thread.is_alive()


def stuck_invocation(caller: Caller, program: ServiceProgram) -> str:
    """One that sleeps for an hour, below another one; its id."""
    name = uuid.uuid4().hex
    invocation = caller.send("Steps/stuck", {"name": name, "depth": 2})
    eventually(lambda: program.read(f"{name}.stuck.1"), what="the stuck one")
    return invocation


def test_it_ends_in_time_with_every_kind_of_client_and_all_that_was_accepted_is_done_later(
    program: ServiceProgram, server: OurServer
) -> None:
    with PatientCaller(server) as caller:
        caller.register(program.uri)
        load = Load(caller, program, Modern(), seed=7, workers=8)
        load.start()
        stuck: list[str] = []
        busy: list[str] = []
        try:
            for turn in range(3):
                stuck.append(stuck_invocation(caller, program))
                busy.append(caller.send("Steps/longRun", {"ms": 4000}))
                time.sleep(1)
                with running_query(server):
                    clients = crowd(server)
                    time.sleep(0.5)
                    took_s = end(server)
                for client in clients:
                    client.close()
                server.start()
                print(f"turn {turn}: ended after {took_s:.2f} s")
            load.stop()
            load.settle()
            print(f"finished {dict(load.finished)}")
            for each in busy:
                assert caller.attach(each).ok() == "worked"
            for each in stuck:
                assert caller.output(each).status == 470
                assert caller.cancel(each).status == 202
                assert caller.attach(each).status == 409
        finally:
            load.abandon()
    log = server.log_text()
    assert log.count(f"SIGTERM: draining, at most {GRACE_S:g} s") == 3
    assert "Traceback" not in log
    assert not [line for line in log.splitlines() if "ERROR" in line]


def test_health_tells_who_watches_that_the_server_goes(server: OurServer) -> None:
    watch = open_stream(server.ports["node_ctrl"], "/grpc.health.v1.Health/Watch", b"", end_stream=True)
    end(server)
    rest = b""
    with contextlib.suppress(OSError):
        while data := watch.recv(65536):
            rest += data
    watch.close()
    # NOT_SERVING, in its frame.
    assert b"\x00\x00\x00\x00\x02\x08\x02" in rest

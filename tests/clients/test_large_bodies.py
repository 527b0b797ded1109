"""What bodies of 32 MB cost in memory, over each protocol: in the ingress by itself, and in a whole server."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from restate.runtime.pb.synth_pb2 import RpcRequest
from restate.runtime.rpc.frames import frame
from tests.clients.conftest import INACTIVITY, make_server
from tests.support import environments, ingress_alone, programs
from tests.support.caller import Caller
from tests.support.processes import Process
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 32_000_000
AS_IT_CAME, TRANSCODED, IN_A_SERVER = 3, 6, 8
"""How many times its size a body may cost at most, request and reply together.

One that is transcoded is at the same time text, Python value and message. A whole server writes the reply into the journal and into
the record of the invocation: at that moment both are in the batch of writes and in the tables of recent ones. It takes 4.0 to 5.2, and
what the allocator keeps of earlier requests is a matter of chance.
"""

_TEXT = "x" * (SIZE - 100)
_MESSAGE = RpcRequest(request={"string_value": _TEXT}).SerializeToString()
_JSON, _PROTO = "content-type: application/json", "content-type: application/proto"
_STRICT = "connect-protocol-version: 1"
_MODERN, _CLASSIC = "/Greeter/greet", "/my.greeter/call"


@attrs.frozen
class Case:
    """A request of curl whose answer is as long as it."""

    name: str
    path: str
    body: bytes
    options: tuple[str, ...]
    times: int = AS_IT_CAME


def _headers(*lines: str) -> tuple[str, ...]:
    return tuple(part for line in lines for part in ("-H", line))


_H2 = "--http2-prior-knowledge"
_GRPC = (_H2, *_headers("content-type: application/grpc", "te: trailers"))
_PLAIN = json.dumps(_TEXT).encode()
_RPC_JSON = json.dumps({"request": _TEXT}).encode()
SMALL = {
    _PLAIN: b'"x"',
    frame(_MESSAGE): frame(RpcRequest(request={"string_value": "x"}).SerializeToString()),
    _MESSAGE: RpcRequest(request={"string_value": "x"}).SerializeToString(),
    _RPC_JSON: b'{"request": "x"}',
}
"""{body: a short one of its kind}, for what a protocol needs at its first use."""
CASES = (
    Case("plain", _MODERN, _PLAIN, _headers(_JSON)),
    Case("plain, chunked", _MODERN, _PLAIN, _headers(_JSON, "transfer-encoding: chunked")),
    Case("plain, h2", _MODERN, _PLAIN, (_H2, *_headers(_JSON))),
    Case("gRPC", _CLASSIC, frame(_MESSAGE), _GRPC),
    Case("gRPC-Web", _CLASSIC, frame(_MESSAGE), _headers("content-type: application/grpc-web+proto")),
    Case("Connect", _CLASSIC, _MESSAGE, _headers(_PROTO, _STRICT)),
    Case("gRPC, to JSON", _MODERN, frame(_MESSAGE), _GRPC, TRANSCODED),
    Case("Connect, JSON to JSON", _MODERN, _RPC_JSON, _headers(_JSON, _STRICT), TRANSCODED),
)


@contextmanager
def an_ingress(folder: Path) -> Iterator[tuple[Process, int]]:
    """Anew for each case: what an allocator keeps of one must not hide what the next one costs."""
    command = [sys.executable, ingress_alone.__file__, "echo"]
    process = Process(command, {}, folder / "ingress.log")
    try:
        process.wait_for(lambda: "port" in process.log_text(), what="the port of the ingress")
        yield process, int(json.loads(process.log_text().splitlines()[0])["port"])
    finally:
        process.kill()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_large_body_in_the_ingress(case: Case, tmp_path: Path) -> None:
    with an_ingress(tmp_path) as (process, port):
        post(port, attrs.evolve(case, body=SMALL[case.body]), tmp_path)
        cost = cost_of(process, port, case, tmp_path)
    assert cost <= case.times, f"{case.name}: {cost:.2f} times its size"


def test_a_large_body_in_a_server(tmp_path: Path) -> None:
    script = Path(programs.__file__).parent / "services" / "edges.py"
    program = ServiceProgram(Sdk.PYTHON, tmp_path / "service", script=script)
    try:
        server = make_server("ours", tmp_path, INACTIVITY)
        try:
            with Caller(server) as caller:
                caller.register(program.uri)
                caller.call("Edge/echo", "x").ok()
                case = Case(
                    "raw", "/Edge/raw", b"x" * SIZE, _headers("content-type: application/octet-stream")
                )
                cost = cost_of(server.process, server.ports["ingress"], case, tmp_path)
        finally:
            server.stop()
    finally:
        program.stop()
    assert cost <= IN_A_SERVER, f"{cost:.2f} times its size"


def cost_of(process: Process, port: int, case: Case, folder: Path) -> float:
    """The growth of the largest resident size while a request is answered, in units of its body."""
    before = process.rss_bytes()
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")  # the largest so far is forgotten
    post(port, case, folder)
    status = Path(f"/proc/{process.pid}/status").read_text()
    highest = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert highest is not None
    return (int(highest[1]) * 1024 - before) / SIZE


def post(port: int, case: Case, folder: Path) -> None:
    """AssertionError unless the answer is about as long as the request."""
    body, answer = folder / "body", folder / "answer"
    body.write_bytes(case.body)
    command = [environments.curl(), "-sS", "--noproxy", "*", "-H", "expect:", "--data-binary", f"@{body}"]
    command += ["-o", str(answer), "-w", "%{http_code}", *case.options, f"http://127.0.0.1:{port}{case.path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "200"), f"{case.name}: {done.stdout}{done.stderr}"
    assert answer.stat().st_size > len(case.body) - 1000

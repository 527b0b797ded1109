"""`scripts/bench.py ingress`: what port 8080 costs by itself, over each protocol, and in a whole server.

Alone: the listener and the ingress in a process of their own, on a partition that answers at once; the server CPU is
that of a request and its reply together. Whole: our server and a service that answers at once, on our own listener
instead of an SDK. Needs h2load (Debian package nghttp2-client); nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import attrs
import trio
from google.protobuf import json_format

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from restate.runtime.pb.synth_pb2 import RpcRequest  # noqa: E402
from restate.runtime.rpc import transcode  # noqa: E402
from restate.runtime.rpc.frames import frame  # noqa: E402
from restate.runtime.rpc.json_options import JsonOptions  # noqa: E402
from tests.server.process import Conversation, running_service  # noqa: E402
from tests.support.caller import Caller  # noqa: E402
from tests.support.ingress_alone import DONE  # noqa: E402
from tests.support.net_server import H2Peer  # noqa: E402
from tests.support.processes import Process  # noqa: E402
from tests.support.server import OurServer  # noqa: E402

TARGETS_US = {"plain HTTP": 80, "gRPC": 200, "gRPC, classic": 200}
"""{protocol: server CPU at most, alone, at 16 clients and more}. At one client every call pays for a sleep of the loop."""

_TEXT = "Ada"
_RPC_JSON = json.dumps({"request": _TEXT}).encode()
_MESSAGE = RpcRequest(request={"string_value": _TEXT}).SerializeToString()


@attrs.frozen(kw_only=True)
class Call:
    """One request, again and again. service: what `{service}` stands for in the path, by where it is measured."""

    name: str
    path: str
    body: bytes
    headers: tuple[str, ...]
    h2: bool = False


_CONNECT = ("content-type: application/json", "connect-protocol-version: 1")
_PROTO = ("content-type: application/proto", "connect-protocol-version: 1")
_GRPC = ("content-type: application/grpc", "te: trailers")
_WEB = ("content-type: application/grpc-web+proto",)


def modern_calls(path: str) -> tuple[Call, ...]:
    """Of a modern handler at `path`."""
    return (
        Call(
            name="plain HTTP",
            path=path,
            body=json.dumps(_TEXT).encode(),
            headers=("content-type: application/json",),
        ),
        Call(name="Connect JSON", path=path, body=_RPC_JSON, headers=_CONNECT),
        Call(name="gRPC", path=path, body=frame(_MESSAGE), headers=_GRPC, h2=True),
    )


def classic_calls(path: str) -> tuple[Call, ...]:
    return (
        Call(name="Connect JSON, classic", path=path, body=_RPC_JSON, headers=_CONNECT),
        Call(name="Connect protobuf, classic", path=path, body=_MESSAGE, headers=_PROTO),
        Call(name="gRPC-Web, classic", path=path, body=frame(_MESSAGE), headers=_WEB),
        Call(name="gRPC, classic", path=path, body=frame(_MESSAGE), headers=_GRPC, h2=True),
    )


@attrs.frozen(kw_only=True)
class Figures:
    """Of one load. Server CPU is per call."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


async def serve_service() -> None:
    """A deployment whose one handler, `Bed/answer`, answers at once."""

    async def answer(conversation: Conversation) -> None:
        await conversation.replay()
        await conversation.output(DONE)

    async with running_service(answer=answer) as service:
        print(json.dumps({"port": service.port}), flush=True)
        await trio.sleep_forever()


def started(script: Path, folder: Path) -> tuple[Process, int]:
    """A script as another process, and the port that it prints."""
    log = folder / f"{script.stem}.log"
    process = Process([sys.executable, str(script)], {"PYTHONPATH": str(ROOT)}, log)
    process.wait_for(lambda: "port" in process.log_text(), what=f"the port of {script}")
    return process, int(json.loads(process.log_text().splitlines()[0])["port"])


def put_load(port: int, call: Call, clients: int, seconds: float, server: Process, folder: Path) -> Figures:
    rate = _h2load(port, call, clients, ["-D", "1"], folder)[0]
    count = max(clients, int(rate * seconds))
    before = server.cpu_seconds()
    rate, times = _h2load(port, call, clients, ["-n", str(count)], folder)
    cpu_us = (server.cpu_seconds() - before) / count * 1e6
    return Figures(
        per_second=rate, p50_ms=statistics.median(times), p99_ms=times[len(times) * 99 // 100], cpu_us=cpu_us
    )


def _h2load(
    port: int, call: Call, clients: int, options: Sequence[str], folder: Path
) -> tuple[float, list[float]]:
    """Requests per second, and the time of each in ms, sorted. RuntimeError unless all of them succeed."""
    program = shutil.which("h2load")
    if program is None:
        raise RuntimeError("h2load is not installed: apt-get install nghttp2-client")
    body, log = folder / "body", folder / "log"
    body.write_bytes(call.body)
    log.unlink(missing_ok=True)
    command = [program, "-t1", f"-c{clients}", "-m1", *options, f"-d{body}", f"--log-file={log}"]
    for header in call.headers:
        command += ["-H", header]
    if not call.h2:
        command.append("--h1")
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{call.path}"], capture_output=True, text=True, check=True
    )
    rate = re.search(r"finished in .*, ([0-9.]+) req/s", done.stdout)
    counted = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)
    if rate is None or counted is None or any(int(number) for number in counted.groups()):
        raise RuntimeError(f"{call.name}: {done.stdout}{done.stderr}")
    times = sorted(int(line.split("\t")[2]) / 1000 for line in log.read_text().splitlines())
    return float(rate[1]), times


async def check(port: int, call: Call) -> None:
    """That the call succeeds, which h2load cannot see of gRPC. AssertionError otherwise."""
    headers = [
        (name.encode(), value.encode()) for name, _, value in (h.partition(": ") for h in call.headers)
    ]
    async with H2Peer(await trio.open_tcp_stream("127.0.0.1", port)) as peer:
        await peer.open()
        answer = await peer.exchange(b"POST", call.path.encode(), call.body, headers)
    assert answer.status == 200, answer
    assert answer.trailers.get(b"grpc-status", b"0") == b"0", answer
    assert b"done" in answer.body, answer


def measure(
    port: int, calls: Sequence[Call], clients: Sequence[int], seconds: float, server: Process, folder: Path
) -> dict[tuple[str, int], Figures]:
    found = {}
    for call in calls:
        trio.run(check, port, call)
        for count in clients:
            figures = put_load(port, call, count, seconds, server, folder)
            found[call.name, count] = figures
            print(f"{call.name}, {count} clients: {figures}", flush=True)
    return found


def measure_alone(clients: Sequence[int], seconds: float, folder: Path) -> dict[tuple[str, int], Figures]:
    server, port = started(ROOT / "tests" / "support" / "ingress_alone.py", folder)
    try:
        calls = (*modern_calls("/Greeter/greet"), *classic_calls("/my.greeter/call"))
        return measure(port, calls, clients, seconds, server, folder)
    finally:
        server.kill()


def measure_whole(clients: Sequence[int], seconds: float, folder: Path) -> dict[tuple[str, int], Figures]:
    service, service_port = started(Path(__file__), folder)
    server = OurServer(folder)
    try:
        server.start()
        with Caller(server) as caller:
            caller.register(f"http://127.0.0.1:{service_port}")
        calls = modern_calls("/Bed/answer")
        return measure(server.ports["ingress"], calls, clients, seconds, server.process, folder)
    finally:
        server.stop()
        service.kill()


def transcoding() -> list[tuple[str, float]]:
    """Microseconds of each direction, for a message as small as that of the loads and for one of 100 members."""
    options = JsonOptions()
    many = RpcRequest(key="k")
    json_format.ParseDict({"request": {f"name{n}": [n, f"text {n}"] for n in range(100)}}, many)
    rows = []
    for size, message in (("small", RpcRequest.FromString(_MESSAGE)), ("100 members", many)):
        text = transcode.to_json(message.SerializeToString(), RpcRequest, options)
        rows.append((f"JSON to protobuf, {size} ({len(text):,} bytes)", _cost(partial(_read, text, options))))
        encoded = message.SerializeToString()
        rows.append((f"protobuf to JSON, {size}", _cost(partial(_write, encoded, options))))
    return rows


def _read(text: bytes, options: JsonOptions) -> bytes:
    return transcode.from_json(text, RpcRequest, options)


def _write(encoded: bytes, options: JsonOptions) -> bytes:
    return transcode.to_json(encoded, RpcRequest, options)


def _cost(run: Callable[[], object]) -> float:
    """Microseconds of processor time, the best of several rounds."""
    best = float("inf")
    for _ in range(5):
        before, count = time.process_time(), 0
        while time.process_time() - before < 0.1:
            for _ in range(50):
                run()
            count += 50
        best = min(best, (time.process_time() - before) / count)
    return best * 1e6


def table(
    alone: dict[tuple[str, int], Figures],
    whole: dict[tuple[str, int], Figures],
    coding: Sequence[tuple[str, float]],
) -> str:
    lines = [
        "| Alone, calls/s · p50 ms · p99 ms · server CPU µs | clients | | budget |",
        "|---|---:|---:|---|",
    ]
    for (name, clients), figures in alone.items():
        target = TARGETS_US.get(name)
        budget = f"{target} µs" if target and clients > 1 else ""
        lines.append(f"| {name} | {clients} | {_row(figures)} | {budget} |")
    lines += ["", "| In a whole server | clients | |", "|---|---:|---:|"]
    lines += [f"| {name} | {clients} | {_row(figures)} |" for (name, clients), figures in whole.items()]
    lines += ["", "| Transcoding | µs |", "|---|---:|"]
    lines += [f"| {name} | {cost:.1f} |" for name, cost in coding]
    return "\n".join(lines) + "\n"


def _row(figures: Figures) -> str:
    return (
        f"{figures.per_second:,.0f} · {figures.p50_ms:.2f} · {figures.p99_ms:.2f} · **{figures.cpu_us:.0f}**"
    )


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.py ingress", description=__doc__)
    parser.add_argument("--clients", nargs="+", type=int, default=[1, 16, 64])
    parser.add_argument("--seconds", type=float, default=3, help="length of each load")
    parser.add_argument("--parts", nargs="+", choices=["alone", "whole"], default=["alone", "whole"])
    parser.add_argument("--output", type=Path, default=ROOT / ".cache" / "bench" / "ingress.md")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-ingress-") as folder:
        loads = {"alone": measure_alone, "whole": measure_whole}
        found = {
            part: loads[part](options.clients, options.seconds, Path(folder)) if part in options.parts else {}
            for part in loads
        }
    machine = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    text = f"{machine}\n\n{table(found['alone'], found['whole'], transcoding())}"
    print(f"\n{text}")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(text)


if __name__ == "__main__":
    trio.run(serve_service)

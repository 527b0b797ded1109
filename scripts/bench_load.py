"""Load on one ingress, made by wrk: throughput, latency, and what it cost the server."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from tests.support.processes import Process

_SCRIPT = Path(__file__).with_name("bench.lua")
_SAMPLE_SECONDS = 0.25


@attrs.frozen
class Workload:
    """What is called: path below the ingress, JSON body, and over how many keys the path's `%d` runs."""

    name: str
    path: str
    body: str
    keys: int = 0


WORKLOADS = (
    Workload("stateless", "/Greeter/greet", '"Ada"'),
    Workload("counter", "/Counter/k%d/add", "1", keys=1000),
)


@attrs.frozen(kw_only=True)
class LoadResult:
    """One load run. Latencies and CPU in milliseconds, memory in bytes."""

    requests: int
    failed: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_ms: float
    service_cpu_ms: float
    peak_rss_bytes: int


def put_load(
    ingress: str, workload: Workload, *, clients: int, seconds: float, server: Process, service: Process
) -> LoadResult:
    """Keep `clients` connections busy, each with one request at a time, for so many seconds.

    CPU figures are per request. RuntimeError when wrk is missing or no request was answered.
    """
    server_before, service_before = server.cpu_seconds(), service.cpu_seconds()
    with _PeakRss(server) as peak:
        counted = _wrk(ingress, workload, clients=clients, seconds=seconds)
    requests = counted["requests"]
    if not requests:
        raise RuntimeError(f"{workload.name} with {clients} clients: no request was answered")
    return LoadResult(
        requests=requests,
        failed=counted["failed"] + counted["broken"],
        per_second=requests / counted["duration_us"] * 1e6,
        p50_ms=counted["p50_us"] / 1000,
        p99_ms=counted["p99_us"] / 1000,
        server_cpu_ms=(server.cpu_seconds() - server_before) / requests * 1000,
        service_cpu_ms=(service.cpu_seconds() - service_before) / requests * 1000,
        peak_rss_bytes=peak.bytes,
    )


def _wrk(ingress: str, workload: Workload, *, clients: int, seconds: float) -> dict[str, int]:
    program = shutil.which("wrk")
    if program is None:
        raise RuntimeError("wrk is not installed: apt-get install wrk")
    command = [
        program,
        "-t1",
        f"-c{clients}",
        f"-d{seconds:g}s",
        "--timeout",
        "20s",
        "-s",
        str(_SCRIPT),
        ingress,
    ]
    arguments = ["--", workload.path, workload.body, str(workload.keys)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            counted: dict[str, int] = json.loads(line.removeprefix("RESULT "))
            return counted
    raise RuntimeError(f"wrk printed no result:\n{done.stdout}{done.stderr}")


class _PeakRss:
    """Samples a process's memory while its block runs."""

    def __init__(self, process: Process) -> None:
        self.bytes = 0
        self._process = process
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> _PeakRss:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.bytes = max(self.bytes, self._process.rss_bytes())
            if self._ended.wait(_SAMPLE_SECONDS):
                return

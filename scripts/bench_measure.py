"""Everything scripts/bench.py measures about one server, as a flat `{name: number}`.

Names are `part/…/figure`, such as `load/typescript/counter/64/p99_ms`; `bench_report` gives them rows.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
from bench_load import WORKLOADS, put_load

from tests.support.caller import Caller
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.support.server import Server

PARTS = ("start", "load", "recovery")
MIB = 1024 * 1024


@attrs.frozen(kw_only=True)
class Plan:
    """How much is measured."""

    parts: Sequence[str]
    sdks: Sequence[Sdk]
    clients: Sequence[int]
    seconds: float
    starts: int
    retained: int

    @classmethod
    def full(cls) -> Plan:
        """Six loads of ten seconds, so that memory is read after a minute of load."""
        return cls(
            parts=PARTS,
            sdks=(Sdk.TYPESCRIPT, Sdk.PYTHON),
            clients=(1, 16, 64),
            seconds=10,
            starts=5,
            retained=40_000,
        )

    @classmethod
    def quick(cls) -> Plan:
        """A minute or so for each server."""
        return attrs.evolve(cls.full(), seconds=3, starts=3, retained=4_000)


def measure(kind: str, plan: Plan, say: Callable[[str], None]) -> dict[str, float]:
    """All parts of the plan on one kind of server. `say` is told of each step."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix=f"bench-{kind}-") as folder:
        if "start" in plan.parts:
            figures |= _starts(kind, Path(folder), plan, say)
        if "load" in plan.parts:
            for sdk in plan.sdks:
                figures |= _loads(kind, Path(folder) / sdk.value, sdk, plan, say)
        if "recovery" in plan.parts:
            figures |= _recovery(kind, Path(folder) / "recovery", plan, say)
    return figures


def _starts(kind: str, folder: Path, plan: Plan, say: Callable[[str], None]) -> dict[str, float]:
    """Cold starts on empty directories; memory and disk of the last one at rest."""
    seconds = []
    idle_rss, data = 0, 0
    for number in range(plan.starts):
        server = SERVERS[kind](folder / f"start{number}")
        try:
            began = time.monotonic()
            server.spawn()
            _first_answer(server, lambda ingress: urllib.request.Request(f"{ingress}/restate/health"))
            seconds.append(time.monotonic() - began)
            server.wait_until_ready()
            if number == plan.starts - 1:
                time.sleep(5)
                idle_rss, data = server.process.rss_bytes(), server.data_bytes()
        finally:
            server.stop()
    say(f"start: {', '.join(f'{second:.2f}' for second in seconds)} s")
    return {
        "start/cold_s": statistics.median(seconds),
        "start/idle_rss_mib": idle_rss / MIB,
        "start/data_mib": data / MIB,
    }


def _loads(kind: str, folder: Path, sdk: Sdk, plan: Plan, say: Callable[[str], None]) -> dict[str, float]:
    """Each workload at each number of clients, on one fresh server and one service program."""
    figures: dict[str, float] = {}
    program = ServiceProgram(sdk, folder / "bed")
    server = SERVERS[kind](folder)
    try:
        server.start()
        with Caller(server) as caller:
            caller.register(program.uri)
        processes = {"server": server.process, "service": program.process}
        for workload in WORKLOADS:
            put_load(server.ingress, workload, clients=16, seconds=min(2, plan.seconds), **processes)
        peak = 0
        for workload in WORKLOADS:
            for clients in plan.clients:
                result = put_load(
                    server.ingress, workload, clients=clients, seconds=plan.seconds, **processes
                )
                peak = max(peak, result.peak_rss_bytes)
                name = f"load/{sdk.value}/{workload.name}/{clients}"
                for figure in ("per_second", "p50_ms", "p99_ms", "server_cpu_ms", "service_cpu_ms", "failed"):
                    figures[f"{name}/{figure}"] = getattr(result, figure)
                say(
                    f"{name}: {result.per_second:.0f}/s, p50 {result.p50_ms:.1f} ms, p99 {result.p99_ms:.1f} ms, "
                    f"server {result.server_cpu_ms:.2f} ms, {result.failed} failed"
                )
        figures[f"load/{sdk.value}/peak_rss_mib"] = peak / MIB
        figures[f"load/{sdk.value}/data_mib"] = server.data_bytes() / MIB
    finally:
        server.stop()
        program.stop()
    return figures


def _recovery(kind: str, folder: Path, plan: Plan, say: Callable[[str], None]) -> dict[str, float]:
    """kill -9 with so many ended, retained invocations; until a call is answered again."""
    program = ServiceProgram(plan.sdks[0], folder / "bed")
    server = SERVERS[kind](folder)
    try:
        server.start()
        with Caller(server) as caller:
            caller.register(program.uri)
        processes = {"server": server.process, "service": program.process}
        retained = 0
        while retained < plan.retained:
            retained += put_load(server.ingress, WORKLOADS[0], clients=64, seconds=2, **processes).requests
        seconds = []
        for _ in range(3):
            server.kill()
            began = time.monotonic()
            server.spawn()
            _first_answer(server, _greet)
            seconds.append(time.monotonic() - began)
    finally:
        server.stop()
        program.stop()
    say(f"recovery with {retained} retained: {', '.join(f'{second:.2f}' for second in seconds)} s")
    return {"recovery/first_answer_s": statistics.median(seconds), "recovery/retained": retained}


def _greet(ingress: str) -> urllib.request.Request:
    headers = {"content-type": "application/json"}
    return urllib.request.Request(f"{ingress}/Greeter/greet", json.dumps("Ada").encode(), headers)


def _first_answer(server: Server, request: Callable[[str], urllib.request.Request]) -> None:
    """Ask every few milliseconds until the ingress answers 200."""
    server.wait_for_ports()
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(request(server.ingress), timeout=60) as reply:
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.005)
    raise TimeoutError(f"the {server.name} server did not answer\n{server.log_text()[-2000:]}")

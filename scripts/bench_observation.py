"""What it costs to be watched: metrics and the default log, and traces of one request in a hundred.

    .venv/bin/python scripts/bench.py observation [--rounds N] [--seconds S]

Three servers under the same load, in turns, so that a slower minute of the machine hits all of them. The first one counts
nothing and logs nothing; a program of ours switches that off, because no setting does. In a last round the second one is
asked for its metrics all the time. Needs wrk.
"""

from __future__ import annotations

import argparse
import http.server
import statistics
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import httpx
from bench_load import WORKLOADS, put_load

from tests.support.caller import Caller
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import OurServer, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLIENTS = 64
_SHARE = "0.01"
_PAUSE_S = 0.2

_UNWATCHED = """
import sys
from restate.runtime.telemetry import metrics_kinds as kinds

def nothing(*_):
    pass

for kind in (kinds.Counters, kinds.Histograms):
    for name in ("add", "observe"):
        if hasattr(kind, name):
            setattr(kind, name, nothing)
kinds.Buckets.observe = nothing
from restate.runtime.main import main
sys.exit(main())
"""


class _Server(OurServer):
    """program: what is run instead of the command."""

    program: tuple[str, ...] = ()

    def _command(self) -> tuple[list[str], dict[str, str]]:
        command, environment = super()._command()
        return [*self.program, *command[1:]] if self.program else command, environment


@attrs.frozen
class Way:
    """One of the servers."""

    title: str
    program: tuple[str, ...] = ()
    variables: Mapping[str, str] = attrs.field(factory=dict)


def main(arguments: list[str]) -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(prog="bench.py observation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=6)
    options = parser.parse_args(arguments)
    collector = _collector()
    ways = (
        Way("nothing", (sys.executable, "-c", _UNWATCHED), {"RESTATE_LOG_FILTER": "off"}),
        Way("metrics and the default log"),
        Way(
            "the same and traces of 1 %",
            variables={
                "RESTATE_OBSERVABILITY__TRACING__ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
                "RESTATE_OBSERVABILITY__TRACING__SAMPLE_RATIO": _SHARE,
            },
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        found, times_ms = _measure(ways, Path(folder), options.rounds, options.seconds)
        print(_table(ways, found))
        first, *later = times_ms
        print(
            f"\n`/metrics` under this load: first {first:.1f} ms, as it imports its parts; then median"
            f" {statistics.median(later):.1f} ms, slowest {max(later):.1f} ms, of {len(later)}"
        )


def _measure(
    ways: tuple[Way, ...], folder: Path, rounds: int, seconds: float
) -> tuple[dict[str, list[tuple[float, float]]], list[float]]:
    """{title: [(requests per second, CPU in ms per request) of each round]}; ms of each answer with metrics."""
    found: dict[str, list[tuple[float, float]]] = {way.title: [] for way in ways}
    program = ServiceProgram(Sdk.TYPESCRIPT, folder / "bed")
    servers = []
    try:
        for number, way in enumerate(ways):
            server = _Server(folder / str(number), Settings(variables=way.variables))
            server.program = way.program
            server.start()
            servers.append(server)
            with Caller(server) as caller:
                caller.register(program.uri)
        for number in range(rounds + 1):
            for way, server in zip(ways, servers, strict=True):
                load = put_load(
                    server.ingress,
                    WORKLOADS[0],
                    clients=_CLIENTS,
                    seconds=seconds,
                    server=server.process,
                    service=program.process,
                )
                if number:  # the first round warms up
                    found[way.title].append((load.per_second, load.server_cpu_ms))
                    print(f"{way.title}: {load.per_second:.0f}/s, {load.server_cpu_ms:.3f} ms", flush=True)
        with _scraping(f"http://127.0.0.1:{servers[1].ports['node_ctrl']}/metrics") as times_ms:
            put_load(
                servers[1].ingress,
                WORKLOADS[0],
                clients=_CLIENTS,
                seconds=seconds,
                server=servers[1].process,
                service=program.process,
            )
    finally:
        for server in servers:
            server.stop()
        program.stop()
    return found, times_ms


@contextmanager
def _scraping(url: str) -> Iterator[list[float]]:
    """Meanwhile ask for this page, again and again, over a connection that stays; the times of the answers in ms."""
    times_ms: list[float] = []
    ended = threading.Event()

    def scrape() -> None:
        with httpx.Client(trust_env=False) as client:
            while not ended.wait(_PAUSE_S):
                began = time.perf_counter()
                client.get(url).raise_for_status()
                times_ms.append((time.perf_counter() - began) * 1000)

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield times_ms
    finally:
        ended.set()
        thread.join()


def _table(ways: tuple[Way, ...], found: Mapping[str, list[tuple[float, float]]]) -> str:
    lines = [
        "| Watched by | requests/s | CPU ms per request | throughput, of the line above |",
        "|---|---:|---:|---:|",
    ]
    above = None
    for way in ways:
        rate, cpu = (statistics.median(column) for column in zip(*found[way.title], strict=True))
        share = "" if above is None else f"{100 * rate / above:.1f} %"
        lines.append(f"| {way.title} | {rate:,.0f} | {cpu:.3f} | {share} |")
        above = rate
    return "\n".join(lines)


def _collector() -> http.server.ThreadingHTTPServer:
    """Takes spans and forgets them."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server

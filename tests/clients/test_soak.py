"""Half load for a long time: what the server holds must stay level. Two minutes, or `--soak-minutes`."""

from __future__ import annotations

import faulthandler
import http.client
import itertools
import json
import os
import random
import re
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.server import OurServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.programs import ServiceProgram

pytestmark = pytest.mark.slow

_CLIENTS = 16
_KEYS = 64
_CAPACITY_S = 10.0
"""How long the server is asked for all it can do; half of that is the load."""
_SETTLING_S = 20.0
"""Left out of the comparison: caches fill, and the first of what is retained has not gone yet."""
_ROWS = 12
"""Of the printed table."""
_MIB = 1 << 20


SETTINGS = attrs.evolve(
    INACTIVITY,
    variables={
        "RESTATE_RETENTION__JOURNAL": "3s",
        "RESTATE_RETENTION__IDEMPOTENCY": "3s",
        "RESTATE_STORAGE__BLOCK_CACHE_BYTES": "2MiB",
        "RESTATE_QUERY__WORKER_CACHE": "1MiB",
        "RESTATE_STORAGE__LOG_BYTES": "8MiB",
        "RESTATE_STORAGE__WRITE_BUFFER_BYTES": "8MiB",
        "RESTATE_STORAGE__TABLE_WRITE_BUFFER_BYTES": "2MiB",
    },
)
"""Keeps results so shortly, and log and caches so small, that all of them turn over many times in a run."""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[ServiceProgram]:
    program = start_program(Sdk.PYTHON, tmp_path / "bed")
    yield program
    program.stop()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OurServer]:
    server = OurServer(tmp_path, SETTINGS)
    server.start()
    yield server
    server.stop()


class Callers:
    """Threads that call at a common pace, each over a connection of its own that it opens anew now and then."""

    def __init__(self, server: OurServer) -> None:
        self._address = ("127.0.0.1", server.ports["ingress"])
        self._over = threading.Event()
        self._turns = itertools.count()
        self._began = time.monotonic()
        self._pause_s = 0.0
        self.calls = 0
        self.added = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(_CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def pace(self, per_second: float) -> None:
        with self._lock:
            self._began, self._turns, self._pause_s = time.monotonic(), itertools.count(), 1 / per_second

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            while not self._over.is_set():
                with self._lock:
                    due = self._began + next(self._turns) * self._pause_s
                if (early_s := due - time.monotonic()) > 0 and self._pause_s:
                    self._over.wait(early_s)
                path, body, headers = _operation(chance)
                connection.request("POST", path, json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
                with self._lock:
                    self.calls += 1
                    self.added += path.startswith("/Counter/")
                    if answer.status not in (200, 202):
                        self.failures.append(f"{path}: {answer.status} {text.decode(errors='replace')}")
                if chance.random() < 0.01:
                    connection.close()
        except Exception as error:
            with self._lock:
                self.failures.append(repr(error))
        finally:
            connection.close()


def _operation(chance: random.Random) -> tuple[str, object, dict[str, str]]:
    """A path, a body and headers: of every hundred calls some are one-way, late, retained, suspended or trees."""
    headers = {"content-type": "application/json"}
    key = f"soak{chance.randrange(_KEYS)}"
    match chance.randrange(100):
        case n if n < 50:
            return f"/Counter/{key}/add", 1, headers
        case n if n < 70:
            return f"/Counter/{key}/add", 1, {**headers, "idempotency-key": f"{chance.getrandbits(64):x}"}
        case n if n < 80:
            return f"/Counter/{key}/add/send", 1, headers
        case n if n < 85:
            return f"/Counter/{key}/add/send?delay={chance.randrange(1, 5)}s", 1, headers
        case n if n < 97:
            return "/Greeter/greet", "x" * chance.choice((10, 100, 5_000)), headers
        case n if n < 98:
            # Longer than the inactivity timeout: it suspends.
            return "/Steps/sleep/send", {"name": key, "ms": 900}, headers
        case _:
            return "/Steps/tree", 3, headers


@attrs.frozen
class Sample:
    """What the server holds, `at_s` seconds after the half load began."""

    at_s: float
    calls: int
    rss: int
    workers_rss: int
    descriptors: int
    threads: int
    tasks: int
    data: int


def look(server: OurServer, began: float, callers: Callers) -> Sample:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    threads = re.search(r"^Threads:\s+(\d+)$", status, re.MULTILINE)
    assert threads is not None
    return Sample(
        at_s=time.monotonic() - began,
        calls=callers.calls,
        rss=(rss := _rss_bytes(server)),
        workers_rss=server.process.rss_bytes() - rss,
        descriptors=server.process.open_files(),
        threads=int(threads[1]),
        tasks=_tasks(server),
        data=_data_bytes(server.base_dir),
    )


def _rss_bytes(server: OurServer) -> int:
    """Of the server without its query workers."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _tasks(server: OurServer) -> int:
    with urllib.request.urlopen(
        f"http://127.0.0.1:{server.ports['node_ctrl']}/metrics", timeout=10
    ) as answer:
        found = re.search(r"^restate_tasks(?:\{\})? ([0-9.e+]+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


def _data_bytes(folder: Path) -> int:
    """Files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:
            continue
    return total


def query(caller: Caller) -> None:
    sql = "select status, count(*) as n from sys_invocation group by status"
    assert caller.admin("POST", "/query", {"query": sql}).status == 200


def _counted(caller: Caller) -> int:
    return sum(int(caller.call(f"Counter/soak{key}/get").ok()) for key in range(_KEYS))


def table(samples: list[Sample], per_second: float) -> str:
    """Some of the samples, evenly."""
    lines = [
        f"half load is {per_second:.0f} calls/s",
        "| min | calls | RSS MiB | of workers | descriptors | threads | tasks | data MiB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    step = max(1, len(samples) // _ROWS)
    for each in [*samples[:-1:step], samples[-1]]:
        lines.append(
            f"| {each.at_s / 60:.1f} | {each.calls:,} | {each.rss / _MIB:.1f} | {each.workers_rss / _MIB:.1f} | {each.descriptors} | {each.threads}"
            f" | {each.tasks} | {each.data / _MIB:.1f} |"
        )
    return "\n".join(lines)


def level(name: str, samples: list[Sample], *, factor: float, slack: int) -> None:
    """The peak of the second half is not above that of the first by more than the factor and the slack."""
    values = [int(getattr(each, name)) for each in samples if each.at_s >= _SETTLING_S]
    half = len(values) // 2
    early, late = max(values[:half]), max(values[half:])
    assert late <= early * factor + slack, f"{name} grew from {early:,} to {late:,}"


_LIMITS: Mapping[str, tuple[float, int]] = {
    "rss": (1.05, 4 * _MIB),
    "workers_rss": (1.05, 16 * _MIB),
    "descriptors": (1.0, 16),
    "threads": (1.0, 4),
    "tasks": (1.1, 64),
    "data": (1.25, 16 * _MIB),
}
"""{what: by how much it may grow, as a factor and on top}."""


def test_what_the_server_holds_stays_level_at_half_load(
    request: pytest.FixtureRequest, program: ServiceProgram, server: OurServer
) -> None:
    # It is meant to take longer than the time after which pytest shows where a test hangs.
    faulthandler.cancel_dump_traceback_later()
    minutes = request.config.getoption("--soak-minutes", default=2.0)
    samples: list[Sample] = []
    callers = Callers(server)
    with Caller(server) as caller:
        caller.register(program.uri)
        callers.start()
        try:
            time.sleep(_CAPACITY_S)
            half = callers.calls / _CAPACITY_S / 2
            callers.pace(half)
            began = time.monotonic()
            while not callers.failures and time.monotonic() < began + minutes * 60 - _CAPACITY_S:
                query(caller)
                samples.append(look(server, began, callers))
                time.sleep(2)
        finally:
            callers.stop()
            if samples:
                print(table(samples, half))
        assert not callers.failures, callers.failures
        # The late ones are due within 5 s.
        eventually(lambda: _counted(caller) >= callers.added, what="the late ones")
        assert _counted(caller) == callers.added
    for name, (factor, slack) in _LIMITS.items():
        level(name, samples, factor=factor, slack=slack)

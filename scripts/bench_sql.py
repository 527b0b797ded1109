"""`scripts/bench.py sql`: what SQL costs with many retained invocations, and what it costs everybody else.

Fills a database directly (about 20 s for a million; kept in .cache/bench), starts our server on a copy of it, and
measures queries over POST /query, 20 clients at once, memory, and the ingress with and without a full scan beside it.
Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.client
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from restate.runtime.model.ids import (  # noqa: E402
    InvocationId,
    partition_key_of_key,
    partition_key_of_service,
)
from restate.runtime.model.invocation import IngressSource, InvocationRecord, Pin, Status  # noqa: E402
from restate.runtime.model.journal import CommandRow  # noqa: E402
from restate.runtime.model.result import Success  # noqa: E402
from restate.runtime.model.target import HandlerType, ServiceType, Target  # noqa: E402
from restate.runtime.storage.rocksdb import RocksStore  # noqa: E402
from restate.runtime.tables.api import Tables  # noqa: E402
from tests.support.server import OurServer  # noqa: E402

_STORE = ROOT / ".cache" / "bench"
_SERVICES = 10
_BATCH = 1000
_FIRST_MS = 1_790_000_000_000
_DAY_MS = 86_400_000

TARGETS_MS = {
    "point lookup by id": 10,
    "state of one key": 10,
    "count(*)": 1000,
    "count(*), one status": 2000,
    "filter on status": 2000,
    "count by service": 2000,
    "first rows of select * limit 100": 50,
}
"""{query: milliseconds at most, with a million invocations}."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench.py sql", description=__doc__)
    parser.add_argument("--invocations", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5, help="how often each query runs; the median counts")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--output", type=Path, default=_STORE / "sql.md")
    options = parser.parse_args(arguments)
    database = _filled(options.invocations)
    lines = [f"{options.invocations:,} retained invocations, {os.cpu_count()} cores", ""]
    with tempfile.TemporaryDirectory(dir=_STORE) as folder:
        server = OurServer(Path(folder))
        shutil.copytree(database, server.base_dir / "db")
        server.start()
        try:
            lines += Measurement(server, options.rounds, options.clients).run()
        finally:
            server.stop()
    text = "\n".join(lines)
    print(text)
    options.output.write_text(text + "\n")


def _filled(count: int) -> Path:
    """A database with `count` invocations, nine in ten of them completed, and state of a thousand keys."""
    folder = _STORE / f"sql-{count}"
    done = folder / "done"
    if done.exists():
        return folder / "db"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"filling {folder.relative_to(ROOT)} ...", flush=True)
    store = RocksStore.open(folder / "db")
    try:
        _fill(store, count)
    finally:
        store.close()
    done.touch()
    return folder / "db"


def _fill(store: RocksStore, count: int) -> None:
    tables = Tables(store)
    chance = random.Random(1)
    statuses = [Status.COMPLETED] * 18 + [Status.SUSPENDED, Status.PAUSED]
    for number in range(count):
        target = _target(chance)
        invocation = InvocationId(_partition_key(target, chance) + chance.randbytes(16))
        status = statuses[number % len(statuses)]
        tables.invocations.put(invocation, _record(target, status, number), None)
        if number % 100 == 0:
            tables.journal.append(invocation, 0, CommandRow(0x0400, 0, _FIRST_MS + number, b"\x72\x05hello"))
        if number % _BATCH == _BATCH - 1:
            store.write(tables.take_writes())
    for number in range(1000):
        key = f"key-{number}"
        tables.state.put(partition_key_of_key(key), "shop.Orders1", key, b"cart", b'{"items": 3}')
    store.write(tables.take_writes())
    store.flush()


def _target(chance: random.Random) -> Target:
    number = chance.randrange(_SERVICES)
    if number % 2:
        key = f"key-{chance.randrange(100_000)}"
        return Target(f"shop.Orders{number}", "place", key, ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE)
    return Target(f"shop.Mail{number}", "send", None, ServiceType.SERVICE, HandlerType.PLAIN)


def _partition_key(target: Target, chance: random.Random) -> bytes:
    if target.key is None:
        return partition_key_of_service(target.service, chance.randrange(512))
    return partition_key_of_key(target.key)


def _record(target: Target, status: Status, number: int) -> InvocationRecord:
    created_ms = _FIRST_MS + number
    done = status is Status.COMPLETED
    return InvocationRecord(
        status=status,
        target=target,
        created_ms=created_ms,
        modified_ms=created_ms + 20,
        pin=Pin("dp_14LsPzGz9HBxXIeBoH5wYUh", 6),
        incarnation=number,
        source=IngressSource(),
        sinks=(),
        completion_retention_ms=_DAY_MS,
        journal_retention_ms=_DAY_MS,
        journal_length=4,
        commands=3,
        outcome=Success(b'"the outcome of this invocation"') if done else None,
        running_ms=created_ms + 1,
        completed_ms=created_ms + 20 if done else None,
    )


class Measurement:
    """Of one running server."""

    def __init__(self, server: OurServer, rounds: int, clients: int) -> None:
        self._server = server
        self._rounds = rounds
        self._clients = clients
        self._ids: list[str] = []

    def run(self) -> list[str]:
        self._wait_for_quiet()
        resident_before = self._server_resident()
        cold_ms = self._milliseconds("select 1")
        self._ids = [row["id"] for row in self._rows("select id from sys_invocation limit 100")]
        lines = [
            "| query | ms | processor ms | target |",
            "|---|---|---|---|",
            f"| first query, worker started | {cold_ms:.0f} | | |",
        ]
        for name, sql in self._queries().items():
            before = self._server.process.cpu_seconds()
            times = [self._milliseconds(sql) for _ in range(self._rounds)]
            used = (self._server.process.cpu_seconds() - before) / self._rounds * 1000
            target = TARGETS_MS.get(name, "")
            lines.append(f"| {name} | {statistics.median(times):.1f} | {used:.0f} | {target} |")
        lines += ["", f"workers: {self._worker_resident_mib():.0f} MiB resident at most"]
        lines += self._together()
        lines += self._beside_a_scan()
        grown = self._server_resident() - resident_before
        lines.append(f"server: {grown / 1024**2:+.1f} MiB resident since before the first query")
        return lines

    def _wait_for_quiet(self) -> None:
        """After its start a server counts what it has, for its metrics, and its cache fills: 30 MiB that no query costs."""
        used = -1.0
        while self._server.process.cpu_seconds() - used > 0.05:
            used = self._server.process.cpu_seconds()
            time.sleep(1)

    def _queries(self) -> dict[str, str]:
        some = self._ids[50]
        return {
            "point lookup by id": f"select * from sys_invocation where id = '{some}'",
            "state of one key": "select * from state where service_name = 'shop.Orders1' and service_key = 'key-7'",
            "journal of one invocation": f"select * from sys_journal where id = '{some}'",
            "count(*)": "select count(*) from sys_invocation",
            "count(*), one status": "select count(*) from sys_invocation where status = 'completed'",
            "filter on status": "select id, target, created_at from sys_invocation where status = 'paused' limit 1000",
            "count by service": "select target_service_name, count(*) from sys_invocation group by 1",
            "count by service and status": (
                "select target_service_name, status, count(*) from sys_invocation group by 1, 2"
            ),
            "first rows of select * limit 100": "select * from sys_invocation limit 100",
            "newest 50": "select id, created_at from sys_invocation order by created_at desc limit 50",
            "modern list": (
                "select inv.id, inv.target, inv.status, inv.created_at from sys_invocation inv"
                " where status != 'completed' order by inv.created_at desc, inv.id limit 100"
            ),
        }

    def _together(self) -> list[str]:
        """Point lookups by many clients at once."""
        sqls = [f"select * from sys_invocation where id = '{each}'" for each in self._ids]
        started = time.perf_counter()
        with concurrent.futures.ThreadPoolExecutor(self._clients) as pool:
            times = sorted(pool.map(self._milliseconds, sqls * 5))
        seconds = time.perf_counter() - started
        return [
            f"{self._clients} clients, point lookups: {len(times) / seconds:.0f}/s,"
            f" p50 {times[len(times) // 2]:.1f} ms, p99 {times[len(times) * 99 // 100]:.1f} ms"
        ]

    def _beside_a_scan(self) -> list[str]:
        """The ingress alone, and while all invocations are read: its health route, so that no service counts."""
        alone = self._ingress_times()
        stop = threading.Event()

        def scan() -> None:
            while not stop.is_set():
                self._milliseconds("select max(target), max(id) from sys_invocation")

        scanning = threading.Thread(target=scan)
        scanning.start()
        try:
            beside = self._ingress_times()
        finally:
            stop.set()
            scanning.join()
        return [
            f"ingress alone: p50 {alone[0]:.2f} ms, p99 {alone[1]:.2f} ms;"
            f" beside a full scan: p50 {beside[0]:.2f} ms, p99 {beside[1]:.2f} ms"
        ]

    def _ingress_times(self) -> tuple[float, float]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.ports["ingress"])
        times = []
        for _ in range(3000):
            started = time.perf_counter()
            connection.request("GET", "/restate/health")
            connection.getresponse().read()
            times.append((time.perf_counter() - started) * 1000)
        connection.close()
        times.sort()
        return times[len(times) // 2], times[len(times) * 99 // 100]

    # -- asking --------------------------------------------------------------------------------------------------

    def _ask(self, sql: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.ports["admin"], timeout=120)
        headers = {"content-type": "application/json", "accept": "application/json"}
        connection.request("POST", "/query", json.dumps({"query": sql}), headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{sql}: {response.status} {body.decode(errors='replace')[:300]}")
        return body

    def _rows(self, sql: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = json.loads(self._ask(sql))["rows"]
        return rows

    def _milliseconds(self, sql: str) -> float:
        started = time.perf_counter()
        self._ask(sql)
        return (time.perf_counter() - started) * 1000

    def _server_resident(self) -> int:
        return _resident(self._server.process.pid)

    def _worker_resident_mib(self) -> float:
        children = Path(
            f"/proc/{self._server.process.pid}/task/{self._server.process.pid}/children"
        ).read_text()
        return max((_resident(int(pid), "VmHWM:") for pid in children.split()), default=0) / 1024**2


def _resident(pid: int, field: str = "VmRSS:") -> int:
    """Bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return 0

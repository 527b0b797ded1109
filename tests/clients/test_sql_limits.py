"""What bad queries and bad clients of POST /query do to a real server: nothing."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from tests.support.caller import eventually
from tests.support.server import OurServer, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = "select value, repeat('x', 100) as text from generate_series(1, 100000)"
ENDLESS = "select count(*) from generate_series(1, 1000000) a, generate_series(1, 1000000) b where a.value + b.value < 0"


LIMITS = Settings(
    variables={
        "RESTATE_QUERY__WORKERS": "2",
        "RESTATE_QUERY__QUEUE": "2",
        "RESTATE_QUERY__TIMEOUT": "2500ms",
        "RESTATE_QUERY__TAKE_TIMEOUT": "2s",
        "RESTATE_QUERY__MEMORY": "64MiB",
        "RESTATE_QUERY__ADDRESS_SPACE": "1GiB",
    }
)
"""Two workers, short times, and little memory for each."""


class LimitedServer(OurServer):
    """Asked for its workers and for rows."""

    def workers(self) -> list[int]:
        """Process ids."""
        pid = self.process.pid
        children: list[int] = []
        for task in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end meanwhile.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                children += map(int, (task / "children").read_text().split())
        return [child for child in children if _is_worker(child)]

    def query(self, sql: str, *, accept: str = "application/json", timeout: float = 60) -> httpx.Response:
        return httpx.post(
            f"{self.admin}/query", json={"query": sql}, headers={"accept": accept}, timeout=timeout
        )

    def rows(self, sql: str) -> list[dict[str, Any]]:
        reply = self.query(sql)
        assert reply.status_code == 200, reply.text
        found: list[dict[str, Any]] = reply.json()["rows"]
        return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedServer]:
    found = LimitedServer(tmp_path_factory.mktemp("limits"), LIMITS)
    found.start()
    yield found
    found.stop()


def test_workers_start_with_the_first_query(server: LimitedServer) -> None:
    assert server.workers() == []
    assert server.rows("select 1 as n") == [{"n": 1}]
    assert len(server.workers()) == 1


def test_a_large_result_is_streamed(server: LimitedServer) -> None:
    before = server.process.rss_bytes() - sum(map(_resident, server.workers()))
    reply = server.query(MANY)
    assert reply.headers["transfer-encoding"] == "chunked"
    rows = reply.json()["rows"]
    assert (len(rows), rows[-1]["value"]) == (100_000, 100_000)
    after = server.process.rss_bytes() - sum(map(_resident, server.workers()))
    assert after - before < 20 << 20


def _resident(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_what_fails_late_cuts_the_answer_off(server: LimitedServer) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        server.query("select 1 / (value - 80000) from generate_series(1, 100000)")
    assert server.rows("select 1 as n") == [{"n": 1}]


@pytest.mark.parametrize(
    ("sql", "statuses"),
    [
        ("select length(repeat('a', 2000000000))", {400, 500}),
        (ENDLESS, {500}),
        ("select 1/0", {400}),
        ("select * from nowhere", {400}),
        ("select " + "(" * 5000 + "1" + ")" * 5000, {400, 500}),
        ("select '" + "x" * 1_500_000 + "'", {400}),
        ("select " + ", ".join(f"{number} as c{number}" for number in range(3000)), {200}),
    ],
    ids=["bomb", "endless", "division", "unknown", "nested", "long", "wide"],
)
def test_a_bad_query_is_answered_and_others_go_on(
    server: LimitedServer, sql: str, statuses: set[int]
) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        bad = pool.submit(server.query, sql)
        while not bad.done():
            assert httpx.get(f"{server.ingress}/restate/health", timeout=30).status_code == 200
            time.sleep(0.05)
        assert bad.result().status_code in statuses, bad.result().text[:500]
    assert server.rows("select 1 as n") == [{"n": 1}]


def test_more_queries_than_the_queue_holds_are_refused(server: LimitedServer) -> None:
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda _: server.query(ENDLESS), range(12)))
    statuses = [reply.status_code for reply in replies]
    assert set(statuses) == {429, 500}
    assert statuses.count(429) >= 5
    refused = next(reply for reply in replies if reply.status_code == 429)
    assert refused.headers["retry-after"] == "1"
    assert server.rows("select 1 as n") == [{"n": 1}]


def test_clients_that_stop_reading_do_not_keep_the_workers(server: LimitedServer) -> None:
    body = json.dumps({"query": MANY.replace("100000", "30000000")}).encode()
    head = (
        "POST /query HTTP/1.1\r\nhost: x\r\naccept: application/json\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    lazy = [socket.create_connection(("127.0.0.1", server.ports["admin"])) for _ in range(2)]
    try:
        for each in lazy:
            each.sendall(head.encode() + body)
            assert each.recv(1)
        assert server.rows("select 1 as n") == [{"n": 1}]
    finally:
        for each in lazy:
            each.close()


def test_a_client_that_leaves_ends_its_query(tmp_path: Path) -> None:
    variables = {**LIMITS.variables, "RESTATE_QUERY__TIMEOUT": "10m"}
    server = LimitedServer(tmp_path, attrs.evolve(LIMITS, variables=variables))
    server.start()
    try:
        # As many as there are workers; nothing else ends what they compute.
        for _ in range(2):
            with pytest.raises(httpx.ReadTimeout):
                server.query(ENDLESS, timeout=2)
        assert server.rows("select 1 as n") == [{"n": 1}]
    finally:
        server.stop()


def test_writes_are_refused_and_nothing_is_read_but_tables(server: LimitedServer) -> None:
    for sql in (
        "insert into state (key) values ('a')",
        "delete from state",
        "create table t as select 1",
        "copy (select 1) to '/tmp/never.csv'",
        "create external table t stored as csv location '/etc/passwd'",
        "set datafusion.execution.batch_size = 1",
        "select * from '/etc/passwd'",
        "select * from 'http://127.0.0.1/x.csv'",
        "explain analyze insert into state (key) values ('a')",
    ):
        reply = server.query(sql)
        assert reply.status_code == 400, f"{sql}: {reply.status_code} {reply.text}"
        assert reply.json()["message"].startswith("Datafusion error: ")


def test_workers_end_with_the_server_however_it_ends(server: LimitedServer) -> None:
    for number in (signal.SIGKILL, signal.SIGTERM):
        server.rows("select 1")
        workers = server.workers()
        assert workers
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            busy = pool.submit(server.query, ENDLESS)
            time.sleep(0.3)
            os.kill(server.process.pid, number)
            # It fails, with or without an answer.
            assert busy.exception() is not None or busy.result().status_code >= 500
        eventually(lambda: not server.process.is_running(), what="the end of the server")
        eventually(partial(_all_gone, workers), what="the end of the workers")
        server.stop()
        server.start()


def _all_gone(pids: list[int]) -> bool:
    return not any(map(_is_worker, pids))


def _is_worker(pid: int) -> bool:
    try:
        return b"query.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False

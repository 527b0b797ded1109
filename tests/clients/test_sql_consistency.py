"""What SQL shows while a server works: one point in time in each query, and everything that was acknowledged, on both ports."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.support.caller import Caller
from tests.support.pg_peer import PgClient, Said, query
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import OurServer, Settings
from tests.support.sql_bed import query as query_admin

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEYS = 4
_CALLERS = 8
_SECONDS = 5.0
_MOST_SECONDS = 60.0
_TOTAL = 1000
_BALANCE = (
    "select sum(cast(value_utf8 as bigint)) as total, count(*) as n from state where service_key = 'purse'"
)
_QUEUES = (
    "select (select count(*) from sys_inbox) as waiting,"
    " (select count(*) from sys_invocation_status where status = 'inboxed') as inboxed"
)
_COUNTS = """
    select s.service_key as key, s.value_utf8 as value, i.completed, i.running
    from state s
    join (select target_service_key as key,
                 count(*) filter (where status = 'completed') as completed,
                 count(*) filter (where status not in ('completed', 'inboxed')) as running
          from sys_invocation_status where target_service_name = 'Counter' and target_handler_name = 'add' group by 1) i
    on i.key = s.service_key where s.service_name = 'Counter' and s.key = 'n' and s.service_key <> 'purse'"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    folder = tmp_path_factory.mktemp("consistency")
    program = ServiceProgram(Sdk.PYTHON, folder / "bed")
    try:
        found = OurServer(folder, Settings())
        found.start()
        try:
            with Caller(found) as caller:
                caller.register(program.uri)
            yield found
        finally:
            found.stop()
    finally:
        program.stop()


class Load:
    """Calls of a few counters and moves between the two halves of a purse, by threads, until left. acknowledged: {key: calls}."""

    def __init__(self, server: OurServer) -> None:
        self._server = server
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_CALLERS + 1)
        self.acknowledged = dict.fromkeys((f"key{number}" for number in range(_KEYS)), 0)
        self.moves = 0

    def __enter__(self) -> Load:
        self._move(0)
        self._running = [self._pool.submit(self._call, number) for number in range(_CALLERS)]
        self._running.append(self._pool.submit(self._keep_moving))
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for each in self._running:
            each.result()

    def _call(self, number: int) -> None:
        key = f"key{number % _KEYS}"
        with Caller(self._server) as caller:
            while not self._stop.is_set():
                caller.call(f"Counter/{key}/add", 1).ok()
                self.acknowledged[key] += 1

    def _keep_moving(self) -> None:
        for self.moves in itertools.count(1):
            if self._stop.is_set():
                return
            self._move(self.moves % _TOTAL)

    def _move(self, left: int) -> None:
        """One record of the log: both halves change, or neither."""
        halves = {"left": left, "right": _TOTAL - left}
        state = {name: list(str(value).encode()) for name, value in halves.items()}
        with Caller(self._server) as caller:
            reply = caller.admin(
                "POST", "/services/Counter/state", {"object_key": "purse", "new_state": state}
            )
            assert reply.status == 202, reply.body


async def test_every_query_sees_one_point_in_time(server: OurServer) -> None:
    client = await PgClient.connect(server.ports["postgres"])
    seen = 0
    balances: set[tuple[str, ...]] = set()
    queued = 0
    with Load(server) as load:
        began = time.monotonic()
        # As long as it takes on a slow machine to have seen something.
        while (spent := time.monotonic() - began) < _SECONDS or (
            spent < _MOST_SECONDS and not (seen > 5 and len(balances) > 3 and queued)
        ):
            seen += 1
            (balance,) = await _rows(client, _BALANCE)
            assert balance == [str(_TOTAL), "2"]
            balances.add(tuple(map(str, await _rows(client, "select value from state where key = 'left'"))))
            ((waiting, inboxed),) = await _rows(client, _QUEUES)
            assert waiting == inboxed
            queued += waiting != "0"
            for key, value, completed, running in await _rows(client, _COUNTS):
                # An invocation sets the counter, then ends: in between it is counted, and still runs.
                assert int(completed) <= int(value) <= int(completed) + int(running), key
                assert int(running) <= 1, key
    assert len(balances) > 3, "expected the purse to change while queries ran"
    assert queued, "expected callers to wait for keys while queries ran"
    totals = {key: int(value) for key, value, _, _ in await _rows(client, _COUNTS)}
    assert totals == load.acknowledged
    await client.aclose()
    assert seen > 5


async def _rows(client: PgClient, sql: str) -> list[list[str]]:
    """NULL is an empty text."""
    await client.send(query(sql))
    said: list[Said] = await client.until("Z")
    errors = [each.fields["M"] for each in said if each.tag == "E"]
    assert not errors, errors
    return [[(v or b"").decode() for v in each.row] for each in said if each.tag == "D"]


@pytest.mark.parametrize("port", ["postgres", "admin"])
async def test_what_was_acknowledged_shows_in_the_next_query(server: OurServer, port: str) -> None:
    """Of one client, on another connection, while others keep all workers busy."""
    missing: list[str] = []

    async def follow(number: int) -> None:
        client = await PgClient.connect(server.ports["postgres"])
        key = f"{port}{number}"
        with Caller(server) as caller:
            for expected in range(1, 16):
                call = partial(caller.call, f"Counter/{key}/add", 1)
                assert (await trio.to_thread.run_sync(call)).ok() == expected
                sql = f"select value_utf8 as value from state where service_name = 'Counter' and service_key = '{key}'"
                found = await ask(client, sql)
                if found != str(expected):
                    missing.append(f"{key}: expected {expected}, found {found}")
        await client.aclose()

    async def ask(client: PgClient, sql: str) -> str | None:
        if port == "postgres":
            rows = await _rows(client, sql)
            return rows[0][0] if rows else None
        found = await trio.to_thread.run_sync(query_admin, server, sql)
        return str(found[0]["value"]) if found else None

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(follow, number)
    assert missing == []

"""Ten thousand invocations wait for an answer from outside: they cost disk, not memory, files or connections."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.clients.conftest import make_server, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.server import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.server import Server

_FIRST, _ALL = 1_000, 10_000
_THREADS = 8

_RSS_GROWTH_BYTES = 32 << 20
"""From the first thousand to all: tables and caches of the store, which have a limit, may still fill."""


@attrs.frozen
class Request:
    method: str
    path: str
    body: object = None


@pytest.mark.slow
def test_suspended_invocations_cost_no_memory_and_all_resume(
    server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("suspended")
    program = start_program(Sdk.TYPESCRIPT, folder / "bed")
    try:
        server = make_server(server_kind, folder, Settings(inactivity_timeout="100ms"))
        try:
            with Caller(server) as caller:
                caller.register(program.uri)
            suspended = start_waiting(server, range(_FIRST))
            eventually(
                lambda: len(program.lines("waits.ids")) >= _FIRST,
                what="the first thousand",
                timeout_seconds=120,
            )
            rss, files = at_rest(server)

            suspended += start_waiting(server, range(_FIRST, _ALL))
            eventually(
                lambda: len(program.lines("waits.ids")) >= _ALL, what="all to wait", timeout_seconds=180
            )
            rss_all, files_all = at_rest(server)
            print(f"RSS {rss >> 20} -> {rss_all >> 20} MiB, open files {files} -> {files_all}")
            eventually(lambda: server.process.open_files() <= files + 8, what="the end of connections")
            assert rss_all - rss < _RSS_GROWTH_BYTES

            ids = sorted(set(program.lines("waits.ids")))
            assert len(ids) == _ALL, "an invocation that waits has one awakeable"
            requests = (Request("POST", f"/restate/awakeables/{one}/resolve", one) for one in ids)
            assert {status for status, _ in ask_all(server, requests)} == {202}
            results = ask_all(
                server, (Request("GET", f"/restate/invocation/{one}/attach") for one in suspended)
            )
            assert sorted(value for _, value in results) == ids
        finally:
            server.stop()
    finally:
        program.stop()


def start_waiting(server: Server, numbers: Iterable[int]) -> list[str]:
    """Start one invocation for each number; their ids."""
    replies = ask_all(server, (Request("POST", "/Steps/waits/send", f"n{number}") for number in numbers))
    assert {status for status, _ in replies} == {202}
    return [value["invocationId"] for _, value in replies]


def at_rest(server: Server) -> tuple[int, int]:
    """Resident bytes and open files, once the attempts have suspended and idle connections are gone."""
    time.sleep(3)
    return server.process.rss_bytes(), server.process.open_files()


def ask_all(server: Server, requests: Iterable[Request]) -> list[tuple[int, Any]]:
    """Status and JSON of every answer, in order, over a few connections kept open."""
    wanted = list(requests)
    share = -(-len(wanted) // _THREADS)
    shares = [wanted[start : start + share] for start in range(0, len(wanted), share)]
    with ThreadPoolExecutor(_THREADS) as pool:
        parts = pool.map(lambda part: _ask_in_turn(server, part), shares)
        return [reply for part in parts for reply in part]


def _ask_in_turn(server: Server, requests: Iterable[Request]) -> list[tuple[int, Any]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.ports["ingress"], timeout=60)
    replies = []
    for request in requests:
        body = None if request.body is None else json.dumps(request.body)
        headers = {} if body is None else {"content-type": "application/json"}
        connection.request(request.method, request.path, body, headers)
        response = connection.getresponse()
        text = response.read()
        replies.append((response.status, json.loads(text) if text else None))
    connection.close()
    return replies

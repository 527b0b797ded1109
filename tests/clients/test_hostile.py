"""Everything hostile at once at a real server; afterwards nothing is left of it, and it serves as before."""

from __future__ import annotations

import contextlib
import itertools
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import httpx

from tests.support import hostile
from tests.support.caller import eventually

if TYPE_CHECKING:
    from tests.support.hostile import BadCall
    from tests.support.processes import Process
    from tests.support.rpc_bed import RpcBed

_THREADS = 16
_SPARE_FILES = 8
_GROWTH_BYTES = 60_000_000
"""Of memory, after all of it; what a body of the greatest size may leave in an allocator."""


def test_nothing_is_left_of_attacks(rpc_bed: RpcBed) -> None:
    port, process = rpc_bed.server.ports["ingress"], rpc_bed.server.process
    rpc_bed.caller.call("Counter/victim/get").ok()
    rpc_bed.caller.call("counter/get", {"key": "victim"}).ok()
    # Before, for the memory that only the first of each kind takes.
    memory = min(memory_after_attack(port, process) for _ in range(2))
    files = process.open_files()
    # Blocks of the largest bodies come and go, so one look may see some of them; a leak is in the least of all looks.
    assert min(memory_after_attack(port, process) for _ in range(4)) - memory < _GROWTH_BYTES
    eventually(lambda: process.open_files() <= files + _SPARE_FILES, what="the end of connections")
    assert rpc_bed.caller.call("Counter/victim/get").ok() == 0
    assert rpc_bed.caller.call("counter/get", {"key": "victim"}).ok() == {"response": 0}
    assert "Traceback" not in rpc_bed.server.log_text()
    serves_many_streams(port)


def memory_after_attack(port: int, process: Process) -> int:
    attack(port)
    return process.rss_bytes()


def attack(port: int) -> None:
    """Slow clients stay while the others come and go."""
    with contextlib.ExitStack() as slow, ThreadPoolExecutor(_THREADS) as pool:
        for data in itertools.chain(*(hostile.unfinished() for _ in range(20))):
            slow.enter_context(connected(port)).sendall(data)
        raw = itertools.chain(hostile.http1(), hostile.http2(), hostile.noise(100))
        for each in [pool.submit(throw, port, data) for data in raw]:
            each.result()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
            bad = [call for call in hostile.calls() if not call.h2]
            for call, status in zip(bad, pool.map(partial(ask, client), bad), strict=True):
                assert status < 500 or status in (501, 504), f"{call.path} {call.content_type}: {status}"
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20, http1=False, http2=True
        ) as client:
            for call in hostile.calls():
                if call.h2:
                    assert ask(client, call) == 200, call


def ask(client: httpx.Client, call: BadCall) -> int:
    headers = [("content-type", call.content_type), ("te", "trailers"), *call.headers]
    content = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    reply = client.post(call.path, content=call.body, headers=content)
    assert reply.headers.get("grpc-status") != "0"
    return reply.status_code


def throw(port: int, data: bytes) -> None:
    """Send all of it, as far as it is taken, and read what comes, for a moment."""
    end = time.monotonic() + 5
    with contextlib.suppress(OSError), connected(port) as client:
        client.settimeout(0.3)
        view = memoryview(data)
        while view and time.monotonic() < end:
            view = view[client.send(view[:65_536]) :]
        while client.recv(65_536) and time.monotonic() < end:
            pass


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def serves_many_streams(port: int) -> None:
    """Every slot for calls is free again, and one connection takes call after call."""
    url = f"http://127.0.0.1:{port}"
    with httpx.Client(base_url=url, trust_env=False, timeout=20) as client, ThreadPoolExecutor(64) as pool:
        greet = partial(client.post, "/Greeter/greet", json="you")
        replies = [pool.submit(greet) for _ in range(64)]
        assert {reply.result().text for reply in replies} == {'"Hello you"'}
    # This client's h2 is not for several threads.
    with httpx.Client(base_url=url, trust_env=False, timeout=20, http1=False, http2=True) as client:
        for _ in range(20):
            assert client.post("/Greeter/greet", json="you").text == '"Hello you"'

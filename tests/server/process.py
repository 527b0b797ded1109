"""The server as a process of its own, run from a Trio test; and a service on our own listener, played by scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import trio

from restate.runtime.model.target import Generation
from restate.runtime.net.http import ConnectionClosed, Request, Response
from restate.runtime.net.listener import bind, serve
from tests.support.sdk_peer import Heard, SdkPeer

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60  # seconds of real time until a test fails
FREE_PORTS = {f"RESTATE_{name}__BIND_ADDRESS": ":0" for name in ("NODE_CTRL", "INGRESS", "ADMIN", "POSTGRES")}
COMMAND = [sys.executable, "-m", "restate.runtime.main"]


def environment(**settings: str) -> dict[str, str]:
    """For a server on free ports; settings are variables without their prefix."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("RESTATE_")}
    # The server runs in a folder of the test's, where a checkout that is not installed would not be found.
    return (
        kept
        | {"PYTHONPATH": str(ROOT)}
        | FREE_PORTS
        | {f"RESTATE_{name}": text for name, text in settings.items()}
    )


class ServerProcess:
    """A running server. `stderr` has its whole log."""

    def __init__(
        self, folder: Path, inherit: Sequence[int] = (), /, *, shell_prefix: str = "", **settings: str
    ) -> None:
        """Start it over `folder/data`. shell_prefix: commands for the shell that becomes the server. inherit: descriptors
        that it keeps.
        """
        self.base_dir = folder / "data"
        self._ports_file = self.base_dir / "ports.json"
        self._log = folder / "server.log"
        command = [*COMMAND, "--base-dir", str(self.base_dir)]
        if shell_prefix:
            command = ["bash", "-c", f'{shell_prefix} exec "$@"', "bash", *command]
        with self._log.open("wb") as log:
            self._child = subprocess.Popen(
                command,
                env=environment(**settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=folder,
                pass_fds=inherit,
            )

    @property
    def stderr(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        return self.stderr.splitlines()

    async def ports(self) -> dict[str, int]:
        """Wait until it serves."""
        await self.until(self._ports_file.exists, "ports.json")
        ports: dict[str, int] = json.loads(self._ports_file.read_text())
        return ports

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        with trio.move_on_after(PATIENCE):
            while not condition():
                assert self._child.poll() is None, f"ended while the test waited for {what}: {self.stderr}"
                await trio.sleep(0.005)
            return
        raise AssertionError(f"waited {PATIENCE} s for {what}: {self.stderr}")

    def signal(self, number: signal.Signals) -> None:
        self._child.send_signal(number)

    async def status(self, within: float = PATIENCE) -> int:
        """Wait for its end; the exit status."""
        with trio.move_on_after(within):
            while (status := self._child.poll()) is None:  # noqa: ASYNC110 -- a process has no event
                await trio.sleep(0.005)
            return status
        raise AssertionError(f"not ended after {within} s: {self.stderr}")

    async def terminate(self, within: float = PATIENCE) -> None:
        """SIGTERM, and the end in good order."""
        self.signal(signal.SIGTERM)
        assert await self.status(within) == 0, self.stderr

    def kill(self) -> None:
        self._child.kill()
        self._child.wait()


class Conversation:
    """One attempt, seen from the service."""

    def __init__(self, request: Request, response: Response) -> None:
        self._request = request
        self._response = response
        self._peer = SdkPeer(Generation.MODERN)

    async def hear(self) -> Heard | None:
        """The next message; None once the server has ended its request."""
        while not self._peer.heard:
            data = await self._request.read()
            if not data:
                return None
            self._peer.hear(data)
        return self._peer.heard.popleft()

    async def replay(self) -> list[Heard]:
        """Start and the journal so far."""
        start = await self.hear()
        assert start is not None
        rows = [await self.hear() for _ in range(start.message.known_entries)]
        return [start, *(row for row in rows if row is not None)]

    async def say(self, name: str, **fields: Any) -> None:
        await self._response.write(self._peer.say(name, fields))

    async def output(self, value: bytes) -> None:
        await self.say("Output", value={"content": value})
        await self.say("End")


Script = Callable[[Conversation], Awaitable[None]]


class Service:
    """The service `Bed`: one script per handler."""

    def __init__(self, scripts: dict[str, Script]) -> None:
        self.scripts = scripts
        self.attempts: list[str] = []
        self.port = 0

    async def __call__(self, request: Request, response: Response) -> None:
        if request.target == b"/discover":
            handlers = [{"name": name, "input": {"contentType": "*/*"}} for name in self.scripts]
            manifest = {
                "protocolMode": "BIDI_STREAM",
                "minProtocolVersion": 5,
                "maxProtocolVersion": 6,
                "services": [{"name": "Bed", "ty": "SERVICE", "handlers": handlers}],
            }
            manifest_type = b"application/vnd.restate.endpointmanifest.v1+json"
            await response.send(200, [(b"content-type", manifest_type)], json.dumps(manifest).encode())
            return
        handler = request.target.rpartition(b"/")[2].decode()
        self.attempts.append(handler)
        kind = request.header(b"content-type")
        assert kind is not None
        await response.start(200, [(b"content-type", kind)])
        try:
            await self.scripts[handler](Conversation(request, response))
            await response.finish()
        except ConnectionClosed:
            # The server cut the attempt, as some tests want it to.
            return

    async def until_attempted(self, handler: str, times: int = 1) -> None:
        with trio.fail_after(PATIENCE):
            while self.attempts.count(handler) < times:  # noqa: ASYNC110 -- both ends are tested from outside
                await trio.sleep(0.005)


@asynccontextmanager
async def running_service(**scripts: Script) -> AsyncIterator[Service]:
    """A service that listens until the block ends."""
    service = Service(scripts)
    listener = bind("127.0.0.1", 0)
    service.port = listener.port
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(serve, listener, service, name="bed", nursery=nursery))
        yield service
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def running_server(folder: Path, **settings: str) -> AsyncIterator[ServerProcess]:
    """A server that serves; killed, if it still runs, when the block ends."""
    server = ServerProcess(folder, **settings)
    try:
        await server.ports()
        yield server
    finally:
        server.kill()


async def ingress(server: ServerProcess) -> httpx.AsyncClient:
    """A client of the ingress, for `async with`."""
    ports = await server.ports()
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{ports['ingress']}", timeout=PATIENCE, trust_env=False
    )


async def send(http: httpx.AsyncClient, path: str, body: object = 1) -> str:
    """A one-way call, such as `Bed/echoes/send`; the id of the accepted invocation."""
    reply = await http.post(path, json=body)
    assert reply.status_code == 202, reply.text
    return str(reply.json()["invocationId"])


async def register(server: ServerProcess, service: Service) -> None:
    ports = await server.ports()
    async with httpx.AsyncClient(timeout=PATIENCE, trust_env=False) as http:
        made = await http.post(
            f"http://127.0.0.1:{ports['admin']}/deployments",
            json={"uri": f"http://127.0.0.1:{service.port}"},
        )
    assert made.status_code == 201, made.text

"""Starts the server from a checkout, making its environment first: python3 scripts/serve.py [--demo] [OPTION...].

All other options go to restate-server (see --help). --demo also starts a demo service, registers and calls it, and
prints what to try next. Ctrl-C stops everything. Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import environment

_START_TIMEOUT_S = 30
_STOP_TIMEOUT_S = 20
_DEMO_PORT = 9080
_ADMIN_PORT = 9070  # where command lines look for a server
_MODULE = "restate.runtime.main"


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


def main() -> None:
    """Prepare the environments, then become the server, or watch over it and the demo service."""
    environment.require_python()
    arguments = sys.argv[1:]
    demo = "--demo" in arguments
    options = [argument for argument in arguments if argument != "--demo"]
    if not demo:
        _become_server(environment.prepare(environment.PROJECT, "requirements.lock"), options)
    with ThreadPoolExecutor() as pool:
        server_python = pool.submit(environment.prepare, environment.PROJECT, "requirements.lock")
        demo_python = pool.submit(environment.prepare, environment.DEMO, "requirements-sdk.lock")
    sys.exit(Demo(server_python.result(), demo_python.result(), options).run())


def _server_environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(environment.ROOT)}


def _become_server(python: Path, options: list[str]) -> NoReturn:
    # Replacing this process makes signals and the exit status those of the server.
    os.execve(python, [str(python), "-m", _MODULE, *options], _server_environment())


class Demo:
    """The server and the demo service as two children. Whatever ends one of them ends the other."""

    def __init__(self, server_python: Path, demo_python: Path, options: list[str]) -> None:
        self._server_command = [str(server_python), "-m", _MODULE, *options]
        self._service_command = [str(demo_python), str(environment.ROOT / "scripts" / "demo_service.py")]
        self._ports_file = _base_dir(options) / "ports.json"
        self._children: list[subprocess.Popen[bytes]] = []
        self._stopping = False

    def run(self) -> int:
        """Start, show, and wait for the end; gives the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)
        try:
            self._show(self._start_server())
            while not self._stopping and all(child.poll() is None for child in self._children):
                time.sleep(0.2)
            if not self._stopping:
                raise DemoFailed(self._ended())
        except DemoFailed as failure:
            if not self._stopping:
                print(f"demo: {failure}", file=sys.stderr)
                return 1
        finally:
            self._stop()
        return 0

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _start_server(self) -> dict[str, int]:
        old = _modified(self._ports_file)
        self._spawn(self._server_command, _server_environment())
        self._wait("the ports of the server", lambda: _modified(self._ports_file) != old)
        ports = json.loads(self._ports_file.read_text())
        assert isinstance(ports, dict)
        self._wait("the admin port", lambda: _answers(f"http://127.0.0.1:{ports['admin']}/health"))
        return ports

    def _show(self, ports: dict[str, int]) -> None:
        admin = f"http://127.0.0.1:{ports['admin']}"
        ingress = f"http://127.0.0.1:{ports['ingress']}"
        port = _free_port()
        self._spawn([*self._service_command, str(port)], dict(os.environ))
        self._wait("the demo service", lambda: _accepts(port))
        uri = f"http://127.0.0.1:{port}"
        # Forced: the address may be known from an earlier demo, with older code behind it.
        deployment = _post(f"{admin}/deployments", {"uri": uri, "force": True})
        answer = _post(f"{ingress}/Greeter/greet", "World")
        print(_text(ports, uri, deployment["id"], answer), flush=True)

    def _spawn(self, command: list[str], env: dict[str, str]) -> None:
        # In sessions of their own: Ctrl-C reaches only this process, which then stops them in order.
        self._children.append(subprocess.Popen(command, env=env, start_new_session=True))

    def _wait(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not ready():
            if self._stopping:
                raise DemoFailed("stopped")
            if any(child.poll() is not None for child in self._children):
                raise DemoFailed(self._ended())
            if time.monotonic() > deadline:
                raise DemoFailed(f"waited {_START_TIMEOUT_S} s for {what}")
            time.sleep(0.02)

    def _ended(self) -> str:
        names = ("the server", "the demo service")
        ends = [(name, child.poll()) for name, child in zip(names, self._children, strict=False)]
        return ", ".join(f"{name} ended with status {status}" for name, status in ends if status is not None)

    def _stop(self) -> None:
        if not self._children:
            return
        server, *services = self._children
        if server.poll() is None:
            server.terminate()
        # After its first request the Python SDK takes SIGTERM for itself and the service goes on; it has nothing to save.
        for service in services:
            service.kill()
            service.wait()
        try:
            server.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _base_dir(options: list[str]) -> Path:
    """Where the server will write ports.json; options and the environment are looked at, files are not."""
    for position, option in enumerate(options):
        if option == "--base-dir" and position + 1 < len(options):
            return Path(options[position + 1])
        if option.startswith("--base-dir="):
            return Path(option.partition("=")[2])
    return Path(os.environ.get("RESTATE_BASE_DIR", "target"))


def _modified(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _free_port() -> int:
    """The usual port if it is free: a deployment whose address stays the same can finish what the last demo began."""
    for port in (_DEMO_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoFailed("no free port for the demo service")


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except (urllib.error.URLError, OSError):
        return False
    return True


def _post(url: str, body: object) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_START_TIMEOUT_S) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise DemoFailed(
            f"POST {url} answered {error.code}: {error.read().decode(errors='replace')}"
        ) from error
    except (urllib.error.URLError, OSError) as error:
        raise DemoFailed(f"POST {url} failed: {error}") from error


def _text(ports: dict[str, int], uri: str, deployment: str, answer: str) -> str:
    ingress, admin = f"localhost:{ports['ingress']}", f"localhost:{ports['admin']}"
    python = environment.PROJECT.relative_to(environment.ROOT) / "bin" / "python"
    elsewhere = "" if ports["admin"] == _ADMIN_PORT else f"RESTATE_ADMIN_URL=http://{admin} "
    command = f"{elsewhere}{python} -m restate.runtime.cli"
    names = {"node_ctrl": "node-ctrl", "ingress": "ingress", "admin": "admin", "postgres": "postgres"}
    listening = "   ".join(f"{names.get(name, name)} {port}" for name, port in ports.items())
    return f"""
Listening       {listening}
Registered      {uri} as {deployment}
Greeter/greet   answered: {answer}

Try next:

  curl {ingress}/Greeter/greet --json '"Ada"'
  curl {ingress}/Counter/mine/add --json 5
  curl {ingress}/Counter/mine/get
  curl '{ingress}/Counter/mine/add/send?delay=10s' --json 100
  curl {ingress}/Counter/mine/add --json 1 -H 'idempotency-key: once'      # twice: it counts once

  curl {ingress}/Greeter/greetLater/send --json '"Grace"'                  # sleeps 10 s: stop the server, start it again
  curl {ingress}/Counter/Grace/get

  grpcurl -plaintext {ingress} list
  grpcurl -plaintext -d '{{"key": "mine", "request": 5}}' {ingress} Counter/add

  {command} deployments list
  {command} invocations list --all
  psql -h localhost -p {ports["postgres"]} -c 'select id, target, status, created_at from sys_invocation'

  curl {admin}/services/Counter
  curl localhost:{ports["node_ctrl"]}/metrics

Ctrl-C stops the server and the demo service."""


if __name__ == "__main__":
    main()

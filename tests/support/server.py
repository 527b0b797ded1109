"""A server under test as a real process: ours or the official one, behind one interface."""

from __future__ import annotations

import abc
import http.client
import json
import os
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.support import environments
from tests.support.processes import Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PORT_NAMES = ("node_ctrl", "ingress", "admin", "postgres")


@attrs.frozen(kw_only=True)
class Settings:
    """What a test changes in a server's configuration; None leaves the server's default. Durations as text."""

    inactivity_timeout: str | None = None
    abort_timeout: str | None = None
    message_size_limit: str | None = None
    retry_initial_interval: str | None = None
    retry_max_interval: str | None = None
    retry_max_attempts: int | None = None
    protocol_v7: bool = False
    identity_key_file: Path | None = None
    ca_file: Path | None = None
    proxy: str | None = None
    variables: Mapping[str, str] = attrs.field(factory=dict)
    """Further environment variables, which win; for our server only."""


class Server(abc.ABC):
    """One server process over one data directory. `start` again after `kill` recovers on the same ports."""

    name: str

    def __init__(self, folder: Path, settings: Settings = Settings()) -> None:
        """Nothing is started. folder: gets `data/` and `server.log`, made if missing."""
        folder.mkdir(parents=True, exist_ok=True)
        self.base_dir = folder / "data"
        self.settings = settings
        self.ports: dict[str, int] = {}
        self._log_path = folder / "server.log"
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The running process. RuntimeError before `start` and after `kill`."""
        if self._process is None:
            raise RuntimeError(f"the {self.name} server is not running")
        return self._process

    @property
    def ingress(self) -> str:
        return f"http://127.0.0.1:{self.ports['ingress']}"

    @property
    def admin(self) -> str:
        return f"http://127.0.0.1:{self.ports['admin']}"

    def spawn(self) -> None:
        """Start the process without waiting for it."""
        self._process = Process(*self._command(), self._log_path)

    def wait_for_ports(self) -> None:
        self.process.wait_for(self._ports_known, what=f"the {self.name} server's ports")

    def wait_until_ready(self, *, timeout_seconds: float = 90) -> None:
        """Until the ports are known and the ingress and admin ports answer."""
        self.wait_for_ports()
        for url in (f"{self.ingress}/restate/health", f"{self.admin}/health"):
            self.process.wait_for(
                _answers(url), what=f"the {self.name} server at {url}", timeout_seconds=timeout_seconds
            )

    def start(self) -> None:
        self.spawn()
        self.wait_until_ready()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._process = None

    def stop(self) -> None:
        """End it gently if it runs; never fails."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def log_text(self) -> str:
        return self._log_path.read_text(errors="replace") if self._log_path.exists() else ""

    def data_bytes(self) -> int:
        """Bytes on disk of the data directory (allocated blocks, as `du` counts)."""
        files = (path.lstat() for path in self.base_dir.rglob("*"))
        return sum(stat.st_blocks * 512 for stat in files)

    @abc.abstractmethod
    def _command(self) -> tuple[list[str], dict[str, str]]:
        """Command line and environment of the next start."""

    @abc.abstractmethod
    def _ports_known(self) -> bool:
        """Fill `ports`; whether they are complete."""


class OurServer(Server):
    """restate-runtime from this checkout."""

    name = "ours"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        if self._ports_file.exists():  # on a read-only disk even unlinking nothing fails
            self._ports_file.unlink()
        environment = {
            f"RESTATE_{name.upper()}__BIND_ADDRESS": f"127.0.0.1:{self.ports.get(name, 0)}"
            for name in PORT_NAMES
        }
        environment |= _given(
            RESTATE_INVOKER__INACTIVITY_TIMEOUT=self.settings.inactivity_timeout,
            RESTATE_INVOKER__ABORT_TIMEOUT=self.settings.abort_timeout,
            RESTATE_INVOKER__MESSAGE_SIZE_LIMIT=self.settings.message_size_limit,
            RESTATE_RETRY_POLICY__INITIAL_INTERVAL=self.settings.retry_initial_interval,
            RESTATE_RETRY_POLICY__MAX_INTERVAL=self.settings.retry_max_interval,
            RESTATE_RETRY_POLICY__MAX_ATTEMPTS=self.settings.retry_max_attempts,
            RESTATE_INVOKER__PROTOCOL_V7="true" if self.settings.protocol_v7 else None,
            RESTATE_INVOKER__REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE=self.settings.identity_key_file,
            RESTATE_NET__CLIENT_CA_FILE=self.settings.ca_file,
            RESTATE_NET__CLIENT_PROXY=self.settings.proxy,
        )
        # The console command is the one users run; without it (a bare checkout) the module is the same program.
        command = Path(sys.executable).with_name("restate-server")
        program = [str(command)] if command.exists() else [sys.executable, "-m", "restate.runtime.main"]
        return [*program, "--base-dir", str(self.base_dir)], {**environment, **self.settings.variables}

    def _ports_known(self) -> bool:
        if not self.ports and self._ports_file.exists():
            self.ports = json.loads(self._ports_file.read_text())
        return bool(self.ports)

    @property
    def _ports_file(self) -> Path:
        return self.base_dir / "ports.json"


class OfficialServer(Server):
    """The official server 1.7.12; it cannot say which free ports it took, so they are chosen for it."""

    name = "official"

    def _command(self) -> tuple[list[str], dict[str, str]]:
        if not self.ports:
            self.ports = dict(zip(PORT_NAMES, _free_ports(len(PORT_NAMES)), strict=True))
        address = {name: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        environment = {
            "RESTATE_BASE_DIR": str(self.base_dir),
            "RESTATE_BIND_ADDRESS": address["node_ctrl"],
            "RESTATE_ADVERTISED_ADDRESS": f"http://{address['node_ctrl']}/",
            "RESTATE_INGRESS__BIND_ADDRESS": address["ingress"],
            "RESTATE_ADMIN__BIND_ADDRESS": address["admin"],
            "RESTATE_ADMIN__QUERY_ENGINE__PGSQL_BIND_ADDRESS": address["postgres"],
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_DISABLE_TELEMETRY": "true",
            # A changing host name would make the server refuse its own data directory.
            "RESTATE_NODE_NAME": "bed",
            "RESTATE_LOG_DISABLE_ANSI_CODES": "true",
        }
        environment |= _given(
            RESTATE_WORKER__INVOKER__INACTIVITY_TIMEOUT=self.settings.inactivity_timeout,
            RESTATE_WORKER__INVOKER__ABORT_TIMEOUT=self.settings.abort_timeout,
            RESTATE_WORKER__INVOKER__MESSAGE_SIZE_LIMIT=self.settings.message_size_limit,
            RESTATE_DEFAULT_RETRY_POLICY__INITIAL_INTERVAL=self.settings.retry_initial_interval,
            RESTATE_DEFAULT_RETRY_POLICY__MAX_INTERVAL=self.settings.retry_max_interval,
            RESTATE_DEFAULT_RETRY_POLICY__MAX_ATTEMPTS=self.settings.retry_max_attempts,
            RESTATE_EXPERIMENTAL_ENABLE_PROTOCOL_V7="true" if self.settings.protocol_v7 else None,
            RESTATE_REQUEST_IDENTITY_PRIVATE_KEY_PEM_FILE=self.settings.identity_key_file,
            SSL_CERT_FILE=self.settings.ca_file,
            HTTP_PROXY=self.settings.proxy,
        )
        return [str(environments.official_server()), "--no-logo"], environment

    def _ports_known(self) -> bool:
        return True


SERVERS: dict[str, type[Server]] = {kind.name: kind for kind in (OurServer, OfficialServer)}


def _given(**values: str | int | Path | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, below the range the kernel hands out to outgoing connections."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    candidate = 12_000 + (os.getpid() * 37) % (lowest - 14_000)
    while len(found) < count:
        candidate += 1
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            found.append(candidate)
    return found


def _answers(url: str) -> Callable[[], bool]:
    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError):
            return False

    return ask

"""Starts the service programs of `tests/support/services` with their SDK's environment."""

from __future__ import annotations

import json
import re
from enum import Enum
from pathlib import Path

from tests.support import environments
from tests.support.processes import Process

_SERVICES = Path(__file__).parent / "services"
_PORT_LINE = re.compile(r'^\{"port": ?\d+\}$', re.MULTILINE)


class Sdk(Enum):
    """Which SDK a service program is written with; the value is the test id."""

    PYTHON = "python"
    TYPESCRIPT = "typescript"
    CLASSIC = "classic"
    CLASSIC_PROTOBUF = "classic-protobuf"


class ServiceProgram:
    """A running service program. `bed` is the folder through which its handlers talk to the test."""

    def __init__(
        self,
        sdk: Sdk,
        bed: Path,
        *,
        protocol: str = "bidi",
        port: int = 0,
        script: Path | None = None,
        release: str | None = None,
    ) -> None:
        """Start it and wait for its port.

        protocol: `bidi` or `request_response` (modern only). port: 0 picks one; a fixed one lets a restarted
        program take its deployment over. script: another program than the test bed's own. release: of the SDK, if
        another than today's (modern only).
        """
        self.bed = bed
        bed.mkdir(parents=True, exist_ok=True)
        command, home = _command(sdk, script, release)
        environment = {
            "SDK_HOME": home,
            "BED_DIR": str(bed),
            "BED_PROTOCOL": protocol,
            "BED_PORT": str(port),
            "NODE_ENV": "production",
            "RESTATE_LOGGING": "ERROR",
        }
        log_path = bed / "service.log"
        offset = log_path.stat().st_size if log_path.exists() else 0
        self.process = Process(command, environment, log_path)
        self.process.wait_for(
            lambda: _announced_port(self.process, offset) is not None, what=f"the {sdk.value} service's port"
        )
        announced = _announced_port(self.process, offset)
        assert announced is not None
        self.port = announced

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read(self, name: str) -> str | None:
        """The text a handler wrote under this name, or None so far."""
        path = self.bed / name
        return path.read_text() if path.exists() else None

    def lines(self, name: str) -> list[str]:
        """The complete lines handlers appended under this name."""
        text = self.read(name) or ""
        return text[: text.rfind("\n") + 1].splitlines()

    def stop(self) -> None:
        self.process.kill()


def _announced_port(process: Process, offset: int) -> int | None:
    """The port a program printed after this place in its log."""
    found = _PORT_LINE.search(process.log_text(), offset)
    return None if found is None else int(json.loads(found.group())["port"])


def _command(sdk: Sdk, script: Path | None, release: str | None) -> tuple[list[str], str]:
    """The command line and the SDK_HOME it runs with."""
    match sdk:
        case Sdk.PYTHON:
            python = environments.python_sdk(release)
            return [str(python), str(script or _SERVICES / "modern.py")], str(python.parent)
        case Sdk.TYPESCRIPT:
            home = environments.modern_sdk(release)
            return [environments.node(), str(script or _SERVICES / "modern.mjs")], str(home)
        case Sdk.CLASSIC:
            home = environments.classic_sdk()
            return [environments.node(), str(script or _SERVICES / "classic.mjs")], str(home)
        case Sdk.CLASSIC_PROTOBUF:
            home = environments.classic_protobuf()
            return [environments.node(), str(script or _SERVICES / "classic_protobuf.mjs")], str(home)

"""Child processes of tests: started with a log file, watched through /proc, never left behind."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_alive: set[subprocess.Popen[bytes]] = set()


class Process:
    """One child in a process group of its own. Output goes to `log_path`, appended over restarts."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log_path: Path) -> None:
        self.log_path = log_path
        # An outer setting or proxy must not leak into what a test measures.
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RESTATE_") and name.lower() not in ("http_proxy", "no_proxy")
        }
        with log_path.open("ab") as log:
            self._child = subprocess.Popen(
                command,
                env={**kept, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        _alive.add(self._child)

    @property
    def pid(self) -> int:
        return self._child.pid

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace")

    def is_running(self) -> bool:
        return self._child.poll() is None

    def kill(self) -> None:
        """SIGKILL to the whole group; returns when the child is reaped."""
        self._signal(signal.SIGKILL)
        self._child.wait()
        _alive.discard(self._child)

    def stop(self, *, grace_seconds: float = 5) -> int:
        """SIGTERM, then SIGKILL after the grace; the exit status."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(grace_seconds)
        self.kill()
        return self._child.returncode

    def wait_for(self, condition: Callable[[], bool], *, what: str, timeout_seconds: float = 90) -> None:
        """Poll until the condition holds. TimeoutError or RuntimeError (child ended) carries the log's end."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if not self.is_running():
                raise RuntimeError(
                    f"waiting for {what}: ended with {self._child.returncode}\n{self._log_end()}"
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"waited {timeout_seconds} s for {what}\n{self._log_end()}")
            time.sleep(0.005)

    def cpu_seconds(self) -> float:
        """User and system time so far, children that still run included."""
        return sum(_cpu_seconds(pid) for pid in self._family())

    def rss_bytes(self) -> int:
        return sum(_rss_bytes(pid) for pid in self._family())

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def _family(self) -> list[int]:
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    found.extend(int(child) for child in task.read_text().split())
                except (FileNotFoundError, ProcessLookupError):
                    continue
        return found

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _log_end(self) -> str:
        return self.log_text()[-3000:]


def _cpu_seconds(pid: int) -> float:
    try:
        # The name in field 2 may hold spaces; counting starts after its closing parenthesis.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    utime, stime, child_utime, child_stime = (int(field) for field in fields[11:15])
    return (utime + stime + child_utime + child_stime) / _TICKS_PER_SECOND


def _rss_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (FileNotFoundError, ProcessLookupError):
        return 0


@atexit.register
def _kill_leftovers() -> None:
    for child in _alive:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue

"""A program at a terminal: what a person types and sees."""

from __future__ import annotations

import codecs
import contextlib
import os
import pty
import re
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

_CURSOR_QUESTION, _CURSOR_ANSWER = b"\x1b[6n", b"\x1b[1;1R"
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07]*)?$")
_ESCAPES = re.compile(r"\x07|\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-Z\\-_=>])")


class Terminal:
    """A context manager: it kills the program at the end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(command[0], list(command), dict(environment))
        self._seen = ""
        # A read may end in the middle of a character, or of an escape sequence.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._rest = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.close(self._fd)
        os.waitpid(self._pid, 0)

    def type(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def sees(self, pattern: str, *, timeout_seconds: float = 60) -> str:
        """Wait until the screen shows this since the last call; the text up to its end. AssertionError if it does not."""
        deadline = time.monotonic() + timeout_seconds
        while (found := re.search(pattern, self._seen, re.DOTALL)) is None:
            if time.monotonic() > deadline or not self._read(deadline):
                raise AssertionError(f"expected {pattern!r} at the terminal, it shows:\n{self._seen}")
        text, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return text

    def _read(self, deadline: float) -> bool:
        """False once the program has closed its end."""
        if not select.select([self._fd], [], [], max(0, deadline - time.monotonic()))[0]:
            return True
        try:
            data = os.read(self._fd, 65_536)
        except OSError:
            return False
        if _CURSOR_QUESTION in data:
            os.write(self._fd, _CURSOR_ANSWER)
        text = self._rest + self._decoder.decode(data)
        unfinished = _UNFINISHED.search(text)
        end = len(text) if unfinished is None else unfinished.start()
        self._seen += _ESCAPES.sub("", text[:end])
        self._rest = text[end:]
        return bool(data)

"""Runs a command line against a server under test: the official one or ours."""

from __future__ import annotations

import codecs
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import attrs
from click.testing import CliRunner

from restate.runtime.cli.root import restate
from tests.support import environments

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.support.server import Server

_TIMEOUT_SECONDS = 60
_OURS = (sys.executable, "-m", "restate.runtime.cli")


@attrs.frozen
class Done:
    """What a call has left: exit status, standard output and standard error."""

    status: int
    out: str
    err: str


class CommandLine:
    """Calls of one program; each is a process of its own, without a terminal."""

    def __init__(self, program: Sequence[str], folder: Path) -> None:
        """folder: exists; gets the program's configuration and the editor's script."""
        self.program = tuple(program)
        self._folder = folder

    def run(
        self,
        arguments: Sequence[str],
        server: Server,
        *,
        edited: str | None = None,
        meanwhile: tuple[str, str] | None = None,
    ) -> Done:
        """edited: what an editor makes of any text it is given; `{}` in it stands for that text.

        meanwhile: URL and JSON that the editor posts before it is done.
        """
        environment = self.environment(server)
        if edited is not None:
            environment["RESTATE_EDITOR"] = self._editor(edited, meanwhile)
        return self._call(arguments, environment)

    def _call(self, arguments: Sequence[str], environment: dict[str, str]) -> Done:
        done = subprocess.run(
            [*self.program, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def environment(self, server: Server) -> dict[str, str]:
        """Variables of a call: nothing of the machine's own settings, and where the server is."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("RESTATE_") and name.lower() not in ("http_proxy", "no_proxy", "ci")
        }
        return {
            **kept,
            "RESTATE_ADMIN_URL": server.admin,
            "RESTATE_INGRESS_URL": server.ingress,
            "RESTATE_CLI_CONFIG_HOME": str(self._folder / "home"),
            "DO_NOT_TRACK": "1",
            "NO_COLOR": "1",
            # Both show the times of where they are.
            "TZ": "UTC",
            # Both fit what they write to a terminal, and take this for one's width where there is none.
            "COLUMNS": "200",
        }

    def _editor(self, edited: str, meanwhile: tuple[str, str] | None) -> str:
        settings, script = self._folder / "editor.json", self._folder / "editor"
        settings.write_text(json.dumps({"edited": edited, "meanwhile": meanwhile}))
        script.write_text(f"#!{sys.executable}\n{_EDITOR.format(settings=str(settings))}")
        script.chmod(0o755)
        return str(script)


_EDITOR = """
import json, pathlib, sys, urllib.request
settings = json.loads(pathlib.Path({settings!r}).read_text())
if settings["meanwhile"]:
    url, body = settings["meanwhile"]
    request = urllib.request.Request(url, body.encode(), {{"content-type": "application/json"}})
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=10).read()
file = pathlib.Path(sys.argv[1])
file.write_text(settings["edited"].replace("{{}}", file.read_text()))
"""


class Terminal:
    """One call of a program on a terminal of 100 columns."""

    def __init__(self, line: CommandLine, words: Sequence[str], server: Server, **environment: str) -> None:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, 100))
        kept = {name: value for name, value in line.environment(server).items() if name != "NO_COLOR"}
        self._process = subprocess.Popen(
            [*line.program, *words],
            env={**kept, "TERM": "xterm-256color", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            # A shell starts what runs in the background, as a test run may, deaf to it, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        os.close(theirs)
        self._file = ours
        # A read may end in the middle of a character.
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.shown = ""

    def read_until(self, pattern: str) -> None:
        """Until what was shown matches, or the program has ended."""
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not re.search(pattern, self.shown, re.DOTALL):
            assert time.monotonic() < deadline, self.shown
            if not select.select([self._file], [], [], 0.1)[0]:
                continue
            try:
                data = os.read(self._file, 65536)
            except OSError:
                # Linux tells so that nobody holds the other side any more.
                return
            self.shown += self._decoder.decode(data)

    def type(self, text: str) -> None:
        os.write(self._file, text.encode())

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Read what is left; the exit status."""
        self.read_until("(?!)")
        os.close(self._file)
        return self._process.wait(_TIMEOUT_SECONDS)


def official(folder: Path) -> CommandLine:
    """The official command line. Raises MissingToolError."""
    return CommandLine([str(environments.official_cli())], folder)


def ours(folder: Path) -> CommandLine:
    return CommandLine(_OURS, folder)


class InProcess(CommandLine):
    """Our command line without a process for each call, for those who make hundreds."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_OURS, folder)

    def _call(self, arguments: Sequence[str], environment: dict[str, str]) -> Done:
        unset = dict.fromkeys(os.environ.keys() - environment.keys())
        done = CliRunner().invoke(restate, arguments, env={**unset, **environment})
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

"""A server with services, and a command line that is run against it step by step."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import attrs
import httpx

from tests.clients.command_line.masks import cells, lines
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS, Server, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.support.command_line import CommandLine

_SCRIPT = Path(__file__).parents[2] / "support" / "services" / "desk.py"
# Waits suspend at once; what fails is not tried again while it is looked at.
_SETTINGS = Settings(inactivity_timeout="400ms", retry_initial_interval="1h", retry_max_interval="1h")


class Observation(TypedDict):
    """What a step has shown: exit status, and the lines of both outputs without ids, times and ports."""

    status: int
    lines: list[str]


@attrs.frozen
class Step:
    """One call of the command line. words: `<name>` stands for the id or URL that the scene knows under it.

    order: `lines` or `cells` where the server's order has no meaning, and they are compared sorted. keep: only lines
    that begin with one of these. edited, meanwhile: see CommandLine.run; the latter's path is one of the ingress.
    """

    name: str
    words: tuple[str, ...]
    order: str = ""
    keep: tuple[str, ...] = ()
    edited: str | None = None
    meanwhile: tuple[str, str] | None = None


@attrs.frozen
class Act:
    """What happens between steps."""

    play: Callable[[Scene], None]


class Scene:
    """One server and its programs, for as long as it is entered."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.caller = Caller(server)
        self.names: dict[str, str] = {}
        """{name: id or URL}."""
        self.programs: dict[str, ServiceProgram] = {}
        self._folder = folder
        self._http = httpx.Client(timeout=60, trust_env=False)

    def start_program(self, name: str) -> ServiceProgram:
        """Its URL gets known under the name."""
        program = ServiceProgram(Sdk.PYTHON, self._folder / name, script=_SCRIPT)
        self.programs[name] = program
        self.names[name] = program.uri
        return program

    def name_deployments(self) -> None:
        """The id of each program's deployment gets known as `dp NAME`."""
        uris = {f"{program.uri}/": name for name, program in self.programs.items()}
        for deployment in self.caller.admin("GET", "/deployments").ok()["deployments"]:
            self.names[f"dp {uris[deployment['uri']]}"] = deployment["id"]

    def send(self, name: str, path: str, body: object) -> None:
        """A one-way call, whose invocation gets the name. Two of them have different times of creation."""
        reply = self.caller.call(path, body)
        self.names[name] = reply.ok()["invocationId"]
        time.sleep(0.02)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        reply = self._query(sql)
        assert reply.status_code == 200, f"{sql}: {reply.status_code} {reply.text}"
        found: list[dict[str, Any]] = reply.json()["rows"]
        return found

    def wait_for(self, name: str, status: str) -> None:
        """Until the invocation is in it; `gone` when there is no such invocation any more."""
        sql = f"SELECT status FROM sys_invocation WHERE id = '{self.names[name]}'"

        def look() -> bool:
            rows = self.rows(sql)
            return (rows[0]["status"] if rows else "gone") == status

        eventually(look, what=f"{name} to be {status}")

    def wait_for_rows(self, sql: str, count: int) -> None:
        eventually(lambda: len(self.rows(sql)) == count, what=f"{count} rows of {sql}")

    def restart(self) -> None:
        self.server.stop()
        self.server.start()
        self.wait_for_sql()

    def wait_for_sql(self) -> None:
        """The official server is ready before its partitions can be queried."""
        eventually(
            lambda: self._query("SELECT id FROM sys_invocation LIMIT 1").status_code == 200,
            what="an answer of SQL after the start",
        )

    def call(self, line: CommandLine, step: Step) -> Observation:
        words = [self._filled(word) for word in step.words]
        meanwhile = step.meanwhile and (f"{self.server.ingress}/{step.meanwhile[0]}", step.meanwhile[1])
        done = line.run(words, self.server, edited=step.edited, meanwhile=meanwhile)
        known = {value: f"<{name}>" for name, value in self.names.items()}
        known |= {f"http://127.0.0.1:{port}": f"<{name}>" for name, port in self.server.ports.items()}
        seen = [*lines(done.out, known), *(f"! {each}" for each in lines(done.err, known))]
        if step.keep:
            seen = [each for each in seen if each.startswith(step.keep)]
        if step.order:
            seen = sorted(seen if step.order == "lines" else cells(seen))
        return Observation(status=done.status, lines=seen)

    def close(self) -> None:
        for program in self.programs.values():
            program.stop()
        self.caller.__exit__(None, None, None)
        self._http.close()

    def _query(self, sql: str) -> httpx.Response:
        url = f"{self.server.admin}/query"
        return self._http.post(url, json={"query": sql}, headers={"accept": "application/json"})

    def _filled(self, word: str) -> str:
        for name, value in self.names.items():
            word = word.replace(f"<{name}>", value)
        return word


@contextlib.contextmanager
def scene(kind: str, folder: Path) -> Iterator[Scene]:
    """A server of this kind without deployments, and a program `v1`."""
    server = SERVERS[kind](folder, _SETTINGS)
    try:
        server.start()
        made = Scene(server, folder)
        try:
            made.wait_for_sql()
            made.start_program("v1")
            yield made
        finally:
            made.close()
    finally:
        server.stop()


def play(line: CommandLine, script: Sequence[Step | Act], kind: str, folder: Path) -> dict[str, Observation]:
    """{step: what it has shown}, of a server started for it."""
    seen = {}
    with scene(kind, folder) as stage:
        for each in script:
            if isinstance(each, Act):
                each.play(stage)
            else:
                seen[each.name] = stage.call(line, each)
    return seen


def dump(seen: dict[str, Observation], file: Path) -> None:
    file.write_text(json.dumps(seen, indent=0, ensure_ascii=False) + "\n")


def load(file: Path) -> dict[str, Observation]:
    found: dict[str, Observation] = json.loads(file.read_text())
    return found

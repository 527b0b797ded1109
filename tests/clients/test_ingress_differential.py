"""Our ingress answers like the official server's 1.7.12: status, headers and body of some hundred requests.

`ingress_answers.json` holds what the official server has answered, with ids and times masked. Renew it, after a change
of the requests, by

    python -m tests.clients.test_ingress_differential

With `--official` the official server is asked again and must still answer so.
"""

from __future__ import annotations

import http.client
import json
import re
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.clients.ingress_exchanges import EXCHANGES, Exchange
from tests.support.caller import Caller, eventually
from tests.support.environments import MissingToolError
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS, Server, Settings

if TYPE_CHECKING:
    pass

_ANSWERS = Path(__file__).with_name("ingress_answers.json")
_SCRIPT = Path(__file__).parents[1] / "support" / "services" / "edges.py"
_MASKS = (
    (re.compile(r"\b(inv|sign|prom)_1[0-9A-Za-z_-]{33,60}"), r"\1_1*"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d+)"), lambda match: "TIME." + "0" * len(match[1])),
)
# Said by the program that answers, not by the protocol.
_UNCOMPARED = frozenset({"date", "connection"})

INTENDED: dict[str, str] = {}
"""{exchange: why our answer differs on purpose}."""


class Talk:
    """The exchanges of one server, in order, with what later ones need from earlier answers."""

    def __init__(self, server: Server) -> None:
        self._port = server.ports["ingress"]
        self._run = f"r{uuid.uuid4().hex[:12]}"
        self._ids: dict[str, str] = {}

    def answer(self, exchange: Exchange) -> dict[str, Any]:
        """Status, headers and body of the answer, without what differs from run to run."""
        status, headers, body = self._send(
            exchange.method,
            self._fill(exchange.path),
            {name: self._fill(value) for name, value in exchange.headers.items()},
            None if exchange.body is None else self._fill(exchange.body.decode("latin-1")).encode("latin-1"),
            chunked=exchange.chunked,
        )
        self._ids |= {exchange.name: value for name, value in headers if name == "x-restate-id"}
        shown: dict[str, Any] = {
            "status": status,
            "headers": sorted(
                f"{name}: {self._mask(value)}" for name, value in headers if name not in _UNCOMPARED
            ),
        }
        if exchange.loose_body:
            shown["headers"] = [line for line in shown["headers"] if not line.startswith("content-length")]
        else:
            shown["body"] = self._mask(body.decode("utf-8", "backslashreplace"))
        return shown

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, *, chunked: bool
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1"))
            if chunked:
                connection.putheader("transfer-encoding", "chunked")
            elif body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body, encode_chunked=chunked)
            reply = connection.getresponse()
            return reply.status, [(name.lower(), value) for name, value in reply.getheaders()], reply.read()
        finally:
            connection.close()

    def _fill(self, text: str) -> str:
        text = text.replace("{run}", self._run)
        text = re.sub(r"\{id:([^}]*)\}", lambda match: self._ids[match[1]], text)
        return re.sub(r"\{awakeable:([^}]*)\}", lambda match: self._on_board(match[1]), text)

    def _on_board(self, key: str) -> str:
        def look() -> str | None:
            _, _, body = self._send("GET", f"/Board/{key}/get", {}, None, chunked=False)
            found: str | None = json.loads(body)
            return found

        return eventually(look, what=f"the awakeable on the board under {key}")

    def _mask(self, text: str) -> str:
        for pattern, replacement in _MASKS:
            text = pattern.sub(replacement, text)
        return text.replace(self._run, "RUN").replace(str(self._port), "PORT")


def talk(server: Server, program: ServiceProgram) -> dict[str, dict[str, Any]]:
    """{exchange: answer} of a server that has no deployments yet."""
    with Caller(server) as caller:
        caller.register(program.uri)
    running = Talk(server)
    return {exchange.name: running.answer(exchange) for exchange in EXCHANGES}


def record() -> None:
    """Ask the official server and keep its answers."""
    with tempfile.TemporaryDirectory() as folder:
        answers = ask("official", Path(folder))
    _ANSWERS.write_text(json.dumps(answers, indent=1, ensure_ascii=False) + "\n")


def ask(kind: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The answers of a server of this kind, started for them."""
    program = ServiceProgram(Sdk.PYTHON, folder / "bed", script=_SCRIPT)
    try:
        server = SERVERS[kind](folder, Settings(inactivity_timeout="1s"))
        try:
            server.start()
            return talk(server, program)
        finally:
            server.stop()
    finally:
        program.stop()


@pytest.fixture(scope="module")
def answers(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    try:
        return ask(server_kind, tmp_path_factory.mktemp(server_kind))
    except MissingToolError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", [exchange.name for exchange in EXCHANGES])
def test_the_answer_is_the_official_servers(
    name: str, server_kind: str, answers: dict[str, dict[str, Any]]
) -> None:
    expected = json.loads(_ANSWERS.read_text())[name]
    if server_kind == "ours" and name in INTENDED:
        assert answers[name] == INTENDED[name].answer(expected)
    else:
        assert answers[name] == expected


if __name__ == "__main__":
    record()

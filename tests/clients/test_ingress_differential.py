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
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.clients.ingress_exchanges import EXCHANGES, Exchange
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import SERVERS, Server, Settings

_ANSWERS = Path(__file__).with_name("ingress_answers.json")
_SCRIPT = Path(__file__).parents[1] / "support" / "services" / "edges.py"
_MASKS = (
    (re.compile(r"\b(inv|sign|prom)_1[0-9A-Za-z_-]{33,60}"), r"\1_1*"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}"), "TIME"),
)
# What is wrong with a duration or an escape is told in the words of a library.
_OWN_WORDS = re.compile(
    r"(?<=must be a ISO8601 duration: )[^.].*(?=\",\"source)|(?<=cannot decode key: ).*(?=\",\"source)"
)
_UNCOMPARED = frozenset({"date", "connection"})
_OURS_ONLY = "access-control-expose-headers: "

_LENIENT = "a delay that upstream refuses; bare digits are what the Python SDK's client sends"
_BODYLESS = "upstream sends these codes as statuses without a body (settled.md, 31)"
_CLIENTS_FAULT = "upstream answers a target it cannot read with 500 and a backtrace (ingress.md, 3.7)"
INTENDED = {
    "delay 5": (202, _LENIENT),
    "delay 1000": (202, _LENIENT),
    "delay %20%201s": (202, _LENIENT),
    "delay 1SEC": (202, _LENIENT),
    "lookup, bad JSON": (400, _CLIENTS_FAULT),
    "lookup, no body": (400, _CLIENTS_FAULT),
    "lookup, unknown target": (400, _CLIENTS_FAULT),
    "terminal 204": (500, _BODYLESS),
    "terminal 304": (500, _BODYLESS),
    "terminal 101": (500, _BODYLESS),
}
"""{exchange: (our status, why it is not the official one)}."""


class _Connection(http.client.HTTPConnection):
    """Sends a path with bytes beyond ASCII as it is, which browsers do not and curl does."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


class Talk:
    """The exchanges of one server, in order, with what later ones need from earlier answers."""

    def __init__(self, server: Server) -> None:
        self._port = server.ports["ingress"]
        self._run = f"r{uuid.uuid4().hex[:12]}"
        self._ids: dict[str, str] = {}

    def answer(self, exchange: Exchange) -> dict[str, Any]:
        """Status, headers and body of the answer, without what differs from run to run."""
        status, headers, body = self._exchange(exchange)
        while exchange.until_done and status == 470:
            time.sleep(0.02)
            status, headers, body = self._exchange(exchange)
        self._ids[exchange.name] = dict(headers).get("x-restate-id", "")
        text, own_words = _OWN_WORDS.subn("...", self._mask(body.decode("utf-8", "backslashreplace")))
        if text.startswith('{"services":'):
            text = json.dumps({"services": sorted(json.loads(text)["services"])})
        lines = sorted(f"{name}: {self._mask(value)}" for name, value in headers if name not in _UNCOMPARED)
        if own_words or exchange.loose_body:
            lines = [line for line in lines if not line.startswith("content-length: ")]
        return {"status": status, "headers": lines, "body": None if exchange.loose_body else text}

    def _exchange(self, exchange: Exchange) -> tuple[int, list[tuple[str, str]], bytes]:
        body = exchange.body
        return self._send(
            exchange.method,
            self._fill(exchange.path),
            {name: self._fill(value) for name, value in exchange.headers.items()},
            None if body is None else self._fill(body.decode("latin-1")).encode("latin-1"),
            chunked=exchange.chunked,
        )

    def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None, *, chunked: bool
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = _Connection("127.0.0.1", self._port, timeout=20)
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
            found: str | None = json.loads(body or b"null")
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
def recorded() -> dict[str, dict[str, Any]]:
    answers: dict[str, dict[str, Any]] = json.loads(_ANSWERS.read_text())
    return answers


@pytest.fixture(scope="module")
def answers(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    return ask(server_kind, tmp_path_factory.mktemp(server_kind))


@pytest.mark.parametrize("name", [exchange.name for exchange in EXCHANGES])
def test_the_answer_is_the_official_servers(
    name: str, server_kind: str, answers: dict[str, dict[str, Any]], recorded: dict[str, dict[str, Any]]
) -> None:
    answer = answers[name]
    if server_kind == "ours":
        assert any(line.startswith(_OURS_ONLY) for line in answer["headers"])
        answer["headers"] = [line for line in answer["headers"] if not line.startswith(_OURS_ONLY)]
        if name in INTENDED:
            assert answer["status"] == INTENDED[name][0] != recorded[name]["status"]
            return
    assert answer == recorded[name]


if __name__ == "__main__":
    record()

"""An admin port that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import attrs
import pyarrow as pa
from click.testing import CliRunner

from restate.runtime.cli.root import restate

if TYPE_CHECKING:
    from types import TracebackType

    from click.testing import Result

ARROW = "application/vnd.apache.arrow.stream"

Answer = tuple[int, Any]
"""Status and body: JSON, or bytes as they are; None for no body."""


@attrs.frozen
class Asked:
    method: str
    path: str
    body: Any
    headers: dict[str, str]


@attrs.define(slots=False)
class FakeAdmin:
    """Listens while it is entered. answers: {"GET /health": (200, None)}; queries: {piece of SQL: rows}, which are told in
    the form that is asked for.
    """

    answers: dict[str, Answer] = attrs.field(factory=dict)
    queries: dict[str, list[dict[str, Any]] | pa.Table] = attrs.field(factory=dict)
    asked: list[Asked] = attrs.field(factory=list)
    hang_up_after: int | None = None
    """Close a connection, without saying so, after so many answers."""
    closing: bool = False
    """Say with each answer that the connection ends with it."""
    cut_after: int | None = None
    """Send only so many bytes of each body, and hang up."""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def sql(self) -> list[str]:
        return [asked.body["query"] for asked in self.asked if asked.path == "/query"]

    @property
    def changes(self) -> list[tuple[str, str, Any]]:
        """Method, path and body of what was asked beyond reading."""
        return [
            (each.method, each.path, each.body)
            for each in self.asked
            if each.method != "GET" and each.path != "/query"
        ]

    def run(self, *arguments: str, typed: str | None = None, **environment: str) -> Result:
        """The command line in this process, without a terminal. typed: standard input."""
        variables = {"RESTATE_ADMIN_URL": self.url, "RESTATE_CLI_CONFIG_HOME": "/nowhere", "CI": None}
        return CliRunner().invoke(restate, arguments, input=typed, env={**variables, **environment})

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if path == "/query" and "POST /query" not in self.answers:
            rows = next((rows for piece, rows in self.queries.items() if piece in body["query"]), [])
            return 200, {"rows": rows}
        missing = (404, {"message": f"{path} does not exist", "restate_code": None})
        return self.answers.get(f"{method} {path}", missing)

    def __enter__(self) -> FakeAdmin:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()


def _stream(rows: list[dict[str, Any]] | pa.Table) -> bytes:
    """rows: those of a list have the columns that any of them has."""
    if isinstance(rows, list):
        names = list(dict.fromkeys(name for row in rows for name in row))
        rows = pa.table({name: [row.get(name) for row in rows] for name in names})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _handler(fake: FakeAdmin) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one piece: two would wait for each other's acknowledgement.
        wbufsize = -1
        answered = 0

        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.answered += 1
            if self.answered == fake.hang_up_after:
                self.close_connection = True

        def _answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length", "0")))
            body = json.loads(content) if content else None
            fake.asked.append(Asked(self.command, self.path, body, dict(self.headers)))
            status, answer = fake.answer(self.command, self.path, body)
            if self.headers.get("accept") == ARROW and status == 200 and isinstance(answer, dict):
                answer = _stream(answer["rows"])
            if isinstance(answer, bytes):
                data = answer
            else:
                data = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            if fake.closing:
                self.send_header("connection", "close")
            self.end_headers()
            self.wfile.write(data[: fake.cut_after])
            if fake.cut_after is not None:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            """Quiet: the name and the parameter are the base class's."""

    return Handler

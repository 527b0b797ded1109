"""A deployment that answers discovery with whatever a test says, over HTTP/1.1: many of them, one at each path prefix.

Started in the test's process, one thread per connection. It takes no invocations; what it is asked is remembered.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from types import TracebackType

MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v3+json"


@attrs.frozen
class Answer:
    """To a discovery. silent: never comes, until the service is closed."""

    status: int = 200
    content_type: str | None = MANIFEST_TYPE
    body: bytes = b""
    location: str | None = None
    silent: bool = False


def manifest(*services: str, handler: str = "call", **fields: Any) -> Answer:
    """Of plain services with one handler each. fields: of the manifest."""
    document = {
        "protocolMode": "REQUEST_RESPONSE",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 7,
        "services": [{"name": name, "ty": "SERVICE", "handlers": [{"name": handler}]} for name in services],
    } | fields
    return Answer(body=json.dumps(document).encode())


@attrs.frozen
class Asked:
    """One request. headers: lower-case names."""

    method: str
    path: str
    headers: dict[str, str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A server that is killed while it waits for its answer is nothing to report."""


class ManifestService:
    """Listens as long as the `with` block lasts. answers: {path prefix: answer to its discovery}, changed at will."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.asked: list[Asked] = []
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def uri(self, prefix: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{prefix}"

    def __enter__(self) -> ManifestService:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        prefix, _, rest = asked.path.rpartition("/discover")
        found = self.answers.get(prefix) if not rest else None
        if found is None:
            return Answer(status=404, content_type=None)
        if found.silent:
            self._closing.wait()
        return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Head and body in one packet; in two, each answer would wait for an acknowledgement.
            wbufsize = -1

            def answer(self) -> None:
                self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = service._answer(Asked(self.command, self.path, headers))
                self.send_response(answer.status)
                if answer.content_type is not None:
                    self.send_header("content-type", answer.content_type)
                if answer.location is not None:
                    self.send_header("location", answer.location)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        return Handler

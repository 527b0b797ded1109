"""A service deployment that misbehaves as its script says: raw h2c, one thread per connection.

It offers one modern service, `Bad`, with a handler for each behaviour given. Once `healed`, every handler answers
as it should, which shows that a failed attempt was retried.
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import TYPE_CHECKING

import attrs
import h2.config
import h2.connection
import h2.events
import h2.exceptions

if TYPE_CHECKING:
    from collections.abc import Mapping

INVOCATION_TYPE = "application/vnd.restate.invocation.v6"
_MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v3+json"

_OUTPUT, _END, _ERROR = 0x0401, 0x0003, 0x0002


def message(code: int, body: bytes = b"") -> bytes:
    """A Restate message with its header."""
    return code.to_bytes(2, "big") + bytes(2) + len(body).to_bytes(4, "big") + body


def field(number: int, value: bytes) -> bytes:
    """One length-delimited protobuf field, up to 127 bytes long."""
    return bytes([number << 3 | 2, len(value)]) + value


def error(code: int, text: str) -> bytes:
    """An Error message; code up to 16383."""
    return message(_ERROR, bytes([1 << 3, code & 0x7F | 0x80, code >> 7]) + field(2, text.encode()))


END = message(_END)
OUTPUT = message(_OUTPUT, field(14, field(1, b'"healed"')))


@attrs.frozen(kw_only=True)
class Behaviour:
    """What a handler answers.

    body: bytes of the answer, sent at once. ends: whether the answer is ended; else it stays open. breaks: send these
    bytes instead of an HTTP/2 answer and close the connection.
    """

    status: int = 200
    content_type: str | None = INVOCATION_TYPE
    body: bytes = b""
    ends: bool = True
    breaks: bytes | None = None


GOOD = Behaviour(body=OUTPUT + END)
_NOT_FOUND = Behaviour(status=404)


class ScriptedService:
    """Listens as long as the `with` block lasts; `close` and `reopen` make it unreachable in between."""

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        self._behaviours = dict(behaviours)
        self._healed = threading.Event()
        self._listener: socket.socket | None = None
        self._sockets: set[socket.socket] = set()
        self.port = 0

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> ScriptedService:
        self.reopen()
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def heal(self) -> None:
        self._healed.set()

    def close(self) -> None:
        """Refuse new connections and reset those that are open."""
        if self._listener is not None:
            # Without the shutdown the thread in accept keeps the port listening.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for one in list(self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def reopen(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self._sockets.add(peer)
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        with contextlib.suppress(OSError, h2.exceptions.ProtocolError), peer:
            peer.sendall(connection.data_to_send())
            while chunk := peer.recv(65536):
                for event in connection.receive_data(chunk):
                    if isinstance(event, h2.events.RequestReceived):
                        self._answer(connection, peer, event)
                    elif isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                        connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                peer.sendall(connection.data_to_send())
        self._sockets.discard(peer)

    def _answer(
        self, connection: h2.connection.H2Connection, peer: socket.socket, event: h2.events.RequestReceived
    ) -> None:
        path = next(value.decode() for name, value in event.headers or [] if name == b":path")
        if path == "/discover":
            behaviour = Behaviour(content_type=_MANIFEST_TYPE, body=self._manifest())
        elif self._healed.is_set():
            behaviour = GOOD
        else:
            # An invocation that has written nothing is tried on the latest deployment, even if it lost the handler.
            behaviour = self._behaviours.get(path.rpartition("/")[2], _NOT_FOUND)
        if behaviour.breaks is not None:
            peer.sendall(behaviour.breaks)
            peer.shutdown(socket.SHUT_RDWR)
            return
        headers = [(":status", str(behaviour.status))]
        if behaviour.content_type is not None:
            headers.append(("content-type", behaviour.content_type))
        connection.send_headers(event.stream_id, headers)
        connection.send_data(event.stream_id, behaviour.body, end_stream=behaviour.ends)

    def _manifest(self) -> bytes:
        handlers = [{"name": name} for name in self._behaviours]
        return json.dumps(
            {
                "protocolMode": "BIDI_STREAM",
                "minProtocolVersion": 5,
                "maxProtocolVersion": 6,
                "services": [{"name": "Bad", "ty": "SERVICE", "handlers": handlers}],
            }
        ).encode()

"""The Postgres port before SQL exists: every client is told so in its own protocol, instead of hanging.

Source of the wire facts: the PostgreSQL documentation, "Frontend/Backend Protocol", start-up and ErrorResponse.
"""

import logging

import trio

from restate.runtime.net.listener import Drain, Listener, accept

log = logging.getLogger("restate.query")

_ENCRYPTION_REQUESTS = frozenset({80877103, 80877104})
"""SSLRequest and GSSENCRequest; both are answered by one byte, and the start-up message follows."""
_CANCEL_REQUEST = 80877102
"""Has no answer, in any case."""
_LONGEST_STARTUP = 10_000
_TIMEOUT_S = 5.0
_MOST_CLIENTS = 100


class PostgresPort:
    """Accepts connections and refuses them with SQLSTATE 0A000 (feature not supported)."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._room = trio.CapacityLimiter(_MOST_CLIENTS)

    async def run(self, drain: Drain) -> None:
        """Serve until the drain starts. Closes the listener; raises OSError if that breaks."""
        async with trio.open_nursery() as nursery:
            try:
                with drain.accepting():
                    await self._accept(nursery)
            finally:
                self._listener.close()

    async def _accept(self, nursery: trio.Nursery) -> None:
        while True:
            async with self._room:
                # Nobody is accepted while there is no room to serve them.
                await trio.lowlevel.checkpoint()
            for sock, _ in await accept(self._listener.socket, _MOST_CLIENTS):
                nursery.start_soon(self._serve, trio.SocketStream(trio.socket.from_stdlib_socket(sock)))

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with self._room, stream:
            try:
                with trio.move_on_after(_TIMEOUT_S):
                    await _refuse(stream)
            except (trio.BrokenResourceError, _NotPostgresError):
                log.debug("a client of the postgres port left before it was answered")


async def _refuse(stream: trio.SocketStream) -> None:
    while (code := await _startup_code(stream)) in _ENCRYPTION_REQUESTS:
        await stream.send_all(b"N")
    if code != _CANCEL_REQUEST:
        await stream.send_all(refusal())


class _NotPostgresError(Exception):
    """The bytes are no start-up message."""


async def _startup_code(stream: trio.SocketStream) -> int:
    size = int.from_bytes(await _exactly(stream, 4), "big")
    if not 8 <= size <= _LONGEST_STARTUP:
        raise _NotPostgresError
    return int.from_bytes((await _exactly(stream, size - 4))[:4], "big")


async def _exactly(stream: trio.SocketStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = await stream.receive_some(size - len(data))
        if not more:
            raise _NotPostgresError
        data += more
    return data


def refusal() -> bytes:
    """An ErrorResponse, FATAL: the connection ends after it."""
    fields = {
        b"S": b"FATAL",
        b"V": b"FATAL",
        b"C": b"0A000",
        b"M": b"SQL is not available in this version of the server; use the admin API",
    }
    body = b"".join(key + value + b"\x00" for key, value in fields.items()) + b"\x00"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body

"""Port 9071: SQL for clients of Postgres. Accepts, counts, cancels and ends connections.

port = PostgresPort(listener, pool, options)
nursery.start_soon(port.run, drain)
"""

import base64
import hmac
import logging
import secrets
import socket
from collections.abc import Callable
from itertools import count

import trio

from restate.runtime.net.listener import Drain, Listener, accept
from restate.runtime.pgwire.errors import SHUTTING_DOWN, TOO_MANY_CONNECTIONS, FatalError
from restate.runtime.query.pool import Pool
from restate.runtime.query.postgres_connection import Connection
from restate.runtime.query.postgres_options import PostgresOptions

log = logging.getLogger("restate.query")

_ACCEPT_AT_ONCE = 64
_TICK = 1.0
"""Seconds after which a query whose client has gone is noticed."""
_LAST_PROCESS_ID = 2**31 - 1
_NONCE_SIZE = 18

RandomBytes = Callable[[int], bytes]


class PostgresPort:
    """All connections. random_bytes: for secrets."""

    def __init__(
        self,
        listener: Listener,
        pool: Pool,
        options: PostgresOptions,
        random_bytes: RandomBytes = secrets.token_bytes,
    ) -> None:
        self.pool = pool
        self.options = options
        self._listener = listener
        self._random_bytes = random_bytes
        self._process_ids = count(1)
        # Invariant: a connection is in exactly one of these, by its process id, until it ends; oldest first.
        self._starting: dict[int, Connection] = {}
        self._admitted: dict[int, Connection] = {}

    @property
    def connections(self) -> int:
        """How many clients there are."""
        return len(self._admitted)

    async def run(self, drain: Drain) -> None:
        """Serve until the drain starts, then end all connections. Closes the listener; raises OSError if that breaks."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            async with trio.open_nursery() as clients:
                try:
                    with drain.accepting():
                        await self._accept(clients)
                finally:
                    self._listener.close()
                reason = FatalError(SHUTTING_DOWN, "terminating connection due to administrator command")
                for connection in (*self._starting.values(), *self._admitted.values()):
                    connection.end(reason)
            nursery.cancel_scope.cancel()

    async def _accept(self, nursery: trio.Nursery) -> None:
        while True:
            for sock, peer in await accept(self._listener.socket, _ACCEPT_AT_ONCE):
                # A client whose machine is gone says nothing, and is noticed by nothing else while it is idle.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
                connection = Connection(stream, self._process_id(), self._random_bytes(4), self)
                self._starting[connection.process_id] = connection
                nursery.start_soon(self._serve, connection, name=f"postgres {peer[0]}:{peer[1]}")
            self._make_room()

    def _process_id(self) -> int:
        while True:
            process_id = next(self._process_ids)
            if process_id == _LAST_PROCESS_ID:
                self._process_ids = count(1)
            if process_id not in self._admitted and process_id not in self._starting:
                return process_id

    def _make_room(self) -> None:
        """Of clients who say nothing, those go that have done so for longest; a client in earnest takes no time."""
        too_many = len(self._starting) - self.options.max_starting
        for process_id in list(self._starting)[: max(too_many, 0)]:
            log.debug(
                "too many connections of the postgres port wait for their clients; the oldest is closed"
            )
            self._starting.pop(process_id).end(None)

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._starting.pop(connection.process_id, None)
            self._admitted.pop(connection.process_id, None)

    async def _watch(self) -> None:
        while True:
            await trio.sleep(_TICK)
            for connection in list(self._admitted.values()):
                if connection.is_left():
                    connection.end(None)

    def admit(self, connection: Connection) -> None:
        """See Hub."""
        if len(self._admitted) >= self.options.max_connections:
            raise FatalError(TOO_MANY_CONNECTIONS, "sorry, too many clients already")
        if self._starting.pop(connection.process_id, None) is not None:
            self._admitted[connection.process_id] = connection

    def cancel(self, process_id: int, secret: bytes) -> None:
        """See Hub. Nothing happens unless both are right."""
        connection = self._admitted.get(process_id)
        if connection is not None and hmac.compare_digest(connection.secret, secret):
            connection.cancel()

    def nonce(self) -> str:
        """See Hub."""
        return base64.b64encode(self._random_bytes(_NONCE_SIZE)).decode()

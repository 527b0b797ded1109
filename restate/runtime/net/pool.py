"""The HTTP/2 connections to one origin, and the exchanges that wait for room on one of them."""

import logging
from collections import deque
from collections.abc import Awaitable, Callable

import trio

from restate.runtime.net.exchange import ClientError, ClientLimits, ConnectFailed
from restate.runtime.net.h2_client import H2Connection
from restate.runtime.net.h2_exchange import H2Exchange

log = logging.getLogger("restate.net.client")


class Pool:
    """Gives each exchange to the connection with the fewest streams; the rest waits in order.

    A connection is opened when all are full, up to `connections_per_authority`. Those that only drain do not count.
    All decisions are synchronous; the one coroutine is the life of a connection.

    dial: opens the byte stream, or raises ClientError. nursery: owns the tasks of the connections.
    """

    def __init__(
        self, limits: ClientLimits, dial: Callable[[], Awaitable[trio.abc.Stream]], nursery: trio.Nursery
    ) -> None:
        self.limits = limits
        self._dial = dial
        self._nursery = nursery
        self._connections: list[H2Connection] = []
        self._dialing = 0
        self._waiting: deque[H2Exchange] = deque()
        self._closed = False
        # An exchange gives bytes back to the windows in portions. All streams together never hold back half of a
        # connection's window, so the peer can always go on.
        self.acknowledge_from_bytes = min(
            16384,
            limits.stream_window_bytes // 4,
            limits.connection_window_bytes // (4 * limits.streams_per_connection),
        )

    def __repr__(self) -> str:
        return f"<Pool {self._connections}, {self._dialing} dialing, {len(self._waiting)} waiting>"

    @property
    def in_use(self) -> bool:
        """Whether there are connections, or exchanges that wait for one."""
        return bool(self._connections or self._dialing or self._waiting)

    def submit(self, exchange: H2Exchange) -> None:
        """Start `exchange`, at once or when there is room. It learns the outcome by its own `on_...` methods."""
        if self._closed:
            exchange.on_failed(ConnectFailed("the client was stopped"))
            return
        self._waiting.append(exchange)
        self._assign()

    def withdraw(self, exchange: H2Exchange) -> None:
        """Forget an exchange that waits."""
        if exchange in self._waiting:
            self._waiting.remove(exchange)

    def close(self) -> None:
        """Fail what waits, now and later. The connections end with their nursery."""
        self._closed = True
        waiting = list(self._waiting)
        self._waiting.clear()
        for exchange in waiting:
            exchange.on_failed(ConnectFailed("the client was stopped"))

    def _assign(self) -> None:
        while self._waiting:
            best = max(self._connections, key=_room, default=None)
            if best is None or best.room <= 0:
                break
            best.start(self._waiting.popleft())
        self._connect_more()

    def _connect_more(self) -> None:
        usable = coming = 0
        for connection in self._connections:
            usable += connection.usable
            coming += connection.coming
        coming += self._dialing
        while (
            len(self._waiting) > coming * self.limits.streams_per_connection
            and usable + coming < self.limits.connections_per_authority
        ):
            self._dialing += 1
            coming += 1
            self._nursery.start_soon(self._connection_life)

    async def _connection_life(self) -> None:
        try:
            try:
                stream = await self._dial()
            finally:
                self._dialing -= 1
            connection = H2Connection(stream, self.limits, self._assign)
        except ClientError as error:
            self._on_connect_failed(error)
            return
        self._connections.append(connection)
        try:
            await connection.run()
        except* Exception:
            log.exception("a connection to a deployment crashed; its exchanges fail, others are not touched")
        finally:
            self._connections.remove(connection)
            if connection.failure is not None and not connection.ready:
                self._on_connect_failed(connection.failure)
            else:
                self._assign()

    def _on_connect_failed(self, error: ClientError) -> None:
        """The waiting exchanges fail with `error`, unless another connection may still take them."""
        if not self._dialing and not any(other.usable or other.coming for other in self._connections):
            failed = list(self._waiting)
            self._waiting.clear()
            for exchange in failed:
                exchange.on_failed(error)


def _room(connection: H2Connection) -> int:
    return connection.room

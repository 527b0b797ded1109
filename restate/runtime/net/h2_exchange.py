"""One exchange on an HTTP/2 connection.

Everything that changes an exchange is synchronous: the connection's reader calls the `on_...` methods, the user's
tasks append to `pending` and take from the received chunks. A task only ever waits on an event and looks again, so
a cancelled one leaves nothing half done. An exchange whose stream certainly was not processed goes back to its
pool by itself and starts again elsewhere; the tasks that wait on it do not notice.
"""

from collections import deque
from typing import TYPE_CHECKING

import trio

from restate.runtime.net._h2 import errors
from restate.runtime.net.exchange import (
    ClientError,
    ConnectFailed,
    Exchange,
    ProtocolFailure,
    ResponseHead,
    StreamReset,
)

if TYPE_CHECKING:
    from restate.runtime.net.h2_client import H2Connection
    from restate.runtime.net.pool import Pool


class H2Exchange(Exchange):
    """See `Exchange`. Made by `Client.open`."""

    __slots__ = (
        "_aborted",
        "_acknowledge_from",
        "_chunks",
        "_failure",
        "_head",
        "_input",
        "_kept",
        "_kept_bytes",
        "_peer_done",
        "_pool",
        "_restarts",
        "_room",
        "_unacknowledged",
        "connection",
        "end_sent",
        "end_wanted",
        "ended",
        "headers",
        "pending",
        "stream_id",
    )

    def __init__(
        self, pool: "Pool", headers: list[tuple[bytes, bytes]], body: bytes | None, *, end: bool
    ) -> None:
        self._pool = pool
        self.headers = headers
        # Invariant: pending holds what no frame carries yet; a chunk cut by flow control is there as a memoryview.
        self.pending: deque[bytes | memoryview] = deque([body] if body else ())
        self.end_wanted = end
        self.end_sent = False
        # The connection stays here after the stream has ended, because unread bytes are still acknowledged to it.
        self.connection: H2Connection | None = None
        self.stream_id = 0
        self._kept: list[bytes] | None = [body] if body else []
        self._kept_bytes = 0
        self._keep(len(body) if body else 0)
        self._restarts = 0
        self._reset_answer()
        self._failure: ClientError | None = None
        self._aborted = False
        self._input: trio.Event | None = None
        self._room: trio.Event | None = None
        self._acknowledge_from = pool.acknowledge_from_bytes

    def _reset_answer(self) -> None:
        self._head: ResponseHead | None = None
        self._chunks: list[bytes] = []
        self._unacknowledged = 0
        self.ended = False
        # The peer ended the stream with RST_STREAM NO_ERROR: the answer is whole, the request is of no interest.
        self._peer_done = False

    # What the user's tasks call.

    async def send(self, data: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        if self.end_wanted:
            raise RuntimeError("send() was called after end()")
        if self._peer_done or not data:
            return
        if self._kept is not None:
            self._kept.append(data)
            self._keep(len(data))
        self.pending.append(data)
        if self.connection is not None:
            self.connection.push(self)
        if self.pending:
            await self.drained()
        else:
            await trio.lowlevel.checkpoint_if_cancelled()

    async def drained(self) -> None:
        """Wait until the connection has taken the whole request body so far."""
        while self.pending and not self._peer_done:
            if self._failure is not None:
                raise self._failure
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    async def end(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self.end_wanted:
            self.end_wanted = True
            if self.connection is not None and not self._peer_done:
                self.connection.push(self)
        await trio.lowlevel.checkpoint_if_cancelled()

    async def response(self) -> ResponseHead:
        while self._head is None:
            if self._failure is not None:
                raise self._failure
            await self._wait_input()
        return self._head

    async def receive(self) -> bytes:
        while True:
            data = self.receive_nowait()
            if data is not None:
                await trio.lowlevel.checkpoint_if_cancelled()
                return data
            await self._wait_input()

    def receive_nowait(self) -> bytes | None:
        chunks = self._chunks
        if chunks:
            data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
            chunks.clear()
            if self._unacknowledged >= self._acknowledge_from:
                self._acknowledge()
            return data
        if self._failure is not None:
            raise self._failure
        return b"" if self.ended else None

    def abort(self) -> None:
        if self._aborted:
            return
        self._aborted = True
        if self.connection is None:
            self._pool.withdraw(self)
        else:
            self.connection.reset(self)
        self._chunks.clear()
        self._acknowledge()
        if not self.ended and self._failure is None:
            self._failure = StreamReset(
                "the exchange was given up on this side", error_code=errors.ErrorCodes.CANCEL
            )
        self._wake()

    async def started(self) -> None:
        """Wait until a connection carries the exchange."""
        while self.connection is None:
            if self._failure is not None:
                raise self._failure
            if self._room is None:
                self._room = trio.Event()
            await self._room.wait()

    # What the connection and the pool call.

    def on_started(self, connection: "H2Connection", stream_id: int) -> None:
        self.connection = connection
        self.stream_id = stream_id
        self.on_room()

    def on_room(self) -> None:
        """Tasks that wait in `started` or `drained` look again."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def on_head(self, head: ResponseHead) -> None:
        self._head = head
        self._kept = None
        self._wake_input()

    def on_data(self, data: bytes, flow_controlled_bytes: int) -> None:
        self._unacknowledged += flow_controlled_bytes
        if data:
            self._chunks.append(data)
            self._wake_input()

    def on_end(self) -> None:
        self.ended = True
        self._wake_input()

    def on_reset(self, error_code: int) -> None:
        if error_code == errors.ErrorCodes.NO_ERROR and self._head is not None:
            self.ended = self._peer_done = True
            self.pending.clear()
            self._wake()
            return
        refused = error_code == errors.ErrorCodes.REFUSED_STREAM
        message = f"the peer reset the stream with {error_name(error_code)}"
        self.on_failed(StreamReset(message, error_code=error_code, processed=not refused))

    def on_failed(self, error: ClientError, *, unanswered: bool = False) -> None:
        """The stream is gone.

        unanswered: it was sent on a connection that had been idle, and closed without another byte; that is how
        a connection looks that the peer closed while our request was under way.
        """
        if self.ended or self._failure is not None:
            return
        if self._may_restart(error, unanswered=unanswered):
            self._restart()
            return
        self._failure = error
        self._wake()

    def _may_restart(self, error: ClientError, *, unanswered: bool) -> bool:
        if error.processed and not unanswered:
            return False
        if isinstance(error, ConnectFailed | ProtocolFailure):
            return False
        return self._kept is not None and self._restarts < self._pool.limits.resends

    def _restart(self) -> None:
        assert self._kept is not None
        assert self._head is None
        self._restarts += 1
        self._acknowledge()
        self._reset_answer()
        self.pending = deque(self._kept)
        self.end_sent = False
        self.connection = None
        self._pool.submit(self)

    def _keep(self, size: int) -> None:
        self._kept_bytes += size
        if self._kept_bytes > self._pool.limits.kept_body_bytes:
            self._kept = None

    def _acknowledge(self) -> None:
        if self._unacknowledged and self.connection is not None:
            size, self._unacknowledged = self._unacknowledged, 0
            self.connection.acknowledge(size, self.stream_id)

    async def _wait_input(self) -> None:
        if self._input is None:
            self._input = trio.Event()
        await self._input.wait()

    def _wake_input(self) -> None:
        if self._input is not None:
            self._input.set()
            self._input = None

    def _wake(self) -> None:
        self._wake_input()
        self.on_room()


def error_name(error_code: int) -> str:
    """The name of an HTTP/2 error code for messages."""
    try:
        return errors.ErrorCodes(error_code).name
    except ValueError:
        return f"error code {error_code:#x}"

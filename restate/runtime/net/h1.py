"""The server side of HTTP/1.0 and HTTP/1.1 on one connection.

The handler runs in the task of the connection, so requests that were sent at once (pipelining) are answered in
order, and a request costs no task of its own.
"""

import logging
import math

import trio

from restate.runtime.net.h1_request import H1Request, RequestParser
from restate.runtime.net.h1_response import H1Response, refusal
from restate.runtime.net.http import ConnectionClosed, Handler, MalformedBody, Peer, only_closed
from restate.runtime.net.limits import Limits
from restate.runtime.net.transport import Direction, Transport, end_and_discard

log = logging.getLogger("restate.net")

PIPELINE_TURN = 16  # requests answered out of one read before other tasks get their turn
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAILED = (500, [(b"content-type", b"text/plain")], b"Internal Server Error\n")


class H1Connection:
    """One connection. `run` is its task; the other methods are called by the listener and by the answers."""

    def __init__(
        self, transport: Transport, handler: Handler, limits: Limits, peer: Peer, scope: trio.CancelScope
    ) -> None:
        self._transport = transport
        self._handler = handler
        self._limits = limits
        self._scope = scope  # around `run`
        self._parser = RequestParser(limits, peer, self._pull)
        self._deadline = math.inf  # Trio time; once it has passed, the client was silent for too long
        self._head_deadline = math.inf  # of the head that is arriving
        self._idle = False  # between two requests: may be closed without harm
        self._draining = False
        self._answering: H1Response | None = None  # by a handler that runs
        self._watched: H1Response | None = None  # `_answering` of the last tick
        self._next_probe = -math.inf  # Trio time before which the client is not asked whether it still waits
        self.send = transport.send

    def tick(self, now: float) -> None:
        """Called every now and then: end the connection when the client has let us wait for too long, or has left."""
        answering = self._answering
        if now > self._deadline or (
            answering is not None and answering is self._watched and self._left_alone(answering, now)
        ):
            self._scope.cancel()
        self._watched = answering

    def _left_alone(self, response: H1Response, now: float) -> bool:
        """Whether nobody waits any longer for this answer, whose handler has run for a while.

        The end of the client's stream does not tell: it is there when the client has left, and when it only says that
        it has no more requests. Many servers take it for the former. We ask, with an interim answer, which clients of
        HTTP/1.1 skip: the system of one that has left resets the connection, which is seen at the next tick.
        """
        directions = self._transport.open_directions()
        if directions is Direction.NONE:
            return True
        if directions is Direction.BOTH or response.started or now < self._next_probe:
            return False
        self._next_probe = now + self._limits.probe_interval
        # HTTP/1.0 has no interim answers.
        return response.request.http_version == "1.0" or not self._transport.send_now(_CONTINUE)

    def begin_drain(self) -> None:
        """Close after the request in progress, or now when there is none."""
        self._draining = True
        if self._idle:
            self._scope.cancel()

    async def run(self, first: bytes) -> None:
        """Serve the connection, whose first bytes were read already. The caller closes the transport."""
        parser = self._parser
        parser.feed(first)
        while True:
            turn = 0
            while parser.ready:
                request = parser.ready.popleft()
                try:
                    if not await self._exchange(request):
                        return
                finally:
                    request.release()
                turn += 1
                if turn % PIPELINE_TURN == 0:
                    await trio.lowlevel.checkpoint()
            if parser.failure is not None:
                await self._refuse(parser.failure.status, str(parser.failure))
                return
            data = b"" if self._draining and not parser.in_head else await self._next_head_piece()
            if not data:
                return
            parser.feed(data)

    def must_close(self, request: H1Request) -> bool:
        """Whether the answer to `request` is the last one. Decided when its head is written."""
        if self._draining or not request.keep_alive or not self._limits.idle_timeout:
            return True
        if request.arrived:
            return False
        # A client that was not told to send the body may send it or not: what follows cannot be read. A long body
        # that nobody wants is cut instead of read, and one in chunks may turn out to be long: had the client been
        # told that the connection stays, it might send its next request while we close.
        length = request.content_length
        return request.awaits_continue or length is None or length > self._limits.body_drain_bytes

    async def _exchange(self, request: H1Request) -> bool:
        """Answer one request. False: the connection cannot be used any longer."""
        self._head_deadline = math.inf
        self._answering = response = H1Response(self, request)
        try:
            await self._handler(request, response)
        except MalformedBody as error:
            self._answering = None
            if not response.started:
                await self._refuse(400, str(error))
            return False
        except Exception as error:
            if only_closed(error):
                return False
            log.exception("the handler of %s %r failed", request.method, request.target)
            if response.started:
                return False
        self._answering = None
        if not response.finished:
            if response.started:
                log.error("the handler of %s %r left its answer unfinished", request.method, request.target)
                return False
            await response.send(*_FAILED)
        if request.arrived:
            return not response.closing
        if response.closing or not await self._skip_body(request):
            await self._linger()
            return False
        return True

    async def _next_head_piece(self) -> bytes:
        """Bytes that begin or continue a head; `b""` at the end of the connection."""
        now = trio.current_time()
        if not self._parser.in_head:
            self._idle = True
            self._deadline = now + self._limits.idle_timeout
        else:
            if self._head_deadline == math.inf:
                self._head_deadline = now + self._limits.head_timeout
            self._deadline = self._head_deadline  # later pieces do not get more time
        data = await self._transport.receive(self._limits.receive_bytes)
        self._idle = False
        self._deadline = math.inf
        return data

    async def _pull(self, request: H1Request) -> None:
        """Wait for more of the body of `request`."""
        parser = self._parser
        if request.awaits_continue:
            request.awaits_continue = False
            await self._transport.send(_CONTINUE)
        barren = 0
        while not request.pending and not request.arrived:
            if parser.failure is not None:
                raise MalformedBody(str(parser.failure))
            # Extensions of chunks and trailers are no progress.
            if barren > self._limits.header_block_bytes:
                raise MalformedBody("expected a piece of the body, got only its framing")
            self._deadline = trio.current_time() + self._limits.body_timeout
            data = await self._transport.receive(self._limits.receive_bytes)
            self._deadline = math.inf
            if not data:
                raise ConnectionClosed("the client left in the middle of a request body")
            barren += len(data)
            parser.feed(data)

    async def _skip_body(self, request: H1Request) -> bool:
        """Read and drop what the handler has not read. False: it is too long or broken."""
        left = self._limits.body_drain_bytes
        try:
            while left >= 0 and (piece := await request.read()):
                left -= len(piece)
        except ConnectionClosed:
            return False
        return left >= 0

    async def _refuse(self, status: int, reason: str) -> None:
        await self._transport.send(refusal(status, reason))
        await self._linger()

    async def _linger(self) -> None:
        """Read on for a moment, so that the client can read our answer."""
        limits = self._limits
        with trio.move_on_after(limits.linger_timeout):
            await end_and_discard(self._transport, limits.body_drain_bytes, limits.receive_bytes)

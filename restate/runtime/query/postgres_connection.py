"""One client of the postgres port: its bytes, its session, its running queries."""

import logging
import select
from functools import partial
from typing import Protocol

import trio

from restate.runtime.pgwire import sent
from restate.runtime.pgwire.engine import (
    Answer,
    Ask,
    Close,
    Describe,
    Description,
    Done,
    Fetch,
    Fetched,
    Open,
    Opened,
    Pause,
    Piece,
)
from restate.runtime.pgwire.errors import (
    CANCELED,
    IDLE,
    INTERNAL,
    PROTOCOL_VIOLATION,
    FatalError,
    HangUpError,
    PgError,
)
from restate.runtime.pgwire.frames import Frame, Frames
from restate.runtime.pgwire.runner import Steps
from restate.runtime.pgwire.scram import MECHANISM, Exchange, Verifier
from restate.runtime.pgwire.session import Session
from restate.runtime.pgwire.startup import Cancel, Hello, Say, StartTls, Startup
from restate.runtime.query.errors import SHUTTING_DOWN, WORKER_DIED, QueryError
from restate.runtime.query.pool import Pool
from restate.runtime.query.postgres_options import PostgresOptions
from restate.runtime.query.postgres_queries import RunningQuery
from restate.runtime.query.statement import SessionInfo, Statement
from restate.runtime.query.timezones import find_timezone

log = logging.getLogger("restate.query")

_RECEIVE_SIZE = 64 * 1024
_SEND_SIZE = 64 * 1024
_WORTH_SENDING = 8 * 1024
"""Bytes of output that do not wait until the next rows have come."""
_PAUSES = 64
"""Statements of one message after which others have their turn."""
_ENDED = getattr(select, "POLLRDHUP", 0)  # Linux alone tells it apart from bytes to read


class Hub(Protocol):
    """What a connection needs to know of the others. Implemented by the port."""

    pool: Pool
    options: PostgresOptions

    def admit(self, connection: "Connection") -> None:
        """The client has proved who it is. Raises FatalError when there are too many."""

    def cancel(self, process_id: int, secret: bytes) -> None:
        """What another connection does."""

    def nonce(self) -> str:
        """Random, for a password exchange."""


class Connection:
    """From accept to close. process_id, secret: by which another connection may cancel what this one does."""

    def __init__(self, stream: trio.SocketStream, process_id: int, secret: bytes, hub: Hub) -> None:
        self.process_id = process_id
        self.secret = secret
        self._hub = hub
        self._options = hub.options
        self._socket = stream.socket
        self._stream: trio.SocketStream | trio.SSLStream[trio.SocketStream] = stream
        self._scope = trio.CancelScope()
        self._reason: FatalError | None = None
        self._is_sending = False
        self._is_busy = False
        self._is_canceled = False
        self._asking: trio.CancelScope | None = None
        self._deadline = float("inf")
        self._pauses = 0
        self._queries: dict[int, RunningQuery] = {}
        self._nursery: trio.Nursery | None = None

    def end(self, reason: FatalError | None) -> None:
        """At once; the client is told the reason, if there is one and it can be."""
        self._reason = self._reason or reason
        self._scope.cancel()

    def cancel(self) -> None:
        """What runs now, if something does; the client goes on."""
        if self._is_busy:
            self._is_canceled = True
            if self._asking is not None:
                self._asking.cancel()

    def is_left(self) -> bool:
        """Whether a query runs for a client that is not there any more."""
        if not self._is_busy or not _ENDED:
            return False
        poll = select.poll()
        poll.register(self._socket.fileno(), _ENDED)
        return bool(poll.poll(0))

    async def run(self) -> None:
        """Never raises, but for cancellation."""
        try:
            with self._scope:
                await self._run()
            if self._reason is not None and not self._is_sending:
                await self._say_why(self._reason)
        finally:
            await trio.aclose_forcefully(self._stream)

    async def _run(self) -> None:
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await self._serve()
                nursery.cancel_scope.cancel()
        except* FatalError as failed:
            self._reason = _leaf(failed)
        except* (HangUpError, trio.BrokenResourceError, trio.ClosedResourceError) as ended:
            log.debug("a client of the postgres port is gone: %s", ended.exceptions[0])
        except* Exception:
            log.exception("a connection of the postgres port crashed")
            self._reason = FatalError(INTERNAL, "internal error; the server's log has more")

    async def _say_why(self, reason: FatalError) -> None:
        with trio.move_on_after(self._options.linger_timeout):
            try:
                await self._stream.send_all(sent.error(reason))
                if isinstance(self._stream, trio.SocketStream):
                    await self._stream.send_eof()
                    while await self._stream.receive_some(_RECEIVE_SIZE):
                        pass
            except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
                log.debug("a client of the postgres port left before it was told why")

    async def _serve(self) -> None:
        with trio.move_on_after(self._options.startup_timeout) as starting:
            session = await self._start()
        if starting.cancelled_caught:
            raise HangUpError("it did not say in time who it is")
        if session is not None:
            await self._talk(*session)

    # The start.

    async def _start(self) -> tuple[Session, Frames] | None:
        """None for a client that wants nothing more."""
        options = self._options
        startup = Startup(options.limits.startup_size, tls=options.tls is not None)
        while True:
            match startup.next():
                case None:
                    startup.feed(await self._receive_some())
                case Say(data):
                    await self._stream.send_all(data)
                case StartTls():
                    await self._encrypt()
                case Cancel(process_id, secret):
                    self._hub.cancel(process_id, secret)
                    return None
                case Hello() as hello:
                    return await self._greet(hello, startup.rest)

    async def _encrypt(self) -> None:
        assert isinstance(self._stream, trio.SocketStream)
        assert self._options.tls is not None
        await self._stream.send_all(b"S")
        encrypted = trio.SSLStream(self._stream, self._options.tls, server_side=True, https_compatible=True)
        self._stream = encrypted
        await encrypted.do_handshake()

    async def _greet(self, hello: Hello, rest: bytes) -> tuple[Session, Frames]:
        frames = Frames(self._options.limits.startup_size)
        frames.feed(rest)
        if hello.answer:
            await self._stream.send_all(hello.answer)
        if self._options.password is not None:
            await self._authenticate(self._options.password, hello.user, frames)
        # Not before: who does not know the password must not take the place of those who do.
        self._hub.admit(self)
        frames.size_limit = self._options.limits.message_size
        session = Session(hello.user, hello.parameters, find_timezone, self._options.limits)
        session.greet(self.process_id, self.secret)
        return session, frames

    async def _authenticate(self, verifier: Verifier, user: str, frames: Frames) -> None:
        exchange = Exchange(verifier, user, self._hub.nonce())
        await self._stream.send_all(sent.ask_sasl(MECHANISM))
        first = exchange.first(await self._password(frames))
        await self._stream.send_all(sent.sasl_continue(first))
        final = exchange.final(await self._password(frames))
        await self._stream.send_all(sent.sasl_final(final))

    async def _password(self, frames: Frames) -> bytes:
        while (frame := frames.next()) is None:
            frames.feed(await self._receive_some())
        if frame.tag != ord("p"):
            message = f"expected password response, got message type {frame.tag}"
            raise FatalError(PROTOCOL_VIOLATION, message)
        return frame.body

    async def _receive_some(self) -> bytes:
        data = await self._stream.receive_some(_RECEIVE_SIZE)
        if not data:
            raise HangUpError("it ended the connection")
        return bytes(data)

    # Messages.

    async def _talk(self, session: Session, frames: Frames) -> None:
        try:
            while not session.has_ended:
                frame = frames.next()
                if frame is not None:
                    await self._handle(session, frame)
                else:
                    await self._send(session)
                    frames.feed(await self._receive(session))
            await self._send(session)
        except FatalError:
            # What was answered before belongs to what the client has to know.
            await self._send(session)
            raise

    async def _receive(self, session: Session) -> bytes:
        """What the client says next, if it does so in time."""
        is_holding = session.is_holding
        patience = self._options.portal_idle_timeout if is_holding else self._options.idle_timeout
        with trio.move_on_after(patience):
            return await self._receive_some()
        what = "an open portal keeps a query from others" if is_holding else "nothing came"
        raise FatalError(IDLE, f"terminating connection due to idle-session timeout: {what}")

    async def _send(self, session: Session) -> None:
        output = session.output
        while output:
            piece = bytes(output[:_SEND_SIZE])
            del output[:_SEND_SIZE]
            self._is_sending = True
            with trio.move_on_after(self._options.write_timeout) as patience:
                await self._stream.send_all(piece)
            if patience.cancelled_caught:
                raise HangUpError("it does not read what it is sent")
            self._is_sending = False

    async def _handle(self, session: Session, frame: Frame) -> None:
        self._is_busy = True
        self._is_canceled = False
        try:
            await self._drive(session, session.handle(frame))
        finally:
            self._is_busy = False

    async def _drive(self, session: Session, steps: Steps) -> None:
        """Answer a session's questions until it has no more."""
        self._set_deadline(session)
        advance = partial(next, steps)
        while True:
            try:
                ask = advance()
            except StopIteration:
                return
            try:
                answer = await self._answer(session, ask)
            except PgError as error:
                advance = partial(steps.throw, error)
            else:
                advance = partial(steps.send, answer)

    def _set_deadline(self, session: Session) -> None:
        timeout_ms = session.settings.statement_timeout_ms
        self._deadline = float("inf") if timeout_ms is None else trio.current_time() + timeout_ms / 1000

    async def _answer(self, session: Session, ask: Ask) -> Answer:
        match ask:
            case Close():
                query = self._queries.pop(ask.number, None)
                if query is not None:
                    query.close()
                return Done()
            case Pause():
                await self._pause(session)
                return Done()
            case Open():
                self._set_deadline(session)
        if len(session.output) >= _WORTH_SENDING:
            await self._send(session)
        if self._is_canceled:
            raise self._cancellation()
        try:
            with trio.CancelScope(deadline=self._deadline) as self._asking:
                return await self._ask_pool(session, ask)
        except QueryError as error:
            raise _pg_error(error) from error
        finally:
            self._asking = None
        raise self._cancellation()

    def _cancellation(self) -> PgError:
        reason = "user request" if self._is_canceled else "statement timeout"
        return PgError(CANCELED, f"canceling statement due to {reason}")

    async def _pause(self, session: Session) -> None:
        self._pauses += 1
        if len(session.output) >= _SEND_SIZE:
            await self._send(session)
        if self._pauses % _PAUSES == 0:
            await trio.lowlevel.checkpoint()

    async def _ask_pool(self, session: Session, ask: Describe | Open | Fetch) -> Answer:
        match ask:
            case Describe():
                statement = Statement(ask.statement.sql, ask.statement.catalog)
                found = await self._hub.pool.describe(statement, ask.oids, self._info(session))
                return Description(found.parameters, found.columns)
            case Open():
                query = RunningQuery(self._hub.pool, ask, self._info(session))
                self._queries[ask.number] = query
                assert self._nursery is not None
                self._nursery.start_soon(query.run)
                return Opened(await query.columns())
            case Fetch():
                rows = await self._queries[ask.number].next(ask.most)
                return Fetched(None if rows is None else Piece(rows.data, rows.count))

    def _info(self, session: Session) -> SessionInfo:
        settings = session.settings
        return SessionInfo(session.user, settings.get("timezone"), settings.all(), self.process_id)


def _pg_error(error: QueryError) -> PgError:
    kind = FatalError if error.sqlstate in (WORKER_DIED, SHUTTING_DOWN) else PgError
    return kind(error.sqlstate, str(error), position=error.position, hint=error.hint)


def _leaf(group: BaseExceptionGroup[FatalError]) -> FatalError:
    error = group.exceptions[0]
    return _leaf(error) if isinstance(error, BaseExceptionGroup) else error

"""A client of the pure machines: start-up, frames and session without a socket, rows from statements with known answers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

from restate.runtime.pgwire import engine, sent
from restate.runtime.pgwire.errors import FatalError, PgError
from restate.runtime.pgwire.frames import Frame, Frames
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.session import Session
from restate.runtime.pgwire.startup import Hello, Say, Startup
from restate.runtime.query.errors import QueryError
from restate.runtime.query.statement import Parameter
from tests.support.fake_pool import described, plan, rows
from tests.support.pg_peer import said

ZONES = {zone.lower(): zone for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo")}
PIECE = 4


class Machine:
    """One connection, given bytes and giving bytes. is_over: it has ended."""

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008
        self._limits = limits
        self._startup = Startup(limits.startup_size, tls=False)
        self._frames = Frames(limits.message_size)
        self._open: dict[int, Iterator[bytes]] = {}
        self.session: Session | None = None
        self.asked: list[engine.Ask] = []
        self.is_over = False

    @property
    def open_queries(self) -> int:
        return len(self._open)

    def feed(self, data: bytes) -> bytes:
        """What is answered. Nothing after the end."""
        if self.is_over:
            return b""
        answer = bytearray()
        try:
            if self.session is None:
                self._startup.feed(data)
                self._start(answer)
            else:
                self._frames.feed(data)
            if self.session is not None:
                self._talk(self.session, answer)
        except FatalError as error:
            self.is_over = True
            if self.session is not None:
                answer += self.session.output
            answer += sent.error(error)
        return bytes(answer)

    def ask(self, *data: bytes) -> list[str]:
        """What is answered, in short."""
        return said(self.feed(b"".join(data)))

    def _start(self, answer: bytearray) -> None:
        while (event := self._startup.next()) is not None:
            match event:
                case Say(data):
                    answer += data
                case Hello(user, parameters, first):
                    answer += first
                    session = Session(user, parameters, lambda name: ZONES.get(name.lower()), self._limits)
                    session.greet(7, b"keys")
                    self.session = session
                    self._frames.feed(self._startup.rest)
                    return
                case _:
                    self.is_over = True
                    return

    def _talk(self, session: Session, answer: bytearray) -> None:
        while not session.has_ended and (frame := self._frames.next()) is not None:
            self._drive(session, frame)
        self.is_over = session.has_ended
        answer += session.output
        session.output.clear()

    def _drive(self, session: Session, frame: Frame) -> None:
        steps = session.handle(frame)
        advance = partial(next, steps)
        while True:
            try:
                ask = advance()
            except StopIteration:
                return
            self.asked.append(ask)
            try:
                answer = self._answer(ask)
            except QueryError as error:
                failure = PgError(error.sqlstate, str(error), position=error.position, hint=error.hint)
                advance = partial(steps.throw, failure)
            else:
                advance = partial(steps.send, answer)

    def _answer(self, ask: engine.Ask) -> engine.Answer:
        match ask:
            case engine.Describe(statement, oids):
                found = described(statement.sql, oids)
                return engine.Description(found.parameters, found.columns)
            case engine.Open(number, statement, parameters, binary):
                values = [Parameter(each.oid, each.value, each.binary) for each in parameters]
                self._open[number] = rows(statement.sql, values, binary)
                return engine.Opened(plan(statement.sql).columns)
            case engine.Fetch(number, most):
                piece = list(islice(self._open[number], PIECE if most is None else min(most, PIECE)))
                return engine.Fetched(engine.Piece(b"".join(piece), len(piece)) if piece else None)
            case engine.Close(number):
                self._open.pop(number, None)
                return engine.Done()
            case engine.Pause():
                return engine.Done()


def greeted(limits: Limits = Limits(), **parameters: str) -> Machine:  # noqa: B008
    """A machine after its start."""
    from tests.support.pg_peer import startup

    machine = Machine(limits)
    assert machine.ask(startup(user="tester", **parameters))[-1] == "Z I"
    return machine

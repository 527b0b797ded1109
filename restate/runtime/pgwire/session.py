"""One connection after its start: what each message does, in which order, and what is said."""

import re
from collections.abc import Callable
from itertools import islice

from restate.runtime.pgwire import received, sent
from restate.runtime.pgwire.classify import classify
from restate.runtime.pgwire.commands import Declare, FetchCursor, Select, Show
from restate.runtime.pgwire.engine import Pause
from restate.runtime.pgwire.errors import (
    NOT_SUPPORTED,
    PROTOCOL_VIOLATION,
    SYNTAX_ERROR,
    TOO_LARGE,
    WRONG_STATE,
    FatalError,
    PgError,
)
from restate.runtime.pgwire.frames import Frame
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.portals import (
    Portal,
    Prepared,
    bind_parameters,
    check_formats,
    expand,
    formats_of,
    local_columns,
)
from restate.runtime.pgwire.runner import Runner, Steps, rows_tag, use_formats
from restate.runtime.pgwire.settings import FindTimezone, Settings
from restate.runtime.pgwire.text import split
from restate.runtime.pgwire.transaction import Status

_OPTION = re.compile(r"(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)")
_UNSAFE = re.compile(r"\\(.)")


class Session:
    """A client whose password, if one is needed, was right.

    user, parameters: of the start-up message. Raises FatalError for parameters that cannot be had.
    """

    def __init__(
        self,
        user: str,
        parameters: tuple[tuple[str, str], ...],
        find_timezone: FindTimezone,
        limits: Limits,
    ) -> None:
        self._limits = limits
        self.user = user
        self.settings = Settings(user, find_timezone, limits)
        self._runner = Runner(self.settings, limits)
        self._is_skipping = False
        self.has_ended = False
        try:
            for name, value in parameters:
                if name == "options":
                    self._set_options(value)
                else:
                    self.settings.start(name, value)
        except PgError as error:
            raise FatalError(error.sqlstate, error.message, hint=error.hint) from error

    def _set_options(self, text: str) -> None:
        for name, value in _OPTION.findall(text):
            self.settings.start(name.replace("-", "_"), _UNSAFE.sub(r"\1", value))

    @property
    def output(self) -> bytearray:
        """For the client; whoever sends it empties it."""
        return self._runner.output

    @property
    def is_holding(self) -> bool:
        """Whether a portal or cursor keeps a query open while the client is thinking."""
        return self._runner.portals.is_any_open

    def greet(self, process_id: int, secret: bytes) -> None:
        """Everything from the success of the authentication to the first ReadyForQuery. secret: four bytes."""
        self.output.extend(sent.AUTHENTICATED)
        self._tell_settings()
        self.output.extend(sent.backend_key(process_id, secret) + sent.ready(Status.IDLE.value))

    def handle(self, frame: Frame) -> Steps:
        """One message. Raises FatalError if the connection cannot go on."""
        if self._is_skipping and frame.tag not in b"SX":
            return
        try:
            steps = _HANDLERS[frame.tag](self, frame.body)
            if steps is not None:
                yield from steps
        except FatalError:
            raise
        except PgError as error:
            yield from self._runner.fail()
            self.output.extend(sent.error(error))
            if frame.tag in b"QF":
                self._ready()
            else:
                self._is_skipping = True

    def _tell_settings(self) -> None:
        for name, value in self.settings.news():
            self.output.extend(sent.parameter_status(name, value))

    def _ready(self) -> None:
        self._tell_settings()
        self.output.extend(sent.ready(self._runner.transaction.status.value))

    def _check_size(self, sql: str) -> None:
        if len(sql) > self._limits.sql_size:
            raise PgError(
                TOO_LARGE, f"statement is too long: {len(sql)} characters, at most {self._limits.sql_size}"
            )

    def _end_implicit_transaction(self) -> Steps:
        self._runner.transaction.end_implicit()
        if self._runner.transaction.status is Status.IDLE:
            self._runner.portals.hold()
            yield from self._runner.drop_portals()

    # The messages.

    def _query(self, body: bytes) -> Steps:
        runner = self._runner
        runner.statements.remove("")
        yield from runner.drop_portal("")
        sql = received.query(body)
        self._check_size(sql)
        # All of it is cut before anything runs: a quote that does not end is an error of the whole string.
        sources = list(islice(split(sql), self._limits.statements + 1))
        if len(sources) > self._limits.statements:
            raise PgError(TOO_LARGE, f"too many statements in one string: at most {self._limits.statements}")
        for source in sources:
            if len(sources) > 1:
                runner.transaction.begin_implicit()
            yield from runner.run_string(classify(source))
            yield Pause()
        if not sources:
            self.output.extend(sent.EMPTY_QUERY)
        yield from self._end_implicit_transaction()
        self._ready()

    def _parse(self, body: bytes) -> Steps:
        message = received.parse(body)
        self._check_size(message.sql)
        runner = self._runner
        sources = list(islice(split(message.sql), 2))
        if len(sources) > 1:
            raise PgError(SYNTAX_ERROR, "cannot insert multiple commands into a prepared statement")
        command = classify(sources[0]) if sources else None
        runner.transaction.check(command)
        runner.statements.check(message.name, len(message.sql))
        match command:
            case Select():
                found = yield from runner.describe(command.statement, message.oids)
                prepared = Prepared(command, found.oids, found.columns or None)
            case Declare():
                found = yield from runner.describe(command.statement, message.oids)
                prepared = Prepared(command, found.oids, None, found.columns)
            case _:
                prepared = Prepared(command, message.oids, local_columns(command))
        runner.statements.add(message.name, prepared, len(message.sql))
        self.output.extend(sent.PARSE_COMPLETE)

    def _bind(self, body: bytes) -> Steps:
        message = received.bind(body)
        runner = self._runner
        prepared = runner.statements.get(message.statement)
        runner.transaction.check(prepared.command)
        parameters = bind_parameters(
            message.statement, prepared.oids, message.parameter_formats, message.values
        )
        binary = formats_of(message.result_formats)
        columns = runner.portals.columns_of(prepared)
        if columns is not None:
            check_formats(binary, len(columns))
        if not message.portal:
            yield from runner.drop_portal("")
        runner.portals.check(message.portal)
        portal = Portal(prepared, parameters, binary)
        if isinstance(prepared.command, Select):
            portal.result = runner.result(prepared.command.statement, parameters, binary)
            portal.result.columns = prepared.columns or ()
        runner.portals.add(message.portal, portal)
        self.output.extend(sent.BIND_COMPLETE)

    def _describe(self, body: bytes) -> None:
        message = received.named(body, "DESCRIBE")
        runner = self._runner
        binary: tuple[bool, ...] | bool = False
        if message.is_statement:
            prepared = runner.statements.get(message.name)
            columns = runner.portals.columns_of(prepared)
        else:
            portal = runner.portals.get(message.name)
            prepared, binary = portal.prepared, portal.binary
            columns = runner.portals.columns_of(prepared)
        if columns is not None:
            runner.transaction.check(prepared.command)
        if message.is_statement:
            self.output.extend(sent.parameter_description(prepared.oids))
        if columns is None:
            self.output.extend(sent.NO_DATA)
        else:
            self.output.extend(sent.row_description(columns, expand(binary, len(columns))))

    def _execute(self, body: bytes) -> Steps:
        message = received.execute(body)
        runner = self._runner
        portal = runner.portals.get(message.portal)
        command = portal.prepared.command
        runner.transaction.check(command)
        most = message.max_rows or None
        match command:
            case None:
                self.output.extend(sent.EMPTY_QUERY)
            case Select() if portal.result is not None:
                taken = yield from runner.take(portal.result, most)
                self._complete_rows(taken, most, rows_tag(command, taken))
            case FetchCursor(move=False):
                yield from self._fetch(portal, command, most)
            case Show():
                taken = 0 if portal.was_run else 1
                portal.was_run = True
                if taken:
                    self.output.extend(runner.shown(command))
                self._complete_rows(taken, most, "SHOW")
            case _:
                if portal.was_run:
                    raise PgError(WRONG_STATE, f'portal "{message.portal}" cannot be run')
                portal.was_run = True
                yield from runner.run_local(command, portal.prepared, portal.parameters)

    def _fetch(self, portal: Portal, command: FetchCursor, most: int | None) -> Steps:
        """The rows that a FETCH asks for, in as many parts as the client likes."""
        cursor = self._runner.portals.cursor(command.name)
        use_formats(cursor, portal.binary)
        left = None if command.count is None else command.count - portal.taken
        wanted = left if most is None else most if left is None else min(left, most)
        taken = yield from self._runner.take(cursor, wanted)
        portal.taken += taken
        self._complete_rows(taken, most, f"FETCH {taken}")

    def _complete_rows(self, taken: int, most: int | None, tag: str) -> None:
        """At the limit Postgres does not look whether there is more."""
        if most is not None and taken >= most:
            self.output.extend(sent.PORTAL_SUSPENDED)
        else:
            self._runner.complete(tag)

    def _close(self, body: bytes) -> Steps:
        message = received.named(body, "CLOSE")
        if message.is_statement:
            self._runner.statements.remove(message.name)
        else:
            yield from self._runner.drop_portal(message.name)
        self.output.extend(sent.CLOSE_COMPLETE)

    def _sync(self, body: bytes) -> Steps:
        self._is_skipping = False
        yield from self._end_implicit_transaction()
        self._ready()

    def _flush(self, body: bytes) -> None:
        """Whoever drives the session sends what there is before it waits for the client."""

    def _terminate(self, body: bytes) -> None:
        self.has_ended = True

    def _call_function(self, body: bytes) -> None:
        raise PgError(NOT_SUPPORTED, "function calls are not supported: use SELECT")

    def _ignore(self, body: bytes) -> None:
        """Data for a COPY that was refused."""

    def _password(self, body: bytes) -> None:
        raise FatalError(PROTOCOL_VIOLATION, f"invalid frontend message type {ord('p')}")


_HANDLERS: dict[int, Callable[[Session, bytes], Steps | None]] = {
    ord("Q"): Session._query,
    ord("P"): Session._parse,
    ord("B"): Session._bind,
    ord("D"): Session._describe,
    ord("E"): Session._execute,
    ord("C"): Session._close,
    ord("S"): Session._sync,
    ord("H"): Session._flush,
    ord("X"): Session._terminate,
    ord("F"): Session._call_function,
    ord("d"): Session._ignore,
    ord("c"): Session._ignore,
    ord("f"): Session._ignore,
    ord("p"): Session._password,
}

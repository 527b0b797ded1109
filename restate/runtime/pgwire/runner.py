"""What each command does, however it came: in a string of SQL or by a portal."""

from collections.abc import Generator
from itertools import count

from restate.runtime.pgwire import sent
from restate.runtime.pgwire.commands import (
    Begin,
    CloseCursor,
    Command,
    Commit,
    Deallocate,
    Declare,
    Discard,
    FetchCursor,
    Nothing,
    Refused,
    Release,
    Reset,
    Rollback,
    RollbackTo,
    Savepoint,
    Scope,
    Select,
    Set,
    SetIsolation,
    Show,
)
from restate.runtime.pgwire.engine import (
    Answer,
    Ask,
    Close,
    Describe,
    Description,
    Fetch,
    Fetched,
    Open,
    Opened,
    Parameter,
    Statement,
    TextColumn,
)
from restate.runtime.pgwire.errors import NO_TRANSACTION, NOT_SUPPORTED, UNKNOWN_STATEMENT, PgError
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.portals import Formats, Portal, Portals, Prepared, Result, Statements
from restate.runtime.pgwire.settings import Settings
from restate.runtime.pgwire.transaction import Notice, Transaction

Steps = Generator[Ask, Answer, None]

_QUIET = frozenset(("error", "fatal", "panic"))


class Runner:
    """The state that statements see and change. output: bytes for the client; whoever sends them empties it."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.output = bytearray()
        self.settings = settings
        self.transaction = Transaction(settings)
        self.statements = Statements(limits)
        self.portals = Portals(limits)
        self._numbers = count(1)
        self._open: set[int] = set()

    # Rows from the engine.

    def describe(self, statement: Statement, oids: tuple[int, ...]) -> Generator[Ask, Answer, Description]:
        answer = yield from self._ask(Describe(statement, oids), statement)
        assert isinstance(answer, Description)
        return answer

    def result(self, statement: Statement, parameters: tuple[Parameter, ...], binary: Formats) -> Result:
        """Rows that nobody has asked for yet."""
        return Result(next(self._numbers), statement, parameters, (), binary)

    def open(self, result: Result) -> Steps:
        self._open.add(result.number)
        ask = Open(result.number, result.statement, result.parameters, result.binary)
        answer = yield from self._ask(ask, result.statement)
        assert isinstance(answer, Opened)
        result.columns = answer.columns
        result.is_open = True

    def take(self, result: Result, most: int | None, *, drop: bool = False) -> Generator[Ask, Answer, int]:
        """Add rows to the output, at most so many; None is all. drop: count them only. Gives how many there were."""
        taken = 0
        while not result.has_ended and (most is None or taken < most):
            if not result.is_open:
                yield from self.open(result)
            wanted = None if most is None else most - taken
            answer = yield from self._ask(Fetch(result.number, wanted), result.statement)
            assert isinstance(answer, Fetched)
            if answer.piece is None:
                result.has_ended = True
                yield from self.close(result)
            else:
                taken += answer.piece.count
                if not drop:
                    self.output += answer.piece.data
        return taken

    def close(self, result: Result) -> Steps:
        result.is_open = False
        if result.number in self._open:
            self._open.discard(result.number)
            yield Close(result.number)

    def _ask(self, ask: Ask, statement: Statement) -> Generator[Ask, Answer, Answer]:
        try:
            return (yield ask)
        except PgError as error:
            if error.position is not None:
                # The client knows the whole string, the engine only one statement of it.
                error.position += statement.offset
            raise

    # Portals.

    def drop_portal(self, name: str) -> Steps:
        """If there is one."""
        portal = self.portals.pop(name)
        if portal is not None and portal.result is not None:
            yield from self.close(portal.result)

    def drop_portals(self, *, held: bool = False) -> Steps:
        """held: also those that outlive their transaction."""
        for name in self.portals.names(held=held):
            yield from self.drop_portal(name)

    def fail(self) -> Steps:
        """An error came: nothing stays that its transaction had, and no query that belongs to no portal."""
        self.transaction.fail()
        yield from self.drop_portals()
        for number in self._open - self.portals.open_numbers():
            self._open.discard(number)
            yield Close(number)

    # Commands.

    def complete(self, tag: str) -> None:
        self.output += sent.command_complete(tag)

    def warn(self, notice: Notice | None) -> None:
        if notice is not None and self.settings.get("client_min_messages").lower() not in _QUIET:
            self.output += sent.warning(*notice)

    def run_string(self, command: Command) -> Steps:
        """One statement of a string: everything that there is to say about it."""
        self.transaction.check(command)
        match command:
            case Select():
                result = self.result(command.statement, (), False)
                yield from self.open(result)
                self.output += sent.row_description(result.columns, result.binary_columns())
                taken = yield from self.take(result, None)
                self.complete(rows_tag(command, taken))
            case FetchCursor(move=False):
                cursor = self.portals.cursor(command.name)
                self.output += sent.row_description(cursor.columns, cursor.binary_columns())
                yield from self.fetch(command, cursor)
            case Show():
                self.output += sent.row_description(
                    (TextColumn(self.settings.show(command.name)[0]),), (False,)
                )
                yield from self.run_local(command)
            case _:
                yield from self.run_local(command)

    def shown(self, command: Show) -> bytes:
        """The row. Raises PgError."""
        return sent.data_row((self.settings.show(command.name)[1],))

    def fetch(self, command: FetchCursor, cursor: Result) -> Steps:
        taken = yield from self.take(cursor, command.count, drop=command.move)
        self.complete(f"{'MOVE' if command.move else 'FETCH'} {taken}")

    def run_local(
        self, command: Command, prepared: Prepared | None = None, parameters: tuple[Parameter, ...] = ()
    ) -> Steps:
        """A command of our own, without a description of its row. prepared, parameters: of a portal."""
        match command:
            case Begin():
                self.warn(self.transaction.begin())
                level = command.level or self.settings.get("default_transaction_isolation")
                self.settings.set("transaction_isolation", level, local=True)
                self.complete(command.tag)
            case Commit() | Rollback():
                yield from self._end_transaction(command)
            case Savepoint():
                self.transaction.savepoint(command.name)
                self.complete("SAVEPOINT")
            case Release():
                self.transaction.release(command.name)
                self.complete("RELEASE")
            case RollbackTo():
                self.transaction.rollback_to(command.name)
                self.complete("ROLLBACK")
            case Set() | SetIsolation() | Reset():
                self._set(command)
            case Show():
                self.output += self.shown(command)
                self.complete("SHOW")
            case Discard():
                yield from self._discard(command.scope)
            case Deallocate():
                self._deallocate(command)
            case CloseCursor():
                yield from self._close_cursor(command)
            case Declare():
                yield from self._declare(command, prepared, parameters)
            case FetchCursor():
                yield from self.fetch(command, self.portals.cursor(command.name))
            case Nothing():
                self.complete(command.tag)
            case Refused():
                raise command.error
            case Select():
                raise AssertionError("the rows of a query are taken from its result")

    def _end_transaction(self, command: Commit | Rollback) -> Steps:
        end = self.transaction.commit if isinstance(command, Commit) else self.transaction.rollback
        tag, notice = end()
        if tag == "COMMIT":
            self.portals.hold()
        yield from self.drop_portals()
        self.warn(notice)
        self.complete(tag)

    def _set(self, command: Set | SetIsolation | Reset) -> None:
        match command:
            case Set():
                if command.local and not self.settings.is_in_transaction:
                    self.warn((NO_TRANSACTION, "SET LOCAL can only be used in transaction blocks"))
                else:
                    self.settings.set(command.name, command.value, local=command.local)
            case SetIsolation():
                self._set_isolation(command)
            case Reset(name=None):
                self.settings.reset_all()
            case Reset(name=str(name)):
                self.settings.set(name, None)
        self.complete("RESET" if isinstance(command, Reset) else "SET")

    def _set_isolation(self, command: SetIsolation) -> None:
        """A name that is kept for those who ask: every query sees what there is when it begins."""
        if command.session and command.level is not None:
            self.settings.set("default_transaction_isolation", command.level)
        elif not command.session and not self.settings.is_in_transaction:
            self.warn((NO_TRANSACTION, "SET TRANSACTION can only be used in transaction blocks"))
        elif command.level is not None:
            self.settings.set("transaction_isolation", command.level, local=True)

    def _discard(self, scope: Scope) -> Steps:
        if scope is Scope.ALL:
            self.transaction.forbid("DISCARD ALL")
            yield from self.drop_portals(held=True)
            self.statements.clear()
            self.settings.reset_all()
        self.complete(f"DISCARD {scope.value}")

    def _deallocate(self, command: Deallocate) -> None:
        if command.name is None:
            self.statements.clear()
            self.complete("DEALLOCATE ALL")
            return
        if not self.statements.remove(command.name):
            raise PgError(UNKNOWN_STATEMENT, f'prepared statement "{command.name}" does not exist')
        self.complete("DEALLOCATE")

    def _close_cursor(self, command: CloseCursor) -> Steps:
        if command.name is None:
            yield from self.drop_portals(held=True)
            self.complete("CLOSE CURSOR ALL")
            return
        self.portals.get(command.name, kind="cursor")
        yield from self.drop_portal(command.name)
        self.complete("CLOSE CURSOR")

    def _declare(
        self, command: Declare, prepared: Prepared | None, parameters: tuple[Parameter, ...]
    ) -> Steps:
        if not command.hold:
            self.transaction.require("DECLARE CURSOR", implicit=True)
        self.portals.check(command.name)
        result = self.result(command.statement, parameters, command.binary)
        if prepared is None:
            result.columns = (yield from self.describe(command.statement, ())).columns
        else:
            result.columns = prepared.inner
        self.portals.add(
            command.name,
            Portal(
                Prepared(Select(command.statement), (), result.columns),
                parameters,
                command.binary,
                result,
                wants_hold=command.hold,
            ),
        )
        self.complete("DECLARE CURSOR")


def rows_tag(command: Select, taken: int) -> str:
    """Only SELECT and FETCH tell how many rows there were."""
    return f"SELECT {taken}" if command.verb == "SELECT" else command.verb


def use_formats(cursor: Result, binary: Formats) -> None:
    """The formats in which a FETCH by a portal wants its rows. Raises PgError if the cursor has begun with others."""
    if cursor.binary == binary:
        return
    if cursor.is_open:
        raise PgError(NOT_SUPPORTED, "cannot change the format of a cursor after its first row")
    cursor.binary = binary

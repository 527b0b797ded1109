"""What a statement asks for. Everything but `Select` is answered by the session itself."""

from enum import Enum

import attrs

from restate.runtime.pgwire.engine import Statement
from restate.runtime.pgwire.errors import PgError


@attrs.frozen
class Select:
    """Rows from the engine. verb: of the tag, to which the number of rows is added where Postgres does so."""

    statement: Statement
    verb: str = "SELECT"


@attrs.frozen
class Begin:
    """tag: BEGIN or START TRANSACTION. level: of isolation, None if it is not said."""

    tag: str
    level: str | None


@attrs.frozen
class Commit:
    """COMMIT or END."""


@attrs.frozen
class Rollback:
    """ROLLBACK or ABORT."""


@attrs.frozen
class Savepoint:
    name: str


@attrs.frozen
class Release:
    name: str


@attrs.frozen
class RollbackTo:
    name: str


@attrs.frozen
class Set:
    """value: None is the default. local: until the end of the transaction."""

    name: str
    value: str | None
    local: bool = False


@attrs.frozen
class SetIsolation:
    """SET TRANSACTION and the like. level: None if something else was set. session: for all later transactions."""

    level: str | None
    session: bool


@attrs.frozen
class Reset:
    """name: None is ALL."""

    name: str | None


@attrs.frozen
class Show:
    name: str


class Scope(Enum):
    """Of DISCARD."""

    ALL = "ALL"
    PLANS = "PLANS"
    SEQUENCES = "SEQUENCES"
    TEMP = "TEMP"


@attrs.frozen
class Discard:
    scope: Scope


@attrs.frozen
class Deallocate:
    """name: of a prepared statement; None is ALL."""

    name: str | None


@attrs.frozen
class CloseCursor:
    """name: None is ALL."""

    name: str | None


@attrs.frozen
class Nothing:
    """Accepted, and without an effect, since there is nothing that it could have one on."""

    tag: str


@attrs.frozen
class Declare:
    """A cursor. hold: it outlives its transaction."""

    name: str
    statement: Statement
    hold: bool
    binary: bool


@attrs.frozen
class FetchCursor:
    """count: None is ALL. move: the rows are passed over."""

    name: str
    count: int | None
    move: bool


@attrs.frozen
class Refused:
    """What this server never does. error: what the client is told."""

    error: PgError


Command = (
    Select
    | Begin
    | Commit
    | Rollback
    | Savepoint
    | Release
    | RollbackTo
    | Set
    | SetIsolation
    | Reset
    | Show
    | Discard
    | Deallocate
    | CloseCursor
    | Nothing
    | Declare
    | FetchCursor
    | Refused
)

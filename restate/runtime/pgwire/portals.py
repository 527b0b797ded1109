"""What a connection has prepared: statements, portals, cursors. A cursor of SQL is a portal by its name."""

from collections.abc import Sequence

import attrs

from restate.runtime.pgwire.commands import Command, FetchCursor, Show
from restate.runtime.pgwire.engine import Column, Parameter, Statement, TextColumn
from restate.runtime.pgwire.errors import (
    DUPLICATE_CURSOR,
    DUPLICATE_STATEMENT,
    LIMIT_EXCEEDED,
    UNKNOWN_CURSOR,
    UNKNOWN_STATEMENT,
    PgError,
    protocol_violation,
)
from restate.runtime.pgwire.limits import Limits

Formats = tuple[bool, ...] | bool
"""Which columns are binary; one value counts for all."""


@attrs.define
class Result:
    """The rows of one statement, which are taken bit by bit. number: names it to the engine while it is open."""

    number: int
    statement: Statement
    parameters: tuple[Parameter, ...]
    columns: Sequence[Column]
    binary: Formats
    is_open: bool = False
    has_ended: bool = False

    def binary_columns(self) -> tuple[bool, ...]:
        return expand(self.binary, len(self.columns))


@attrs.frozen
class Prepared:
    """command: None for an empty statement. oids: of parameters. columns: that running it gives, None for no rows.

    inner: the columns of the query that a DECLARE is for.
    """

    command: Command | None
    oids: tuple[int, ...] = ()
    columns: Sequence[Column] | None = None
    inner: Sequence[Column] = ()


@attrs.define
class Portal:
    """A statement with its parameters.

    result: of a query. wants_hold: to outlive its transaction, which it does once that has been committed.
    taken: rows that a FETCH has given. was_run: of all other commands.
    """

    prepared: Prepared
    parameters: tuple[Parameter, ...] = ()
    binary: Formats = False
    result: Result | None = None
    wants_hold: bool = False
    is_held: bool = False
    taken: int = 0
    was_run: bool = False

    @property
    def size(self) -> int:
        """Of what it alone keeps."""
        return sum(len(parameter.value or b"") for parameter in self.parameters)


def expand(formats: Formats, columns: int) -> tuple[bool, ...]:
    return (formats,) * columns if isinstance(formats, bool) else formats


def formats_of(codes: tuple[bool, ...]) -> Formats:
    """None means all text, one counts for all."""
    return any(codes) if len(codes) < 2 else codes


def check_formats(formats: Formats, columns: int) -> None:
    """Raises PgError."""
    if not isinstance(formats, bool) and len(formats) != columns:
        raise protocol_violation(
            f"bind message has {len(formats)} result formats but query has {columns} columns"
        )


def bind_parameters(
    name: str, oids: tuple[int, ...], codes: tuple[bool, ...], values: tuple[bytes | None, ...]
) -> tuple[Parameter, ...]:
    """name: of the prepared statement. Raises PgError unless all the numbers agree."""
    if len(codes) > 1 and len(codes) != len(values):
        raise protocol_violation(
            f"bind message has {len(codes)} parameter formats but {len(values)} parameters"
        )
    if len(values) != len(oids):
        raise protocol_violation(
            f"bind message supplies {len(values)} parameters,"
            f' but prepared statement "{name}" requires {len(oids)}'
        )
    binary = expand(formats_of(codes), len(values))
    return tuple(map(Parameter, oids, values, binary))


def local_columns(command: Command | None) -> Sequence[Column] | None:
    """Of what the session answers itself; what a FETCH gives depends on its cursor."""
    return (TextColumn(command.name),) if isinstance(command, Show) else None


class _Room:
    """How much there is of something, and how much there may be. what: in the plural, for messages."""

    def __init__(self, what: str, most: int, most_bytes: int) -> None:
        self._what = what
        self._most = most
        self._most_bytes = most_bytes
        self._sizes: dict[str, int] = {}

    def check(self, size: int) -> None:
        """Whether one more of the size may come. Raises PgError."""
        if len(self._sizes) >= self._most:
            raise self._error(f"at most {self._most} on one connection")
        if sum(self._sizes.values()) + size > self._most_bytes:
            raise self._error(f"at most {self._most_bytes} bytes together on one connection")

    def take(self, name: str, size: int) -> None:
        self._sizes[name] = size

    def give(self, name: str) -> None:
        self._sizes.pop(name, None)

    def _error(self, limit: str) -> PgError:
        hint = "Close or DEALLOCATE those that are not needed."
        return PgError(LIMIT_EXCEEDED, f"too many {self._what}: {limit}", hint=hint)


class Statements:
    """Prepared statements by name."""

    def __init__(self, limits: Limits) -> None:
        self._room = _Room("prepared statements", limits.prepared_statements, limits.prepared_size)
        self._by_name: dict[str, Prepared] = {}

    def check(self, name: str, size: int) -> None:
        """Whether one may be added; the unnamed one makes place. size: of its text. Raises PgError."""
        if not name:
            self.remove("")
        elif name in self._by_name:
            raise PgError(DUPLICATE_STATEMENT, f'prepared statement "{name}" already exists')
        self._room.check(len(name) + size)

    def add(self, name: str, prepared: Prepared, size: int) -> None:
        self._by_name[name] = prepared
        self._room.take(name, len(name) + size)

    def get(self, name: str) -> Prepared:
        """Raises PgError."""
        prepared = self._by_name.get(name)
        if prepared is None:
            text = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise PgError(UNKNOWN_STATEMENT, f"{text} does not exist")
        return prepared

    def remove(self, name: str) -> bool:
        """Whether there was one."""
        self._room.give(name)
        return self._by_name.pop(name, None) is not None

    def clear(self) -> None:
        for name in list(self._by_name):
            self.remove(name)


class Portals:
    """Portals by name."""

    def __init__(self, limits: Limits) -> None:
        self._room = _Room("portals and cursors", limits.portals, limits.portals_size)
        self._by_name: dict[str, Portal] = {}

    def check(self, name: str) -> None:
        """Whether there may be one of that name, once the unnamed one is gone. Raises PgError."""
        if name in self._by_name:
            raise PgError(DUPLICATE_CURSOR, f'cursor "{name}" already exists')

    def add(self, name: str, portal: Portal) -> None:
        """Raises PgError when there is no room."""
        size = len(name) + portal.size
        self._room.check(size)
        self._room.take(name, size)
        self._by_name[name] = portal

    def get(self, name: str, *, kind: str = "portal") -> Portal:
        """kind: what it is called in the PgError that is raised if there is none."""
        portal = self._by_name.get(name)
        if portal is None:
            raise PgError(UNKNOWN_CURSOR, f'{kind} "{name}" does not exist')
        return portal

    def cursor(self, name: str) -> Result:
        """The rows that FETCH takes from. Raises PgError."""
        result = self.get(name, kind="cursor").result
        if result is None:
            raise PgError(UNKNOWN_CURSOR, f'cursor "{name}" gives no rows')
        return result

    def columns_of(self, prepared: Prepared) -> Sequence[Column] | None:
        """What running it gives; None for no rows."""
        command = prepared.command
        if not isinstance(command, FetchCursor):
            return prepared.columns
        found = self._by_name.get(command.name)
        return None if command.move or found is None or found.result is None else found.result.columns

    def pop(self, name: str) -> Portal | None:
        self._room.give(name)
        return self._by_name.pop(name, None)

    def hold(self) -> None:
        """Their transaction was committed."""
        for portal in self._by_name.values():
            portal.is_held = portal.wants_hold

    def names(self, *, held: bool) -> list[str]:
        """held: also of those that outlive their transaction."""
        return [name for name, portal in self._by_name.items() if held or not portal.is_held]

    @property
    def is_any_open(self) -> bool:
        """Whether one holds on to something in the engine."""
        return bool(self.open_numbers())

    def open_numbers(self) -> set[int]:
        """Of the results that are open."""
        results = (portal.result for portal in self._by_name.values())
        return {result.number for result in results if result is not None and result.is_open}

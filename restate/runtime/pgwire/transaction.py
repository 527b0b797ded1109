"""Transactions, which here are a state and nothing else: no snapshot is taken, and nothing can be undone but settings."""

from enum import Enum

from restate.runtime.pgwire.commands import Command, Commit, Rollback, RollbackTo
from restate.runtime.pgwire.errors import (
    ACTIVE_TRANSACTION,
    FAILED_TRANSACTION,
    LIMIT_EXCEEDED,
    NO_TRANSACTION,
    UNKNOWN_SAVEPOINT,
    PgError,
)
from restate.runtime.pgwire.settings import Settings, Snapshot

_MOST_SAVEPOINTS = 1_000


class Status(Enum):
    """As ReadyForQuery says it."""

    IDLE = b"I"
    ACTIVE = b"T"
    FAILED = b"E"


Notice = tuple[str, str]
"""SQLSTATE and text."""


class Transaction:
    """The state of one session."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # What a rollback brings back; the first one is that of the transaction itself. Empty outside of one.
        self._snapshots: list[Snapshot] = []
        self._savepoints: list[str] = []
        self.status = Status.IDLE
        self._is_implicit = False

    def check(self, command: Command | None) -> None:
        """Raises PgError if the transaction has failed and this does not end it."""
        if self.status is Status.FAILED and not isinstance(command, Commit | Rollback | RollbackTo | None):
            raise PgError(
                FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )

    def require(self, what: str, *, implicit: bool = False) -> None:
        """Raises PgError outside of a transaction. implicit: one that nobody has begun is enough."""
        if self.status is Status.IDLE and not (implicit and self._is_implicit):
            raise PgError(NO_TRANSACTION, f"{what} can only be used in transaction blocks")

    def forbid(self, what: str) -> None:
        """Raises PgError inside of a transaction."""
        if self.status is not Status.IDLE or self._is_implicit:
            raise PgError(ACTIVE_TRANSACTION, f"{what} cannot run inside a transaction block")

    def fail(self) -> None:
        """An error came."""
        if self.status is Status.ACTIVE:
            self.status = Status.FAILED
            self._settings.restore(self._snapshots[-1])
        elif self._is_implicit:
            self._settings.rollback(self._snapshots[0])
            self._end()

    def begin_implicit(self) -> None:
        """Several statements of one string stand in a transaction that nobody has begun, if in no other."""
        if self.status is Status.IDLE and not self._is_implicit:
            self._is_implicit = True
            self._begin()

    def end_implicit(self) -> None:
        """Successfully, if there is one."""
        if self._is_implicit:
            self._settings.commit()
            self._end()

    def begin(self) -> Notice | None:
        if self.status is Status.ACTIVE:
            return ACTIVE_TRANSACTION, "there is already a transaction in progress"
        self.status = Status.ACTIVE
        if not self._is_implicit:
            self._begin()
        self._is_implicit = False
        return None

    def _begin(self) -> None:
        self._snapshots = [self._settings.snapshot()]
        self._settings.begin()

    def commit(self) -> tuple[str, Notice | None]:
        """The tag tells what really happened."""
        if self.status is Status.FAILED:
            return self.rollback()
        if self._snapshots:
            self._settings.commit()
        return "COMMIT", self._end()

    def rollback(self) -> tuple[str, Notice | None]:
        if self._snapshots:
            self._settings.rollback(self._snapshots[0])
        return "ROLLBACK", self._end()

    def _end(self) -> Notice | None:
        self._savepoints.clear()
        self._snapshots.clear()
        self._is_implicit = False
        if self.status is Status.IDLE:
            return NO_TRANSACTION, "there is no transaction in progress"
        self.status = Status.IDLE
        return None

    def savepoint(self, name: str) -> None:
        self.require("SAVEPOINT")
        if len(self._savepoints) >= _MOST_SAVEPOINTS:
            raise PgError(LIMIT_EXCEEDED, f"too many savepoints: at most {_MOST_SAVEPOINTS}")
        self._savepoints.append(name)
        self._snapshots.append(self._settings.snapshot())

    def release(self, name: str) -> None:
        self.require("RELEASE SAVEPOINT")
        index = self._index(name)
        del self._savepoints[index:], self._snapshots[index + 1 :]

    def rollback_to(self, name: str) -> None:
        self.require("ROLLBACK TO SAVEPOINT")
        index = self._index(name)
        del self._savepoints[index + 1 :], self._snapshots[index + 2 :]
        self._settings.restore(self._snapshots[-1])
        self.status = Status.ACTIVE

    def _index(self, name: str) -> int:
        """Of the newest savepoint with the name. Raises PgError."""
        for index in reversed(range(len(self._savepoints))):
            if self._savepoints[index] == name:
                return index
        raise PgError(UNKNOWN_SAVEPOINT, f'savepoint "{name}" does not exist')

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
from restate.runtime.pgwire.settings import Settings

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
        self._savepoints: list[str] = []
        self.status = Status.IDLE

    def check(self, command: Command | None) -> None:
        """Raises PgError if the transaction has failed and this does not end it."""
        if self.status is Status.FAILED and not isinstance(command, Commit | Rollback | RollbackTo | None):
            raise PgError(
                FAILED_TRANSACTION,
                "current transaction is aborted, commands ignored until end of transaction block",
            )

    def require(self, what: str) -> None:
        """Raises PgError outside of a transaction."""
        if self.status is Status.IDLE:
            raise PgError(NO_TRANSACTION, f"{what} can only be used in transaction blocks")

    def forbid(self, what: str) -> None:
        """Raises PgError inside of a transaction."""
        if self.status is not Status.IDLE:
            raise PgError(ACTIVE_TRANSACTION, f"{what} cannot run inside a transaction block")

    def fail(self) -> None:
        """An error came."""
        if self.status is Status.ACTIVE:
            self.status = Status.FAILED

    def begin(self) -> Notice | None:
        if self.status is Status.ACTIVE:
            return ACTIVE_TRANSACTION, "there is already a transaction in progress"
        self.status = Status.ACTIVE
        self._settings.begin()
        return None

    def commit(self) -> tuple[str, Notice | None]:
        """The tag tells what really happened."""
        if self.status is Status.FAILED:
            return self.rollback()
        warning = self._end()
        self._settings.commit()
        return "COMMIT", warning

    def rollback(self) -> tuple[str, Notice | None]:
        warning = self._end()
        self._settings.rollback()
        return "ROLLBACK", warning

    def _end(self) -> Notice | None:
        self._savepoints.clear()
        if self.status is Status.IDLE:
            return NO_TRANSACTION, "there is no transaction in progress"
        self.status = Status.IDLE
        return None

    def savepoint(self, name: str) -> None:
        self.require("SAVEPOINT")
        if len(self._savepoints) >= _MOST_SAVEPOINTS:
            raise PgError(LIMIT_EXCEEDED, f"too many savepoints: at most {_MOST_SAVEPOINTS}")
        self._savepoints.append(name)

    def release(self, name: str) -> None:
        self.require("RELEASE SAVEPOINT")
        del self._savepoints[self._index(name) :]

    def rollback_to(self, name: str) -> None:
        self.require("ROLLBACK TO SAVEPOINT")
        del self._savepoints[self._index(name) + 1 :]
        self.status = Status.ACTIVE

    def _index(self, name: str) -> int:
        """Of the newest savepoint with the name. Raises PgError."""
        for index in reversed(range(len(self._savepoints))):
            if self._savepoints[index] == name:
                return index
        raise PgError(UNKNOWN_SAVEPOINT, f'savepoint "{name}" does not exist')

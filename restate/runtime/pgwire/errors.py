"""What a client is told when something is wrong. Each error has its SQLSTATE from the place that raises it."""

PROTOCOL_VIOLATION = "08P01"
NOT_SUPPORTED = "0A000"
NO_TRANSACTION = "25P01"
FAILED_TRANSACTION = "25P02"
ACTIVE_TRANSACTION = "25001"
READ_ONLY = "25006"
UNKNOWN_STATEMENT = "26000"
BAD_AUTHORIZATION = "28000"
BAD_PASSWORD = "28P01"
UNKNOWN_SAVEPOINT = "3B001"
UNKNOWN_CURSOR = "34000"
BAD_VALUE = "22023"
BAD_ENCODING = "22021"
SYNTAX_ERROR = "42601"
DUPLICATE_CURSOR = "42P03"
DUPLICATE_STATEMENT = "42P05"
UNKNOWN_SETTING = "42704"
NO_PRIVILEGE = "42501"
TOO_MANY_CONNECTIONS = "53300"
LIMIT_EXCEEDED = "53400"
TOO_LARGE = "54000"
WRONG_STATE = "55000"
CANNOT_CHANGE = "55P02"
CANCELED = "57014"
SHUTTING_DOWN = "57P01"
IDLE = "57P05"
INTERNAL = "XX000"


class PgError(Exception):
    """A statement failed; the connection goes on.

    position: the character, from 1, of the string that the client sent. detail, hint: further lines, or None.
    """

    severity = "ERROR"

    def __init__(
        self,
        sqlstate: str,
        message: str,
        *,
        position: int | None = None,
        detail: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate
        self.message = message
        self.position = position
        self.detail = detail
        self.hint = hint


class FatalError(PgError):
    """The client is told, and the connection ends."""

    severity = "FATAL"


class HangUpError(Exception):
    """What came is not this protocol: the connection ends without an answer."""


def protocol_violation(message: str) -> PgError:
    """A message that could be told apart from the next one, but not understood."""
    return PgError(PROTOCOL_VIOLATION, message)

"""What can go wrong with a query, as SQLSTATE; every error of SQL on either port is one of these."""

from restate.runtime.errors import RestateError

SYNTAX_ERROR = "42601"
UNDEFINED_TABLE = "42P01"
UNDEFINED_COLUMN = "42703"
AMBIGUOUS_COLUMN = "42702"
UNDEFINED_FUNCTION = "42883"
UNDEFINED_PARAMETER = "42P02"
PLANNING_ERROR = "42000"
READ_ONLY = "25006"
NOT_SUPPORTED = "0A000"
OUT_OF_MEMORY = "53200"
TOO_MANY = "53300"
TOO_LARGE = "54000"
TOO_COMPLEX = "54001"
NOT_ONE_ROW = "21000"
DATA_ERROR = "22000"
DIVISION_BY_ZERO = "22012"
OUT_OF_RANGE = "22003"
BAD_VALUE = "22P02"
CANCELED = "57014"
SHUTTING_DOWN = "57P01"
WORKER_DIED = "57P02"
CANNOT_START = "57P03"
IDLE = "57P05"
INTERNAL = "XX000"

_STATUSES = {
    TOO_MANY: 429,
    SHUTTING_DOWN: 503,
    CANNOT_START: 503,
    CANCELED: 500,
    IDLE: 500,
    WORKER_DIED: 500,
    INTERNAL: 500,
}
"""{SQLSTATE: HTTP status} of what is not the user's doing (settled.md #28); everything else is 400."""


class QueryError(RestateError):
    """A query that failed. position: the character of the text it is about, from 1, or None. hint: what to do, or None."""

    def __init__(
        self, message: str, sqlstate: str, *, position: int | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, http_status=_STATUSES.get(sqlstate, 400))
        self.sqlstate = sqlstate
        self.position = position
        self._hint = hint

    @property
    def hint(self) -> str | None:
        return self._hint


def less_or_more(setting: str) -> str:
    """The hint for a query that wants more memory than `setting` gives it."""
    return f"Ask for fewer rows or columns, or raise {setting}."

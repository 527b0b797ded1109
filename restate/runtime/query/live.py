"""What the invoker has in memory, in the form in which a worker gets it for one query."""

from collections.abc import Callable, Iterable

import msgspec


class LiveFailure(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last failed attempt. text: `[500 Internal] message`, and the stack trace below it. code: `RT....`."""

    text: str
    code: str
    command_index: int | None = None
    command_name: str | None = None
    command_type: str | None = None


class LiveAttempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """As `invoker.status.AttemptStatus`; times are epoch milliseconds."""

    invocation: bytes
    in_flight: bool
    retry_count: int
    last_start_ms: int
    deployment: str | None
    server: str | None
    next_retry_ms: int | None
    failure: LiveFailure | None


Snapshot = Callable[[], Iterable[LiveAttempt]]
"""What the invoker has right now."""

_NAMES = {
    400: "Bad Request",
    404: "Not found",
    500: "Internal",
    570: "Journal mismatch",
    571: "Protocol violation",
    573: "Unsupported feature",
}


def failure_text(status: int, message: str, stacktrace: str = "") -> str:
    """`[500 Internal] message`, with the stack trace on the lines below."""
    name = f" {_NAMES[status]}" if status in _NAMES else ""
    text = f"[{status}{name}] {message}"
    return f"{text}\n{stacktrace}" if stacktrace else text

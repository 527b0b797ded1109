"""Why an attempt failed: the error code, the text, and what that means for the next try (service-protocol.md §5.4)."""

from email.utils import parsedate_to_datetime
from typing import Literal

import attrs
import msgspec

from restate.runtime.journal.catalog import kind_of
from restate.runtime.model import codes
from restate.runtime.model.target import Generation
from restate.runtime.net.client import ClientError, ResponseHead
from restate.runtime.service_protocol.attempt import AttemptError
from restate.runtime.service_protocol.identity import IDENTITY_REFUSED
from restate.runtime.service_protocol.received import ErrorReceived

_GATEWAY_DOWN = frozenset({502, 504})
_RATE_LIMITED = frozenset({429, 503})
_LIKELY = {
    401: IDENTITY_REFUSED,
    404: "the deployment does not serve this handler, or not any more; start it with the service, or register it again",
}
"""What an answer with that status most often comes from."""
_REASONS = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


@attrs.frozen
class RelatedCommand:
    """The command at which an attempt failed, as far as the SDK told. type: as people see it, `Run`."""

    index: int
    name: str | None
    type: str | None

    def __str__(self) -> str:
        name = f'("{self.name}")' if self.name else ""
        return f"{self.type or 'command'}{name}[index {self.index}]"


@attrs.frozen(kw_only=True)
class AttemptFailure(Exception):
    """One failed attempt.

    code: RT number for people. status: the number an invocation fails with if it is given up now. counted: whether it
    uses up one of the policy's attempts. delay_ms: wanted by the service instead of the policy's delay.
    """

    code: str
    message: str
    status: int = 500
    stacktrace: str = ""
    counted: bool = True
    delay_ms: int | None = None
    behavior: Literal["retry", "pause", "fail"] = "retry"
    related: RelatedCommand | None = None

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"


@attrs.frozen
class LastFailure:
    """What is kept of a failed attempt: the exception would keep all its frames alive. Fields as there."""

    code: str
    status: int
    message: str
    stacktrace: str
    related: RelatedCommand | None

    @classmethod
    def of(cls, failure: AttemptFailure) -> "LastFailure":
        return cls(failure.code, failure.status, failure.message, failure.stacktrace, failure.related)

    def detail(self, kind: str | None = None) -> str:
        """JSON text of an event that tells of it (sql.md §1.3, `sys_journal_events`). kind: of the event."""
        fields: dict[str, object] = {} if kind is None else {"ty": kind}
        fields |= {"error_code": self.status, "error_message": _cut(self.message)}
        if self.stacktrace:
            fields["error_stacktrace"] = _cut(self.stacktrace)
        fields["restate_doc_error_code"] = self.code
        if self.related is not None:
            fields["related_command_index"] = self.related.index
            fields |= {} if self.related.name is None else {"related_command_name": self.related.name}
            fields |= {} if self.related.type is None else {"related_command_type": self.related.type}
        return msgspec.json.encode(fields).decode()

    def pause_detail(self) -> str:
        """The same of a pause that it led to."""
        return f'{{"ty":"Paused","last_failure":{self.detail()}}}'


_LONGEST_TEXT = 16_384
"""Characters of a message or stack trace that are stored: services choose them."""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]} ..."


def from_client(error: ClientError, uri: str) -> AttemptFailure:
    """The service could not be reached, or the connection broke."""
    return AttemptFailure(code="RT0010", message=f"error when calling '{uri}': {error}")


def from_protocol(error: AttemptError) -> AttemptFailure:
    """The service sent what the protocol does not allow, or ended without a terminal message."""
    # What is nested too deeply will be again at every try, until the handler is changed.
    behavior: Literal["retry", "pause"] = "pause" if error.code == "RT0025" else "retry"
    return AttemptFailure(code=error.code, message=error.message, behavior=behavior)


def from_error(error: ErrorReceived) -> AttemptFailure:
    """The SDK reported an error of the handler."""
    mismatch = error.code in (codes.MODERN_JOURNAL_MISMATCH, codes.CLASSIC_JOURNAL_MISMATCH)
    return AttemptFailure(
        code="RT0016" if mismatch else "RT0007",
        message=error.message or "unknown",
        status=error.code or 500,
        stacktrace=error.stacktrace,
        counted=error.next_retry_delay_ms is None,
        delay_ms=error.next_retry_delay_ms,
        behavior=error.behavior,
        related=_related(error),
    )


def _related(error: ErrorReceived) -> RelatedCommand | None:
    """Only modern SDKs tell."""
    if error.related_command_index is None:
        return None
    code = error.related_command_type
    kind = None if code is None else kind_of(Generation.MODERN, code)
    return RelatedCommand(error.related_command_index, error.related_command_name, kind)


def server_of(head: ResponseHead) -> str | None:
    """What the SDK calls itself, `restate-sdk-python/1.3.0`; None if it does not say."""
    value = head.header(b"x-restate-server")
    return None if value is None else value.decode("latin-1")


def check_head(head: ResponseHead, content_type: str, *, now_ms: int) -> None:
    """Raise AttemptFailure unless the answer opens an invocation stream of this content type."""
    if head.status != 200:
        raise _from_status(head, content_type, now_ms)
    found = head.header(b"content-type")
    if found != content_type.encode():
        text = "None" if found is None else f"Some({_quoted(found)})"
        raise AttemptFailure(
            code="RT0012",
            message=f"unexpected content type '{text}'; expected content type '\"{content_type}\"'",
        )


def _quoted(value: bytes) -> str:
    return '"' + value.decode("latin-1") + '"'


def _from_status(head: ResponseHead, content_type: str, now_ms: int) -> AttemptFailure:
    status = head.status
    text = f"{status} {_REASONS[status]}" if status in _REASONS else str(status)
    if status in _GATEWAY_DOWN:
        return AttemptFailure(
            code="RT0010", message=f"service is temporary unavailable '{text}'", status=status
        )
    if status in _RATE_LIMITED:
        delay_ms = _retry_after_ms(head.header(b"retry-after"), now_ms)
        after = "" if delay_ms is None else f" (retry after: {delay_ms / 1000:g} seconds)"
        return AttemptFailure(
            code="RT0023",
            message=f"service is rate limited due to '{text}'{after}",
            status=status,
            counted=delay_ms is None,
            delay_ms=delay_ms,
        )
    if status == 415:
        return AttemptFailure(
            code="RT0015",
            message=f"cannot start the invocation because the SDK doesn't support '{content_type}'"
            " (error code 415); register the deployment again after changing its SDK",
            status=status,
        )
    if status == 413:
        return AttemptFailure(code="RT0019", message="service replied with content too large", status=status)
    code = "RT0012" if content_type.startswith("application/vnd.") else "RT0006"
    likely = f"; {_LIKELY[status]}" if status in _LIKELY else ""
    return AttemptFailure(code=code, message=f"unexpected http status code: {text}{likely}", status=500)


def _retry_after_ms(value: bytes | None, now_ms: int) -> int | None:
    """Seconds or an HTTP date; None when absent or unreadable."""
    if value is None:
        return None
    text = value.decode("latin-1").strip()
    if text.isdecimal():
        return int(text) * 1000
    try:
        due_ms = int(parsedate_to_datetime(text).timestamp() * 1000)
    except ValueError:
        return None
    return max(0, due_ms - now_ms)

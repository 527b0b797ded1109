"""Checking a request body against the input rule of its handler (ingress.md §3.3)."""

from restate.runtime.ingress.errors import IngressError
from restate.runtime.schema.deployment import InputRule


def check_input(rule: InputRule, content_type: bytes | None, body: bytes) -> None:
    """Raises IngressError 400. JSON itself is not looked at; the SDK does that."""
    if rule.content_type is None:
        if body or content_type is not None:
            got = "None" if content_type is None else f"Some({_quoted(content_type)})"
            raise _invalid(
                f"Expected body and content-type to be empty, but wasn't with content-type '{got}'"
            )
        return
    if not body and content_type is None:
        if rule.required:
            raise _invalid("Empty body not allowed")
        return
    if content_type is None:
        if rule.content_type != "*/*":
            raise _invalid("Empty content-type")
        return
    found = content_type.partition(b";")[0].strip().lower().decode("latin-1")
    if not _matches(found, rule.content_type.lower()):
        raise _invalid(
            f"Content-type '{content_type.decode('latin-1')}' does not match '{rule.content_type}'"
        )
    if not body and rule.content_type != "*/*":
        raise _invalid("Empty body not allowed")


def _matches(found: str, rule: str) -> bool:
    if rule == "*/*":
        return True
    if rule.endswith("/*"):
        return found.startswith(rule[:-1])
    return found == rule


def _quoted(value: bytes) -> str:
    return '"' + value.decode("latin-1") + '"'


def _invalid(reason: str) -> IngressError:
    return IngressError(400, f"input validation error: {reason}")

"""Checking a request body against the input rule of its handler (ingress.md §3.3)."""

from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.headers import header_text
from restate.runtime.schema.deployment import InputRule


def check_input(rule: InputRule, content_type: bytes | None, body: bytes) -> None:
    """Raises IngressError 400. JSON itself is not looked at; the SDK does that.

    A handler that tells a schema expects a value; without one, a fitting content type may come with an empty body, as
    upstream has it.
    """
    found = None if content_type is None else header_text(b"content-type", content_type)
    if rule.content_type is None:
        if body or found is not None:
            got = "None" if found is None else f"Some({_debug(found)})"
            raise _invalid(
                f"Expected body and content-type to be empty, but wasn't with content-type '{got}'"
            )
    elif body or found is not None or rule.required:
        if found is None:
            raise _invalid("Empty content-type" if body else "Empty body not allowed")
        if found != rule.content_type and not _matches(found.partition(";")[0].strip(), rule.content_type):
            raise _invalid(f"Content-type '{found}' does not match '{rule.content_type}'")
        if not body and (rule.required or rule.json_schema is not None):
            raise _invalid("Empty body not allowed")


def takes_type(rule: InputRule, content_type: bytes) -> bool:
    """Whether a body of this type fits; a handler without input takes none."""
    found = content_type.decode("latin-1").partition(";")[0].strip()
    return rule.content_type is not None and _matches(found, rule.content_type)


def _matches(found: str, rule: str) -> bool:
    """Case counts, as upstream: `TEXT/PLAIN` does not match `text/*`."""
    if rule == "*/*":
        return True
    if rule.endswith("/*"):
        return found.startswith(rule[:-1])
    return found == rule


def _debug(value: str) -> str:
    """As a Rust program prints a string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    return f'"{escaped}"'


def _invalid(reason: str) -> IngressError:
    return IngressError(400, f"input validation error: {reason}")

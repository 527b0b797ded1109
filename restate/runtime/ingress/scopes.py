"""Scopes and limit keys (ingress.md §3.7): checked like upstream does. Calls with one are refused: nothing here uses them."""

import re
from typing import Never

from restate.runtime.ingress.errors import IngressError

_LONGEST = 36
_ALLOWED = re.compile(r"[a-zA-Z0-9_.-]*")


def check_scope(scope: str | None) -> None:
    """Raises IngressError 400 unless it is one, or there is none."""
    fault = None if scope is None else _fault(scope)
    if fault is not None:
        raise IngressError(400, f"bad scope value: {fault}")


def refuse_scope(scope: str) -> Never:
    """Raises IngressError 400, which tells why a call in this scope is not served."""
    check_scope(scope)
    raise IngressError(400, "scoped invocations require vqueues to be enabled")


def refuse_limit_key(limit_key: str) -> IngressError:
    """Why a call with this limit key, and therefore without a scope, is not served."""
    components = limit_key.split("/")
    if len(components) > 2:
        return IngressError(400, f"invalid limit-key: expected at most two components, got '{limit_key}'")
    for component in components:
        fault = _fault(component)
        if fault is not None:
            return IngressError(400, f"invalid limit-key: invalid limit-key component: {fault}")
    return IngressError(400, "limit-key requires a scope to be set")


def _fault(value: str) -> str | None:
    if not value:
        return "value cannot be empty"
    size = len(value.encode())
    if size > _LONGEST:
        return f"value too long: {size} bytes (max {_LONGEST})"
    if not _ALLOWED.fullmatch(value):
        return "value contains characters outside the allowed set [a-zA-Z0-9_.-]"
    return None

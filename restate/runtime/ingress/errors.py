"""What the modern ingress answers when something is wrong (ingress.md §3.8)."""

import json

from restate.runtime.model import codes
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Headers, Request
from restate.runtime.rpc.status import Code, RpcError

_BODYLESS = frozenset({204, 205, 304})
"""Statuses that cannot have a body; a failure with such a code is told as 500 (settled.md #31)."""


class IngressError(Exception):
    """The ingress itself refuses. status: HTTP. invocation: id to tell, as text, if the error concerns one."""

    def __init__(self, status: int, message: str, *, invocation: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.invocation = invocation

    def answer(self) -> tuple[int, Headers, bytes]:
        """Status, headers, body."""
        headers = [(b"x-restate-error-source", b"ingress"), (b"content-type", b"application/json")]
        if self.invocation is not None:
            headers.insert(0, (b"x-restate-id", self.invocation.encode()))
        body = {"code": self.status, "message": self.message, "source": "ingress"}
        return self.status, headers, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class InvocationFailed(RpcError):
    """The outcome of the invocation is a failure; the ingress has done its part."""


def overloaded() -> RpcError:
    """To RPC clients."""
    return RpcError(Code.RESOURCE_EXHAUSTED, "Resource exhausted")


def failure_answer(failure: Failure, generation: Generation) -> tuple[int, Headers, bytes]:
    """The outcome of a failed invocation: the status is its code where HTTP has one, the body always has the code."""
    code = codes.convert(failure.code, generation, Generation.MODERN)
    status = code if 200 <= code <= 999 and code not in _BODYLESS else 500
    body: dict[str, object] = {"code": code, "message": failure.message}
    if failure.metadata:
        body["metadata"] = dict(failure.metadata)
    body["source"] = "invocation"
    headers = [(b"x-restate-error-source", b"invocation"), (b"content-type", b"application/json")]
    return status, headers, json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def service_not_found(name: str) -> IngressError:
    return IngressError(
        404, f"service '{name}' not found, make sure to register the service before calling it."
    )


def check_method(request: Request, *allowed: str) -> None:
    """Raises IngressError 405."""
    if request.method not in allowed:
        raise IngressError(405, "method not allowed")

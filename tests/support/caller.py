"""A blocking client of both ports for tests: calls, sends, awakeables, registration, cancel and kill."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from tests.support.server import Server

T = TypeVar("T")

_NO_BODY = object()


@attrs.frozen
class Reply:
    """One HTTP answer; `value` is the decoded JSON body, None when the body is empty or is not JSON."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def value(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def invocation_id(self) -> str:
        return str(self.headers["x-restate-id"])

    def ok(self) -> Any:
        """The value of a 2xx answer. AssertionError with the body otherwise."""
        assert 200 <= self.status < 300, f"{self.status} {self.body.decode(errors='replace')}"
        return self.value


class Caller:
    """Usable from several threads. A context manager: it closes its connections."""

    def __init__(self, server: Server, *, timeout_seconds: float = 60) -> None:
        self._server = server
        limits = httpx.Limits(max_connections=512, max_keepalive_connections=64)
        self._http = httpx.Client(timeout=timeout_seconds, limits=limits, trust_env=False)

    def __enter__(self) -> Caller:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def register(self, uri: str, **fields: object) -> dict[str, Any]:
        """Register a deployment; its JSON."""
        made: dict[str, Any] = self.admin("POST", "/deployments", {"uri": uri, **fields}).ok()
        return made

    def call(self, path: str, body: object = _NO_BODY, *, idempotency_key: str | None = None) -> Reply:
        """POST to the ingress. path: such as `Greeter/greet` or `Counter/k1/add/send?delay=1s`."""
        headers = {} if idempotency_key is None else {"idempotency-key": idempotency_key}
        return self._request("POST", f"{self._server.ingress}/{path}", body, headers)

    def send(self, path: str, body: object = _NO_BODY, *, idempotency_key: str | None = None) -> str:
        """One-way call through the ingress; the invocation's id, once the server has accepted it."""
        reply = self.call(f"{path}/send", body, idempotency_key=idempotency_key)
        return str(reply.ok()["invocationId"])

    def get(self, path: str) -> Reply:
        return self._request("GET", f"{self._server.ingress}/{path}", _NO_BODY, {})

    def attach(self, invocation_id: str) -> Reply:
        """Wait for an invocation's result."""
        return self.get(f"restate/invocation/{invocation_id}/attach")

    def output(self, invocation_id: str) -> Reply:
        """Look at an invocation's result without waiting."""
        return self.get(f"restate/invocation/{invocation_id}/output")

    def resolve(self, awakeable_id: str, value: object) -> Reply:
        return self.call(f"restate/awakeables/{awakeable_id}/resolve", value)

    def reject(self, awakeable_id: str, reason: str) -> Reply:
        url = f"{self._server.ingress}/restate/awakeables/{awakeable_id}/reject"
        return _reply(self._http.post(url, content=reason.encode(), headers={"content-type": "text/plain"}))

    def cancel(self, invocation_id: str) -> Reply:
        return self.admin("PATCH", f"/invocations/{invocation_id}/cancel")

    def kill(self, invocation_id: str) -> Reply:
        return self.admin("PATCH", f"/invocations/{invocation_id}/kill")

    def admin(self, method: str, path: str, body: object = _NO_BODY) -> Reply:
        return self._request(method, f"{self._server.admin}{path}", body, {})

    def _request(self, method: str, url: str, body: object, headers: dict[str, str]) -> Reply:
        if body is _NO_BODY:
            return _reply(self._http.request(method, url, headers=headers))
        content = json.dumps(body).encode()
        return _reply(
            self._http.request(
                method, url, content=content, headers={**headers, "content-type": "application/json"}
            )
        )


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers, response.content)


def eventually(ask: Callable[[], T | None], *, what: str, timeout_seconds: float = 60) -> T:
    """Poll until `ask` gives something true; that value."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        if found := ask():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_seconds} s for {what}")
        time.sleep(0.01)

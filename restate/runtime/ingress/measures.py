"""Counting requests by what became of them, and how long that took (ingress.md §1.10, §3.10)."""

from time import perf_counter
from types import TracebackType
from typing import Self

from restate.runtime.ingress.errors import IngressError, InvocationFailed
from restate.runtime.net.http import BodyTooLarge, ConnectionClosed
from restate.runtime.rpc.status import Code, RpcError
from restate.runtime.telemetry.metrics import IngressMetrics

COMPLETED = "completed"
INVOCATION_ERROR = "invocation_error"
_REQUEST_ERROR = "request_error"
_INGRESS_ERROR = "ingress_error"

CALL = "call"
SEND = "send"

_OURS = frozenset((Code.INTERNAL, Code.UNKNOWN, Code.UNAVAILABLE, Code.DATA_LOSS))
"""Statuses that are the server's fault."""


class Measured:
    """One request to a service that is known. status: set it when the handler has failed without an exception."""

    __slots__ = ("_began", "_labels", "_metrics", "status")

    def __init__(self, metrics: IngressMetrics, service: str, method: str, kind: str) -> None:
        """kind: CALL or SEND."""
        self._metrics = metrics
        self._labels = (service, method, kind)
        self.status = COMPLETED

    def __enter__(self) -> Self:
        self._began = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = self.status if error is None else _status_of(error)
        self._metrics.requests.add(status, *self._labels)
        self._metrics.seconds.observe(perf_counter() - self._began, *self._labels)


def _status_of(error: BaseException) -> str:
    if isinstance(error, InvocationFailed):
        return INVOCATION_ERROR
    if isinstance(error, RpcError):
        ours = error.code in _OURS
    elif isinstance(error, IngressError):
        ours = error.status >= 500
    else:
        # What is no Exception is a cancellation: the client has left, or its deadline has passed.
        ours = isinstance(error, Exception) and not isinstance(error, BodyTooLarge | ConnectionClosed)
    return _INGRESS_ERROR if ours else _REQUEST_ERROR

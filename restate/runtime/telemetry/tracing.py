"""Spans of requests, invocations and attempts: what the server tells, and to nobody unless an exporter is configured.

    ingress_invoke greet                a request on the ingress port
      invoke Greeter/greet              the invocation, from its creation to its end, over restarts
        attempt Greeter/greet           one request to the service; its id is what the service is told
        invoke Counter/k/add            what the handler has called

Parents and children are joined by the contexts that are stored with invocations (`model/trace.py`).
"""

from types import TracebackType
from typing import Protocol

import attrs

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.trace import TraceContext, parse_traceparent


class Entry(Protocol):
    """A request while it is served, as a context manager. Entering it gives the context for the invocation."""

    def __enter__(self) -> TraceContext | None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class AttemptSpan(Protocol):
    """One request to a service. context: for its headers."""

    context: TraceContext

    def end(self, error: str | None, deployment: str | None) -> None:
        """error: why it failed; None after a regular end, a suspension included. deployment: the id, None if there was
        none that it could be sent to.
        """


class Tracer(Protocol):
    """Where spans go."""

    def entry(
        self, parent: TraceContext | None, service: str, handler: str, peer: tuple[str, int]
    ) -> Entry: ...

    def attempt(self, invocation: InvocationId, record: InvocationRecord) -> AttemptSpan | None:
        """None where the service is not told of a trace."""

    def ended(self, invocation: InvocationId, record: InvocationRecord) -> None:
        """The invocation is over. record: its last one, with a sampled context."""


@attrs.frozen
class _Untold:
    parent: TraceContext | None

    def __enter__(self) -> TraceContext | None:
        return self.parent

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


UNTOLD = _Untold(None)
"""A request that belongs to no trace."""


class NoTracer:
    """No exporter is configured: contexts of callers are kept with their invocations, and nothing is recorded."""

    def entry(self, parent: TraceContext | None, service: str, handler: str, peer: tuple[str, int]) -> Entry:
        return UNTOLD if parent is None else _Untold(parent)

    def attempt(self, invocation: InvocationId, record: InvocationRecord) -> AttemptSpan | None:
        return None

    def ended(self, invocation: InvocationId, record: InvocationRecord) -> None:
        pass


NO_TRACER = NoTracer()


def context_in(headers: list[tuple[bytes, bytes]]) -> TraceContext | None:
    """What the headers traceparent and tracestate say, which come in lower case."""
    parent = state = None
    for name, value in headers:
        if name == b"traceparent" and parent is None:
            parent = value
        elif name == b"tracestate":
            state = value if state is None else state + b"," + value
    if parent is None:
        return None
    return parse_traceparent(parent.decode("latin-1"), "" if state is None else state.decode("latin-1"))

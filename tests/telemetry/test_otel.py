"""What the tracer decides; what it sends is tested with a collector (tests/clients/test_tracing.py)."""

import pytest

from restate.runtime.model.trace import TraceContext
from restate.runtime.telemetry.otel import OtelTracer

PARENT = TraceContext(bytes(range(16)), bytes(range(8)), False)
PEER = ("127.0.0.1", 1)


@pytest.fixture
def never() -> OtelTracer:
    return OtelTracer([], 0.0, "test")


@pytest.fixture
def always() -> OtelTracer:
    return OtelTracer([], 1.0, "test")


def test_a_trace_that_begins_here_and_is_not_recorded_has_no_context(never: OtelTracer) -> None:
    with never.entry(None, "S", "h", PEER) as context:
        assert context is None


def test_a_trace_that_begins_here_and_is_recorded_has_a_span_above(always: OtelTracer) -> None:
    with always.entry(None, "S", "h", PEER) as context:
        assert context is not None
        assert context.sampled
        assert any(context.span_id)


def test_the_caller_decides_about_its_trace(always: OtelTracer) -> None:
    with always.entry(PARENT, "S", "h", PEER) as context:
        assert context == PARENT

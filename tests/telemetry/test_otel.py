"""What the tracer decides; what it sends is tested with a collector (tests/clients/test_tracing.py)."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.trace import TraceContext
from restate.runtime.telemetry.jaeger_file import JaegerFileExporter
from restate.runtime.telemetry.otel import OtelTracer
from tests.tables.builders import ID, TARGET, record

PARENT = TraceContext(bytes(range(16)), bytes(range(8)), False)
PEER = ("127.0.0.1", 1)


@pytest.fixture
def never() -> OtelTracer:
    return OtelTracer({}, 0.0, "test")


@pytest.fixture
def always() -> OtelTracer:
    return OtelTracer({}, 1.0, "test")


class Kept(SpanExporter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def traced() -> InvocationRecord:
    trace = TraceContext(bytes(range(16)), bytes(range(8)), True)
    return msgspec.structs.replace(record(target=TARGET), trace=trace)


@pytest.mark.parametrize(("error", "deployment"), [(None, "dp_1"), ("[RT0007] no", "dp_1"), ("none", None)])
def test_an_attempt_tells_its_deployment_and_why_it_failed(error: str | None, deployment: str | None) -> None:
    kept = Kept()
    tracer = OtelTracer({"kept": kept}, 1.0, "test")
    span = tracer.attempt(ID, traced())
    assert span is not None
    span.end(error, deployment)
    tracer.shutdown()
    (seen,) = kept.spans
    assert seen.attributes is not None
    assert seen.attributes.get("restate.deployment.id") == deployment
    assert (seen.status.status_code is StatusCode.ERROR, seen.status.description) == (
        error is not None,
        error,
    )


def test_a_span_leaves_passwords_of_addresses_out() -> None:
    kept = Kept()
    tracer = OtelTracer({"kept": kept}, 1.0, "test")
    span = tracer.attempt(ID, traced())
    assert span is not None
    span.end("[RT0010] error when calling 'http://me:hunter2@host/'", None)
    tracer.shutdown()
    assert [each.status.description for each in kept.spans] == [
        "[RT0010] error when calling 'http://***@host/'"
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [(ValueError("no such key"), "no such key"), (GeneratorExit(), "cut before its answer")],
)
def test_a_request_tells_why_it_failed(error: BaseException, told: str) -> None:
    kept = Kept()
    tracer = OtelTracer({"kept": kept}, 1.0, "test")
    with pytest.raises(type(error)), tracer.entry(None, "S", "h", PEER):
        raise error
    tracer.shutdown()
    assert [span.status.description for span in kept.spans] == [told]


def test_files_of_an_earlier_process_with_the_same_number_stay(tmp_path: Path) -> None:
    for _ in range(2):
        tracer = OtelTracer({"files": JaegerFileExporter(tmp_path)}, 1.0, "test")
        with tracer.entry(None, "S", "h", PEER):
            pass
        tracer.shutdown()
    assert len(list(tmp_path.glob("trace_*.json"))) == 2


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

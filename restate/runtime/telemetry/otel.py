"""Spans by OpenTelemetry's SDK, which has to be installed (the extra `tracing`) and is imported with this module only.

Spans are handed to a thread of the SDK that sends them in batches. If nobody takes them, they are dropped, and one line
in the log says so.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace.span import TraceState

from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Target
from restate.runtime.model.trace import TraceContext, span_id_of
from restate.runtime.telemetry.jaeger_file import JaegerFileExporter
from restate.runtime.telemetry.log import without_passwords
from restate.runtime.telemetry.otlp_grpc import PORT as GRPC_PORT
from restate.runtime.telemetry.otlp_grpc import GrpcSpanExporter
from restate.runtime.telemetry.tracing import UNTOLD, AttemptSpan, Entry

log = logging.getLogger("restate.tracing")

_NS_PER_MS = 1_000_000
_TRACES_PATH = "/v1/traces"
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class OtelTracer:
    """A `Tracer`. exporters: {where they send spans to, for the log: exporter}. sample_ratio: 0.0..1.0, of the traces that
    begin here; others are told from outside.
    """

    def __init__(self, exporters: Mapping[str, SpanExporter], sample_ratio: float, service_name: str) -> None:
        self._ids = _GivenIds()
        self._ratio = sample_ratio
        resource = Resource({"service.name": service_name})
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        for place, exporter in exporters.items():
            self._provider.add_span_processor(BatchSpanProcessor(_Reporting(place, exporter)))
        self._tracer = self._provider.get_tracer("restate")

    def entry(self, parent: TraceContext | None, service: str, handler: str, peer: tuple[str, int]) -> Entry:
        if parent is None:
            if random.random() >= self._ratio:
                # Of a trace that nobody has begun and that is not recorded, there is nothing to tell: a context of its own
                # for each request would cost a tenth of the throughput, most of it for headers that never come again.
                return UNTOLD
            parent = TraceContext(random.getrandbits(128).to_bytes(16, "big"), b"", True)
        if not parent.sampled:
            return _Entry(parent, None)
        attributes: dict[str, str | int] = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": handler,
            "client.socket.address": peer[0],
            "client.socket.port": peer[1],
        }
        span_id = _new_span_id()
        span = self.begin(f"ingress_invoke {handler}", parent, span_id, SpanKind.SERVER, attributes)
        return _Entry(parent.below(span_id), span)

    def attempt(self, invocation: InvocationId, record: InvocationRecord) -> AttemptSpan | None:
        if record.trace is None:
            return None
        own = record.trace.below(span_id_of(invocation))
        if not own.sampled:
            return _Attempt(own, None)
        span_id = _new_span_id()
        name = f"attempt {record.target}"
        attributes = _attributes(invocation, record.target)
        return _Attempt(own.below(span_id), self.begin(name, own, span_id, SpanKind.CLIENT, attributes))

    def ended(self, invocation: InvocationId, record: InvocationRecord) -> None:
        assert record.trace is not None, "only what belongs to a trace is told"
        name = f"invoke {record.target}"
        attributes = _attributes(invocation, record.target)
        failure = record.outcome if isinstance(record.outcome, Failure) else None
        attributes["restate.invocation.result"] = "success" if failure is None else "failure"
        if failure is not None:
            attributes["restate.invocation.error.code"] = str(failure.code)
        span = self.begin(
            name, record.trace, span_id_of(invocation), SpanKind.SERVER, attributes, record.created_ms
        )
        if failure is not None:
            span.set_status(Status(StatusCode.ERROR, failure.message))
        span.end(None if record.completed_ms is None else record.completed_ms * _NS_PER_MS)

    def begin(
        self,
        name: str,
        parent: TraceContext,
        span_id: bytes,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        start_ms: int | None = None,
    ) -> Span:
        """A span with this id below `parent`. start_ms: None for now."""
        self._ids.give(parent.trace_id, span_id)
        context = Context()
        if parent.span_id:
            above = SpanContext(
                int.from_bytes(parent.trace_id, "big"),
                int.from_bytes(parent.span_id, "big"),
                is_remote=True,
                trace_flags=_SAMPLED,
                trace_state=TraceState.from_header([parent.state]) if parent.state else None,
            )
            context = set_span_in_context(NonRecordingSpan(above), context)
        start_ns = None if start_ms is None else start_ms * _NS_PER_MS
        return self._tracer.start_span(name, context, kind, attributes, start_time=start_ns)

    def shutdown(self) -> None:
        """Send what is left. Blocks for seconds if nobody takes it: call it in a thread, with a deadline."""
        self._provider.shutdown()


def make_tracer(
    endpoint: str | None,
    headers: Mapping[str, str],
    json_directory: Path | None,
    sample_ratio: float,
    service_name: str,
    export_timeout_s: float,
    protocol: Literal["http", "grpc"] | None = None,
) -> OtelTracer:
    """endpoint: of an OTLP collector, such as http://localhost:4318. protocol: of this one; None: gRPC at the port that
    is registered for it, else HTTP. json_directory: gets files of Jaeger.
    """
    # They would say the same for every batch; `_Reporting` says it once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporters: dict[str, SpanExporter] = {}
    if endpoint is not None:
        if protocol is None:
            protocol = "grpc" if urlsplit(endpoint).port == GRPC_PORT else "http"
        place = f"{endpoint}, by OTLP over {'gRPC' if protocol == 'grpc' else 'HTTP'}"
        exporters[place] = (
            GrpcSpanExporter(endpoint, headers, export_timeout_s)
            if protocol == "grpc"
            else OTLPSpanExporter(_traces_url(endpoint), headers=dict(headers), timeout=export_timeout_s)
        )
    if json_directory is not None:
        exporters[str(json_directory)] = JaegerFileExporter(json_directory)
    return OtelTracer(exporters, sample_ratio, service_name)


def _traces_url(endpoint: str) -> str:
    base = endpoint.rstrip("/")
    return base if base.endswith(_TRACES_PATH) else base + _TRACES_PATH


class _GivenIds(IdGenerator):
    """Ids that are known before the span is."""

    def __init__(self) -> None:
        self._trace_id = self._span_id = 0

    def give(self, trace_id: bytes, span_id: bytes) -> None:
        self._trace_id = int.from_bytes(trace_id, "big")
        self._span_id = int.from_bytes(span_id, "big")

    def generate_span_id(self) -> int:
        return self._span_id

    def generate_trace_id(self) -> int:
        return self._trace_id


class _Entry:
    def __init__(self, context: TraceContext, span: Span | None) -> None:
        self._context = context
        self._span = span

    def __enter__(self) -> TraceContext:
        return self._context

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._span is None:
            return
        if error is not None:
            known = isinstance(error, Exception)
            self._span.set_status(Status(StatusCode.ERROR, str(error) if known else "cut before its answer"))
        self._span.end()


class _Attempt:
    def __init__(self, context: TraceContext, span: Span | None) -> None:
        self.context = context
        self._span = span

    def end(self, error: str | None, deployment: str | None) -> None:
        if self._span is None:
            return
        if deployment is not None:
            self._span.set_attribute("restate.deployment.id", deployment)
        if error is not None:
            self._span.set_status(Status(StatusCode.ERROR, without_passwords(error)))
        self._span.end()


class _Reporting(SpanExporter):
    """Says when spans cease to be taken, and when they are taken again. Runs in the thread of the processor."""

    def __init__(self, place: str, exporter: SpanExporter) -> None:
        self._place = place
        self._exporter = exporter
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._exporter.export(spans)
            reason = "the collector does not take them"
        except Exception as error:
            result, reason = SpanExportResult.FAILURE, str(error) or type(error).__name__
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            log.warning("spans are dropped: %s (%s)", reason, self._place)
        elif self._failing and not failing:
            log.info("spans are taken again")
        self._failing = failing
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.force_flush(timeout_millis)


def _new_span_id() -> bytes:
    return (random.getrandbits(64) or 1).to_bytes(8, "big")


def _attributes(invocation: InvocationId, target: Target) -> dict[str, str | int]:
    return {
        "rpc.system": "restate",
        "rpc.service": target.service,
        "rpc.method": target.handler,
        "restate.invocation.id": format_invocation_id(invocation),
        "restate.invocation.target": str(target),
    }

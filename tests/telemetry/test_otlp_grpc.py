"""Spans over gRPC: a server of Google's library takes them by the published contract."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

from restate.runtime.telemetry.otel import make_tracer
from restate.runtime.telemetry.otlp_grpc import ExportError, GrpcSpanExporter

PEER = ("127.0.0.1", 1)


class Collector(TraceServiceServicer):
    """names: of the spans that came. metadata: of the last call. failure: what it answers instead."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.metadata: Mapping[str, str] = {}
        self.failure: tuple[grpc.StatusCode, str] | None = None

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        self.metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        if self.failure is not None:
            context.abort(*self.failure)
        for resource in request.resource_spans:
            self.names += [span.name for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    collector = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield collector, f"http://127.0.0.1:{port}"
    server.stop(None)


class Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans += spans
        return SpanExportResult.SUCCESS


def spans(count: int, text: str = "") -> list[ReadableSpan]:
    kept = Kept()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    for number in range(count):
        provider.get_tracer("test").start_span(f"span {number}", attributes={"text": text}).end()
    return kept.spans


@pytest.mark.parametrize(("count", "text"), [(1, ""), (3, "x" * 100_000)])
def test_a_collector_takes_all_spans_however_long(
    collector: tuple[Collector, str], count: int, text: str
) -> None:
    taker, endpoint = collector
    exporter = GrpcSpanExporter(endpoint + "/v1/traces", {"X-Team": "blue"}, 5)
    for _ in range(2):
        assert exporter.export(spans(count, text)) is SpanExportResult.SUCCESS
    assert taker.names == [f"span {number}" for number in range(count)] * 2
    assert taker.metadata["x-team"] == "blue"


def test_a_refusal_is_told(collector: tuple[Collector, str]) -> None:
    taker, endpoint = collector
    taker.failure = grpc.StatusCode.UNAUTHENTICATED, "who é you?"
    with pytest.raises(ExportError, match=r"gRPC status 16: who é you\?"):
        GrpcSpanExporter(endpoint, {}, 5).export(spans(1))


@contextmanager
def answering(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """The endpoint of a server that does this with its one connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda _: None, "closed the connection"),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "expected HTTP/2"),
        (
            lambda connection: connection.sendall(
                bytes.fromhex("00000004000000000000000403000000000100000007")
            ),
            "HTTP/2 error 7",
        ),
        (
            # Headers with :status 404 alone, which end the stream.
            lambda connection: connection.sendall(bytes.fromhex("0000000400000000000000010105000000018d")),
            "expected an answer of gRPC, got HTTP status 404",
        ),
    ],
    ids=["closed", "http/1.1", "reset", "404"],
)
def test_what_is_no_collector_is_told(answer: Callable[[socket.socket], object], told: str) -> None:
    with answering(answer) as endpoint, pytest.raises(ExportError, match=told):
        GrpcSpanExporter(endpoint, {}, 5).export(spans(1))


def test_a_collector_that_does_not_answer_is_waited_for_no_longer_than_allowed() -> None:
    with answering(lambda connection: connection.recv(1)) as endpoint, pytest.raises(TimeoutError):
        GrpcSpanExporter(endpoint, {}, 0.05).export(spans(1))


def test_a_collector_that_is_not_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        endpoint = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError):
        GrpcSpanExporter(endpoint, {}, 5).export(spans(1))


def test_the_tracer_sends_by_the_protocol_that_is_set(collector: tuple[Collector, str]) -> None:
    taker, endpoint = collector
    tracer = make_tracer(endpoint, {}, None, 1.0, "test", 5, "grpc")
    with tracer.entry(None, "S", "greet", PEER):
        pass
    tracer.shutdown()
    assert taker.names == ["ingress_invoke greet"]


@pytest.mark.parametrize(("port", "told"), [(4317, "gRPC"), (4318, "HTTP")])
def test_the_protocol_follows_the_port(port: int, told: str, caplog: pytest.LogCaptureFixture) -> None:
    tracer = make_tracer(f"http://127.0.0.99:{port}", {}, None, 1.0, "test", 0.1)
    with tracer.entry(None, "S", "greet", PEER):
        pass
    tracer.shutdown()
    assert f"http://127.0.0.99:{port}, by OTLP over {told}" in caplog.text

"""Spans as a collector gets them, from services of both generations."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import attrs
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.clients.conftest import INACTIVITY, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.server import OurServer
from tests.support.sql_bed import query

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN = "00f067aa0ba902b7"


@attrs.frozen
class Seen:
    """One span. Ids are hexadecimal, parent "" at the root. reason: of a failure."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: Mapping[str, object]
    failed: bool
    reason: str


class Collector:
    """The receiving end of OTLP over HTTP, by the published messages."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self.headers: list[str | None] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.headers.append(self.headers["x-team"])
                collector.take(self.path, ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, path: str, request: ExportTraceServiceRequest) -> None:
        assert path == "/v1/traces"
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    attributes = {
                        each.key: each.value.string_value or each.value.int_value for each in span.attributes
                    }
                    self.spans.append(
                        Seen(
                            span.name,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            attributes,
                            span.status.code == 2,
                            span.status.message,
                        )
                    )

    def of_trace(self, trace: str, are_complete: Callable[[list[Seen]], bool]) -> list[Seen]:
        """The spans of one trace, once they are complete."""

        def complete() -> list[Seen] | None:
            found = [span for span in list(self.spans) if span.trace == trace]
            return found if are_complete(found) else None

        return eventually(complete, what=f"the spans of {trace}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def traced(folder: Path, **variables: str) -> OurServer:
    """Ours, started. The exporter sends every 100 ms."""
    variables["OTEL_BSP_SCHEDULE_DELAY"] = "100"
    server = OurServer(folder, attrs.evolve(INACTIVITY, variables=variables))
    server.start()
    return server


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.CLASSIC], ids=lambda sdk: sdk.value)
def server(
    request: pytest.FixtureRequest, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OurServer]:
    sdk: Sdk = request.param
    folder = tmp_path_factory.mktemp("traced")
    program = start_program(sdk, folder / "bed")
    server = traced(
        folder,
        RESTATE_OBSERVABILITY__TRACING__ENDPOINT=collector.url,
        RESTATE_OBSERVABILITY__TRACING__HEADERS="x-team=blue",
    )
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
        yield server
    finally:
        server.stop()
        program.stop()


def is_classic(server: OurServer) -> bool:
    with Caller(server) as caller:
        return bool(caller.admin("GET", "/services/steps").status == 200)


def call_a_tree(server: OurServer, **headers: str) -> None:
    """A handler that calls itself once."""
    path, body = ("steps/tree", {"request": 2}) if is_classic(server) else ("Steps/tree", 2)
    answer = httpx.post(f"{server.ingress}/{path}", json=body, headers=headers, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text


def one(spans: list[Seen], start: str, parent: str) -> Seen:
    """The span whose name begins so, below this one."""
    (found,) = (span for span in spans if span.name.startswith(start) and span.parent == parent)
    return found


def _are_a_tree(spans: list[Seen]) -> bool:
    """Whether the request is there, its invocation, the child's, and an attempt of each."""
    invocations = {span.id for span in spans if span.name.startswith("invoke ")}
    tried = {span.parent for span in spans if span.name.startswith("attempt ")}
    return len(invocations) == 2 and invocations <= tried and any("ingress" in span.name for span in spans)


def test_a_request_its_invocation_attempts_and_child_calls_are_one_tree(
    server: OurServer, collector: Collector
) -> None:
    trace = TRACE_ID[:-1] + ("c" if is_classic(server) else "a")
    call_a_tree(server, traceparent=f"00-{trace}-{CALLER_SPAN}-01")
    spans = collector.of_trace(trace, _are_a_tree)
    request = one(spans, "ingress_invoke tree", CALLER_SPAN)
    assert request.attributes["rpc.method"] == "tree"
    assert request.attributes["client.socket.address"] == "127.0.0.1"
    parent = one(spans, "invoke ", request.id)
    assert parent.attributes["restate.invocation.result"] == "success"
    assert str(parent.attributes["restate.invocation.id"]).startswith("inv_")
    child = one(spans, "invoke ", parent.id)
    for invocation in (parent, child):
        assert [s for s in spans if s.name.startswith("attempt ") and s.parent == invocation.id]
    assert "blue" in collector.headers
    if not is_classic(server):  # which keeps nothing of what has ended
        rows = query(server, f"SELECT id FROM sys_invocation WHERE trace_id = '{trace}'")
        ids = {str(each.attributes["restate.invocation.id"]) for each in (parent, child)}
        assert {row["id"] for row in rows} == ids


def test_a_trace_that_is_not_sampled_is_passed_on_but_not_recorded(
    server: OurServer, collector: Collector
) -> None:
    trace = TRACE_ID[:-1] + ("d" if is_classic(server) else "b")
    call_a_tree(server, traceparent=f"00-{trace}-{CALLER_SPAN}-00")
    # What is recorded later than it has arrived.
    later = TRACE_ID[:-1] + ("e" if is_classic(server) else "f")
    call_a_tree(server, traceparent=f"00-{later}-{CALLER_SPAN}-01")
    collector.of_trace(later, lambda seen: any("ingress" in each.name for each in seen))
    assert [span for span in collector.spans if span.trace == trace] == []


def test_a_request_without_a_context_begins_a_trace(server: OurServer, collector: Collector) -> None:
    before = {span.trace for span in collector.spans}
    call_a_tree(server)

    def begun() -> Seen | None:
        roots = [s for s in list(collector.spans) if s.trace not in before and s.parent == ""]
        return roots[0] if roots else None

    assert eventually(begun, what="a root").name == "ingress_invoke tree"


def test_a_failure_is_told(server: OurServer, collector: Collector) -> None:
    body: dict[str, object] = {"message": "no", "code": 418}
    path = "Steps/terminal"
    if is_classic(server):
        path, body = "steps/terminal", {"request": {"message": "no", "code": 9}}
    trace = TRACE_ID[:-2] + ("0c" if is_classic(server) else "0a")
    headers = {"traceparent": f"00-{trace}-{CALLER_SPAN}-01"}
    httpx.post(f"{server.ingress}/{path}", json=body, headers=headers, trust_env=False, timeout=60)
    spans = collector.of_trace(trace, lambda seen: any(each.name.startswith("invoke ") for each in seen))
    (failed,) = (span for span in spans if span.name.startswith("invoke "))
    assert failed.failed
    assert failed.attributes["restate.invocation.result"] == "failure"
    assert failed.attributes["restate.invocation.error.code"] == ("9" if is_classic(server) else "418")


def test_an_attempt_that_fails_tells_where_and_why(server: OurServer, collector: Collector) -> None:
    body: dict[str, object] = {"name": "traced", "failures": 1}
    path, trace = "Steps/flaky", TRACE_ID[:-2] + "1a"
    if is_classic(server):
        path, body, trace = "steps/flaky", {"request": body}, TRACE_ID[:-2] + "1c"
    headers = {"traceparent": f"00-{trace}-{CALLER_SPAN}-01"}
    httpx.post(f"{server.ingress}/{path}", json=body, headers=headers, trust_env=False, timeout=60)
    spans = collector.of_trace(
        trace, lambda seen: sum(each.name.startswith("attempt ") for each in seen) >= 2
    )
    attempts = [span for span in spans if span.name.startswith("attempt ")]
    assert sorted(span.failed for span in attempts) == [False, True]
    assert all(str(span.attributes["restate.deployment.id"]).startswith("dp_1") for span in attempts)
    (reason,) = (span.reason for span in attempts if span.failed)
    assert reason.startswith("[RT0007] ")
    assert reason.removesuffix("')").endswith("boom 1")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[ServiceProgram]:
    program = start_program(Sdk.PYTHON, tmp_path / "bed")
    yield program
    program.stop()


def test_a_collector_that_is_down_costs_one_line(program: ServiceProgram, tmp_path: Path) -> None:
    server = traced(tmp_path, RESTATE_OBSERVABILITY__TRACING__ENDPOINT="http://127.0.0.1:9")
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
            assert caller.call("Steps/tree", 2).status == 200
            eventually(lambda: "spans are dropped" in server.log_text(), what="the line")
            assert caller.call("Steps/tree", 2).status == 200
        assert server.process.stop(grace_seconds=40) == 0
    finally:
        server.stop()
    lines = [line for line in server.log_text().splitlines() if "WARN" in line or "ERROR" in line]
    assert len(lines) == 1, lines


def test_files_for_jaeger_are_written(program: ServiceProgram, tmp_path: Path) -> None:
    folder = tmp_path / "traces"
    server = traced(tmp_path, RESTATE_OBSERVABILITY__TRACING__JSON_FILE_EXPORT_PATH=str(folder))
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
            assert caller.call("Steps/tree", 1).status == 200
    finally:
        assert server.process.stop(grace_seconds=40) == 0
        server.stop()
    documents = [json.loads(path.read_text()) for path in folder.glob("trace_*.json")]
    spans = {
        span["operationName"]: span
        for document in documents
        for trace in document["data"]
        for span in trace["spans"]
    }
    assert set(spans) == {"ingress_invoke tree", "invoke Steps/tree", "attempt Steps/tree"}
    (reference,) = spans["invoke Steps/tree"]["references"]
    assert reference["spanID"] == spans["ingress_invoke tree"]["spanID"]
    assert all(span["duration"] >= 0 for span in spans.values())

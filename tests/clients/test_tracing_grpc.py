"""Spans as a collector gets them over gRPC, from services of both generations; its server is of Google's library."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import grpc  # type: ignore[import-untyped]
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

from tests.clients.conftest import INACTIVITY, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.server import OurServer

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER_SPAN = "00f067aa0ba902b7"


class Collector(TraceServiceServicer):
    """spans: all that came. teams: a header of each call."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.teams: list[object] = []

    def Export(self, request: ExportTraceServiceRequest, context: Any) -> ExportTraceServiceResponse:
        self.teams.append(dict(context.invocation_metadata()).get("x-team"))
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return ExportTraceServiceResponse()


@pytest.mark.parametrize(
    ("sdk", "path", "body"),
    [(Sdk.PYTHON, "Steps/tree", 2), (Sdk.CLASSIC, "steps/tree", {"request": 2})],
    ids=["modern", "classic"],
)
def test_a_collector_over_grpc_gets_the_whole_tree(tmp_path: Path, sdk: Sdk, path: str, body: object) -> None:
    collector = Collector()
    taking = grpc.server(ThreadPoolExecutor(2))
    add_TraceServiceServicer_to_server(collector, taking)  # type: ignore[no-untyped-call]
    port = taking.add_insecure_port("127.0.0.1:0")
    taking.start()
    program = start_program(sdk, tmp_path / "bed")
    variables = {
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "RESTATE_TRACING_ENDPOINT": f"http://127.0.0.1:{port}",
        "RESTATE_OBSERVABILITY__TRACING__PROTOCOL": "grpc",
        "RESTATE_OBSERVABILITY__TRACING__HEADERS": "X-Team=blue",
    }
    server = OurServer(tmp_path, attrs.evolve(INACTIVITY, variables=variables))
    server.start()
    try:
        with Caller(server) as caller:
            caller.register(program.uri)
        headers = {"traceparent": f"00-{TRACE_ID}-{CALLER_SPAN}-01"}
        url = f"{server.ingress}/{path}"
        assert httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60).status_code == 200
        spans = eventually(
            lambda: list(collector.spans) if _is_a_tree(collector.spans) else None, what="a tree"
        )
    finally:
        server.stop()
        program.stop()
        taking.stop(None)
    assert {span.trace_id.hex() for span in spans} == {TRACE_ID}
    (request,) = (span for span in spans if span.name == "ingress_invoke tree")
    assert request.parent_span_id.hex() == CALLER_SPAN
    assert "blue" in collector.teams
    assert "spans are dropped" not in server.log_text()


def _is_a_tree(spans: list[Span]) -> bool:
    """Whether there are the request, below it an invocation, below this one its child, and an attempt of each."""
    below = {span.parent_span_id: span.span_id for span in spans if span.name.startswith("invoke ")}
    tried = {span.parent_span_id for span in spans if span.name.startswith("attempt ")}
    requests = [span.span_id for span in spans if span.name.startswith("ingress_invoke ")]
    if len(requests) != 1 or len(below) != 2 or requests[0] not in below:
        return False
    parent = below[requests[0]]
    attempts = [span.span_id for span in spans if span.name.startswith("attempt ")]
    children = [below[each] for each in (parent, *attempts) if each in below]
    return len(children) == 1 and {parent, *children} <= tried

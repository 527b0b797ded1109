"""Spans as files that Jaeger's interface opens: one per batch, in the JSON form of its query API."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

_NS_PER_US = 1000
_PROCESS = "p1"


class JaegerFileExporter(SpanExporter):
    """Writes `trace_<start>_<process>_<number>.json` into a directory, which is made if it is missing. Raises OSError.

    start: of the first span, in microseconds: in a container each start of the server has the same process number.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        by_trace: dict[str, list[ReadableSpan]] = {}
        for span in spans:
            by_trace.setdefault(f"{span.context.trace_id:032x}", []).append(span)
        document = {"data": [_trace(trace_id, members) for trace_id, members in by_trace.items()]}
        self._directory.mkdir(parents=True, exist_ok=True)
        self._number += 1
        start_us = min(span.start_time or 0 for span in spans) // _NS_PER_US
        path = self._directory / f"trace_{start_us}_{os.getpid()}_{self._number:06}.json"
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(document, separators=(",", ":")))
        unfinished.replace(path)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


def _trace(trace_id: str, spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    name = spans[0].resource.attributes.get("service.name", "restate")
    return {
        "traceID": trace_id,
        "spans": [_span(trace_id, span) for span in spans],
        "processes": {_PROCESS: {"serviceName": name, "tags": []}},
    }


def _span(trace_id: str, span: ReadableSpan) -> dict[str, Any]:
    start_us = (span.start_time or 0) // _NS_PER_US
    tags = [_tag(key, value) for key, value in (span.attributes or {}).items()]
    tags.append(_tag("span.kind", span.kind.name.lower()))
    if span.status.status_code is StatusCode.ERROR:
        tags += [_tag("error", True), _tag("otel.status_description", span.status.description or "")]
    parent = span.parent
    references = []
    if parent is not None:
        references.append({"refType": "CHILD_OF", "traceID": trace_id, "spanID": f"{parent.span_id:016x}"})
    return {
        "traceID": trace_id,
        "spanID": f"{span.context.span_id:016x}",
        "operationName": span.name,
        "references": references,
        "startTime": start_us,
        "duration": (span.end_time or 0) // _NS_PER_US - start_us,
        "tags": tags,
        "logs": [],
        "processID": _PROCESS,
    }


def _tag(key: str, value: object) -> dict[str, Any]:
    kind = {bool: "bool", int: "int64", float: "float64"}.get(type(value), "string")
    return {"key": key, "type": kind, "value": value if kind != "string" else str(value)}

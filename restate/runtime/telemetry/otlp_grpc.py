"""Spans to a collector by OTLP over gRPC, which the official server speaks: one call on a connection of its own per batch.

OpenTelemetry's own exporter needs a gRPC library of some 20 MB; a single unary call needs none.
Source of the facts: https://github.com/open-telemetry/opentelemetry-proto, docs/specification.md.
"""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from urllib.parse import unquote, urlsplit

import h2.config
import h2.connection
import h2.events
from h2.exceptions import ProtocolError
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

PORT = 4317
"""Registered for OTLP over gRPC; the one for HTTP is 4318."""

_PATH = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_READ_SIZE = 64 << 10


class ExportError(Exception):
    """The collector did not take the spans."""


class GrpcSpanExporter(SpanExporter):
    """endpoint: http:// or https://, its path does not matter. headers: sent with every call. timeout_s: of a call."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], timeout_s: float) -> None:
        parts = urlsplit(endpoint)
        assert parts.hostname is not None
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        if self._tls is not None:
            self._tls.set_alpn_protocols(["h2"])
        self._host, self._port = parts.hostname, parts.port or (443 if self._tls else 80)
        self._timeout_s = timeout_s
        self._headers = [
            (":method", "POST"),
            (":scheme", parts.scheme),
            (":authority", parts.netloc),
            (":path", _PATH),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("grpc-timeout", f"{int(timeout_s * 1000)}m"),
            *((name.lower(), value) for name, value in headers.items()),
        ]

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Raises ExportError, OSError."""
        message = encode_spans(spans).SerializeToString()
        with _Call(self._connected(), self._timeout_s) as call:
            answer = call.carry_out(self._headers, b"\0" + len(message).to_bytes(4, "big") + message)
        status = answer.get("grpc-status")
        if status is None:
            raise ExportError(f"expected an answer of gRPC, got HTTP status {answer.get(':status')}")
        if status != "0":
            text = unquote(answer.get("grpc-message", ""))
            raise ExportError(f"the collector answered with gRPC status {status}: {text}")
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass

    def _connected(self) -> socket.socket:
        plain = socket.create_connection((self._host, self._port), self._timeout_s)
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=self._host)
        except BaseException:
            plain.close()
            raise


class _Call:
    """One unary call over a connection, which it closes. timeout_s: for all of it."""

    def __init__(self, sock: socket.socket, timeout_s: float) -> None:
        self._socket = sock
        self._deadline = time.monotonic() + timeout_s
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self._answer: dict[str, str] = {}
        self._ended = False

    def __enter__(self) -> "_Call":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def carry_out(self, headers: list[tuple[str, str]], body: bytes) -> dict[str, str]:
        """Headers and trailers of the answer. Raises ExportError, OSError."""
        try:
            self._h2.initiate_connection()
            self._h2.send_headers(1, headers)
            rest = memoryview(body)
            while rest and not self._ended:
                room = min(self._h2.local_flow_control_window(1), self._h2.max_outbound_frame_size)
                if room:
                    self._h2.send_data(1, bytes(rest[:room]), end_stream=room >= len(rest))
                    rest = rest[room:]
                else:
                    self._read()
            while not self._ended:
                self._read()
        except ProtocolError as error:
            raise ExportError(f"expected HTTP/2: {error}") from error
        return self._answer

    def _read(self) -> None:
        """Send what is to be sent, and take what comes."""
        self._socket.settimeout(max(0.001, self._deadline - time.monotonic()))
        self._socket.sendall(self._h2.data_to_send())
        data = self._socket.recv(_READ_SIZE)
        if not data:
            raise ExportError("the collector closed the connection before its answer")
        if data.startswith(b"HTTP/1."):
            raise ExportError("expected HTTP/2, got an answer in HTTP/1.1")
        for event in self._h2.receive_data(data):
            match event:
                case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                    self._answer |= {str(name): str(value) for name, value in event.headers or []}
                case h2.events.DataReceived():
                    self._h2.acknowledge_received_data(event.flow_controlled_length or 0, 1)
                case h2.events.StreamEnded():
                    self._ended = True
                case h2.events.StreamReset() | h2.events.ConnectionTerminated():
                    raise ExportError(f"the collector refused the call: HTTP/2 error {event.error_code}")

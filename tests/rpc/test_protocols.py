"""Content types."""

from __future__ import annotations

import pytest

from restate.runtime.rpc.protocols import (
    CONNECT_JSON,
    CONNECT_PROTO,
    Codec,
    Protocol,
    Wire,
    answer_wire,
    framed_wire,
)

GRPC, WEB = Protocol.GRPC, Protocol.GRPC_WEB


@pytest.mark.parametrize(
    ("content_type", "wire"),
    [
        (b"application/grpc", Wire(GRPC, Codec.PROTO)),
        (b"application/grpc+proto", Wire(GRPC, Codec.PROTO)),
        (b"application/grpc+json", Wire(GRPC, Codec.JSON)),
        (b"application/grpc-web", Wire(WEB, Codec.PROTO)),
        (b"application/grpc-web+json", Wire(WEB, Codec.JSON)),
        (b"Application/gRPC-Web-Text; charset=utf-8", Wire(WEB, Codec.PROTO, text=True)),
        (b"application/grpc-web-text+proto", Wire(WEB, Codec.PROTO, text=True)),
        (b"application/grpc+foo", None),
        (b"application/grpcx", None),
        (b"application/json", None),
        (b"", None),
    ],
)
def test_a_type_names_protocol_and_codec(content_type: bytes, wire: Wire | None) -> None:
    assert framed_wire(content_type) == wire


@pytest.mark.parametrize(
    ("wire", "content_type"),
    [
        (Wire(GRPC, Codec.PROTO), b"application/grpc"),
        (Wire(GRPC, Codec.JSON), b"application/grpc+json"),
        (Wire(WEB, Codec.PROTO), b"application/grpc-web+proto"),
        (Wire(WEB, Codec.JSON), b"application/grpc-web+json"),
        (Wire(WEB, Codec.PROTO, text=True), b"application/grpc-web-text+proto"),
        (CONNECT_JSON, b"application/json"),
        (CONNECT_PROTO, b"application/proto"),
    ],
)
def test_an_answer_names_its_own(wire: Wire, content_type: bytes) -> None:
    assert wire.content_type == content_type


def test_accept_chooses_text_or_bytes_for_the_answer() -> None:
    text, binary = Wire(WEB, Codec.PROTO, text=True), Wire(WEB, Codec.PROTO)
    assert answer_wire(binary, b"application/grpc-web-text") == text
    assert answer_wire(text, b"*/*, application/grpc-web+proto") == binary
    assert answer_wire(text, b"*/*") == text
    assert answer_wire(text, None) == text
    assert answer_wire(Wire(GRPC, Codec.PROTO), b"application/grpc-web-text").protocol is GRPC

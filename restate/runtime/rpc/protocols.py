"""Which RPC protocol a request speaks, from its content type (ingress.md §1.3, §2.1)."""

from enum import Enum

import attrs


class Protocol(Enum):
    """The value is the head of its content types."""

    GRPC = "application/grpc"
    GRPC_WEB = "application/grpc-web"
    CONNECT = "application/"


class Codec(Enum):
    """How messages are encoded. The value names it in content types and in queries."""

    PROTO = "proto"
    JSON = "json"


@attrs.frozen
class Wire:
    """The form of messages. text: base64 of the frames (gRPC-Web-text)."""

    protocol: Protocol
    codec: Codec
    text: bool = False

    @property
    def content_type(self) -> bytes:
        """Of an answer in this form."""
        if self.protocol is Protocol.GRPC and self.codec is Codec.PROTO:
            return b"application/grpc"
        joint = "-text+" if self.text else "" if self.protocol is Protocol.CONNECT else "+"
        return f"{self.protocol.value}{joint}{self.codec.value}".encode()


CONNECT_JSON = Wire(Protocol.CONNECT, Codec.JSON)
CONNECT_PROTO = Wire(Protocol.CONNECT, Codec.PROTO)

_FRAMED: dict[bytes, Wire] = {
    base + suffix: Wire(protocol, codec, text)
    for base, protocol, text in (
        (b"application/grpc", Protocol.GRPC, False),
        (b"application/grpc-web", Protocol.GRPC_WEB, False),
        (b"application/grpc-web-text", Protocol.GRPC_WEB, True),
    )
    for suffix, codec in ((b"", Codec.PROTO), (b"+proto", Codec.PROTO), (b"+json", Codec.JSON))
}


def framed_wire(content_type: bytes) -> Wire | None:
    """Of a gRPC or gRPC-Web request. None for a type that is neither, and for codecs that are not served."""
    found = _FRAMED.get(content_type)
    if found is None:
        found = _FRAMED.get(content_type.partition(b";")[0].strip().lower())
    return found


def answer_wire(asked: Wire, accept: bytes | None) -> Wire:
    """The form of a gRPC-Web answer: as `accept` says, or as the request came when it names no gRPC-Web type."""
    if asked.protocol is not Protocol.GRPC_WEB or accept is None:
        return asked
    accepted = accept.lower()
    if b"application/grpc-web-text" in accepted:
        return attrs.evolve(asked, text=True)
    if b"application/grpc-web" in accepted:
        return attrs.evolve(asked, text=False)
    return asked

"""What gRPC and gRPC-Web say in headers and trailers: timeouts, statuses, messages of errors (ingress.md §1.3)."""

import re
from urllib.parse import quote, unquote_to_bytes

from restate.runtime.pb.rpc_pb2 import Status
from restate.runtime.rpc.metadata import encode_binary
from restate.runtime.rpc.status import Code, RpcError

Headers = list[tuple[bytes, bytes]]

_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
# Clients take 8 KiB of metadata and more; above that some lose the status, too.
_LONGEST_MESSAGE = 4096
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")

OK_TRAILERS: tuple[tuple[bytes, bytes], ...] = ((b"grpc-status", b"0"),)


def timeout_of(value: bytes | None) -> float | None:
    """Seconds of `grpc-timeout`. Raises RpcError INVALID_ARGUMENT."""
    if value is None:
        return None
    match = _TIMEOUT.fullmatch(value)
    if match is None:
        raise RpcError(
            Code.INVALID_ARGUMENT,
            f"expected 1 to 8 digits and one of H, M, S, m, u, n in grpc-timeout, got '{value[:40].decode('latin-1')}'",
        )
    return int(match[1]) * _UNITS[match[2]]


def encode_message(message: str) -> bytes:
    """The value of `grpc-message`: UTF-8, percent-encoded but for printable ASCII, and cut when it is long."""
    encoded = quote(message[:_LONGEST_MESSAGE], safe=_UNQUOTED, encoding="utf-8", errors="replace").encode()
    if len(encoded) <= _LONGEST_MESSAGE:
        return encoded
    cut = encoded[:_LONGEST_MESSAGE]
    begun = cut.rfind(b"%", len(cut) - 2)
    return cut if begun < 0 else cut[:begun]


def decode_message(value: bytes) -> str:
    """What `encode_message` made; what is not UTF-8 is replaced."""
    return unquote_to_bytes(value).decode("utf-8", "replace")


def error_trailers(error: RpcError) -> Headers:
    """Status, message, details and metadata of an error."""
    trailers = [(b"grpc-status", b"%d" % error.code)]
    if error.message:
        trailers.append((b"grpc-message", encode_message(error.message)))
    if error.details:
        trailers.append((b"grpc-status-details-bin", encode_binary(_status(error))))
    trailers += error.metadata
    return trailers


def _status(error: RpcError) -> bytes:
    """As google.rpc.Status."""
    status = Status(code=error.code, message=error.message)
    for detail in error.details:
        status.details.add(type_url=f"type.googleapis.com/{detail.type}", value=detail.value)
    return status.SerializeToString()

"""The Connect protocol of unary calls, server side: which requests are Connect, and what an error looks like.

Source: the Connect protocol reference of connectrpc.com, and ingress.md §1.1, §2.1.
"""

import json
from urllib.parse import parse_qsl

import attrs

from restate.runtime.rpc.status import PLAIN, STRICT, Code, Profile, RpcError

JSON = "application/json"
PROTO = "application/proto"

_STREAMING = ("application/grpc", "application/grpc-web", "application/grpc-web-text", "application/connect")
_LONGEST_TIMEOUT = 10  # digits


@attrs.frozen
class Unserved:
    """The request is not a Connect call: the status that says so, without a body, and the headers that explain it."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()


_UNSUPPORTED = Unserved(415)
_UNSUPPORTED_STRICT = Unserved(415, ((b"accept-post", f"{JSON}, {PROTO}".encode()),))
_WRONG_VERB = Unserved(405, ((b"allow", b"GET, POST"),))
_NOT_BY_GET = Unserved(405, ((b"allow", b"POST"),))


def is_rpc_type(content_type: bytes | None) -> bool:
    """Whether this is a type of gRPC, gRPC-Web or of Connect's streams, with or without `+codec`."""
    if content_type is None or content_type == b"application/json":
        return False
    base = content_type.partition(b";")[0].partition(b"+")[0].strip().lower()
    return base.decode("latin-1") in _STREAMING


def is_proto_type(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.lower().startswith(PROTO.encode())


def codec_of(method: str, content_type: bytes | None, query: str, profile: Profile) -> str | Unserved:
    """JSON or PROTO. A bare GET is an empty message with a JSON answer."""
    strict = profile is STRICT
    if is_rpc_type(content_type):
        return _UNSUPPORTED if method == "POST" else Unserved(405)
    if method == "GET" and content_type is None:
        return _NOT_BY_GET if _has_message(query) else JSON
    if method != "POST":
        return _WRONG_VERB if strict and method != "GET" else _UNSUPPORTED
    if content_type is not None:
        text = content_type.decode("latin-1").lower()
        if strict and not _plain_parameters(text):
            return _UNSUPPORTED_STRICT
        for codec in (JSON, PROTO):
            if text.startswith(codec):
                return codec
    return _UNSUPPORTED_STRICT if strict else _UNSUPPORTED


def _has_message(query: str) -> bool:
    """Whether a GET carries a message. None is read: only methods without side effects may be called so."""
    return any(name in ("message", "encoding") for name, _ in parse_qsl(query, keep_blank_values=True))


def _plain_parameters(content_type: str) -> bool:
    """Connect knows no parameter but `charset=utf-8`."""
    _, *parameters = (part.strip() for part in content_type.split(";"))
    return all(parameter in ("", "charset=utf-8", 'charset="utf-8"') for parameter in parameters)


def profile_of(protocol_version: bytes | None, query: str) -> Profile:
    """A client that names the Connect protocol expects its statuses, others those of 0.8."""
    if protocol_version is not None or (query and ("connect", "v1") in parse_qsl(query)):
        return STRICT
    return PLAIN


def timeout_of(value: bytes | None) -> float | None:
    """Seconds of `Connect-Timeout-Ms`. Raises RpcError INVALID_ARGUMENT."""
    if value is None:
        return None
    if not value.isdigit() or len(value) > _LONGEST_TIMEOUT:
        raise RpcError(
            Code.INVALID_ARGUMENT,
            f"expected 1 to {_LONGEST_TIMEOUT} digits in connect-timeout-ms, got '{value.decode('latin-1')}'",
        )
    return int(value) / 1000


def error_body(error: RpcError, profile: Profile) -> tuple[int, bytes]:
    """HTTP status and JSON body."""
    body = {"code": profile.name(error.code), "message": error.message}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return profile.http[error.code], text.encode("utf-8", "replace")

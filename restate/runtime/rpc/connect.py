"""The Connect protocol of unary calls, server side: which requests are Connect, and what an error looks like.

Source: the Connect protocol reference of connectrpc.com, and ingress.md §1.1, §2.1.
"""

import json
from enum import Enum
from urllib.parse import parse_qsl, unquote_to_bytes

import attrs

from restate.runtime.rpc.metadata import decode_binary, encode_binary
from restate.runtime.rpc.protocols import Codec
from restate.runtime.rpc.status import PLAIN, STRICT, Code, Profile, RpcError

Headers = list[tuple[bytes, bytes]]

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
WRONG_VERB = Unserved(405, ((b"allow", b"GET, POST"),))
NOT_BY_GET = Unserved(405, ((b"allow", b"POST"),))


def is_rpc_type(content_type: bytes | None) -> bool:
    """Whether this is a type of gRPC, gRPC-Web or of Connect's streams, with or without `+codec`."""
    if content_type is None or content_type == b"application/json":
        return False
    base = content_type.partition(b";")[0].partition(b"+")[0].strip().lower()
    return base.decode("latin-1") in _STREAMING


def is_proto_type(content_type: bytes | None) -> bool:
    return content_type is not None and content_type.lower().startswith(PROTO.encode())


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
    body: dict[str, object] = {"code": profile.name(error.code), "message": error.message}
    if error.details:
        body["details"] = [
            {"type": detail.type, "value": encode_binary(detail.value).decode()} for detail in error.details
        ]
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return profile.http[error.code], text.encode("utf-8", "replace")


def trailing(metadata: Headers) -> Headers:
    """Trailing metadata as headers of the answer."""
    return [(b"trailer-" + name, value) for name, value in metadata]


class Place(Enum):
    """Where a request has its message."""

    BODY = "body"
    QUERY = "query"
    NOWHERE = "nowhere"  # a bare GET: the empty message


@attrs.frozen
class Asked:
    codec: Codec
    place: Place


def asked(method: str, content_type: bytes | None, query: str, profile: Profile) -> Asked | Unserved:
    """What a request wants, if it is one of this protocol. A bare GET wants a JSON answer."""
    strict = profile is STRICT
    if is_rpc_type(content_type):
        return _UNSUPPORTED if method == "POST" else Unserved(405)
    if method == "GET":
        if strict or (content_type is None and _has_message(query)):
            return _asked_by_query(query)
        return Asked(Codec.JSON, Place.NOWHERE) if content_type is None else _UNSUPPORTED
    if method != "POST":
        return WRONG_VERB if strict else _UNSUPPORTED
    codec = _codec_of(content_type, strict)
    if codec is None:
        return _UNSUPPORTED_STRICT if strict else _UNSUPPORTED
    return Asked(codec, Place.BODY)


def _codec_of(content_type: bytes | None, strict: bool) -> Codec | None:
    if content_type is None:
        return None
    text = content_type.decode("latin-1").lower()
    if strict and not _plain_parameters(text):
        return None
    if text.startswith(JSON):
        return Codec.JSON
    return Codec.PROTO if text.startswith(PROTO) else None


def _has_message(query: str) -> bool:
    return any(name in ("message", "encoding") for name, _ in parse_qsl(query, keep_blank_values=True))


def _asked_by_query(query: str) -> Asked | Unserved:
    encoding = dict(parse_qsl(query, keep_blank_values=True)).get("encoding", "")
    try:
        return Asked(Codec(encoding), Place.QUERY)
    except ValueError:
        return _UNSUPPORTED


def message_in(query: str) -> tuple[bytes, bytes | None]:
    """The message that a GET carries, as it is encoded, and its compression. Raises RpcError INVALID_ARGUMENT."""
    values: dict[bytes, bytes] = {}
    # parse_qsl would make text of the message, which it need not be.
    for pair in query.encode("latin-1", "replace").replace(b"+", b" ").split(b"&"):
        name, _, value = pair.partition(b"=")
        values.setdefault(unquote_to_bytes(name), unquote_to_bytes(value))
    message = values.get(b"message")
    if message is None:
        raise RpcError(Code.INVALID_ARGUMENT, "expected the query parameter message, got none")
    if values.get(b"base64") == b"1":
        message = _url_safe(message)
    return message, values.get(b"compression")


def _url_safe(text: bytes) -> bytes:
    """Bytes of URL-safe base64, padded or not; the standard alphabet is understood, too."""
    try:
        return decode_binary(text.replace(b"-", b"+").replace(b"_", b"/"))
    except RpcError as error:
        raise RpcError(Code.INVALID_ARGUMENT, f"message: {error.message}") from error

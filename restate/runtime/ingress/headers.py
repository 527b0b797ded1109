"""Headers of the ingress: CORS, what a handler gets to see of the request, and the times in answers."""

from datetime import UTC, datetime

from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.paths import normalize
from restate.runtime.model.target import HandlerType
from restate.runtime.net.http import Headers, Request
from restate.runtime.schema.deployment import Handler

_VARY = (b"vary", b"origin, access-control-request-method, access-control-request-headers")
_CREDENTIALS = (b"access-control-allow-credentials", b"true")
_EXPOSED = (
    b"access-control-expose-headers",
    b"grpc-status, grpc-message, grpc-status-details-bin, x-restate-id, x-restate-error-source, x-restate-error-code,"
    b" idempotency-expires",
)
_WITHOUT_ORIGIN: Headers = [_VARY, _CREDENTIALS, _EXPOSED]

LAST_MS = 253_402_300_799_999
"""The last time that has a text, in epoch milliseconds: the end of the year 9999."""

_NOT_FORWARDED = frozenset({b"connection", b"host", b"idempotency-key", b"idempotency-expires"})
_OF_THE_PROTOCOL = frozenset(
    {b"te", b"content-type", b"content-length", b"content-encoding", b"accept-encoding", b"transfer-encoding"}
)
_PROTOCOL_PREFIXES = (b"grpc-", b"connect-")


def cors(request: Request) -> Headers:
    """On every answer: any origin may read it (ingress.md §3.9)."""
    origin = request.header(b"origin")
    if origin is None:
        return _WITHOUT_ORIGIN
    return [*_WITHOUT_ORIGIN, (b"access-control-allow-origin", origin)]


def preflight(request: Request) -> Headers:
    """The answer to OPTIONS mirrors what is asked for."""
    headers = list(cors(request))
    for asked, allowed in (
        (b"access-control-request-method", b"access-control-allow-methods"),
        (b"access-control-request-headers", b"access-control-allow-headers"),
    ):
        value = request.header(asked)
        if value is not None:
            headers.append((allowed, value))
    return headers


def header_text(name: bytes, value: bytes) -> str:
    """A value as text. Raises IngressError 400 unless it is ASCII."""
    if value.isascii():
        return value.decode("ascii")
    raise IngressError(400, f"bad header {name.decode('latin-1')}: ToStrError {{ _priv: () }}")


def forwarded(request: Request) -> tuple[tuple[str, str], ...]:
    """What the handler sees: every request header once, less those of the connection. Raises IngressError 400."""
    return _first_values(request, request.headers)


def forwarded_metadata(request: Request, content_type: str | None) -> tuple[tuple[str, str], ...]:
    """The same of an RPC call, less the headers of its protocol. content_type: of the input that is made of the message.

    Raises IngressError 400.
    """
    headers = [
        (name, value)
        for name, value in request.headers
        if name not in _OF_THE_PROTOCOL and not name.startswith(_PROTOCOL_PREFIXES)
    ]
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    return _first_values(request, headers)


def _first_values(request: Request, headers: Headers) -> tuple[tuple[str, str], ...]:
    seen: dict[str, str] = {}
    for name, value in headers:
        if name in _NOT_FORWARDED:
            continue
        name_text = name.decode("latin-1")
        if name_text not in seen:
            seen[name_text] = value.decode("ascii") if value.isascii() else header_text(name, value)
    if "x-restate-ingress-path" not in seen:
        seen["x-restate-ingress-path"] = _path_of(request)
    return tuple(seen.items())


def _path_of(request: Request) -> str:
    """Path and query, the path as the ingress has read it."""
    path, query = normalize(request.target)
    return f"{path}?{query}" if b"?" in request.target else path


def execution_time_text(epoch_ms: int) -> str:
    """`2026-11-23T02:51:17.828000000Z`."""
    return _time_text(epoch_ms) + "000000Z"


def expiry_text(epoch_ms: int) -> str:
    """`2026-11-24T02:51:50.064+00:00`, as modern callers see it."""
    return _time_text(epoch_ms) + "+00:00"


def classic_expiry_text(epoch_ms: int) -> str:
    """`2026-11-24T02:51:50.064Z`."""
    return _time_text(epoch_ms) + "Z"


def _time_text(epoch_ms: int) -> str:
    """UTC with milliseconds. Retentions can be set to thousands of years; the text ends with the year 9999."""
    epoch_ms = min(epoch_ms, LAST_MS)
    return f"{datetime.fromtimestamp(epoch_ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{epoch_ms % 1000:03d}"


def modern_idempotency_key(request: Request, handler: Handler) -> str | None:
    """Raises IngressError 400. The empty key is one."""
    value = request.header(b"idempotency-key")
    if value is None:
        return None
    text = header_text(b"idempotency-key", value)
    if handler.type is HandlerType.WORKFLOW:
        raise IngressError(
            400,
            "cannot use the idempotency key with workflow handlers. The handler invocation will already be"
            " idempotent by the workflow key itself.",
        )
    return text

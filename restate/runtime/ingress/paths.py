"""Reading request targets: which operation a path means. Whether the service exists is asked later."""

from functools import lru_cache
from urllib.parse import unquote_to_bytes

import attrs

from restate.runtime.ingress.errors import IngressError

_LEAST_SLASHES, _MOST_SLASHES = 2, 7
_LONGEST_CACHED = 256
_CALL_SHAPES = "/:service-name/:handler", "/:object-name/:object-key/:handler"
_WORKFLOW_SHAPES = (
    "/restate/workflow/:workflow_name/:workflow_key/output",
    "/restate/workflow/:workflow_name/:workflow_key/attach",
)
_INVOCATION_SHAPES = (
    "/restate/invocation/:invocation_id/output",
    "/restate/invocation/:invocation_id/attach",
    "/restate/invocation/:invocation_target/:idempotency_key/output",
    "/restate/invocation/:invocation_target/:idempotency_key/attach",
)
_AWAKEABLE_SHAPES = "/restate/awakeables/:id/resolve", "/restate/awakeables/:id/reject"
_CONTROL_SHAPES = (
    "bad path, expected /restate/call/:service/:handler, /restate/send/:service/:handler,"
    " /restate/scope/:scope/call/:service/:handler, /restate/attach/:invocation_id, /restate/output/:invocation_id,"
    " or /restate/lookup"
)


@attrs.frozen
class ServicePath:
    """`/{service}/...`: the segments behind the service mean handler, key and `send` by the service's type.

    explicit: "call" or "send" if the path said so (`/restate/call/...`), else "". scope: decoded, not checked.
    """

    service: str
    rest: tuple[str, ...]
    explicit: str = ""
    scope: str | None = None


@attrs.frozen
class HealthPath:
    pass


@attrs.frozen
class InvocationPath:
    """Wait for (`attach`) or take (`output`) the outcome of an invocation by its id."""

    id: str
    block: bool


@attrs.frozen
class IdempotentPath:
    """The same by idempotency key: the segments mean service, maybe key, handler, idempotency key, operation."""

    service: str
    rest: tuple[str, ...]


@attrs.frozen
class WorkflowPath:
    """The same by workflow key, decoded."""

    service: str
    key: str
    block: bool


@attrs.frozen
class TargetPath:
    """`POST /restate/attach|output|lookup`: the target is in the body."""

    operation: str


@attrs.frozen
class AwakeablePath:
    """Resolve or reject an awakeable."""

    id: str
    resolve: bool


Path = ServicePath | HealthPath | InvocationPath | IdempotentPath | WorkflowPath | TargetPath | AwakeablePath


def normalize(target: bytes) -> tuple[str, str]:
    """Path and query of a request target; trailing slashes stripped, leading ones collapsed (settled.md #24)."""
    path, _, query = target.decode("latin-1").partition("?")
    return "/" + path.strip("/"), query


def parse(path: str) -> Path:
    """The operation of a normalized path. Raises IngressError 400 or 404."""
    # Long paths are not kept, so that the cache stays small whatever clients send.
    return _parse_cached(path) if len(path) <= _LONGEST_CACHED else _parse(path)


def _parse(path: str) -> Path:
    if not _LEAST_SLASHES <= path.count("/") <= _MOST_SLASHES:
        raise IngressError(400, f"bad path: {path}")
    first, *rest = path[1:].split("/")
    if first == "openapi":
        raise _not_found()
    if first == "restate":
        return _control(rest)
    return ServicePath(first, tuple(rest))


_parse_cached = lru_cache(maxsize=4096)(_parse)


def decode_key(segment: str) -> str:
    """Percent-decode a key. Raises IngressError 400 if it is not UTF-8."""
    try:
        return unquote_to_bytes(segment.encode("latin-1")).decode()
    except UnicodeDecodeError as error:
        raise IngressError(400, f"bad path, cannot decode key: expected UTF-8: {error}") from None


def split_handler(segments: tuple[str, ...], *, keyed: bool, explicit: str) -> tuple[str | None, str, bool]:
    """(key, handler, send) from the segments behind the service. Raises IngressError 400."""
    wanted = 2 if keyed else 1
    send = explicit == "send"
    if not explicit and len(segments) == wanted + 1 and segments[-1] == "send":
        segments, send = segments[:-1], True
    if len(segments) != wanted:
        raise IngressError(400, _CONTROL_SHAPES if explicit else _expected(*_CALL_SHAPES))
    return (decode_key(segments[0]) if keyed else None), segments[-1], send


def split_idempotent(segments: tuple[str, ...], *, keyed: bool) -> tuple[str | None, str, str, bool]:
    """(key, handler, idempotency key, block) from the segments behind the service. Raises IngressError 400 or 404.

    The idempotency key is not decoded. What follows the operation is ignored, as upstream does.
    """
    key = decode_key(segments[0]) if keyed else None
    rest = segments[1:] if keyed else segments
    if len(rest) < 3:
        raise IngressError(400, _expected(*_INVOCATION_SHAPES))
    return key, rest[0], rest[1], _blocks(rest[2])


def _blocks(operation: str) -> bool:
    """Whether it waits: `attach` does, `output` does not. Raises IngressError 404."""
    if operation not in ("attach", "output"):
        raise _not_found()
    return operation == "attach"


def _expected(*shapes: str) -> str:
    return f"bad path, expected either {' or '.join(shapes)}"


def _not_found() -> IngressError:
    return IngressError(404, "not found")


def _control(rest: list[str]) -> Path:
    operation, *segments = rest
    match operation:
        case "health":
            return HealthPath()
        case "call" | "send":
            return _explicit(operation, segments)
        case "scope":
            return _scoped(segments)
        case "attach" | "output" if len(segments) == 1:
            return InvocationPath(segments[0], operation == "attach")
        case "attach" | "output" | "lookup" if not segments:
            return TargetPath(operation)
        case "attach" | "output" | "lookup":
            raise IngressError(400, _CONTROL_SHAPES)
        case "invocation":
            return _invocation(segments)
        case "workflow":
            if len(segments) < 3:
                raise IngressError(400, _expected(*_WORKFLOW_SHAPES))
            return WorkflowPath(segments[0], decode_key(segments[1]), _blocks(segments[2]))
        case "awakeables" | "a":
            return _awakeable(segments)
        case _:
            raise _not_found()


def _explicit(operation: str, segments: list[str], scope: str | None = None) -> ServicePath:
    if len(segments) < 2:
        raise IngressError(400, _CONTROL_SHAPES)
    return ServicePath(segments[0], tuple(segments[1:]), operation, scope)


def _scoped(segments: list[str]) -> ServicePath:
    if len(segments) < 2 or segments[1] not in ("call", "send"):
        raise IngressError(400, _CONTROL_SHAPES)
    return _explicit(segments[1], segments[2:], decode_key(segments[0]))


def _invocation(segments: list[str]) -> Path:
    """Two segments are an id and an operation, more of them begin with a service."""
    if len(segments) < 2:
        raise IngressError(400, _expected(*_INVOCATION_SHAPES))
    if len(segments) == 2:
        return InvocationPath(segments[0], _blocks(segments[1]))
    return IdempotentPath(segments[0], tuple(segments[1:]))


def _awakeable(segments: list[str]) -> AwakeablePath:
    if len(segments) < 2:
        raise IngressError(400, _expected(*_AWAKEABLE_SHAPES))
    if segments[1] not in ("resolve", "reject"):
        raise _not_found()
    return AwakeablePath(segments[0], segments[1] == "resolve")

"""Reading request targets: which operation a path means. Whether the service exists is asked later."""

from functools import lru_cache
from urllib.parse import unquote_to_bytes

import attrs

from restate.runtime.ingress.errors import IngressError

_LEAST_SLASHES, _MOST_SLASHES = 2, 7
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
_CONTROL_SHAPES = (
    "bad path, expected /restate/call/:service/:handler, /restate/send/:service/:handler,"
    " /restate/scope/:scope/call/:service/:handler, /restate/attach/:invocation_id, /restate/output/:invocation_id,"
    " or /restate/lookup"
)


@attrs.frozen
class ServicePath:
    """`/{service}/...`: the segments behind the service mean handler, key and `send` by the service's type.

    explicit: "call" or "send" if the path said so (`/restate/call/...`), else "".
    """

    service: str
    rest: tuple[str, ...]
    explicit: str = ""


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
    """The same by idempotency key. target: service, maybe key, handler, not decoded."""

    target: tuple[str, ...]
    idempotency_key: str
    block: bool


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


@lru_cache(maxsize=4096)
def normalize(target: bytes) -> tuple[str, str]:
    """Path and query of a request target; trailing slashes stripped, leading ones collapsed (settled.md #24)."""
    path, _, query = target.decode("latin-1").partition("?")
    return "/" + path.strip("/"), query


@lru_cache(maxsize=4096)
def parse(path: str) -> Path:
    """The operation of a normalized path. Raises IngressError 400 or 404."""
    if not _LEAST_SLASHES <= path.count("/") <= _MOST_SLASHES:
        raise IngressError(400, f"bad path: {path}")
    first, *rest = path[1:].split("/")
    if first == "openapi":
        raise IngressError(404, "not found")
    if first == "restate":
        return _control(rest)
    return ServicePath(first, tuple(rest))


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
        raise IngressError(400, _expected(*_CALL_SHAPES))
    return (decode_key(segments[0]) if keyed else None), segments[-1], send


def _expected(*shapes: str) -> str:
    return f"bad path, expected either {' or '.join(shapes)}"


def _control(rest: list[str]) -> Path:
    match rest:
        case ["health", *_]:
            return HealthPath()
        case [("call" | "send") as explicit, service, *segments] if segments:
            return ServicePath(service, tuple(segments), explicit)
        case [("attach" | "output") as operation, id_text]:
            return InvocationPath(id_text, operation == "attach")
        case [("attach" | "output" | "lookup") as operation]:
            return TargetPath(operation)
        case ["invocation", *segments]:
            return _invocation(segments)
        case ["workflow", *segments]:
            if len(segments) != 3 or segments[2] not in ("attach", "output"):
                raise IngressError(400, _expected(*_WORKFLOW_SHAPES))
            return WorkflowPath(segments[0], decode_key(segments[1]), segments[2] == "attach")
        case [("awakeables" | "a"), id_text, ("resolve" | "reject") as operation]:
            return AwakeablePath(id_text, operation == "resolve")
        case [("awakeables" | "a"), *_]:
            raise IngressError(
                400, _expected("/restate/awakeables/:id/resolve", "/restate/awakeables/:id/reject")
            )
        case ["scope", *_]:
            raise IngressError(400, "scoped invocations require vqueues to be enabled")
        case [("call" | "send" | "attach" | "output"), *_]:
            raise IngressError(400, _CONTROL_SHAPES)
        case _:
            raise IngressError(404, "not found")


def _invocation(segments: list[str]) -> Path:
    match segments:
        case [id_text, ("attach" | "output") as operation]:
            return InvocationPath(id_text, operation == "attach")
        case [*target, idempotency_key, ("attach" | "output") as operation] if 2 <= len(target) <= 3:
            return IdempotentPath(tuple(target), idempotency_key, operation == "attach")
        case _:
            raise IngressError(400, _expected(*_INVOCATION_SHAPES))

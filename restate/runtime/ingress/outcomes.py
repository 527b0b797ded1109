"""What RPC callers get to see of an outcome: codes and metadata (ingress.md §1.2, §1.5, §4.1)."""

from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.errors import InvocationFailed
from restate.runtime.ingress.headers import classic_expiry_text, expiry_text
from restate.runtime.ingress.values import from_json
from restate.runtime.model.codes import convert
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Headers
from restate.runtime.pb.synth_pb2 import RpcResponse
from restate.runtime.rpc.status import Code, RpcError, outcome_code
from restate.runtime.schema.deployment import Handler
from restate.runtime.schema.synthesis import JSON_TYPE

_CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.ABORTED,
    410: Code.FAILED_PRECONDITION,
    412: Code.FAILED_PRECONDITION,
    413: Code.RESOURCE_EXHAUSTED,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    470: Code.FAILED_PRECONDITION,
    499: Code.CANCELED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


def modern_code(number: int) -> Code:
    """The status an RPC caller sees for a failure code of a modern invocation."""
    found = _CODES.get(number)
    if found is not None:
        return found
    if 400 <= number < 500:
        return Code.FAILED_PRECONDITION
    return Code.INTERNAL if 570 <= number < 580 else Code.UNKNOWN


def invocation_header(invocation: InvocationId) -> tuple[bytes, bytes]:
    return b"x-restate-id", format_invocation_id(invocation).encode()


def classic_value(reply: IngressReply) -> bytes:
    """The encoded message. Raises RpcError when the invocation has failed."""
    outcome = reply.outcome
    assert outcome is not None
    if isinstance(outcome, Failure):
        generation = Generation.CLASSIC if reply.target is None else reply.target.generation
        code = outcome_code(convert(outcome.code, generation, Generation.CLASSIC))
        raise InvocationFailed(code, outcome.message)
    return outcome.value


def classic_expiry(kept_until_ms: int) -> tuple[bytes, bytes]:
    return b"idempotency-expires", classic_expiry_text(kept_until_ms).encode()


def modern_response(reply: IngressReply, handler: Handler, headers: Headers) -> RpcResponse:
    """The outcome of a modern invocation as a message; adds what tells more of it to `headers`. Raises RpcError."""
    outcome = reply.outcome
    assert outcome is not None
    if reply.expiry_ms is not None:
        headers.append((b"idempotency-expires", expiry_text(reply.expiry_ms).encode()))
    if isinstance(outcome, Failure):
        headers += [
            (b"x-restate-error-source", b"invocation"),
            (b"x-restate-error-code", b"%d" % outcome.code),
        ]
        raise InvocationFailed(modern_code(outcome.code), outcome.message)
    if not outcome.value:
        return RpcResponse()
    content_type = handler.output.content_type
    if content_type != JSON_TYPE:
        raise RpcError(
            Code.INTERNAL, f"the invocation has answered with {content_type}, which only plain HTTP can carry"
        )
    try:
        return RpcResponse(response=from_json(outcome.value))
    except ValueError as error:
        raise RpcError(Code.INTERNAL, f"expected JSON as answer of the invocation: {error}") from error

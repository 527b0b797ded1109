"""What modern callers get to see of an outcome: status, headers and body (ingress.md §3.3, §3.6, §3.8)."""

import json

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.engine.actions import IngressReply
from restate.runtime.ingress.errors import failure_answer
from restate.runtime.ingress.headers import expiry_text
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation
from restate.runtime.net.http import Headers
from restate.runtime.rpc.json_options import JsonOptions
from restate.runtime.rpc.status import RpcError
from restate.runtime.schema.registry import Registry

JSON = (b"content-type", b"application/json")
Answer = tuple[int, Headers, bytes]
"""Status, headers without CORS, body."""


def outcome_answer(reply: IngressReply, schema: Registry, options: JsonOptions) -> Answer:
    """Of a completed invocation, with the content type that its handler promises. options: for classic messages."""
    outcome = reply.outcome
    assert outcome is not None
    headers: Headers = [(b"x-restate-id", format_invocation_id(reply.id).encode())]
    if reply.expiry_ms is not None:
        headers.append((b"idempotency-expires", expiry_text(reply.expiry_ms).encode()))
    target = reply.target
    if isinstance(outcome, Failure):
        return _failed(outcome, Generation.MODERN if target is None else target.generation, headers)
    if target is None:
        return 200, [*headers, JSON] if outcome.value else headers, outcome.value
    if target.generation is Generation.CLASSIC:
        return _classic_success(outcome.value, target.service, target.handler, headers, schema, options)
    handler = schema.handler(target.service, target.handler)
    if handler is None:
        content_type: str | None = "application/json"
    elif outcome.value or handler.output.set_content_type_if_empty:
        content_type = handler.output.content_type
    else:
        content_type = None
    if content_type is not None:
        headers.append((b"content-type", content_type.encode()))
    return 200, headers, outcome.value


def json_options(config: IngressConfig) -> JsonOptions:
    return JsonOptions(
        deny_unknown_fields=config.json.deserialize_deny_unknown_fields,
        use_enum_numbers=config.json.serialize_use_enum_numbers,
        use_proto_field_name=config.json.serialize_use_proto_field_name,
        skip_default_fields=config.json.serialize_skip_default_fields,
        stringify_64_bit_integers=config.json.serialize_stringify_64_bit_integers,
    )


def not_found_answer(invocation: InvocationId) -> Answer:
    """To one who waits for an invocation that does not exist: told like a failure of the invocation itself."""
    headers: Headers = [(b"x-restate-id", format_invocation_id(invocation).encode())]
    return _failed(Failure(404, "not found"), Generation.MODERN, headers)


def json_answer(status: int, body: dict[str, object], *, invocation: str | None = None) -> Answer:
    headers: Headers = [JSON]
    if invocation is not None:
        headers.insert(0, (b"x-restate-id", invocation.encode()))
    return status, headers, json.dumps(body, separators=(",", ":")).encode()


def _failed(failure: Failure, generation: Generation, headers: Headers) -> Answer:
    status, more, body = failure_answer(failure, generation)
    return status, headers + more, body


def _classic_success(
    value: bytes, service: str, method: str, headers: Headers, schema: Registry, options: JsonOptions
) -> Answer:
    """The transcoded message; as protobuf if its contract is no longer registered."""
    messages = schema.classic_method(service, method)
    if messages is None:
        return 200, [*headers, (b"content-type", b"application/proto")], value
    # Imported with the first such answer: protobuf's JSON would delay the start by a good deal.
    from restate.runtime.rpc import transcode

    try:
        text = transcode.to_json(value, messages.output_class, options)
    except RpcError as error:
        return _failed(Failure(error.code, error.message), Generation.CLASSIC, headers)
    return 200, [*headers, JSON], text

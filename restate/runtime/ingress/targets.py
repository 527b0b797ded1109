"""The JSON body that names an invocation: `/restate/lookup`, `POST /restate/attach|output` (ingress.md §3.7)."""

import msgspec

from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.scopes import check_scope
from restate.runtime.model.ids import IdError, InvocationId, parse_invocation_id
from restate.runtime.schema.addressing import idempotent_id, workflow_run_id


class _ById(msgspec.Struct, tag_field="target", tag="invocation", rename="camel"):
    invocation_id: str


class _Workflow(msgspec.Struct, tag_field="target", tag="workflow", rename="camel"):
    workflow_name: str
    workflow_key: str
    scope: str | None = None


class _Idempotent(msgspec.Struct, tag_field="target", tag="idempotentInvocation", rename="camel"):
    service: str
    handler: str
    idempotency_key: str
    key: str | None = None
    scope: str | None = None


_decoder = msgspec.json.Decoder(_ById | _Workflow | _Idempotent)


def parse_target(body: bytes) -> InvocationId:
    """The id the body means; whether it exists is not checked. Raises IngressError 400."""
    try:
        target = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IngressError(400, f"cannot read body: {error}") from error
    match target:
        case _ById(invocation_id=text):
            try:
                return parse_invocation_id(text)
            except IdError as error:
                raise IngressError(400, f"bad invocation id '{text}': {error}") from error
        case _Workflow(workflow_name=name, workflow_key=key, scope=scope):
            check_scope(scope)
            return workflow_run_id(name, key, scope=scope)
        case _:
            check_scope(target.scope)
            return idempotent_id(
                target.service, target.key, target.handler, target.idempotency_key, scope=target.scope
            )

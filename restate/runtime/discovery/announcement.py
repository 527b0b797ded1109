"""From the answers of both generations to what the schema knows: services, handlers, rules."""

import re

import msgspec

from restate.runtime.errors import DeploymentError
from restate.runtime.model.retry import OnMaxAttempts
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.schema.contract import classic_services
from restate.runtime.schema.deployment import (
    Handler,
    HttpVersion,
    InputRule,
    Options,
    OutputRule,
    Service,
)
from restate.runtime.schema.descriptors import repair
from restate.runtime.schema.json_schemas import JsonSchemaError, check_json_schema
from restate.runtime.schema.registration import Announcement
from restate.runtime.service_protocol.discovery import (
    ClassicAnswer,
    HandlerPart,
    InputPart,
    Manifest,
    OutputPart,
    ServicePart,
)

CLASSIC_PROTOCOL_VERSION = 1

_MAX_ATTEMPTS = 2**53
"""Nobody counts so far, and every client can read the number."""

_CONTENT_TYPE = re.compile(r"\*/\*|[A-Za-z0-9!#$&^_.+-]+/(?:\*|[A-Za-z0-9!#$&^_.+-]+)(?:\s*;.*)?")
_ON_MAX_ATTEMPTS: dict[str, OnMaxAttempts] = {"PAUSE": "pause", "KILL": "kill"}

# Handler type by (service type, what the manifest says); everything else is refused. A workflow handler without a type
# is shared: that is what the official server does, whatever the schema of the manifest says.
_HANDLER_TYPES: dict[tuple[ServiceType, str | None], HandlerType] = {
    (ServiceType.SERVICE, None): HandlerType.PLAIN,
    (ServiceType.SERVICE, "SHARED"): HandlerType.PLAIN,
    (ServiceType.VIRTUAL_OBJECT, None): HandlerType.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, "EXCLUSIVE"): HandlerType.EXCLUSIVE,
    (ServiceType.VIRTUAL_OBJECT, "SHARED"): HandlerType.SHARED,
    (ServiceType.WORKFLOW, None): HandlerType.SHARED,
    (ServiceType.WORKFLOW, "SHARED"): HandlerType.SHARED,
    (ServiceType.WORKFLOW, "WORKFLOW"): HandlerType.WORKFLOW,
}


def announce_classic(answer: ClassicAnswer, http_version: HttpVersion) -> Announcement:
    """Repair the descriptors and check the contracts. Raises DeploymentError."""
    if http_version == "HTTP/1.1" and not answer.request_response:
        raise DeploymentError(
            "the deployment announces bidirectional streams, which HTTP/1.1 does not have", code="META0015"
        )
    descriptors = repair(answer.files)
    return Announcement(
        Generation.CLASSIC,
        "RequestResponse" if answer.request_response else "BidiStream",
        http_version,
        CLASSIC_PROTOCOL_VERSION,
        CLASSIC_PROTOCOL_VERSION,
        classic_services(descriptors, answer.services),
        descriptors=descriptors.files.SerializeToString(deterministic=True),
    )


def announce_modern(manifest: Manifest, http_version: HttpVersion, sdk_version: str | None) -> Announcement:
    """Check what the manifest's grammar leaves open. Raises DeploymentError."""
    return Announcement(
        Generation.MODERN,
        "RequestResponse" if manifest.protocol_mode == "REQUEST_RESPONSE" else "BidiStream",
        http_version,
        manifest.min_protocol_version,
        manifest.max_protocol_version,
        tuple(_service(part) for part in manifest.services),
        sdk_version,
    )


def _service(part: ServicePart) -> Service:
    kind = ServiceType[part.ty]
    return Service(
        part.name,
        kind,
        tuple({entry.name: _handler(part, kind, entry) for entry in part.handlers}.values()),
        public=not part.ingress_private,
        options=_options(part),
        documentation=part.documentation,
        metadata=tuple(sorted((part.metadata or {}).items())),
    )


def _handler(service: ServicePart, kind: ServiceType, part: HandlerPart) -> Handler:
    where = f"{service.name}/{part.name}"
    handler_type = _HANDLER_TYPES.get((kind, part.ty))
    if handler_type is None:
        raise _refusal(where, f"has the type {part.ty}, which a {_words(kind)} cannot have")
    if service.ingress_private and part.ingress_private is False:
        raise _refusal(where, "is public although its service is private")
    is_run = handler_type is HandlerType.WORKFLOW
    if is_run and part.idempotency_retention is not None:
        raise _refusal(where, "sets idempotencyRetention, which the run handler of a workflow cannot have")
    if not is_run and part.workflow_completion_retention is not None:
        raise _refusal(
            where, "sets workflowCompletionRetention, which only the run handler of a workflow has"
        )
    return Handler(
        part.name,
        handler_type,
        public=not part.ingress_private,
        always_public=part.ingress_private is False,
        input=_input_rule(where, part.input),
        output=_output_rule(where, part.output),
        options=_options(part, part.workflow_completion_retention),
        documentation=part.documentation,
        metadata=tuple(sorted((part.metadata or {}).items())),
    )


def _words(kind: ServiceType) -> str:
    return kind.name.lower().replace("_", " ")


def _refusal(where: str, fault: str) -> DeploymentError:
    return DeploymentError(f"the handler {where} {fault}", http_status=400)


def _input_rule(where: str, part: InputPart | None) -> InputRule:
    """Absent: anything goes. Nothing but `{}`: no body. Otherwise JSON, where no content type is given."""
    if part is None:
        return InputRule()
    schema = _schema(f"{where} input", part.json_schema)
    if part.content_type is None and schema is None:
        return InputRule(required=True) if part.required else InputRule(content_type=None)
    return InputRule(
        _content_type(where, part.content_type) or "application/json", bool(part.required), schema
    )


def _output_rule(where: str, part: OutputPart | None) -> OutputRule:
    if part is None:
        return OutputRule()
    schema = _schema(f"{where} output", part.json_schema)
    content_type = _content_type(where, part.content_type)
    if content_type is None and schema is not None:
        content_type = "application/json"
    return OutputRule(content_type, bool(part.set_content_type_if_empty), schema)


def _content_type(where: str, text: str | None) -> str | None:
    if text is not None and not _CONTENT_TYPE.fullmatch(text):
        raise _refusal(where, f"has {text!r} as content type, which is none")
    return text


def _schema(where: str, raw: msgspec.Raw) -> bytes | None:
    """A copy, because the raw value is a view that keeps the whole answer alive."""
    schema = bytes(raw)
    if schema == b"null":
        return None
    try:
        decoded = msgspec.json.decode(schema)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # What was not looked into when the manifest was read.
        raise DeploymentError(
            f"the json schema for {where} in the manifest of the deployment cannot be read: {error}",
            http_status=500,
        ) from error
    try:
        check_json_schema(decoded)
    except JsonSchemaError as error:
        raise DeploymentError(f"the json schema for {where} is invalid: {error}", http_status=400) from None
    return schema


def _options(part: ServicePart | HandlerPart, workflow_retention_ms: int | None = None) -> Options:
    attempts = part.retry_policy_max_attempts
    on_max_attempts = part.retry_policy_on_max_attempts
    return Options(
        inactivity_timeout_ms=part.inactivity_timeout,
        abort_timeout_ms=part.abort_timeout,
        idempotency_retention_ms=part.idempotency_retention,
        workflow_retention_ms=workflow_retention_ms,
        journal_retention_ms=part.journal_retention,
        enable_lazy_state=part.enable_lazy_state,
        retry_initial_interval_ms=part.retry_policy_initial_interval,
        retry_factor=part.retry_policy_exponentiation_factor,
        retry_max_interval_ms=part.retry_policy_max_interval,
        # At least the first attempt is made, as by the official server.
        retry_max_attempts=None if attempts is None else min(max(attempts, 1), _MAX_ATTEMPTS),
        retry_on_max_attempts=None if on_max_attempts is None else _ON_MAX_ATTEMPTS[on_max_attempts],
    )

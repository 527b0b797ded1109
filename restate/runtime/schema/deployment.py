"""The stored nouns: deployment, service, handler, and the rules and options of each."""

from typing import Literal

import msgspec

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.retry import OnMaxAttempts
from restate.runtime.model.target import Generation, HandlerType, ServiceType

ProtocolType = Literal["BidiStream", "RequestResponse"]
HttpVersion = Literal["HTTP/2.0", "HTTP/1.1"]


class InputRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a modern handler accepts. content_type: `*/*`, `type/*` or `type/sub`; None: there must be no body.

    json_schema: JSON text, shown to people; bodies are not checked against it.
    """

    content_type: str | None = "*/*"
    required: bool = False
    json_schema: bytes | None = None


class OutputRule(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How a modern handler answers. content_type None: the answer has none."""

    content_type: str | None = "application/json"
    set_content_type_if_empty: bool = False
    json_schema: bytes | None = None


class Options(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a service or handler asks for; None leaves it to the next level (`options.py`)."""

    inactivity_timeout_ms: int | None = None
    abort_timeout_ms: int | None = None
    idempotency_retention_ms: int | None = None
    workflow_retention_ms: int | None = None
    journal_retention_ms: int | None = None
    enable_lazy_state: bool | None = None
    retry_initial_interval_ms: int | None = None
    retry_factor: float | None = None
    retry_max_interval_ms: int | None = None
    retry_max_attempts: int | None = None
    retry_on_max_attempts: OnMaxAttempts | None = None


NO_OPTIONS = Options()


class ClassicMethod(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A method of a classic contract. Types are full message names without leading dot.

    Field numbers belong to the input message; None: it has no field with that annotation.
    """

    input_type: str
    output_type: str
    key_field: int | None = None
    event_payload_field: int | None = None
    event_metadata_field: int | None = None


class Handler(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One entry point. public: own setting; callers from outside need that of the service too (`Service.is_public`).

    always_public: the manifest says so, and the handler stays public when an operator makes its service private.
    """

    name: str
    type: HandlerType
    public: bool = True
    input: InputRule = InputRule()
    output: OutputRule = OutputRule()
    options: Options = NO_OPTIONS
    documentation: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    classic: ClassicMethod | None = None
    always_public: bool = False


class Service(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One revision of a service, as its deployment announced it. revision counts from 1, per name.

    removed: no longer takes new invocations, although the deployment stays for pinned ones (classic, admin.md §5.4).
    """

    name: str
    type: ServiceType
    handlers: tuple[Handler, ...]
    deployment_id: DeploymentId = DeploymentId("")
    revision: int = 0
    public: bool = True
    options: Options = NO_OPTIONS
    documentation: str | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    removed: bool = False

    def is_public(self, handler: Handler) -> bool:
        """Whether callers from outside may call the handler."""
        return handler.always_public or (handler.public and self.public)

    def handler(self, name: str) -> Handler | None:
        for handler in self.handlers:
            if handler.name == name:
                return handler
        return None


class Deployment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reachable set of services. uri: absolute, path at least `/`; "" for AWS Lambda, which has `arn` instead.

    created_ms: epoch milliseconds. assume_role_arn: the role that calls the Lambda function.

    http_version: that of the discovery answer, used for attempts too. Header names are lower case. descriptors: the
    repaired FileDescriptorSet of a classic deployment, in dependency order; empty for modern ones.
    """

    id: DeploymentId
    generation: Generation
    uri: str
    protocol_type: ProtocolType
    http_version: HttpVersion
    min_protocol_version: int
    max_protocol_version: int
    created_ms: int
    services: tuple[Service, ...]
    additional_headers: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    sdk_version: str | None = None
    descriptors: bytes = b""
    arn: str | None = None
    assume_role_arn: str | None = None

    @property
    def address(self) -> str:
        """The URI or the ARN, for people."""
        return self.uri if self.arn is None else self.arn

    def service(self, name: str) -> Service | None:
        """This deployment's revision of the service."""
        for service in self.services:
            if service.name == name:
                return service
        return None

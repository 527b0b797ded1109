"""Discovery: the question that both generations are asked, and what their answers say (service-protocol.md §1).

The modern answer is a JSON document, read strictly: an unknown field means a manifest version that was not offered.
The classic one is a protobuf message around descriptors, which are not looked into here.
"""

import re
from typing import Annotated, Literal

import attrs
import msgspec
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from restate.runtime.errors import DeploymentError
from restate.runtime.pb import discovery_pb2

CLASSIC_TYPE = "application/proto"
MODERN_TYPES = tuple(f"application/vnd.restate.endpointmanifest.v{version}+json" for version in (1, 2, 3, 4))
MODERN_ACCEPT = ", ".join(MODERN_TYPES)

MIN_MODERN_VERSION = 5
MAX_MODERN_VERSION = 7
"""The invocation protocol versions this server speaks."""

# These announce a range that they do not speak; upstream takes them as speaking version 1 only.
_OVERSTATING_SDK = re.compile(r"restate-sdk-typescript/1\.[012]\.")

MAX_MILLIS = 200_000_000_000_000
"""6,337 years: what is due then is due before the year 10000, in which timestamps end. Upstream ends at 19,998 years."""

Millis = Annotated[int, msgspec.Meta(ge=0, le=MAX_MILLIS)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
ServiceName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9._-]*\Z")]
HandlerName = Annotated[str, msgspec.Meta(pattern=r"^([a-zA-Z]|_[a-zA-Z0-9])[a-zA-Z0-9_]*\Z")]


# A raw value cannot be optional; this is what it holds when it is absent or null.
_ABSENT = msgspec.Raw(b"null")


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Part of a manifest. Absent and null are the same: not said."""


class InputPart(_Part, frozen=True, kw_only=True):
    """json_schema: any JSON value, as its text."""

    required: bool | None = None
    content_type: str | None = None
    json_schema: msgspec.Raw = _ABSENT


class OutputPart(_Part, frozen=True, kw_only=True):
    content_type: str | None = None
    set_content_type_if_empty: bool | None = None
    json_schema: msgspec.Raw = _ABSENT


class _Settings(_Part, frozen=True, kw_only=True):
    """What services and handlers may both say. Times in ms."""

    documentation: str | None = None
    metadata: dict[str, str] | None = None
    inactivity_timeout: Millis | None = None
    abort_timeout: Millis | None = None
    journal_retention: Millis | None = None
    idempotency_retention: Millis | None = None
    enable_lazy_state: bool | None = None
    ingress_private: bool | None = None
    retry_policy_initial_interval: Millis | None = None
    retry_policy_max_interval: Millis | None = None
    retry_policy_max_attempts: Count | None = None
    retry_policy_exponentiation_factor: float | None = None
    retry_policy_on_max_attempts: Literal["PAUSE", "KILL"] | None = None


class HandlerPart(_Settings, frozen=True, kw_only=True):
    name: HandlerName
    ty: Literal["EXCLUSIVE", "SHARED", "WORKFLOW"] | None = None
    input: InputPart | None = None
    output: OutputPart | None = None
    workflow_completion_retention: Millis | None = None


class ServicePart(_Settings, frozen=True, kw_only=True):
    name: ServiceName
    ty: Literal["SERVICE", "VIRTUAL_OBJECT", "WORKFLOW"]
    handlers: list[HandlerPart]


class Manifest(_Part, frozen=True, kw_only=True):
    """A modern answer."""

    services: list[ServicePart]
    min_protocol_version: Version
    max_protocol_version: Version
    protocol_mode: Literal["BIDI_STREAM", "REQUEST_RESPONSE"] | None = None
    lambda_compression: Literal["zstd"] | None = None


@attrs.frozen
class ClassicAnswer:
    """A classic answer. services: full names to register. Its version range is not read: services send nonsense."""

    files: FileDescriptorSet
    services: tuple[str, ...]
    request_response: bool


_decoder = msgspec.json.Decoder(Manifest)


def parse_modern(body: bytes, *, sdk_version: str | None) -> Manifest:
    """Read and check a manifest. sdk_version: the answer's `x-restate-server`. Raises DeploymentError."""
    try:
        manifest = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DeploymentError(
            f"the manifest of the deployment cannot be read: {error}", http_status=500
        ) from error
    if manifest.protocol_mode is None:
        raise DeploymentError("the manifest of the deployment has no protocolMode", code="META0013")
    low, high = manifest.min_protocol_version, manifest.max_protocol_version
    if low > high:
        raise DeploymentError(
            f"the manifest of the deployment has minProtocolVersion {low} above maxProtocolVersion {high}",
            code="META0013",
        )
    if sdk_version is not None and _OVERSTATING_SDK.match(sdk_version):
        low = high = 1
    if high < MIN_MODERN_VERSION or low > MAX_MODERN_VERSION:
        sdk = f" ({sdk_version})" if sdk_version is not None else ""
        raise DeploymentError(
            f"the SDK of the deployment{sdk} speaks the service protocol versions [{low}, {high}], and this server"
            f" [{MIN_MODERN_VERSION}, {MAX_MODERN_VERSION}]",
            code="META0012",
        )
    return manifest


def parse_classic(body: bytes) -> ClassicAnswer:
    """Read a classic answer. Raises DeploymentError."""
    try:
        answer = discovery_pb2.ServiceDiscoveryResponse.FromString(body)
    except DecodeError as error:
        raise DeploymentError(
            "the discovery answer of the deployment is not the expected message", http_status=500
        ) from error
    modes = {discovery_pb2.BIDI_STREAM: False, discovery_pb2.REQUEST_RESPONSE: True}
    if answer.protocol_mode not in modes:
        raise DeploymentError(
            f"the discovery answer of the deployment has the unknown protocol mode {answer.protocol_mode}",
            http_status=500,
        )
    return ClassicAnswer(answer.files, tuple(answer.services), modes[answer.protocol_mode])

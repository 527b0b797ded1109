"""What a service's own serializers make of bytes: the official web pages show values by them (admin.md §4.8)."""

from typing import Literal
from urllib.parse import quote

import attrs

from restate.runtime.discovery.questions import Question, Questions
from restate.runtime.errors import DeploymentError
from restate.runtime.net.client import ClientError
from restate.runtime.schema.deployment import Deployment

Operation = Literal["decode", "encode"]

_BYTES, _JSON = "application/octet-stream", "application/json"
_TYPES: dict[Operation, tuple[str, str]] = {"decode": (_BYTES, _JSON), "encode": (_JSON, "*/*")}
"""{operation: (type of what is sent, of what is wanted)}"""


@attrs.frozen
class SerdeRequest:
    """serde: name of the serializer, slashes allowed. decode makes JSON of the service's bytes, encode the opposite."""

    service: str
    operation: Operation
    serde: str
    body: bytes


async def convert(questions: Questions, deployment: Deployment, request: SerdeRequest) -> bytes:
    """Raises DeploymentError 500."""
    content_type, accept = _TYPES[request.operation]
    path = f"/serdes/{quote(request.service)}/{request.operation}/{quote(request.serde)}"
    headers = [
        ("content-type", content_type),
        ("accept", accept),
        ("x-restate-serdes-protocol", "v1"),
        *deployment.additional_headers,
    ]
    question = Question("POST", path, headers, request.body, signed=True)
    try:
        answer = await questions.ask(
            deployment.uri, question, "1.1" if deployment.http_version == "HTTP/1.1" else "2"
        )
    except ClientError as error:
        raise DeploymentError(
            f"the deployment at {deployment.uri} cannot be reached: {error}", http_status=500
        ) from error
    if not answer.ok:
        raise DeploymentError(
            f"the deployment at {deployment.uri} answered {path} with status {answer.status}; its SDK may not have"
            f" the serializer {request.serde[:100]!r}",
            http_status=500,
        )
    return answer.body

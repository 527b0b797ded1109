"""/internal/services/{service}/serdes: what the serializers of a service make of values, for web pages (admin.md §4.8)."""

from functools import partial

from quart import Blueprint, Response, request

from restate.runtime.admin.body import parameter
from restate.runtime.admin.changes import unknown_deployment
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.discovery.serdes import Operation, SerdeRequest
from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId, IdError, parse_deployment_id
from restate.runtime.model.target import Generation
from restate.runtime.schema.deployment import Deployment

_OPERATIONS: tuple[Operation, ...] = ("decode", "encode")


def add_serde_routes(blueprint: Blueprint, parts: Parts) -> None:
    for operation in _OPERATIONS:
        rule = f"/internal/services/<service>/serdes/{operation}/<path:serde>"
        blueprint.add_url_rule(rule, f"POST {rule}", partial(_convert, parts, operation), methods=["POST"])


async def _convert(parts: Parts, operation: Operation, service: str, serde: str) -> Response:
    """The body is taken as it is; `deployment` chooses another one than that of the latest revision."""
    deployment = _deployment(parts, service)
    if deployment.generation is Generation.CLASSIC or deployment.arn is not None:
        raise DeploymentError(f"the deployment {deployment.id} has no serializers to ask", http_status=500)
    body = await request.get_data(as_text=False)
    assert isinstance(body, bytes)
    converted = await parts.discovery.convert(deployment, SerdeRequest(service, operation, serde, body))
    content_type = "application/json" if operation == "decode" else "application/octet-stream"
    return Response(converted, content_type=content_type)


def _deployment(parts: Parts, service: str) -> Deployment:
    """Raises Refusal 400 or 404."""
    registry = parts.partition.schema
    text = parameter("deployment")
    if text is None:
        latest = registry.deployment_of(service)
        if latest is None:
            raise _unknown_service(service)
        return latest
    found = registry.deployments.get(_read_id(text))
    if found is None:
        raise unknown_deployment(DeploymentId(text))
    if found.service(service) is None:
        raise _unknown_service(service)
    return found


def _read_id(text: str) -> DeploymentId:
    try:
        return parse_deployment_id(text)
    except IdError as error:
        raise Refusal(400, f"Failed to deserialize query string: deployment: {error}") from None


def _unknown_service(service: str) -> Refusal:
    return Refusal(404, f"The requested service '{service}' does not exist")

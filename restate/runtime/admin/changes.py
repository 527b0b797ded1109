"""How routes change the schema, and the errors about deployment ids they share."""

from collections.abc import Callable
from typing import TypeVar

from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.model.ids import DeploymentId, IdError, parse_deployment_id
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row

T = TypeVar("T")


async def store(parts: Parts, decide: Callable[[Registry], tuple[T, tuple[Row, ...]]]) -> T:
    """Decide on the published registry and store, again and again until nobody else was faster."""
    while True:
        registry = parts.partition.schema
        result, rows = decide(registry)
        if not rows or await parts.partition.change_schema(registry.version, rows):
            return result


def find_deployment(parts: Parts, text: str) -> Deployment:
    """Raises Refusal 400 or 404."""
    deployment_id = read_deployment_id(text)
    found = parts.partition.schema.deployments.get(deployment_id)
    if found is None:
        raise unknown_deployment(deployment_id)
    return found


def read_deployment_id(text: str) -> DeploymentId:
    """From a path. Raises Refusal 400."""
    try:
        return parse_deployment_id(text)
    except IdError as error:
        raise Refusal(
            400, f"Invalid URL: Cannot parse `deployment` with value `{text[:100]}`: {error}"
        ) from None


def unknown_deployment(deployment_id: DeploymentId) -> Refusal:
    return Refusal(404, f"The requested deployment '{deployment_id}' does not exist")

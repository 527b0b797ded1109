"""Whether each registered deployment can be reached and still serves what it was registered with."""

from collections.abc import Iterable

import trio

from restate.runtime.discovery.handle import Discovery
from restate.runtime.errors import DeploymentError
from restate.runtime.maintenance.finding import Finding
from restate.runtime.net.client import Client
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.registry import Registry

_AT_A_TIME = 16
_HINT = "start it, or remove it: restate deployments remove"


async def check(registry: Registry, client: Client, discovery: Discovery) -> list[Finding]:
    """One finding per deployment, in the order of their creation. client: not running yet."""
    deployments = sorted(registry.deployments.values(), key=lambda each: each.created_ms)
    findings: dict[str, Finding] = {}
    limit = trio.CapacityLimiter(_AT_A_TIME)

    async def ask(deployment: Deployment) -> None:
        async with limit:
            findings[str(deployment.id)] = await _finding(deployment, discovery)

    async with trio.open_nursery() as connections:
        await connections.start(client.run)
        async with trio.open_nursery() as nursery:
            for deployment in deployments:
                nursery.start_soon(ask, deployment)
        connections.cancel_scope.cancel()
    return [findings[str(deployment.id)] for deployment in deployments]


async def _finding(deployment: Deployment, discovery: Discovery) -> Finding:
    subject = "deployment"
    name = f"{deployment.id} at {deployment.address}"
    if deployment.arn is not None:
        return Finding("warning", subject, f"{name} is an AWS Lambda function, which this server cannot call")
    try:
        announced = await discovery.discover(
            deployment.uri, deployment.additional_headers, use_http_11=deployment.http_version == "HTTP/1.1"
        )
    except DeploymentError as error:
        return Finding("problem", subject, f"{name}: {error}", _HINT)
    missing = _names(deployment.services) - _names(announced.services)
    if missing:
        text = f"{name} does not serve {', '.join(sorted(missing))} any more; its invocations fail (RT0012)"
        return Finding(
            "problem", subject, text, "start the version that was registered, or register this one"
        )
    return Finding(
        "ok", subject, f"{name} serves {', '.join(sorted(_names(deployment.services))) or 'nothing'}"
    )


def _names(services: Iterable[Service]) -> set[str]:
    return {service.name for service in services if not service.removed}

"""`sys_service`, `sys_deployment` and `sys_rules`, out of the stored schema."""

from restate.runtime.model.target import Generation
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import ListSource
from restate.runtime.query.worker.invocation_columns import instance_type, service_type
from restate.runtime.query.worker.world import World
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.rule import Rule


def services(world: World) -> ListSource[Service]:
    """The latest revision of each."""
    return ListSource(
        tables.BY_NAME["sys_service"].schema,
        {
            "name": lambda service: service.name,
            "revision": lambda service: service.revision,
            "public": lambda service: service.public,
            "ty": lambda service: service_type(service.type),
            "deployment_id": lambda service: service.deployment_id,
            "instance_type": lambda service: instance_type(service.type),
        },
        lambda: world.registry.services(),
    )


def deployments(world: World) -> ListSource[Deployment]:
    """Those of the classic generation have no protocol versions to show."""
    return ListSource(
        tables.BY_NAME["sys_deployment"].schema,
        {
            "id": lambda deployment: deployment.id,
            "ty": lambda deployment: "http" if deployment.arn is None else "lambda",
            "endpoint": lambda deployment: deployment.address,
            "created_at": lambda deployment: deployment.created_ms,
            "min_service_protocol_version": lambda deployment: (
                deployment.min_protocol_version if _modern(deployment) else None
            ),
            "max_service_protocol_version": lambda deployment: (
                deployment.max_protocol_version if _modern(deployment) else None
            ),
            "services": lambda deployment: [service.name for service in deployment.services],
        },
        lambda: sorted(world.registry.deployments.values(), key=lambda deployment: deployment.id),
    )


def rules(world: World) -> ListSource[Rule]:
    """What operators have stored; no concurrency is no limit."""
    return ListSource(
        tables.BY_NAME["sys_rules"].schema,
        {
            "pattern": lambda rule: rule.pattern,
            "concurrency": lambda rule: rule.concurrency,
            "description": lambda rule: rule.description,
            "disabled": lambda rule: rule.disabled,
            "version": lambda rule: rule.version,
            "last_modified": lambda rule: rule.modified_ms,
        },
        lambda: sorted(world.registry.stored.book.rules.values(), key=lambda rule: rule.pattern),
    )


def _modern(deployment: Deployment) -> bool:
    return deployment.generation is Generation.MODERN

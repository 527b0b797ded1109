"""Deployments of few words, and a registry over them."""

from collections.abc import Sequence

from restate.runtime.model.ids import DeploymentId
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.schema.deployment import Deployment, Handler, Options, Service
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import deployment_row

_HANDLER_TYPE = {
    ServiceType.SERVICE: HandlerType.PLAIN,
    ServiceType.UNKEYED: HandlerType.PLAIN,
    ServiceType.VIRTUAL_OBJECT: HandlerType.EXCLUSIVE,
    ServiceType.KEYED: HandlerType.EXCLUSIVE,
    ServiceType.SINGLETON: HandlerType.EXCLUSIVE,
    ServiceType.WORKFLOW: HandlerType.WORKFLOW,
}


def service(
    name: str, kind: ServiceType = ServiceType.SERVICE, *handlers: str | Handler, **fields: object
) -> Service:
    """Handlers by name have the usual type of the service; `call` when none is given."""
    made = tuple(
        entry if isinstance(entry, Handler) else Handler(entry, _HANDLER_TYPE[kind])
        for entry in handlers or ("call",)
    )
    return Service(name, kind, made, **fields)  # type: ignore[arg-type]


def deployment(
    deployment_id: str,
    *services: Service,
    uri: str = "http://127.0.0.1:9080/",
    created_ms: int = 1,
    revision: int = 1,
) -> Deployment:
    """Services without a revision get `revision`; the generation is that of the first service."""
    typed_id = DeploymentId(deployment_id)
    generation = services[0].type.generation if services else Generation.MODERN
    owned = [
        Service(
            **{name: getattr(entry, name) for name in entry.__struct_fields__}
            | {"deployment_id": typed_id, "revision": entry.revision or revision}
        )
        for entry in services
    ]
    return Deployment(typed_id, generation, uri, "BidiStream", "HTTP/2.0", 5, 7, created_ms, tuple(owned))


def registry(*deployments: Deployment, version: int = 1) -> Registry:
    return Registry.EMPTY.changed(version, tuple(deployment_row(entry) for entry in deployments))


def options(**values: int) -> Options:
    return Options(**values)  # type: ignore[arg-type]


def names(services: Sequence[Service]) -> list[str]:
    return [entry.name for entry in services]

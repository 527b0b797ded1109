"""From service, handler and key to the invocation that a call means: its target, its id and how long it is kept."""

from enum import Enum

from restate.runtime.model import ids as model_ids
from restate.runtime.model.clock import IdSource
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import Callee
from restate.runtime.model.target import Generation, HandlerType, ServiceType, Target
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.options import DEFAULTS, Defaults, retention
from restate.runtime.schema.registry import Registry


class AddressFault(Enum):
    """Why a call has no target; each edge has its own words for it."""

    UNKNOWN_SERVICE = "unknown service"
    UNKNOWN_HANDLER = "unknown handler"
    KEY_REQUIRED = "a key is required"
    KEY_NOT_ALLOWED = "a key is not allowed"


class AddressError(Exception):
    """There is no such target, as of the registry that was asked."""

    def __init__(self, fault: AddressFault, service: str, handler: str) -> None:
        super().__init__(f"{service}/{handler}: {fault.value}")
        self.fault = fault
        self.service = service
        self.handler = handler


def address(
    registry: Registry,
    service: str,
    handler: str,
    key: str | None,
    *,
    idempotency_key: str | None = None,
    ids: IdSource,
    defaults: Defaults = DEFAULTS,
    retention_ms: int | None = None,
) -> Callee:
    """The callee of a new call, on the latest revision of the service.

    key: None or "" where the service has none. An empty key is legal for keyed services of both generations, so a
    caller whose wire cannot tell absent from empty passes "". retention_ms: a classic caller's own choice for the
    result of an idempotent call. Raises AddressError.
    """
    found, entry = _look_up(registry, service, handler)
    target = _target(found, entry, key, ids)
    # A workflow run is deduplicated by its own key already.
    idempotency = None if entry.type is HandlerType.WORKFLOW else idempotency_key
    kept = retention(found, entry, idempotent=idempotency is not None, defaults=defaults)
    return Callee(
        _invocation_id(target, idempotency, ids),
        target,
        retention_ms if retention_ms and idempotency is not None else kept.completion_ms,
        kept.journal_ms,
        idempotency,
    )


def workflow_run_id(service: str, key: str, *, scope: str | None = None) -> InvocationId:
    """The id of the one run that a workflow key has, whether it exists or not. scope: none of ours has one."""
    partition_key = model_ids.partition_key_of_key(key if scope is None else scope)
    return InvocationId(partition_key + model_ids.workflow_uuid(service, key, scope=scope))


def idempotent_id(
    service: str, key: str | None, handler: str, idempotency_key: str, *, scope: str | None = None
) -> InvocationId:
    """The id of a modern call with an idempotency key, whether it exists or not. key None: unkeyed service.

    scope: none of ours has one.
    """
    if scope is not None:
        partition_key = model_ids.partition_key_of_key(scope)
    elif key is None:
        bucket = model_ids.bucket_of_idempotency_key(idempotency_key)
        partition_key = model_ids.partition_key_of_service(service, bucket)
    else:
        partition_key = model_ids.partition_key_of_key(key)
    uuid = model_ids.idempotent_uuid(service, key, handler, idempotency_key, scope=scope)
    return InvocationId(partition_key + uuid)


def classic_idempotent_id(service: str, idempotency_key: str) -> InvocationId:
    """The id of a classic idempotent call; method and service key do not count (settled.md, 20)."""
    partition_key = model_ids.classic_partition_key((service + idempotency_key).encode())
    return InvocationId(partition_key + model_ids.classic_idempotent_uuid(service, idempotency_key))


def _look_up(registry: Registry, service: str, handler: str) -> tuple[Service, Handler]:
    found = registry.service(service)
    if found is None:
        raise AddressError(AddressFault.UNKNOWN_SERVICE, service, handler)
    entry = registry.handler(service, handler)
    if entry is None:
        raise AddressError(AddressFault.UNKNOWN_HANDLER, service, handler)
    return found, entry


def _target(service: Service, handler: Handler, key: str | None, ids: IdSource) -> Target:
    if service.type in (ServiceType.SERVICE, ServiceType.UNKEYED, ServiceType.SINGLETON):
        if key:
            raise AddressError(AddressFault.KEY_NOT_ALLOWED, service.name, handler.name)
        if service.type is ServiceType.SERVICE:
            key = None
        else:
            key = "" if service.type is ServiceType.SINGLETON else ids.uuid7_text()
    elif key is None:
        raise AddressError(AddressFault.KEY_REQUIRED, service.name, handler.name)
    return Target(service.name, handler.name, key, service.type, handler.type)


def _invocation_id(target: Target, idempotency_key: str | None, ids: IdSource) -> InvocationId:
    if target.generation is Generation.CLASSIC:
        if idempotency_key is not None:
            return classic_idempotent_id(target.service, idempotency_key)
        partition_key = model_ids.classic_partition_key((target.key or "").encode())
        return InvocationId(partition_key + ids.ulid())
    if target.handler_type is HandlerType.WORKFLOW and target.key is not None:
        return workflow_run_id(target.service, target.key)
    if idempotency_key is not None:
        return idempotent_id(target.service, target.key, target.handler, idempotency_key)
    if target.key is not None:
        return InvocationId(model_ids.partition_key_of_key(target.key) + ids.ulid())
    bucket = ids.bucket(model_ids.SERVICE_BUCKETS)
    return InvocationId(model_ids.partition_key_of_service(target.service, bucket) + ids.ulid())

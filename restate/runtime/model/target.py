"""What an invocation calls: generation, service type, handler type, target."""

from enum import IntEnum

import msgspec


class Generation(IntEnum):
    """Which of the two protocol families an invocation, service or deployment belongs to."""

    CLASSIC = 0
    MODERN = 1


class ServiceType(IntEnum):
    """Both generations' service types in one enumeration; stored, so numbers never change."""

    SERVICE = 0
    VIRTUAL_OBJECT = 1
    WORKFLOW = 2
    UNKEYED = 3
    KEYED = 4
    SINGLETON = 5

    @property
    def generation(self) -> Generation:
        return Generation.MODERN if self <= ServiceType.WORKFLOW else Generation.CLASSIC

    @property
    def keyed(self) -> bool:
        """Whether a target of this type names an object: it has state and lives under a key."""
        return self not in (ServiceType.SERVICE, ServiceType.UNKEYED)


class HandlerType(IntEnum):
    """How a handler may run; stored, so numbers never change."""

    PLAIN = 0
    """Any handler of an unkeyed service."""
    EXCLUSIVE = 1
    """One at a time per key, may write state. Every method of classic keyed and singleton services."""
    SHARED = 2
    """Any number at a time, reads state."""
    WORKFLOW = 3
    """The run handler: once per key, may write state, takes no lock."""


class Target(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One handler of one service, with the key of the object if there is one.

    key: None for modern services; "" for classic singletons; the random uuid text for classic unkeyed services.
    """

    service: str
    handler: str
    key: str | None
    service_type: ServiceType
    handler_type: HandlerType

    @property
    def generation(self) -> Generation:
        return self.service_type.generation

    @property
    def exclusive(self) -> bool:
        """Takes the lock of its key."""
        return self.handler_type is HandlerType.EXCLUSIVE

    @property
    def writes_state(self) -> bool:
        return self.handler_type in (HandlerType.EXCLUSIVE, HandlerType.WORKFLOW)

    @property
    def has_state(self) -> bool:
        return self.service_type.keyed

    @property
    def object_key(self) -> str | None:
        """None without an object; the key of a classic unkeyed service names one invocation."""
        return self.key if self.has_state else None

    def __str__(self) -> str:
        """As users see it: `Svc/handler`, `Obj/key/handler`."""
        if self.object_key is None:
            return f"{self.service}/{self.handler}"
        return f"{self.service}/{self.key}/{self.handler}"

"""The registry: an immutable view over all that is stored in the schema: deployments, with the latest revision of each
service name, and what `stored` has.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Self

from restate.runtime.model.ids import DeploymentId
from restate.runtime.schema.deployment import Deployment, Handler, Service
from restate.runtime.schema.legal_names import identifier, is_identifier, legal_name
from restate.runtime.schema.messages import ClassicMessages, MessagePool
from restate.runtime.schema.rows import Row, decode_deployment, id_in_key, is_deployment
from restate.runtime.schema.stored import NOTHING, Stored
from restate.runtime.schema.symbols_builtin import BUILTIN_SERVICES, builtin_files
from restate.runtime.schema.symbols_public import PublicSymbols, public_symbols


class Registry:
    """All deployments as of schema version `version` (counts changes from 0). Never changes; `changed` gives the next."""

    EMPTY: "Registry"

    def __init__(
        self,
        version: int,
        deployments: Mapping[DeploymentId, Deployment],
        pools: Mapping[DeploymentId, MessagePool] = MappingProxyType({}),
        stored: Stored = NOTHING,
    ) -> None:
        """pools: those of deployments that are unchanged, so that they are not built again."""
        self.version = version
        self.stored = stored
        self.deployments: Mapping[DeploymentId, Deployment] = MappingProxyType(dict(deployments))
        self._latest = _latest(self.deployments.values())
        self._handlers = {
            (service.name, handler.name): handler
            for service in self._latest.values()
            for handler in service.handlers
        }
        self._pools = dict(pools)
        self._symbols: PublicSymbols | None = None

    @classmethod
    def load(cls, version: int, rows: Iterable[tuple[bytes, bytes]]) -> Self:
        """From all stored rows. Raises SchemaFormatError."""
        rows = list(rows)
        deployments = (decode_deployment(key, value) for key, value in rows if is_deployment(key))
        stored = NOTHING.changed(rows)
        return cls(version, {deployment.id: deployment for deployment in deployments}, stored=stored)

    def changed(self, version: int, rows: Iterable[Row]) -> "Registry":
        """The registry after `rows` have been stored as schema version `version`."""
        rows = list(rows)
        deployments = dict(self.deployments)
        pools = dict(self._pools)
        for key, value in rows:
            if not is_deployment(key):
                continue
            deployment_id = id_in_key(key)
            old = deployments.pop(deployment_id, None)
            if value is not None:
                deployments[deployment_id] = decode_deployment(key, value)
            if old is None or value is None or deployments[deployment_id].descriptors != old.descriptors:
                pools.pop(deployment_id, None)
        return Registry(version, deployments, pools, self.stored.changed(rows))

    def service(self, name: str) -> Service | None:
        """The latest revision."""
        return self._latest.get(name)

    def handler(self, service: str, handler: str) -> Handler | None:
        """The handler in the latest revision of its service."""
        return self._handlers.get((service, handler))

    def find(self, service: str) -> Service | None:
        """By its name, else by the name that descriptors have for it (`legal_names.py`)."""
        return self._latest.get(service) or self._latest.get(self._aliases[0].get(service, ""))

    def find_handler(self, service: Service, handler: str) -> Handler | None:
        """The handler in the latest revision of the service, also by its name in descriptors."""
        found = self._handlers.get((service.name, handler))
        if found is None and (alias := self._aliases[1].get((service.name, handler))):
            found = self._handlers.get((service.name, alias))
        return found

    @cached_property
    def _aliases(self) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
        """Only for names that are not found: with thousands of services most of a change's time would go into it."""
        return _aliases(self._latest)

    def symbols(self) -> PublicSymbols:
        """What reflection shows of the built-in and of all public services."""
        if self._symbols is None:
            self._symbols = public_symbols(
                self.deployments.values(), self._latest.values(), builtin_files(), BUILTIN_SERVICES
            )
        return self._symbols

    def services(self) -> list[Service]:
        """The latest revisions, by name."""
        return [self._latest[name] for name in sorted(self._latest)]

    def deployment_of(self, service: str) -> Deployment | None:
        """Where new invocations of the service go."""
        latest = self._latest.get(service)
        return None if latest is None else self.deployments[latest.deployment_id]

    def classic_method(self, service: str, method: str) -> ClassicMessages | None:
        """The messages of a classic method, in the latest revision; None: no such method, or the service is modern."""
        latest = self._latest.get(service)
        handler = self._handlers.get((service, method))
        if latest is None or handler is None or handler.classic is None:
            return None
        pool = self._pools.get(latest.deployment_id)
        if pool is None:
            pool = MessagePool(self.deployments[latest.deployment_id].descriptors)
            self._pools[latest.deployment_id] = pool
        return pool.messages(service, method, latest.type, handler.classic)


def _aliases(latest: Mapping[str, Service]) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
    """{name in descriptors: name} of services, and {(service, name in descriptors): name} of handlers."""
    services: dict[str, str] = {}
    handlers: dict[tuple[str, str], str] = {}
    for name in sorted(latest):
        if (legal := legal_name(name)) != name:
            services.setdefault(legal, name)
        for handler in latest[name].handlers:
            if not is_identifier(handler.name):
                handlers.setdefault((name, identifier(handler.name)), handler.name)
    return services, handlers


def _latest(deployments: Iterable[Deployment]) -> dict[str, Service]:
    """{name: revision that takes new invocations}: the highest, and of equal ones that of the newest deployment."""
    latest: dict[str, tuple[int, int, Service]] = {}
    for deployment in deployments:
        for service in deployment.services:
            rank = (service.revision, deployment.created_ms)
            found = latest.get(service.name)
            if not service.removed and (found is None or rank > found[:2]):
                latest[service.name] = (*rank, service)
    return {name: service for name, (_, _, service) in latest.items()}


Registry.EMPTY = Registry(0, {})

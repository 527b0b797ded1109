"""Everything that RPC clients can call: built-in services, classic ones, and modern ones by the contracts made for them."""

import logging

import attrs

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.health import Health
from restate.runtime.grpc_server.method import Method, methods_of
from restate.runtime.grpc_server.reflection import reflection_methods
from restate.runtime.ingress.builtin import AwakeablesService, IngressService
from restate.runtime.ingress.calls import Calls, find_target, method_not_found
from restate.runtime.ingress.classic import ClassicMethods
from restate.runtime.ingress.measures import CALL, SEND, Measured
from restate.runtime.ingress.synthesized import ModernMethods
from restate.runtime.model.clock import Clock
from restate.runtime.partition.handle import Partition
from restate.runtime.pb.health_pb2 import HealthCheckResponse
from restate.runtime.rpc.json_options import JsonOptions
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.symbols import SymbolIndex
from restate.runtime.schema.symbols_public import is_visible
from restate.runtime.telemetry.metrics import IngressMetrics

log = logging.getLogger("restate.ingress")

_Status = HealthCheckResponse.ServingStatus


class Methods:
    """Finds methods as of the registry that the partition shows."""

    def __init__(
        self,
        partition: Partition,
        calls: Calls,
        clock: Clock,
        json_options: JsonOptions,
        metrics: IngressMetrics,
    ) -> None:
        self._partition = partition
        self._metrics = metrics
        self._classic = ClassicMethods(partition, calls, clock)
        self._modern = ModernMethods(partition, calls)
        self._own = {
            (method.service, method.name): method
            for method in (
                *(
                    _measured(method, metrics, SEND)
                    for method in methods_of(IngressService(partition, calls, json_options)).values()
                ),
                *(
                    _measured(method, metrics, CALL)
                    for method in methods_of(AwakeablesService(partition)).values()
                ),
                *methods_of(
                    Health(self._status, lambda: partition.changed, lambda: partition.refusing)
                ).values(),
                *reflection_methods(self._symbols),
            )
        }
        self._services = {service for service, _ in self._own}
        self._schema: Registry | None = None  # of what is in `_found`
        self._found: dict[tuple[str, str], Method] = {}
        self._hidden: tuple[str, ...] = ()

    def has(self, service: str) -> bool:
        """Whether it is a built-in service. Their names are reserved; none can be registered."""
        return service in self._services

    def find(self, service: str, method: str) -> Method:
        """By names as descriptors have them. Raises RpcError NOT_FOUND, PERMISSION_DENIED."""
        schema = self._partition.schema
        if schema is not self._schema:
            self._schema = schema
            self._found = {}
        found = self._found.get((service, method))
        if found is None:
            found = self._found[service, method] = self._make(schema, service, method)
        return found

    def _make(self, schema: Registry, service_name: str, name: str) -> Method:
        if self.has(service_name):
            own = self._own.get((service_name, name))
            if own is None:
                raise method_not_found(service_name, name)
            return own
        service, handler = find_target(schema, service_name, name)
        messages = schema.classic_method(service.name, handler.name)
        if messages is None:
            found = self._modern.method(service, handler)
        else:
            found = self._classic.method(service, handler, messages)
        return _measured(found, self._metrics, CALL)

    def _status(self, service: str) -> HealthCheckResponse.ServingStatus | None:
        if not service or self.has(service):
            return _Status.SERVING
        found = self._partition.schema.find(service)
        if found is None:
            return None
        return _Status.SERVING if is_visible(found) else _Status.NOT_SERVING

    def _symbols(self) -> SymbolIndex:
        symbols = self._partition.schema.symbols()
        if symbols.hidden != self._hidden:
            self._hidden = symbols.hidden
            for service in symbols.hidden:
                log.warning(
                    "%s is not shown by reflection: another service has its name in descriptors", service
                )
        return symbols.index


def _measured(method: Method, metrics: IngressMetrics, kind: str) -> Method:
    """The method, with its calls counted."""
    handle = method.handle

    async def counted(call: Call) -> None:
        with Measured(metrics, method.service, method.name, kind):
            await handle(call)

    return attrs.evolve(method, handle=counted)

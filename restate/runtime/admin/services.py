"""/services: the latest revisions, their handlers and methods, and their settings."""

import logging

import attrs
from quart import Blueprint, Response

from restate.runtime.admin.answer import json_response
from restate.runtime.admin.body import Duration, read_body
from restate.runtime.admin.changes import store
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.models import HandlerList, MethodList, ServiceList, ServiceMetadata
from restate.runtime.admin.openapi_service import service_document
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.views import handler_view, method_view, method_views, service_view
from restate.runtime.errors import DeploymentError
from restate.runtime.pb.reflection_pb2 import FileDescriptorResponse
from restate.runtime.schema.deployment import Deployment, Handler, Service
from restate.runtime.schema.legal_names import legal_name
from restate.runtime.schema.modification import ServiceChanges, modify_service
from restate.runtime.schema.registry import Registry
from restate.runtime.schema.rows import Row
from restate.runtime.schema.symbols_public import is_visible

log = logging.getLogger("restate.admin")

_BUILT_IN = ("dev.restate.", "grpc.")


@attrs.frozen
class ModifyService:
    """Body of PATCH /services/{service}. What is absent stays as it is; the next registration sets everything anew."""

    public: bool | None = None
    idempotency_retention: Duration | None = None
    workflow_completion_retention: Duration | None = None
    journal_retention: Duration | None = None
    inactivity_timeout: Duration | None = None
    abort_timeout: Duration | None = None

    @property
    def changes(self) -> ServiceChanges:
        return ServiceChanges(
            self.public,
            self.idempotency_retention,
            self.workflow_completion_retention,
            self.journal_retention,
            self.inactivity_timeout,
            self.abort_timeout,
        )


def add_service_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    routes = _Routes(parts, version)
    for rule, view in (
        ("/services", routes.list_all),
        ("/services/<service>", routes.read),
        ("/services/<service>/handlers", routes.handlers),
        ("/services/<service>/handlers/<handler>", routes.handler),
        ("/services/<service>/openapi", routes.openapi),
        ("/services/<service>/methods", routes.methods),
        ("/services/<service>/methods/<method>", routes.method),
        ("/services/<service>/descriptors", routes.descriptors),
    ):
        blueprint.add_url_rule(rule, f"GET {rule}", view, methods=["GET"])
    rule = "/services/<service>"
    blueprint.add_url_rule(rule, f"PATCH {rule}", routes.modify, methods=["PATCH"])


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._superset = version is None
        self._shown: dict[str, tuple[Service, ServiceMetadata]] = {}
        """{name: (service, how it was shown in the last list)}"""

    async def list_all(self) -> Response:
        shown: dict[str, tuple[Service, ServiceMetadata]] = {}
        for service in self._parts.partition.schema.services():
            known = self._shown.get(service.name)
            # A service that has not changed is the same object in the next registry.
            unchanged = known is not None and known[0] is service
            shown[service.name] = known if known and unchanged else (service, self._view(service))
        self._shown = shown
        return json_response(ServiceList([view for _, view in shown.values()]))

    async def read(self, service: str) -> Response:
        return json_response(self._view(self._find(service)))

    async def modify(self, service: str) -> Response:
        changes = (await read_body(ModifyService)).changes
        if self._superset and service.startswith(_BUILT_IN):
            raise DeploymentError(
                f"the service {service!r} is the server's own and cannot be changed",
                code="META0005",
                http_status=403,
            )
        if changes == ServiceChanges():
            return await self.read(service)

        def decide(registry: Registry) -> tuple[None, tuple[Row, ...]]:
            return None, modify_service(registry, service, changes)

        await store(self._parts, decide)
        log.info("changed settings of the service %s: %s", service, changes)
        return await self.read(service)

    async def handlers(self, service: str) -> Response:
        found = self._find(service)
        return json_response(HandlerList(self._view(found).handlers))

    async def handler(self, service: str, handler: str) -> Response:
        found = self._find(service)
        entry = self._handler(found, handler)
        return json_response(handler_view(found, entry, self._deployment(found), self._parts.defaults))

    async def openapi(self, service: str) -> Response:
        found, registry = self._find(service), self._parts.partition.schema
        return json_response(service_document(found, self._parts.ingress_url, registry.classic_method))

    async def methods(self, service: str) -> Response:
        return json_response(MethodList(method_views(self._find(service))))

    async def method(self, service: str, method: str) -> Response:
        found = self._parts.partition.schema.service(service)
        handler = None if found is None else found.handler(method)
        if found is None or handler is None or not handler.public:
            raise Refusal(404, f"The requested method '{method}' on service '{service}' does not exist")
        return json_response(method_view(found, handler))

    async def descriptors(self, service: str) -> Response:
        """The descriptor files of the service and those they need; the service's own is the first."""
        files = None
        if is_visible(self._find(service)):
            files = self._parts.partition.schema.symbols().index.containing(legal_name(service))
        if files is None:
            raise Refusal(
                404, f"The service '{service}' is private, or its contract is hidden by another one"
            )
        answer = FileDescriptorResponse(file_descriptor_proto=files)
        return Response(answer.SerializeToString(), content_type="application/x-protobuf")

    def _find(self, name: str) -> Service:
        service = self._parts.partition.schema.service(name)
        if service is None:
            raise Refusal(404, f"The requested service '{name}' does not exist")
        return service

    def _handler(self, service: Service, name: str) -> Handler:
        handler = service.handler(name)
        if handler is None:
            raise Refusal(404, f"The requested handler '{name}' on service '{service.name}' does not exist")
        return handler

    def _view(self, service: Service) -> ServiceMetadata:
        deployment = self._deployment(service)
        return service_view(service, deployment, self._parts.defaults, superset=self._superset)

    def _deployment(self, service: Service) -> Deployment:
        return self._parts.partition.schema.deployments[service.deployment_id]

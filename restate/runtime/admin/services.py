"""/services: the latest revisions, their handlers and methods."""

from quart import Blueprint, Response

from restate.runtime.admin.answer import json_response
from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.admin.views import Json, handler_view, method_view, method_views, service_view
from restate.runtime.schema.deployment import Handler, Service


def add_service_routes(blueprint: Blueprint, parts: Parts, version: int | None) -> None:
    """version: that of the prefix; None without one."""
    routes = _Routes(parts, version)
    for rule, view in (
        ("/services", routes.list_all),
        ("/services/<service>", routes.read),
        ("/services/<service>/handlers", routes.handlers),
        ("/services/<service>/handlers/<handler>", routes.handler),
        ("/services/<service>/methods", routes.methods),
        ("/services/<service>/methods/<method>", routes.method),
    ):
        blueprint.add_url_rule(rule, f"GET {rule}", view, methods=["GET"])


class _Routes:
    def __init__(self, parts: Parts, version: int | None) -> None:
        self._parts = parts
        self._superset = version is None

    async def list_all(self) -> Response:
        services = self._parts.partition.schema.services()
        return json_response({"services": [self._view(service) for service in services]})

    async def read(self, service: str) -> Response:
        return json_response(self._view(self._find(service)))

    async def handlers(self, service: str) -> Response:
        found = self._find(service)
        return json_response({"handlers": [handler_view(found, handler) for handler in found.handlers]})

    async def handler(self, service: str, handler: str) -> Response:
        found = self._find(service)
        return json_response(handler_view(found, self._handler(found, handler)))

    async def methods(self, service: str) -> Response:
        return json_response({"methods": method_views(self._find(service))})

    async def method(self, service: str, method: str) -> Response:
        found = self._find(service)
        handler = self._handler(found, method)
        if handler.classic is None:
            raise Refusal(404, f"The requested method '{method}' on service '{service}' does not exist")
        return json_response(method_view(found, handler))

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

    def _view(self, service: Service) -> Json:
        deployment = self._parts.partition.schema.deployments[service.deployment_id]
        return service_view(service, deployment, self._parts.defaults, superset=self._superset)

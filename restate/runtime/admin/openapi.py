"""GET /openapi: what this port takes and answers, in OpenAPI 3.1, made from the table of operations and their models."""

import re
from http import HTTPStatus
from typing import Any

from quart import Blueprint, Response, current_app

from restate.runtime.admin.answer import json_response
from restate.runtime.admin.models_schemas import Schemas
from restate.runtime.admin.openapi_operation import JSON, TAGS, Operation, Parameter
from restate.runtime.admin.views import Json

_DESCRIPTION = (
    "Manages deployments, services, invocations and what else the server stores. Every refusal is JSON with the fields"
    " message and restate_code. All paths exist without prefix and under /v2, /v3 and /v4."
)
_OF_BODIES = (400, 413, 415, 422)
_OF_PARAMETERS = (400, 404)
_OF_ALL = (401, 429)
_TOKEN = "token"


def add_openapi_routes(blueprint: Blueprint, version: int | None, release: str) -> None:
    """version: that of the prefix; None without one. release: the version that the server goes by."""
    document: Json = {}

    async def openapi() -> Response:
        if not document:
            document.update(admin_document(_routes(), version, release))
        return json_response(document)

    blueprint.add_url_rule("/openapi", view_func=openapi, methods=["GET"])


def admin_document(routes: set[tuple[str, str]], version: int | None, release: str) -> Json:
    """routes: {(method, path)} that are served, paths with {parameters} and without prefix."""
    # Imported with the first request: most servers are never asked, and it takes 2 MB.
    from restate.runtime.admin.openapi_operations import OPERATIONS

    schemas = Schemas()
    paths: dict[str, Json] = {}
    for operation in OPERATIONS:
        if (version or 0) in operation.versions and (operation.method, operation.path) in routes:
            path = paths.setdefault(operation.path, {})
            path[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admin API",
            "version": release,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/" if version is None else f"/v{version}"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        # With and without: it depends on the configuration.
        "security": [{}, {_TOKEN: []}],
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {_TOKEN: {"type": "http", "scheme": "bearer"}},
        },
    }


def rule_path(rule: str) -> str:
    """A rule of the framework as a path of the document: `<path:name>` and `<name>` → `{name}`."""
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)


def _routes() -> set[tuple[str, str]]:
    return {
        (method, rule_path(rule.rule))
        for rule in current_app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def _operation(operation: Operation, schemas: Schemas) -> Json:
    described: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.parameters:
        described["parameters"] = [_parameter(entry, operation, schemas) for entry in operation.parameters]
    if operation.body is not None:
        content = {JSON: {"schema": schemas.schema(operation.body)}}
        described["requestBody"] = {"required": True, "content": content}
    replies = {status: _reply(status, model, schemas) for status, model in operation.replies.items()}
    errors = {
        status: _reply(status, operation.error, schemas)
        for status in _error_statuses(operation)
        if status not in replies
    }
    described["responses"] = {str(status): reply for status, reply in sorted({**replies, **errors}.items())}
    return described


def _error_statuses(operation: Operation) -> set[int]:
    statuses = {*_OF_ALL, *operation.errors}
    if operation.body is not None:
        statuses.update(_OF_BODIES)
    if operation.parameters:
        statuses.update(_OF_PARAMETERS)
    return statuses


def _parameter(parameter: Parameter, operation: Operation, schemas: Schemas) -> Json:
    in_path = f"{{{parameter.name}}}" in operation.path
    return {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path,
        "description": parameter.description,
        "schema": schemas.schema(parameter.kind) | parameter.schema,
    }


def _reply(status: int, model: Any, schemas: Schemas) -> Json:
    reply: Json = {"description": HTTPStatus(status).phrase}
    if model is not None:
        contents = model if isinstance(model, dict) else {JSON: model}
        reply["content"] = {
            content_type: {} if content is bytes else {"schema": schemas.schema(content)}
            for content_type, content in contents.items()
        }
    return reply

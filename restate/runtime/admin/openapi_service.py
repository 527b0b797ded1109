"""How one service is called over HTTP, in OpenAPI 3.1 (admin.md §4.3): for code generators and API browsers."""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from google.protobuf.message import Message

from restate.runtime.admin.views import Json
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.schema.deployment import Handler, Service
from restate.runtime.schema.message_schema import message_schema
from restate.runtime.schema.messages import ClassicMessages

_JSON = "application/json"
_SCHEMAS = "#/components/schemas/"


Messages = Callable[[str, str], ClassicMessages | None]
"""Of a service and method by name."""


def service_document(service: Service, ingress_url: str, messages: Messages) -> Json:
    """Private handlers are left out: the ingress refuses them. ingress_url: where services are called."""
    schemas: Json = dict(_COMMON_SCHEMAS)
    operations: set[str] = set()
    paths: dict[str, Json] = {}
    for handler in sorted(service.handlers, key=lambda handler: handler.name):
        if service.is_public(handler):
            paths.update(_Handler(service, handler, schemas, operations).paths(messages))
    info: Json = {"title": service.name, "version": str(service.revision)}
    if service.documentation:
        info["description"] = service.documentation
    return {
        "openapi": "3.1.0",
        "info": info,
        "servers": [{"url": ingress_url, "description": "where services are called"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": dict(sorted(paths.items())),
        "components": {
            "parameters": _PARAMETERS,
            "responses": _RESPONSES,
            "schemas": schemas,
        },
    }


_TAGS = {
    "Request Response": "Call a handler and wait for its answer.",
    "Send": "Have a handler called, and do not wait.",
    "Attach": "Wait for the answer of an earlier call.",
    "Get Output": "The answer of an earlier call, if it is there.",
}
_PARAMETERS: Json = {
    "key": {"name": "key", "in": "path", "required": True, "schema": {"type": "string"}},
    "delay": {
        "name": "delay",
        "in": "query",
        "required": False,
        "description": "how long the call waits before it is made, such as `10s`, or in ISO 8601",
        "schema": {"type": "string"},
        "example": "10s",
    },
    "idempotencyKeyHeader": {
        "name": "idempotency-key",
        "in": "header",
        "required": False,
        "description": "calls with the same key are made once",
        "schema": {"type": "string"},
    },
    "idempotencyKeyPath": {
        "name": "idempotencyKey",
        "in": "path",
        "required": True,
        "description": "the idempotency key of the earlier call",
        "schema": {"type": "string"},
    },
}


def _response(description: str, schema: str) -> Json:
    return {"description": description, "content": {_JSON: {"schema": {"$ref": f"{_SCHEMAS}{schema}"}}}}


_RESPONSES: Json = {
    "GenericError": _response("The call failed, or was refused", "RestateError"),
    "InvocationNotFoundError": _response("There is no such invocation", "RestateError"),
    "InvocationNotReadyError": _response("The invocation has not completed", "RestateError"),
    "Send": _response("The call will be made", "RestateSendResponse"),
}
_COMMON_SCHEMAS: Json = {
    "RestateError": {
        "type": "object",
        "description": "An error of the ingress, or the terminal error of a handler.",
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "source": {"type": "string", "enum": ["ingress", "invocation"]},
            "stacktrace": {"type": "string"},
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["message"],
    },
    "RestateSendResponse": {
        "type": "object",
        "properties": {
            "invocationId": {"type": "string"},
            "status": {"type": "string", "enum": ["Accepted", "PreviouslyAccepted"]},
            "executionTime": {"type": "string", "format": "date-time"},
        },
        "required": ["invocationId", "status"],
    },
}


class _Handler:
    """The operations of one handler. schemas, operations: all so far, by name; get its own."""

    def __init__(self, service: Service, handler: Handler, schemas: Json, operations: set[str]) -> None:
        self._service = service
        self._handler = handler
        self._schemas = schemas
        self._operations = operations
        self._keyed = service.type in (ServiceType.VIRTUAL_OBJECT, ServiceType.WORKFLOW)

    def paths(self, messages: Messages) -> dict[str, Json]:
        if self._service.type.generation is Generation.CLASSIC:
            return self._classic_paths(messages)
        name = self._handler.name
        key = "/{key}" if self._keyed else ""
        service, handler = quote(self._service.name, safe=""), quote(name, safe="")
        target = f"{service}{key}/{handler}"
        paths = {
            f"/restate/call/{target}": {"post": self._call()},
            f"/restate/send/{target}": {"post": self._send()},
        }
        if self._handler.type is HandlerType.WORKFLOW:
            earlier, parameter = f"/restate/workflow/{service}{key}", None
        elif self._service.type is not ServiceType.WORKFLOW:
            earlier, parameter = f"/restate/invocation/{target}/{{idempotencyKey}}", "idempotencyKeyPath"
        else:
            return paths
        paths[f"{earlier}/attach"] = {"get": self._later("Attach", parameter)}
        paths[f"{earlier}/output"] = {"get": self._later("Get Output", parameter)}
        return paths

    def _classic_paths(self, messages: Messages) -> dict[str, Json]:
        """A method takes its message as JSON; the key is a field of it."""
        found = messages(self._service.name, self._handler.name)
        assert found is not None, "classic services have contracts"
        given, answer = self._message(found.input_class), self._message(found.output_class)
        call = self._operation(
            "", "Request Response", "Call {0} and wait for its answer", "idempotencyKeyHeader"
        )
        call["requestBody"] = {"required": True, "content": given}
        call["responses"] = _responses({"200": {"description": "The answer", "content": answer}})
        return {f"/{self._service.name}/{self._handler.name}": {"post": call}}

    def _message(self, kind: type[Message]) -> Json:
        descriptor: Any = (
            kind.DESCRIPTOR
        )  # the types know two kinds of it, and which one depends on the platform
        return {_JSON: {"schema": message_schema(descriptor, self._schemas, _place)}}

    def _call(self) -> Json:
        # A workflow runs once for each key, so its calls need no other.
        parameters = () if self._handler.type is HandlerType.WORKFLOW else ("idempotencyKeyHeader",)
        operation = self._operation("", "Request Response", "Call {0} and wait for its answer", *parameters)
        return operation | self._body() | {"responses": _responses({"200": self._answer()})}

    def _send(self) -> Json:
        parameters = () if self._handler.type is HandlerType.WORKFLOW else ("idempotencyKeyHeader",)
        operation = self._operation("Send", "Send", "Have {0} called", *parameters, "delay")
        accepted = {"$ref": "#/components/responses/Send"}
        return operation | self._body() | {"responses": _responses({"200": accepted, "202": accepted})}

    def _later(self, tag: str, parameter: str | None) -> Json:
        suffix = tag.replace("Get ", "")
        text = "Wait for the answer of {0}" if tag == "Attach" else "The answer of {0}, if it is there"
        operation = self._operation(suffix, tag, text, *(() if parameter is None else (parameter,)))
        responses = {"200": self._answer(), "404": {"$ref": "#/components/responses/InvocationNotFoundError"}}
        if tag != "Attach":
            responses["470"] = {"$ref": "#/components/responses/InvocationNotReadyError"}
        return operation | {"responses": _responses(responses)}

    def _operation(self, suffix: str, tag: str, text: str, *parameters: str) -> Json:
        name = self._handler.name
        operation: Json = {
            "operationId": self._operation_id(f"{name}{suffix}"),
            "tags": [tag],
            "summary": name,
            "description": text.format(f"{self._service.name}/{name}") + ".",
        }
        if self._handler.documentation:
            operation["description"] += f"\n\n{self._handler.documentation}"
        names = ("key", *parameters) if self._keyed else parameters
        if names:
            operation["parameters"] = [{"$ref": f"#/components/parameters/{entry}"} for entry in names]
        return operation

    def _operation_id(self, name: str) -> str:
        """A handler may be called like what another one gets for its `Send`."""
        while name in self._operations:
            name += "_"
        self._operations.add(name)
        return name

    def _body(self) -> Json:
        rule = self._handler.input
        if rule.content_type is None:
            return {}
        return {
            "requestBody": {
                "required": rule.required,
                "content": {rule.content_type: self._media("Request", rule.json_schema)},
            }
        }

    def _answer(self) -> Json:
        rule = self._handler.output
        if rule.content_type is None:
            return {"description": "The answer, which is empty"}
        content = {rule.content_type: self._media("Response", rule.json_schema)}
        return {"description": "The answer", "content": content}

    def _media(self, suffix: str, json_schema: bytes | None) -> Json:
        if json_schema is None:
            return {}
        name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{self._handler.name}{suffix}")
        schema = json.loads(json_schema)
        # Several operations have the same one, which stands there once.
        while self._schemas.setdefault(name, moved := _at_home(schema, f"{_SCHEMAS}{name}")) != moved:
            name += "_"
        return {"schema": {"$ref": f"{_SCHEMAS}{name}"}}


def _responses(known: dict[str, Json]) -> Json:
    return known | {"default": {"$ref": "#/components/responses/GenericError"}}


def _place(name: str) -> str:
    return f"{_SCHEMAS}{name}"


def _at_home(schema: Any, place: str) -> Any:
    """A schema that was a document of its own, with references that hold at its new place."""
    if isinstance(schema, list):
        return [_at_home(entry, place) for entry in schema]
    if not isinstance(schema, dict) or "$id" in schema:
        return schema
    moved = {name: _at_home(entry, place) for name, entry in schema.items()}
    reference = schema.get("$ref")
    if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
        moved["$ref"] = place + reference[1:]
    return moved

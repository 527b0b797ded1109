import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.timestamp_pb2 import Timestamp

from restate.runtime.admin.openapi_service import service_document
from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.schema.deployment import ClassicMethod, Handler, InputRule, OutputRule
from restate.runtime.schema.messages import ClassicMessages
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

INGRESS = "http://127.0.0.1:8080/"
MESSAGES = ClassicMessages(ServiceType.UNKEYED, Timestamp, DescriptorProto, None)


def no_messages(_service: str, _method: str) -> ClassicMessages | None:
    return None


def paths(kind: ServiceType, *handlers: str | Handler, **fields: object) -> list[str]:
    return list(service_document(service("S", kind, *handlers, **fields), INGRESS, no_messages)["paths"])


def test_a_service_is_called_sent_to_and_asked_later() -> None:
    assert paths(ServiceType.SERVICE, "h") == [
        "/restate/call/S/h",
        "/restate/invocation/S/h/{idempotencyKey}/attach",
        "/restate/invocation/S/h/{idempotencyKey}/output",
        "/restate/send/S/h",
    ]


def test_an_object_has_a_key() -> None:
    assert paths(ServiceType.VIRTUAL_OBJECT, "h") == [
        "/restate/call/S/{key}/h",
        "/restate/invocation/S/{key}/h/{idempotencyKey}/attach",
        "/restate/invocation/S/{key}/h/{idempotencyKey}/output",
        "/restate/send/S/{key}/h",
    ]


def test_a_workflow_is_asked_later_by_its_key_alone() -> None:
    shared = Handler("approve", HandlerType.SHARED)
    assert paths(ServiceType.WORKFLOW, "run", shared) == [
        "/restate/call/S/{key}/approve",
        "/restate/call/S/{key}/run",
        "/restate/send/S/{key}/approve",
        "/restate/send/S/{key}/run",
        "/restate/workflow/S/{key}/attach",
        "/restate/workflow/S/{key}/output",
    ]


def test_what_is_private_cannot_be_called() -> None:
    hidden = Handler("hidden", HandlerType.PLAIN, public=False)
    assert paths(ServiceType.SERVICE, hidden) == []
    assert paths(ServiceType.SERVICE, "h", public=False) == []


def test_a_classic_method_takes_its_message() -> None:
    method = Handler("Greet", HandlerType.PLAIN, classic=ClassicMethod("Request", "Response"))
    greeter = service("shop.Greeter", ServiceType.UNKEYED, method)
    document = service_document(greeter, INGRESS, lambda _service, _method: MESSAGES)
    assert list(document["paths"]) == ["/shop.Greeter/Greet"]
    call = document["paths"]["/shop.Greeter/Greet"]["post"]
    assert call["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "string",
        "format": "date-time",
    }
    reference = call["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def handler(
    name: str, given: Mapping[str, object] | None = None, answer: Mapping[str, object] | None = None
) -> Handler:
    return Handler(
        name,
        HandlerType.PLAIN,
        input=InputRule("application/json", True, None if given is None else json.dumps(given).encode()),
        output=OutputRule("application/json", False, None if answer is None else json.dumps(answer).encode()),
    )


def document_of(*handlers: Handler) -> Any:
    return service_document(service("S", ServiceType.SERVICE, *handlers), INGRESS, no_messages)


def test_schemas_are_those_of_the_manifest() -> None:
    document = document_of(handler("h", {"type": "integer"}, {"type": "string"}))
    schemas = document["components"]["schemas"]
    assert schemas.keys() == {"hRequest", "hResponse", "RestateError", "RestateSendResponse"}
    assert (schemas["hRequest"], schemas["hResponse"]) == ({"type": "integer"}, {"type": "string"})
    call = document["paths"]["/restate/call/S/h"]["post"]
    reference = {"$ref": "#/components/schemas/hRequest"}
    assert call["requestBody"] == {"required": True, "content": {"application/json": {"schema": reference}}}
    assert call["responses"]["200"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/hResponse"
    }


def test_references_inside_of_a_schema_still_hold() -> None:
    nested = {
        "properties": {"a": {"$ref": "#/$defs/A"}, "self": {"$ref": "#"}},
        "$defs": {"A": {"type": "integer"}},
    }
    schema = document_of(handler("h", nested))["components"]["schemas"]["hRequest"]
    assert schema["properties"]["a"] == {"$ref": "#/components/schemas/hRequest/$defs/A"}
    assert schema["properties"]["self"] == {"$ref": "#/components/schemas/hRequest"}
    kept = {"$id": "http://x/", "properties": {"a": {"$ref": "#/$defs/A"}}}
    assert document_of(handler("h", kept))["components"]["schemas"]["hRequest"] == kept


def test_no_body_and_no_answer() -> None:
    silent = Handler("h", HandlerType.PLAIN, input=InputRule(None), output=OutputRule(None))
    call = document_of(silent)["paths"]["/restate/call/S/h"]["post"]
    assert "requestBody" not in call
    assert "content" not in call["responses"]["200"]


def test_names_that_meet_are_told_apart() -> None:
    document = document_of(handler("a"), handler("aSend"), handler("RestateSend", None, {"type": "integer"}))
    ids = [operation["operationId"] for entry in document["paths"].values() for operation in entry.values()]
    assert len(ids) == len(set(ids))
    assert document["components"]["schemas"]["RestateSendResponse"]["type"] == "object"


@pytest.mark.parametrize("prefix", ["", "/v4"])
async def test_the_route(prefix: str) -> None:
    admin = Admin()
    admin.discovery.answers["http://h:1/"] = announce(
        service("S", ServiceType.SERVICE, "h", documentation="What it is for.")
    )
    await admin.register("http://h:1/")
    status, document = await admin.get(f"{prefix}/services/S/openapi")
    assert status == 200
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "S", "version": "1", "description": "What it is for."}
    assert document["servers"][0]["url"] == INGRESS
    assert (await admin.get(f"{prefix}/services/Nope/openapi"))[0] == 404

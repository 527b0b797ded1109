import json
from typing import Any

import pytest

from restate.runtime.discovery.announcement import announce_classic, announce_modern
from restate.runtime.errors import DeploymentError
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.pb import ext_pb2
from restate.runtime.schema.deployment import Handler, InputRule, OutputRule, Service
from restate.runtime.schema.messages import MessagePool
from restate.runtime.service_protocol.discovery import ClassicAnswer, parse_modern
from tests.schema.classic import contract, file, file_set


def announced(service: dict[str, object]) -> Service:
    body = {
        "protocolMode": "BIDI_STREAM",
        "minProtocolVersion": 5,
        "maxProtocolVersion": 6,
        "services": [service],
    }
    found = announce_modern(parse_modern(json.dumps(body).encode(), sdk_version=None), "HTTP/2.0", "sdk/1")
    return found.services[0]


def handler(
    service_type: str = "SERVICE", service: dict[str, object] | None = None, **fields: object
) -> Handler:
    made = {"name": "S", "ty": service_type, "handlers": [{"name": "h", **fields}], **(service or {})}
    return announced(made).handlers[0]


@pytest.mark.parametrize(
    ("ty", "handler_ty", "found"),
    [
        ("SERVICE", None, HandlerType.PLAIN),
        ("SERVICE", "SHARED", HandlerType.PLAIN),
        ("VIRTUAL_OBJECT", None, HandlerType.EXCLUSIVE),
        ("VIRTUAL_OBJECT", "EXCLUSIVE", HandlerType.EXCLUSIVE),
        ("VIRTUAL_OBJECT", "SHARED", HandlerType.SHARED),
        ("WORKFLOW", None, HandlerType.SHARED),
        ("WORKFLOW", "SHARED", HandlerType.SHARED),
        ("WORKFLOW", "WORKFLOW", HandlerType.WORKFLOW),
    ],
)
def test_handler_types(ty: str, handler_ty: str | None, found: HandlerType) -> None:
    assert handler(ty, ty=handler_ty).type is found


@pytest.mark.parametrize(
    ("ty", "handler_ty"),
    [
        ("SERVICE", "EXCLUSIVE"),
        ("SERVICE", "WORKFLOW"),
        ("VIRTUAL_OBJECT", "WORKFLOW"),
        ("WORKFLOW", "EXCLUSIVE"),
    ],
)
def test_other_pairs_are_refused(ty: str, handler_ty: str) -> None:
    with pytest.raises(DeploymentError, match="S/h") as caught:
        handler(ty, ty=handler_ty)
    assert (caught.value.code, caught.value.http_status) == (None, 400)


@pytest.mark.parametrize(
    ("part", "rule"),
    [
        (None, InputRule("*/*", False)),
        ({}, InputRule(None, False)),
        ({"required": False}, InputRule(None, False)),
        ({"required": True}, InputRule("*/*", True)),
        ({"jsonSchema": {}}, InputRule("application/json", False, b"{}")),
        ({"jsonSchema": None, "contentType": "text/*"}, InputRule("text/*", False)),
        ({"contentType": "a/b", "required": True}, InputRule("a/b", True)),
    ],
)
def test_input_rules(part: object, rule: InputRule) -> None:
    assert handler(input=part).input == rule


@pytest.mark.parametrize(
    ("part", "rule"),
    [
        (None, OutputRule("application/json")),
        ({}, OutputRule(None)),
        ({"jsonSchema": True}, OutputRule("application/json", False, b"true")),
        ({"contentType": "a/b", "setContentTypeIfEmpty": True}, OutputRule("a/b", True)),
    ],
)
def test_output_rules(part: object, rule: OutputRule) -> None:
    assert handler(output=part).output == rule


@pytest.mark.parametrize("side", ["input", "output"])
def test_a_json_schema_that_is_none_is_refused_by_its_handler(side: str) -> None:
    fields: dict[str, Any] = {side: {"contentType": "application/json", "jsonSchema": {"type": "nope"}}}
    with pytest.raises(
        DeploymentError, match=f"^the json schema for S/h {side} is invalid: #/type: "
    ) as caught:
        handler(**fields)
    assert (caught.value.code, caught.value.http_status) == (None, 400)


@pytest.mark.parametrize(
    "text",
    [
        b'{"title":"\xff"}',
        b'{"maximum":1e999}',
        b'{"maximum":' + b"9" * 5_000 + b"}",
        b"[" * 50_000 + b"]" * 50_000,
    ],
    ids=["no UTF-8", "a float out of range", "an integer out of range", "too deep"],
)
def test_a_json_schema_that_cannot_be_read_is_told(text: bytes) -> None:
    manifest = (
        b'{"protocolMode":"BIDI_STREAM","minProtocolVersion":5,"maxProtocolVersion":6,"services":[{"name":"S",'
        b'"ty":"SERVICE","handlers":[{"name":"h","output":{"jsonSchema":' + text + b"}}]}]}"
    )
    with pytest.raises(DeploymentError, match="manifest of the deployment cannot be read: ") as caught:
        announce_modern(parse_modern(manifest, sdk_version=None), "HTTP/2.0", None)
    assert (caught.value.code, caught.value.http_status) == (None, 500)


@pytest.mark.parametrize(
    ("ty", "service", "fields"),
    [
        ("SERVICE", {}, {"input": {"contentType": "nonsense"}}),
        ("SERVICE", {}, {"output": {"contentType": "*/x"}}),
        ("SERVICE", {"ingressPrivate": True}, {"ingressPrivate": False}),
        ("SERVICE", {}, {"workflowCompletionRetention": 1}),
        ("WORKFLOW", {}, {"workflowCompletionRetention": 1}),
        ("WORKFLOW", {}, {"ty": "WORKFLOW", "idempotencyRetention": 1}),
    ],
)
def test_settings_in_the_wrong_place(ty: str, service: dict[str, object], fields: dict[str, object]) -> None:
    with pytest.raises(DeploymentError) as caught:
        handler(ty, service, **fields)
    assert caught.value.http_status == 400


def test_settings_are_taken_over() -> None:
    found = handler(
        "WORKFLOW",
        ty="WORKFLOW",
        workflowCompletionRetention=1,
        retryPolicyMaxAttempts=0,
        retryPolicyOnMaxAttempts="KILL",
        ingressPrivate=True,
        metadata={"b": "1", "a": "2"},
    )
    assert found.options.workflow_retention_ms == 1
    assert (found.options.retry_max_attempts, found.options.retry_on_max_attempts) == (1, "kill")
    assert (found.public, found.metadata) == (False, (("a", "2"), ("b", "1")))


def test_attempts_that_nobody_counts_are_still_a_number_for_everybody() -> None:
    assert handler("SERVICE", retryPolicyMaxAttempts=2**64 - 1).options.retry_max_attempts == 2**53


def test_a_private_service() -> None:
    found = announced({"name": "S", "ty": "SERVICE", "handlers": [{"name": "h"}], "ingressPrivate": True})
    assert (found.public, found.handlers[0].public) == (False, True)


def test_a_classic_answer_becomes_services_and_loadable_descriptors() -> None:
    answer = ClassicAnswer(
        file_set(file(contract("my.counter", ext_pb2.KEYED, ("add", "Req")))), ("my.counter",), False
    )
    found = announce_classic(answer, "HTTP/2.0")
    assert (found.generation, found.min_protocol_version, found.max_protocol_version) == (
        Generation.CLASSIC,
        1,
        1,
    )
    assert [(entry.name, entry.type) for entry in found.services] == [("my.counter", ServiceType.KEYED)]
    assert MessagePool(found.descriptors).pool.FindMessageTypeByName("Req")


def test_bidirectional_streams_need_http_2() -> None:
    answer = ClassicAnswer(file_set(file()), (), False)
    with pytest.raises(DeploymentError) as caught:
        announce_classic(answer, "HTTP/1.1")
    assert caught.value.code == "META0015"
    assert (
        announce_classic(ClassicAnswer(file_set(file()), (), True), "HTTP/1.1").protocol_type
        == "RequestResponse"
    )

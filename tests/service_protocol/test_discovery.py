import json
from datetime import UTC, datetime
from typing import Any

import pytest

from restate.runtime.errors import DeploymentError
from restate.runtime.pb import discovery_pb2
from restate.runtime.service_protocol.discovery import (
    MAX_MILLIS,
    MODERN_ACCEPT,
    parse_classic,
    parse_modern,
)

MINIMAL: dict[str, Any] = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [],
}


def manifest(**changes: object) -> bytes:
    return json.dumps({**MINIMAL, **changes}).encode()


def one_service(handler: dict[str, object] | None = None, **changes: object) -> bytes:
    service = {"name": "S", "ty": "SERVICE", "handlers": [{"name": "h", **(handler or {})}], **changes}
    return manifest(services=[service])


def test_the_question_offers_four_versions_in_one_header() -> None:
    assert MODERN_ACCEPT == (
        "application/vnd.restate.endpointmanifest.v1+json, application/vnd.restate.endpointmanifest.v2+json,"
        " application/vnd.restate.endpointmanifest.v3+json, application/vnd.restate.endpointmanifest.v4+json"
    )


def test_a_manifest_of_version_4_in_full() -> None:
    everything: dict[str, object] = {
        "documentation": "d",
        "metadata": {"a": "b"},
        "inactivityTimeout": 1,
        "abortTimeout": 2,
        "journalRetention": 3,
        "idempotencyRetention": 4,
        "enableLazyState": True,
        "ingressPrivate": True,
        "retryPolicyInitialInterval": 5,
        "retryPolicyMaxInterval": 6,
        "retryPolicyMaxAttempts": 7,
        "retryPolicyExponentiationFactor": 2,
        "retryPolicyOnMaxAttempts": "KILL",
    }
    handler = {
        **everything,
        "ty": "SHARED",
        "workflowCompletionRetention": 8,
        "input": {"required": True, "contentType": "a/b", "jsonSchema": {"type": "string"}},
        "output": {"contentType": "c/d", "setContentTypeIfEmpty": True, "jsonSchema": True},
    }
    found = parse_modern(one_service(handler, **everything), sdk_version=None)
    (service,) = found.services
    assert (service.inactivity_timeout, service.retry_policy_exponentiation_factor) == (1, 2.0)
    assert service.handlers[0].workflow_completion_retention == 8
    assert service.handlers[0].input is not None
    assert bytes(service.handlers[0].input.json_schema) == b'{"type": "string"}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        manifest(extra=1),
        one_service(extra=1),
        one_service({"extra": 1}),
        one_service({"input": {"extra": 1}}),
        one_service(inactivityTimeout=MAX_MILLIS + 1),
        one_service({"journalRetention": 2**64 - 1}),
        one_service({"retryPolicyMaxInterval": 2**70}),
        manifest(maxProtocolVersion=2**31),
        one_service({"name": "a-b"}),
        one_service({"name": "_"}),
        one_service({"name": "h\n"}),
        one_service(name="1S"),
        one_service(name="S/x"),
        one_service(ty="ACTOR"),
        one_service({"ty": "SERVICE"}),
        one_service({"inactivityTimeout": -1}),
        one_service({"inactivityTimeout": "1"}),
        manifest(minProtocolVersion=0),
        manifest(maxProtocolVersion=None),
        manifest(protocolMode="OTHER"),
    ],
)
def test_what_breaks_the_grammar_has_no_code(body: bytes) -> None:
    with pytest.raises(DeploymentError) as caught:
        parse_modern(body, sdk_version=None)
    assert (caught.value.code, caught.value.http_status) == (None, 500)


def test_times_may_be_as_far_away_as_timestamps_reach() -> None:
    (found,) = parse_modern(one_service(abortTimeout=MAX_MILLIS), sdk_version=None).services
    assert found.abort_timeout == MAX_MILLIS
    now_ms = datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000
    assert datetime.fromtimestamp((now_ms + MAX_MILLIS) / 1000, UTC).year < 10_000


@pytest.mark.parametrize("name", ["S", "_1", "a.b-c_d", "Z9"])
def test_service_names(name: str) -> None:
    assert parse_modern(one_service(name=name), sdk_version=None).services[0].name == name


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"protocolMode": None}, "META0013"),
        ({"minProtocolVersion": 6, "maxProtocolVersion": 5}, "META0013"),
        ({"minProtocolVersion": 1, "maxProtocolVersion": 4}, "META0012"),
        ({"minProtocolVersion": 8, "maxProtocolVersion": 9}, "META0012"),
    ],
)
def test_ranges_and_mode_have_codes(changes: dict[str, object], code: str) -> None:
    with pytest.raises(DeploymentError) as caught:
        parse_modern(manifest(**changes), sdk_version=None)
    assert (caught.value.code, caught.value.http_status) == (code, 500)


@pytest.mark.parametrize(("low", "high"), [(5, 7), (1, 5), (7, 99), (5, 99)])
def test_ranges_that_meet_ours_are_kept_as_announced(low: int, high: int) -> None:
    found = parse_modern(manifest(minProtocolVersion=low, maxProtocolVersion=high), sdk_version="x/1")
    assert (found.min_protocol_version, found.max_protocol_version) == (low, high)


@pytest.mark.parametrize("sdk_version", ["restate-sdk-typescript/1.0.0", "restate-sdk-typescript/1.2.9"])
def test_an_sdk_that_overstates_its_range_is_refused(sdk_version: str) -> None:
    with pytest.raises(DeploymentError, match=r"\[5, 7\]") as caught:
        parse_modern(manifest(), sdk_version=sdk_version)
    assert caught.value.code == "META0012"
    assert parse_modern(manifest(), sdk_version="restate-sdk-typescript/1.20.0")


def test_a_classic_answer() -> None:
    sent = discovery_pb2.ServiceDiscoveryResponse(
        services=["a", "b"], protocol_mode=discovery_pb2.REQUEST_RESPONSE, min_protocol_version=9
    )
    found = parse_classic(sent.SerializeToString())
    assert (found.services, found.request_response) == (("a", "b"), True)
    assert not parse_classic(b"").request_response


@pytest.mark.parametrize("body", [b"\xff", b"\x28\x07", b"\x0a\x05a"])
def test_a_classic_answer_that_is_none(body: bytes) -> None:
    with pytest.raises(DeploymentError) as caught:
        parse_classic(body)
    assert (caught.value.code, caught.value.http_status) == (None, 500)

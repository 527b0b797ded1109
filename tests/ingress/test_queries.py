"""Query parameters, scopes, limit keys and target bodies: what is read and what is refused."""

from __future__ import annotations

import pytest

from restate.runtime.ingress.errors import IngressError
from restate.runtime.ingress.headers import LAST_MS, classic_expiry_text, execution_time_text, expiry_text
from restate.runtime.ingress.queries import delay_ms, parameter
from restate.runtime.ingress.scopes import refuse_limit_key, refuse_scope
from restate.runtime.ingress.targets import parse_target
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.schema.addressing import idempotent_id, workflow_run_id


@pytest.mark.parametrize(
    ("query", "expected_ms"),
    [
        ("", None),
        ("a=1", None),
        ("nodelay=1s", None),
        ("delay=0", 0),
        ("delay=2s", 2000),
        ("DELAY=60ms", 60),
        ("delay=PT1.5S", 1500),
        ("delay=P1D", 86_400_000),
        ("delay=1%20hour%2030m", 5_400_000),
        ("delay=1+hour", 3_600_000),
        ("delay=%2B1s", 1000),
        ("delay=01:00:01", 3_601_000),
        ("delay=0:61:0", 3_660_000),
        ("delay=1d,%202:03:04.5", 93_784_500),
        ("de%6Cay=1s", 1000),
        ("delay=1500", 1500),
        ("x=y&delay=1s&delay=nonsense", 1000),
    ],
)
def test_delays(query: str, expected_ms: int | None) -> None:
    assert delay_ms(query) == expected_ms


@pytest.mark.parametrize(
    "text", ["", "-1s", "1month", "P1Y", "abc", "1s ago", "PT", "²", "9" * 20, "1h 00:01:00", "1:2", "1:2:3s"]
)
def test_bad_delays_are_refused(text: str) -> None:
    with pytest.raises(
        IngressError, match="bad delay query parameter, must be a ISO8601 duration: "
    ) as refused:
        delay_ms(f"delay={text}")
    assert refused.value.status == 400


def test_a_long_delay_is_refused_soon() -> None:
    with pytest.raises(IngressError, match="bad delay"):
        delay_ms("delay=" + "1" * 60_000)


def test_a_parameter_may_be_empty() -> None:
    assert parameter("limit-key", "limit-key") == ""
    assert parameter("limit-key=a%2Fb", "limit-key") == "a/b"


@pytest.mark.parametrize(
    ("scope", "text"),
    [
        ("tenant-1.A_b", "scoped invocations require vqueues to be enabled"),
        ("", "bad scope value: value cannot be empty"),
        ("a" * 37, "bad scope value: value too long: 37 bytes (max 36)"),
        ("a b", "bad scope value: value contains characters outside the allowed set [a-zA-Z0-9_.-]"),
        ("a\n", "bad scope value: value contains characters outside the allowed set [a-zA-Z0-9_.-]"),
    ],
)
def test_scopes_are_refused(scope: str, text: str) -> None:
    with pytest.raises(IngressError) as refused:
        refuse_scope(scope)
    assert (refused.value.status, refused.value.message) == (400, text)


@pytest.mark.parametrize(
    ("limit_key", "text"),
    [
        ("a", "limit-key requires a scope to be set"),
        ("a/b", "limit-key requires a scope to be set"),
        ("a/b/c", "invalid limit-key: "),
        ("a/", "invalid limit-key: invalid limit-key component: value cannot be empty"),
        ("é", "invalid limit-key: invalid limit-key component: "),
    ],
)
def test_limit_keys_are_refused(limit_key: str, text: str) -> None:
    assert refuse_limit_key(limit_key).message.startswith(text)


AN_ID = InvocationId(bytes(range(24)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'{{"target":"invocation","invocationId":"{format_invocation_id(AN_ID)}","more":1}}', AN_ID),
        ('{"target":"workflow","workflowName":"W","workflowKey":"k"}', workflow_run_id("W", "k")),
        (
            '{"target":"idempotentInvocation","service":"S","handler":"h","idempotencyKey":"i"}',
            idempotent_id("S", None, "h", "i"),
        ),
        (
            '{"target":"idempotentInvocation","service":"S","key":"","handler":"h","idempotencyKey":"i"}',
            idempotent_id("S", "", "h", "i"),
        ),
        (
            '{"target":"workflow","workflowName":"W","workflowKey":"k","scope":"s"}',
            workflow_run_id("W", "k", scope="s"),
        ),
        (
            '{"target":"idempotentInvocation","service":"S","handler":"h","idempotencyKey":"i","scope":"s"}',
            idempotent_id("S", None, "h", "i", scope="s"),
        ),
    ],
)
def test_a_target_names_an_invocation(body: str, expected: InvocationId) -> None:
    assert parse_target(body.encode()) == expected


@pytest.mark.parametrize(
    "target",
    [
        '"target":"workflow","workflowName":"W","workflowKey":"k"',
        '"target":"idempotentInvocation","service":"S","handler":"h","idempotencyKey":"i"',
    ],
)
def test_a_bad_scope_names_nothing(target: str) -> None:
    with pytest.raises(IngressError, match="bad scope value: value cannot be empty"):
        parse_target(f'{{{target},"scope":""}}'.encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"target":"x"}',
        b'{"target":"workflow"}',
        b'{"target":"invocation","invocationId":"x"}',
        b'{"target":"invocation","x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_a_body_without_a_target_is_refused(body: bytes) -> None:
    with pytest.raises(IngressError) as refused:
        parse_target(body)
    assert refused.value.status == 400


def test_times_have_the_text_that_each_caller_knows() -> None:
    assert execution_time_text(1_000) == "1970-01-01T00:00:01.000000000Z"
    assert expiry_text(1_700_000_000_064) == "2023-11-14T22:13:20.064+00:00"
    assert classic_expiry_text(1_700_000_000_064) == "2023-11-14T22:13:20.064Z"
    assert expiry_text(2**63) == expiry_text(LAST_MS) == "9999-12-31T23:59:59.999+00:00"

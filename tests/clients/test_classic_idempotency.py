"""Idempotency of classic calls with the real SDK (TypeScript 0.8.1): scope, replay, retention, over the ingress."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.support.caller import eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from tests.clients.conftest import Bed

_DEFAULT_RETENTION_S = 1800


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC


def call(
    bed: Bed, path: str, body: object, *, key: str | None = None, period: str | None = None
) -> httpx.Response:
    headers = {"idempotency-key": key, "idempotency-retention-period": period}
    return httpx.post(
        f"{bed.server.ingress}/{path}",
        json=body,
        headers={name: value for name, value in headers.items() if value is not None},
        timeout=60,
        trust_env=False,
    )


def add(bed: Bed, counter: str, *, key: str | None = None, period: str | None = None) -> httpx.Response:
    return call(bed, "counter/add", {"key": counter, "request": 1}, key=key, period=period)


def kept_s(response: httpx.Response) -> float:
    """For how much longer the answer says that it is kept."""
    text = response.headers["idempotency-expires"]
    assert text.endswith("Z"), text
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


def test_the_first_answer_is_given_again_until_the_period_is_over(bed: Bed) -> None:
    first = add(bed, "period", key="period", period="4")
    assert 0 < kept_s(first) <= 4
    again = add(bed, "period", key="period", period="4")
    assert first.json() == again.json() == {"response": 1}
    assert first.headers["x-restate-id"] == again.headers["x-restate-id"]
    assert eventually(
        lambda: add(bed, "period", key="period", period="4").json()["response"] == 2,
        what="the end of the period",
    )


def test_the_period_begins_with_the_end_of_the_invocation(bed: Bed) -> None:
    body = {"key": "late", "request": {"n": 1, "ms": 3200}}
    assert call(bed, "counter/slowAdd", body, key="late", period="3").json() == {"response": 1}
    assert call(bed, "counter/slowAdd", body, key="late", period="3").json() == {"response": 1}


@pytest.mark.parametrize("period", [None, "0"])
def test_without_a_period_it_is_half_an_hour(bed: Bed, period: str | None) -> None:
    name = f"default-{period}"
    response = add(bed, name, key=name, period=period)
    assert kept_s(response) == pytest.approx(_DEFAULT_RETENTION_S, abs=10)


def test_a_period_without_a_key_means_nothing(bed: Bed) -> None:
    responses = [add(bed, "no-key", period="60") for _ in range(2)]
    assert [response.json()["response"] for response in responses] == [1, 2]
    assert "idempotency-expires" not in responses[0].headers


@pytest.mark.parametrize("period", ["x", "-1", "1.5", "1s"])
def test_a_period_that_is_no_number_of_seconds_is_refused(bed: Bed, period: str) -> None:
    response = add(bed, "bad-period", key="bad-period", period=period)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_argument")
    assert "bad idempotency id format" in response.json()["message"]


def test_a_key_is_one_of_the_service_whatever_the_method_and_the_object(bed: Bed) -> None:
    assert add(bed, "scope", key="scope").json() == {"response": 1}
    assert add(bed, "scope-2", key="scope").json() == {"response": 1}
    assert call(bed, "counter/get", {"key": "scope-3"}, key="scope").json() == {"response": 1}
    assert call(bed, "counter/get", {"key": "scope-2"}).json() == {"response": 0}
    assert call(bed, "greeter/greet", {"request": "Ada"}, key="scope").json() == {"response": "Hello Ada"}


def test_failures_are_kept_as_well(bed: Bed) -> None:
    answers = [
        call(bed, "steps/terminal", {"request": {"code": 6, "message": text}}, key="failed")
        for text in ("first", "second")
    ]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert "first" in answers[1].json()["message"]
    assert kept_s(answers[0]) > 0


def test_a_one_way_call_with_a_key_is_one_invocation(bed: Bed) -> None:
    body = {"service": "counter", "method": "add", "argument": {"key": "one-way", "request": 1}}
    ids = {call(bed, "dev.restate.Ingress/Invoke", body, key="one-way").json()["id"] for _ in range(3)}
    assert len(ids) == 1
    # The result is that of the same key over an ordinary call.
    assert add(bed, "one-way", key="one-way").json() == {"response": 1}
    assert call(bed, "counter/get", {"key": "one-way"}).json() == {"response": 1}


def test_what_is_kept_survives_a_crash_and_still_ends(bed: Bed) -> None:
    first = add(bed, "crash", key="crash", period="8")
    bed.server.kill()
    bed.server.start()
    assert add(bed, "crash", key="crash", period="8").json() == first.json() == {"response": 1}
    time.sleep(max(0.0, kept_s(first)))
    assert eventually(
        lambda: add(bed, "crash", key="crash", period="8").json()["response"] == 2,
        what="the end of the period",
    )

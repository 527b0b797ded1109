"""Services that answer only after the request has ended: every wait is a suspension."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.caller import eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from tests.clients.conftest import Bed


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.TYPESCRIPT], ids=lambda sdk: sdk.value)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    kind: Sdk = request.param
    return kind


@pytest.fixture(scope="module")
def protocol() -> str:
    return "request_response"


def test_the_deployment_is_known_as_request_response(bed: Bed) -> None:
    (deployment,) = bed.caller.admin("GET", "/deployments").ok()["deployments"]
    assert deployment["protocol_type"] == "RequestResponse"


def test_a_call_returns_the_handlers_result(bed: Bed) -> None:
    assert bed.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"


def test_state_survives_between_calls(bed: Bed) -> None:
    assert [bed.caller.call("Counter/k/add", n).ok() for n in (1, 2, 3)] == [1, 3, 6]


@pytest.mark.parametrize("store", ["Store", "LazyStore"])
def test_state_operations_in_one_run(bed: Bed, store: str) -> None:
    assert bed.caller.call(f"{store}/s/mixed").ok() == [None, 1, ["a", "b"], None, []]


def test_runs_execute_once_each(bed: Bed) -> None:
    assert bed.caller.call("Steps/runTwice", "once").ok() == [1, 1]


def test_a_run_that_fails_reaches_the_caller(bed: Bed) -> None:
    assert bed.caller.call("Steps/runFails", "bad step").status == 422


def test_every_sleep_suspends(bed: Bed) -> None:
    assert bed.caller.call("Steps/sleep", {"name": "short", "ms": 50}).ok() == 2


def test_a_call_tree_three_deep_returns_every_level(bed: Bed) -> None:
    leaf = {"depth": 1, "child": None}
    assert bed.caller.call("Steps/tree", 3).ok() == {"depth": 3, "child": {"depth": 2, "child": leaf}}


def test_one_way_calls_all_arrive(bed: Bed) -> None:
    assert bed.caller.call("Steps/sends", {"key": "sends", "count": 5, "delay_ms": 50}).ok() == 5
    eventually(lambda: bed.caller.call("Counter/sends/get").ok() == 5, what="five increments")


def test_an_awakeable_is_resolved(bed: Bed) -> None:
    sent = bed.caller.send("Steps/awaits", "resolved")
    awakeable_id = eventually(lambda: bed.program.read("resolved.awakeable"), what="the awakeable's id")
    assert bed.caller.resolve(awakeable_id, 42).status == 202
    assert bed.caller.attach(sent).ok() == 42


def test_a_failing_handler_is_retried(bed: Bed) -> None:
    assert len(bed.caller.call("Steps/flaky", {"name": "flaky", "failures": 2}).ok()) >= 3


def test_a_cancelled_invocation_cancels_the_call_it_waits_for(bed: Bed) -> None:
    sent = bed.caller.send("Steps/stuck", {"name": "deep", "depth": 2})
    eventually(lambda: bed.program.read("deep.stuck.1"), what="the innermost handler to start")
    bed.caller.cancel(sent)
    assert bed.caller.attach(sent).status == 409
    marks = [f"deep.cancelled.{depth}" for depth in (1, 2)]
    eventually(lambda: all(map(bed.program.read, marks)), what="both levels to be cancelled")


def test_the_whole_flow_adds_up(bed: Bed) -> None:
    sent = bed.caller.send("Steps/flow", {"key": "flow", "name": "one", "ms": 20})
    (awakeable_id, *_) = eventually(lambda: bed.program.lines("flow.ids"), what="the awakeable's id")
    bed.caller.resolve(awakeable_id, "yes")
    result = bed.caller.attach(sent).ok()
    assert result == {"name": "one", "stamped": True, "answer": "yes", "depth": 2}
    eventually(lambda: bed.caller.call("Counter/flow/get").ok() == 4, what="four increments")

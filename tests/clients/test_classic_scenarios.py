"""The classic SDK (TypeScript 0.8.1) against our server, called as its users do: JSON over plain POST.

The official server dropped this generation, so there is nothing to compare with.
"""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.caller import eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.clients.conftest import Bed
    from tests.support.caller import Reply


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC


def ask(bed: Bed, path: str, request: object = None, *, key: str | None = None, **options: str) -> Reply:
    body = {"request": request} if key is None else {"key": key, "request": request}
    return bed.caller.call(path, body, **options)


def answer(bed: Bed, path: str, request: object = None, *, key: str | None = None) -> Any:
    """The `response` of a call that succeeds; None when the handler returned nothing."""
    return ask(bed, path, request, key=key).ok().get("response")


def invoke(bed: Bed, service: str, method: str, argument: Mapping[str, object]) -> str:
    """One-way call through the built-in service; the invocation's id."""
    body = {"service": service, "method": method, "argument": argument}
    return str(bed.caller.call("dev.restate.Ingress/Invoke", body).ok()["id"])


def test_a_call_returns_the_handlers_result(bed: Bed) -> None:
    reply = ask(bed, "greeter/greet", "Ada")
    assert reply.ok() == {"response": "Hello Ada"}
    assert reply.headers["content-type"] == "application/json"


def test_state_of_a_key_survives_between_calls(bed: Bed) -> None:
    assert [answer(bed, "counter/add", n, key="survives") for n in (1, 2, 3)] == [1, 3, 6]
    assert answer(bed, "counter/get", key="survives") == 6
    assert answer(bed, "counter/get", key="other") == 0


def test_two_callers_of_one_key_never_overlap_and_run_in_order(bed: Bed) -> None:
    for number in range(8):
        argument = {"key": "guard", "request": {"name": f"c{number}", "ms": 20}}
        invoke(bed, "counter", "guarded", argument)
    expected = [f"{step} c{number}" for number in range(8) for step in ("enter", "exit")]
    eventually(lambda: len(bed.program.lines("guarded.guard")) == len(expected), what="all callers")
    assert bed.program.lines("guarded.guard") == expected


def test_a_sleep_across_an_inbox_loses_no_increment(bed: Bed) -> None:
    with ThreadPoolExecutor(5) as pool:
        calls = [
            pool.submit(answer, bed, "counter/slowAdd", {"n": 1, "ms": 30}, key="slow") for _ in range(5)
        ]
        assert sorted(call.result() for call in calls) == [1, 2, 3, 4, 5]


def test_side_effects_execute_once_each(bed: Bed) -> None:
    assert answer(bed, "steps/runTwice", "once") == [1, 1]


def test_a_terminal_side_effect_failure_reaches_the_caller(bed: Bed) -> None:
    reply = ask(bed, "steps/runFails", "bad step")
    assert (reply.status, reply.value["code"]) == (412, "failed_precondition")
    assert "bad step" in reply.value["message"]


def test_a_failing_side_effect_is_retried_by_the_sdk(bed: Bed) -> None:
    assert answer(bed, "steps/runRetried", "flakyEffect") == 3


def test_a_sleeping_invocation_suspends_and_resumes(bed: Bed) -> None:
    started = time.monotonic()
    assert answer(bed, "steps/sleep", {"name": "suspends", "ms": 2500}) == 2
    assert time.monotonic() - started >= 2.5


def test_a_short_sleep_needs_one_attempt(bed: Bed) -> None:
    # A machine that halts for the inactivity timeout makes two of one.
    attempts = [answer(bed, "steps/sleep", {"name": f"short{n}", "ms": 50}) for n in range(3)]
    assert min(attempts) == 1


def test_a_call_tree_three_deep_returns_every_level(bed: Bed) -> None:
    assert answer(bed, "steps/tree", 3) == {"depth": 3, "child": {"depth": 2, "child": {"depth": 1}}}


def test_a_terminal_error_three_calls_down_reaches_the_caller(bed: Bed) -> None:
    reply = ask(bed, "steps/treeFails", 3)
    assert (reply.status, reply.value["code"]) == (409, "already_exists")
    assert "the leaf failed" in reply.value["message"]


def test_a_failing_handler_is_retried_with_growing_delays_and_then_succeeds(bed: Bed) -> None:
    times = answer(bed, "steps/flaky", {"name": "flaky", "failures": 4})
    delays = [later - earlier for earlier, later in itertools.pairwise(times)]
    # 100 ms doubling, with jitter on top, and with whatever a busy machine adds.
    assert len(delays) == 4
    assert all(delay >= 95 * 2**number for number, delay in enumerate(delays)), delays


def test_a_terminal_error_reaches_the_caller_with_its_code_and_message(bed: Bed) -> None:
    reply = ask(bed, "steps/terminal", {"code": 6, "message": "no way"})
    assert (reply.status, reply.value["code"]) == (409, "already_exists")
    assert "no way" in reply.value["message"]


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_an_awakeable_is_resolved_over_http(bed: Bed, wait: float) -> None:
    name = f"resolved{wait}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(answer, bed, "steps/awaits", name)
        awakeable_id = eventually(lambda: bed.program.read(f"{name}.awakeable"), what="the awakeable's id")
        time.sleep(wait)
        body = {"id": awakeable_id, "json_result": {"answer": 42}}
        assert bed.caller.call("dev.restate.Awakeables/Resolve", body).ok() == {}
        assert call.result() == {"answer": 42}


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_an_awakeable_is_rejected_over_http(bed: Bed, wait: float) -> None:
    name = f"rejected{wait}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "steps/awaits", name)
        awakeable_id = eventually(lambda: bed.program.read(f"{name}.awakeable"), what="the awakeable's id")
        time.sleep(wait)
        body = {"id": awakeable_id, "reason": "not today"}
        assert bed.caller.call("dev.restate.Awakeables/Reject", body).ok() == {}
        reply = call.result()
    assert (reply.status, reply.value["code"]) == (500, "unknown")
    assert "not today" in reply.value["message"]


def test_handlers_complete_awakeables_of_others(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(answer, bed, "steps/awaits", "byHandler")
        awakeable_id = eventually(lambda: bed.program.read("byHandler.awakeable"), what="the awakeable's id")
        answer(bed, "steps/resolves", {"id": awakeable_id, "value": [1, "two"]})
        assert call.result() == [1, "two"]

        failed = pool.submit(ask, bed, "steps/awaits", "rejectedByHandler")
        awakeable_id = eventually(lambda: bed.program.read("rejectedByHandler.awakeable"), what="the id")
        answer(bed, "steps/rejects", {"id": awakeable_id, "reason": "nope"})
        assert "nope" in failed.result().value["message"]


def test_an_awakeable_that_nobody_completes_times_out(bed: Bed) -> None:
    assert answer(bed, "steps/timesOut", 200) == "timed out"


def test_background_calls_all_arrive(bed: Bed) -> None:
    assert answer(bed, "steps/sends", {"key": "sends", "count": 10}) == 10
    eventually(lambda: answer(bed, "counter/get", key="sends") == 10, what="ten increments")


def test_delayed_calls_arrive_after_their_delay(bed: Bed) -> None:
    started = time.monotonic()
    assert answer(bed, "steps/sends", {"key": "later", "count": 3, "delay_ms": 700}) == 3
    assert answer(bed, "counter/get", key="later") == 0 or time.monotonic() - started >= 0.7
    eventually(lambda: answer(bed, "counter/get", key="later") == 3, what="three increments")
    assert time.monotonic() - started >= 0.7


def test_the_same_idempotency_key_gives_one_execution_and_one_result(bed: Bed) -> None:
    request = {"n": 1, "ms": 200}
    with ThreadPoolExecutor(4) as pool:
        calls = [
            pool.submit(ask, bed, "counter/slowAdd", request, key="idempotent", idempotency_key="one")
            for _ in range(4)
        ]
        replies = [call.result() for call in calls]
    replies.append(ask(bed, "counter/slowAdd", request, key="idempotent", idempotency_key="one"))
    assert [reply.ok() for reply in replies] == [{"response": 1}] * 5
    assert "idempotency-expires" in replies[0].headers
    assert answer(bed, "counter/get", key="idempotent") == 1


def test_state_operations(bed: Bed) -> None:
    assert answer(bed, "store/get", "a", key="s") is None
    for name, value in (("a", 1), ("b", {"deep": [True]}), ("c", "text")):
        answer(bed, "store/set", {"name": name, "value": value}, key="s")
    assert answer(bed, "store/keys", key="s") == ["a", "b", "c"]
    assert answer(bed, "store/get", "b", key="s") == {"deep": [True]}
    answer(bed, "store/clear", "b", key="s")
    assert answer(bed, "store/keys", key="s") == ["a", "c"]
    answer(bed, "store/clearAll", key="s")
    assert answer(bed, "store/keys", key="s") == []


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_cancelling_completes_what_the_handler_waits_for_with_code_1(bed: Bed, wait: float) -> None:
    name = f"cancel{wait}"
    sent = invoke(bed, "steps", "stuck", {"request": {"name": name, "depth": 1}})
    eventually(lambda: bed.program.read(f"{name}.stuck.1"), what="the handler to start")
    time.sleep(wait)
    assert bed.caller.admin("DELETE", f"/invocations/{sent}?mode=cancel").status == 202
    assert eventually(lambda: bed.program.read(f"{name}.cancelled.1"), what="the cancellation") == "1"


def test_killing_the_owner_of_a_key_lets_the_next_one_run(bed: Bed) -> None:
    owner = invoke(bed, "counter", "slowAdd", {"key": "killed", "request": {"n": 1, "ms": 3_600_000}})
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(answer, bed, "counter/add", 5, key="killed")
        assert bed.caller.admin("DELETE", f"/invocations/{owner}?mode=kill").status == 202
        assert waiting.result() == 5


def test_unknown_targets_are_refused_and_the_next_caller_is_served(bed: Bed) -> None:
    assert ask(bed, "nope/greet").status == 404
    assert ask(bed, "greeter/nope").status == 404
    assert bed.caller.call("greeter/greet", {"unknown": 1}).status == 400
    assert bed.caller.call("dev.restate.Awakeables/Resolve", {"id": "x", "json_result": 1}).status == 400
    assert answer(bed, "greeter/greet", "x") == "Hello x"

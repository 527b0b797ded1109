"""Today's SDKs against a server: what a handler is promised, seen from outside."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
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


def test_a_call_returns_the_handlers_result(bed: Bed) -> None:
    reply = bed.caller.call("Greeter/greet", "Ada")
    assert reply.ok() == "Hello Ada"
    assert reply.headers["content-type"] == "application/json"
    assert reply.invocation_id.startswith("inv_1")


def test_state_of_a_key_survives_between_calls(bed: Bed) -> None:
    totals = [bed.caller.call("Counter/survives/add", n).ok() for n in (1, 2, 3)]
    assert totals == [1, 3, 6]
    assert bed.caller.call("Counter/survives/get").ok() == 6
    assert bed.caller.call("Counter/other/get").ok() == 0


def test_two_callers_of_one_key_never_overlap_and_run_in_order(bed: Bed) -> None:
    sent = [bed.caller.send("Counter/guard/guarded", {"name": f"c{number}", "ms": 20}) for number in range(8)]
    for invocation_id in sent:
        assert bed.caller.attach(invocation_id).status == 200
    expected = [f"{step} c{number}" for number in range(8) for step in ("enter", "exit")]
    assert bed.program.lines("guarded.guard") == expected


def test_different_keys_run_at_the_same_time(bed: Bed) -> None:
    keys = [f"parallel{number}" for number in range(8)]
    sent = [bed.caller.send(f"Counter/{key}/guarded", {"name": "p", "ms": 2500}) for key in keys]
    eventually(
        lambda: all(bed.program.lines(f"guarded.{key}") == ["enter p"] for key in keys),
        what="all to be in the middle of it",
    )
    assert all(bed.caller.attach(invocation_id).status == 200 for invocation_id in sent)


def test_a_sleep_across_an_inbox_loses_no_increment(bed: Bed) -> None:
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(bed.caller.call, "Counter/slow/slowAdd", {"n": 1, "ms": 30}) for _ in range(5)]
        assert sorted(call.result().ok() for call in calls) == [1, 2, 3, 4, 5]


def test_runs_execute_once_each(bed: Bed) -> None:
    assert bed.caller.call("Steps/runTwice", "once").ok() == [1, 1]


def test_a_terminal_failure_of_a_run_reaches_the_caller(bed: Bed) -> None:
    reply = bed.caller.call("Steps/runFails", "bad step")
    assert (reply.status, reply.value["code"], reply.value["message"]) == (422, 422, "bad step")


def test_a_sleeping_invocation_suspends_and_resumes(bed: Bed) -> None:
    started = time.monotonic()
    assert bed.caller.call("Steps/sleep", {"name": "suspends", "ms": 2500}).ok() == 2
    assert time.monotonic() - started >= 2.5


def test_a_short_sleep_needs_one_attempt(bed: Bed) -> None:
    # A machine that halts for the inactivity timeout makes two of one.
    attempts = [bed.caller.call("Steps/sleep", {"name": f"short{n}", "ms": 50}).ok() for n in range(3)]
    assert min(attempts) == 1


def test_a_run_longer_than_the_inactivity_timeout_finishes(bed: Bed) -> None:
    assert bed.caller.call("Steps/longRun", {"ms": 1000}).ok() == "worked"


def test_a_call_tree_three_deep_returns_every_level(bed: Bed) -> None:
    leaf = {"depth": 1, "child": None}
    assert bed.caller.call("Steps/tree", 3).ok() == {"depth": 3, "child": {"depth": 2, "child": leaf}}


def test_a_terminal_error_three_calls_down_reaches_the_caller(bed: Bed) -> None:
    reply = bed.caller.call("Steps/treeFails", 3)
    assert (reply.status, reply.value["message"]) == (418, "the leaf failed")


def test_a_failing_handler_is_retried_with_growing_delays_and_then_succeeds(bed: Bed) -> None:
    times = bed.caller.call("Steps/flaky", {"name": "flaky", "failures": 4}).ok()
    delays = [later - earlier for earlier, later in itertools.pairwise(times)]
    # 100 ms doubling, with jitter on top, and with whatever a busy machine adds.
    assert len(delays) == 4
    assert all(delay >= 95 * 2**number for number, delay in enumerate(delays)), delays


def test_a_terminal_error_reaches_the_caller_with_its_code_and_message(bed: Bed) -> None:
    reply = bed.caller.call("Steps/terminal", {"code": 409, "message": "no way"})
    assert reply.status == 409
    assert reply.headers["x-restate-error-source"] == "invocation"
    assert reply.value["code"] == 409
    assert reply.value["message"] == "no way"


def test_state_set_before_a_terminal_error_stays(bed: Bed) -> None:
    assert bed.caller.call("Counter/failed/failsAfterSet", 7).status == 409
    assert bed.caller.call("Counter/failed/get").ok() == 7


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_an_awakeable_is_resolved_over_http(bed: Bed, wait: float) -> None:
    name = f"resolved{wait}"
    sent = bed.caller.send("Steps/awaits", name)
    awakeable_id = eventually(lambda: bed.program.read(f"{name}.awakeable"), what="the awakeable's id")
    assert bed.caller.output(sent).status == 470
    time.sleep(wait)
    assert bed.caller.resolve(awakeable_id, {"answer": 42}).status == 202
    assert bed.caller.attach(sent).ok() == {"answer": 42}


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_an_awakeable_is_rejected_over_http(bed: Bed, wait: float) -> None:
    name = f"rejected{wait}"
    sent = bed.caller.send("Steps/awaits", name)
    awakeable_id = eventually(lambda: bed.program.read(f"{name}.awakeable"), what="the awakeable's id")
    time.sleep(wait)
    assert bed.caller.reject(awakeable_id, "not today").status == 202
    reply = bed.caller.attach(sent)
    assert (reply.status, reply.value["message"]) == (500, "not today")


def test_only_the_first_completion_of_an_awakeable_counts(bed: Bed) -> None:
    sent = bed.caller.send("Steps/awaits", "twice")
    awakeable_id = eventually(lambda: bed.program.read("twice.awakeable"), what="the awakeable's id")
    assert bed.caller.resolve(awakeable_id, "first").status == 202
    assert bed.caller.reject(awakeable_id, "second").status == 202
    assert bed.caller.attach(sent).ok() == "first"
    assert bed.caller.resolve(awakeable_id, "third").status == 202


def test_handlers_complete_awakeables_of_others(bed: Bed) -> None:
    sent = bed.caller.send("Steps/awaits", "byHandler")
    awakeable_id = eventually(lambda: bed.program.read("byHandler.awakeable"), what="the awakeable's id")
    bed.caller.call("Steps/resolves", {"id": awakeable_id, "value": [1, "two"]}).ok()
    assert bed.caller.attach(sent).ok() == [1, "two"]

    sent = bed.caller.send("Steps/awaits", "rejectedByHandler")
    awakeable_id = eventually(
        lambda: bed.program.read("rejectedByHandler.awakeable"), what="the awakeable's id"
    )
    bed.caller.call("Steps/rejects", {"id": awakeable_id, "reason": "nope"}).ok()
    assert bed.caller.attach(sent).value["message"] == "nope"


def test_a_delayed_ingress_send_runs_after_its_delay(bed: Bed) -> None:
    started = time.monotonic()
    reply = bed.caller.call("Counter/delayed/add/send?delay=600ms", 5)
    assert reply.status == 202
    assert reply.value["status"] == "Accepted"
    assert "executionTime" in reply.value
    assert bed.caller.call("Counter/delayed/get").ok() == 0 or time.monotonic() - started >= 0.6
    assert bed.caller.attach(reply.value["invocationId"]).ok() == 5
    assert time.monotonic() - started >= 0.6


def test_one_way_calls_all_arrive(bed: Bed) -> None:
    assert bed.caller.call("Steps/sends", {"key": "sends", "count": 10}).ok() == 10
    eventually(lambda: bed.caller.call("Counter/sends/get").ok() == 10, what="ten increments")


def test_delayed_one_way_calls_arrive_after_their_delay(bed: Bed) -> None:
    started = time.monotonic()
    assert bed.caller.call("Steps/sends", {"key": "later", "count": 3, "delay_ms": 700}).ok() == 3
    assert bed.caller.call("Counter/later/get").ok() == 0 or time.monotonic() - started >= 0.7
    eventually(lambda: bed.caller.call("Counter/later/get").ok() == 3, what="three increments")
    assert time.monotonic() - started >= 0.7


def test_the_same_idempotency_key_gives_one_execution_and_one_result(bed: Bed) -> None:
    with ThreadPoolExecutor(4) as pool:
        replies = [
            call.result()
            for call in [
                pool.submit(
                    bed.caller.call, "Counter/idempotent/slowAdd", {"n": 1, "ms": 200}, idempotency_key="one"
                )
                for _ in range(4)
            ]
        ]
    replies.append(bed.caller.call("Counter/idempotent/slowAdd", {"n": 1, "ms": 1}, idempotency_key="one"))
    assert [reply.ok() for reply in replies] == [1] * 5
    assert len({reply.invocation_id for reply in replies}) == 1
    assert "idempotency-expires" in replies[-1].headers
    assert bed.caller.call("Counter/idempotent/get").ok() == 1


def test_a_repeated_idempotent_send_is_known(bed: Bed) -> None:
    first = bed.caller.call("Counter/resent/add/send", 1, idempotency_key="again")
    second = bed.caller.call("Counter/resent/add/send", 1, idempotency_key="again")
    assert first.value["status"] == "Accepted"
    assert second.value == {"invocationId": first.value["invocationId"], "status": "PreviouslyAccepted"}
    assert bed.caller.attach(first.value["invocationId"]).ok() == 1


def test_a_failure_is_remembered_under_its_idempotency_key(bed: Bed) -> None:
    body = {"code": 418, "message": "teapot"}
    replies = [bed.caller.call("Steps/terminal", body, idempotency_key="tea") for _ in range(2)]
    assert [(reply.status, reply.value["message"]) for reply in replies] == [(418, "teapot")] * 2
    assert replies[0].invocation_id == replies[1].invocation_id


@pytest.mark.parametrize("store", ["Store", "LazyStore"])
def test_state_operations(bed: Bed, store: str) -> None:
    assert bed.caller.call(f"{store}/s/get", "a").ok() is None
    for name, value in (("a", 1), ("b", {"deep": [True]}), ("c", "text")):
        bed.caller.call(f"{store}/s/set", {"name": name, "value": value}).ok()
    assert bed.caller.call(f"{store}/s/keys").ok() == ["a", "b", "c"]
    assert bed.caller.call(f"{store}/s/get", "b").ok() == {"deep": [True]}
    bed.caller.call(f"{store}/s/clear", "b").ok()
    assert bed.caller.call(f"{store}/s/keys").ok() == ["a", "c"]
    assert bed.caller.call(f"{store}/s/get", "b").ok() is None
    bed.caller.call(f"{store}/s/clearAll").ok()
    assert bed.caller.call(f"{store}/s/keys").ok() == []


@pytest.mark.parametrize("store", ["Store", "LazyStore"])
def test_one_run_reads_its_own_state_writes(bed: Bed, store: str) -> None:
    assert bed.caller.call(f"{store}/mixed/mixed").ok() == [None, 1, ["a", "b"], None, []]


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_cancelling_a_sleeping_invocation_fails_it_with_409(bed: Bed, wait: float) -> None:
    name = f"cancel{wait}"
    sent = bed.caller.send("Steps/stuck", {"name": name, "depth": 1})
    eventually(lambda: bed.program.read(f"{name}.stuck.1"), what="the handler to start")
    time.sleep(wait)
    assert bed.caller.cancel(sent).status == 202
    reply = bed.caller.attach(sent)
    assert (reply.status, reply.value["message"].lower()) == (409, "cancelled")
    assert bed.program.read(f"{name}.cancelled.1") == "409"


def test_a_cancelled_invocation_cancels_the_call_it_waits_for(bed: Bed) -> None:
    sent = bed.caller.send("Steps/stuck", {"name": "deep", "depth": 3})
    eventually(lambda: bed.program.read("deep.stuck.1"), what="the innermost handler to start")
    bed.caller.cancel(sent)
    assert bed.caller.attach(sent).status == 409
    marks = [f"deep.cancelled.{depth}" for depth in (1, 2, 3)]
    eventually(lambda: all(map(bed.program.read, marks)), what="all three levels to be cancelled")


@pytest.mark.parametrize("wait", [0.0, 1.0], ids=["running", "suspended"])
def test_killing_ends_the_whole_tree_without_telling_the_handlers(bed: Bed, wait: float) -> None:
    name = f"kill{wait}"
    sent = bed.caller.send("Steps/stuck", {"name": name, "depth": 2})
    child = eventually(lambda: bed.program.read(f"{name}.stuck.1"), what="the child to start")
    time.sleep(wait)
    assert bed.caller.kill(sent).status == 200
    for invocation_id in (sent, child):
        reply = bed.caller.attach(invocation_id)
        assert (reply.status, reply.value["message"]) == (409, "killed")
    assert bed.program.read(f"{name}.cancelled.1") is None


def test_killing_the_owner_of_a_key_lets_the_next_one_run(bed: Bed) -> None:
    owner = bed.caller.send("Counter/killed/slowAdd", {"n": 1, "ms": 3_600_000})
    waiting = bed.caller.send("Counter/killed/add", 5)
    assert bed.caller.kill(owner).status == 200
    assert bed.caller.attach(waiting).ok() == 5


def test_cancelling_an_invocation_that_waits_for_its_key_removes_it(bed: Bed) -> None:
    owner = bed.caller.send("Counter/queue/slowAdd", {"n": 1, "ms": 3000})
    waiting = bed.caller.send("Counter/queue/add", 10)
    assert bed.caller.cancel(waiting).status in (200, 202)
    assert bed.caller.attach(waiting).status == 404
    assert bed.caller.attach(owner).ok() == 1
    assert bed.caller.call("Counter/queue/get").ok() == 1


def test_a_finished_invocation_cannot_be_cancelled_or_killed(bed: Bed) -> None:
    done = bed.caller.call("Greeter/greet", "x").invocation_id
    assert bed.caller.cancel(done).status == 409
    assert bed.caller.kill(done).status == 409


def test_an_ended_invocation_can_be_read_again(bed: Bed) -> None:
    reply = bed.caller.call("Greeter/greet", "again")
    assert bed.caller.output(reply.invocation_id).ok() == "Hello again"
    assert bed.caller.attach(reply.invocation_id).ok() == "Hello again"


def test_unknown_targets_are_refused_and_the_next_caller_is_served(bed: Bed) -> None:
    assert bed.caller.call("Nope/greet", "x").status == 404
    assert bed.caller.call("Greeter/nope", "x").status == 404
    assert bed.caller.call("Counter/add", 1).status == 400
    assert bed.caller.call("restate/awakeables/nonsense/resolve", 1).status == 400
    assert bed.caller.call("Greeter/greet", "x").ok() == "Hello x"


def test_a_workflow_waits_for_its_promise(bed: Bed) -> None:
    sent = bed.caller.send("Signup/ada/run", "ada")
    bed.caller.call("Signup/ada/approve", "approved").ok()
    assert bed.caller.attach(sent).ok() == "ada approved"

"""The workflow API of the classic SDK (TypeScript 0.8.1): a router, a keyed router for its state, and awakeables."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import environments, programs
from tests.support.caller import eventually
from tests.support.programs import Sdk

if TYPE_CHECKING:
    from tests.clients.conftest import Bed
    from tests.support.caller import Reply


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC


def ask(bed: Bed, method: str, who: str, **parameters: object) -> Reply:
    """As the SDK's workflow client asks. who: the applicant; the workflow's id is made of it."""
    return bed.caller.call(f"admission/{method}", {"request": {"workflowId": f"wf-{who}", **parameters}})


def answer(bed: Bed, method: str, who: str, **parameters: object) -> Any:
    """The `response`; None where a handler answers nothing."""
    return ask(bed, method, who, **parameters).ok().get("response")


def submit(bed: Bed, who: str, **parameters: object) -> Any:
    return answer(bed, "submit", who, name=who, **parameters)


def applicant_is(bed: Bed, who: str, expected: str) -> None:
    eventually(lambda: answer(bed, "applicant", who) == expected, what=f"the workflow's state {expected}")


def test_services_of_a_workflow(bed: Bed) -> None:
    assert bed.caller.admin("GET", "/services/admission").ok()["instance_type"] == "Unkeyed"
    state = bed.caller.admin("GET", "/services/admission_state").ok()
    assert "Keyed" in str(state["instance_type"])


def test_a_workflow_runs_once_from_submission_to_its_result(bed: Bed) -> None:
    assert answer(bed, "status", "ada") == "NOT_STARTED"
    assert submit(bed, "ada") == "STARTED"
    assert answer(bed, "status", "ada") == "RUNNING"
    assert submit(bed, "ada") == "ALREADY_STARTED"
    applicant_is(bed, "ada", "ada")
    answer(bed, "decide", "ada", decision="yes")
    assert answer(bed, "waitForResult", "ada") == {"name": "ada", "decision": "yes"}
    assert answer(bed, "status", "ada") == "FINISHED"
    assert answer(bed, "peek", "ada") == "yes"
    assert answer(bed, "applicant", "ada") == "ada, yes"
    assert submit(bed, "ada") == "ALREADY_FINISHED"
    assert answer(bed, "waitForResult", "ada") == {"name": "ada", "decision": "yes"}
    assert bed.program.lines("ada.runs") == ["wf-ada"]


def test_those_who_wait_for_the_result_or_a_promise_get_it_when_it_is_there(bed: Bed) -> None:
    submit(bed, "bob")
    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(answer, bed, "waitForResult", "bob") for _ in range(2)]
        decisions = [pool.submit(answer, bed, "awaitDecision", "bob") for _ in range(2)]
        # Longer than the inactivity timeout: all of them are suspended.
        time.sleep(1.0)
        assert not any(waiting.done() for waiting in (*results, *decisions))
        answer(bed, "decide", "bob", decision="no")
        assert [waiting.result() for waiting in decisions] == ["no", "no"]
        assert [waiting.result() for waiting in results] == [{"name": "bob", "decision": "no"}] * 2
    assert bed.program.lines("bob.runs") == ["wf-bob"]


def test_the_first_decision_stands(bed: Bed) -> None:
    submit(bed, "cid")
    answer(bed, "decide", "cid", decision="first")
    answer(bed, "decide", "cid", decision="second")
    assert answer(bed, "waitForResult", "cid")["decision"] == "first"


def test_a_rejected_promise_fails_the_workflow(bed: Bed) -> None:
    submit(bed, "dan")
    answer(bed, "refuse", "dan", reason="too late")
    for method in ("waitForResult", "awaitDecision"):
        reply = ask(bed, method, "dan")
        assert reply.status == 500
        assert "too late" in reply.value["message"]
    eventually(lambda: answer(bed, "status", "dan") == "FAILED", what="the failure")


def test_a_failed_workflow_tells_its_error(bed: Bed) -> None:
    submit(bed, "eve", fails=True)
    answer(bed, "decide", "eve", decision="yes")
    reply = ask(bed, "waitForResult", "eve")
    assert reply.status == 500
    assert "eve cannot be taken in" in reply.value["message"]
    assert answer(bed, "status", "eve") == "FAILED"


def test_nobody_waits_for_a_workflow_that_was_never_submitted(bed: Bed) -> None:
    reply = ask(bed, "waitForResult", "nobody")
    assert reply.status == 500
    assert "does not exist" in reply.value["message"]
    assert "not running" in ask(bed, "awaitDecision", "nobody").value["message"]


def test_a_request_without_an_id_is_refused_by_the_sdk(bed: Bed) -> None:
    reply = bed.caller.call("admission/submit", {"request": {}})
    assert reply.status == 500
    assert "workflowId" in reply.value["message"]


def test_a_waiting_workflow_survives_the_server(bed: Bed) -> None:
    submit(bed, "fay")
    applicant_is(bed, "fay", "fay")
    bed.server.kill()
    bed.server.start()
    answer(bed, "decide", "fay", decision="yes")
    assert answer(bed, "waitForResult", "fay") == {"name": "fay", "decision": "yes"}
    assert bed.program.lines("fay.runs") == ["wf-fay"]


def test_the_client_of_the_sdk(bed: Bed) -> None:
    script = Path(programs.__file__).parent / "services" / "classic_workflow_client.mjs"
    command = [environments.node(), str(script), str(environments.classic_sdk()), bed.server.ingress, "hal"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    unknown, first, second, running, result, status = json.loads(done.stdout)
    assert "No workflow" in unknown
    assert (first, second, running) == ("STARTED", "ALREADY_STARTED", "RUNNING")
    assert (result, status) == ({"name": "hal", "decision": "yes"}, "FINISHED")

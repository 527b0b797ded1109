"""What operators do with invocations of real services: every operation in every state, and what becomes of it."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.sql_bed import query

if TYPE_CHECKING:
    from pathlib import Path

    from tests.clients.conftest import Bed
    from tests.support.caller import Reply

OPERATIONS = ("cancel", "kill", "purge", "purge-journal", "pause", "resume", "restart-as-new")
UNKNOWN = "inv_1j3OsqQPRzR93vCrH1htcSqNNRTZkBtHH7"
# admin.md §4.5, in the order of OPERATIONS.
MATRIX = {
    "scheduled": (200, 200, 409, 409, 409, 425, 425),
    "pending": (200, 200, 409, 409, 409, 425, 425),
    "running": (202, 200, 409, 409, 202, 200, 409),
    "backing-off": (202, 200, 409, 409, 202, 200, 409),
    "suspended": (202, 200, 409, 409, 200, 200, 409),
    "paused": (202, 200, 409, 409, 200, 200, 409),
    "completed": (409, 409, 200, 200, 409, 409, 200),
    # Last, since the official server answers 503 for ids of a partition that has just been started.
    "unknown": (404, 404, 404, 404, 404, 404, 404),
}


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.TYPESCRIPT], ids=lambda sdk: sdk.value)
def sdk(request: pytest.FixtureRequest) -> Sdk:
    kind: Sdk = request.param
    return kind


def operate(bed: Bed, operation: str, invocation_id: str) -> Reply:
    return bed.caller.admin("PATCH", f"/invocations/{invocation_id}/{operation}")


def paused(bed: Bed, invocation_id: str) -> str:
    """Pause what runs, and wait until it is."""
    # 202 while it runs; on a busy machine it may be suspended already.
    assert operate(bed, "pause", invocation_id).status in (200, 202)
    eventually(lambda: operate(bed, "pause", invocation_id).status == 200, what="the pause")
    return invocation_id


def statuses(bed: Bed, invocations: list[str]) -> set[str]:
    ids = ", ".join(f"'{each}'" for each in invocations)
    return {
        row["status"] for row in query(bed.server, f"SELECT status FROM sys_invocation WHERE id IN ({ids})")
    }


def _wait_for_try(bed: Bed, name: str) -> None:
    eventually(lambda: bed.program.read(f"{name}.tried") is not None, what=f"the first try of {name}")


def invocations_in(bed: Bed, state: str) -> list[str]:
    """One invocation in that state for each operation, all ready."""
    names = [f"{state}-{operation}" for operation in OPERATIONS]
    send = bed.caller.send
    match state:
        case "unknown":
            return [UNKNOWN] * len(names)
        case "scheduled":
            return [
                str(bed.caller.call("Greeter/greet/send?delay=1h", n).ok()["invocationId"]) for n in names
            ]
        case "pending":
            for name in names:
                send(f"Counter/{name}/slowAdd", {"n": 1, "ms": 3_600_000})
            return [send(f"Counter/{name}/add", 1) for name in names]
        case "running":
            return [send("Steps/longRun", {"ms": 15_000}) for _ in names]
        case "backing-off":
            found = [send("Steps/allowed", name) for name in names]
            for name in names:
                _wait_for_try(bed, name)
            return found
        case "completed":
            found = [send("Greeter/greet", name) for name in names]
            assert all(bed.caller.attach(each).status == 200 for each in found)
            return found
    found = [send("Steps/stuck", {"name": name, "depth": 1}) for name in names]
    eventually(lambda: statuses(bed, found) == {"suspended"}, what="all to be suspended")
    if state == "paused":
        # A suspended invocation is not paused, so it has to run again and to wait again.
        for each in found:
            assert operate(bed, "resume", each).status == 200
            paused(bed, each)
    return found


@pytest.mark.parametrize("state", MATRIX)
def test_every_operation_in_a_state(bed: Bed, state: str) -> None:
    found = invocations_in(bed, state)
    answers = [
        operate(bed, operation, each).status for operation, each in zip(OPERATIONS, found, strict=True)
    ]
    assert dict(zip(OPERATIONS, answers, strict=True)) == dict(zip(OPERATIONS, MATRIX[state], strict=True))
    for each in found:
        bed.caller.kill(each)


@pytest.mark.parametrize("state", ["running", "backing-off", "suspended", "paused"])
def test_a_kill_ends_it_in_every_state(bed: Bed, state: str) -> None:
    for each in invocations_in(bed, state)[:2]:
        assert bed.caller.kill(each).status == 200
        reply = bed.caller.attach(each)
        assert (reply.status, reply.value["message"]) == (409, "killed")


def test_an_invocation_that_backs_off_goes_on_at_another_deployment(
    bed: Bed, sdk: Sdk, tmp_path: Path
) -> None:
    invocation_id = bed.caller.send("Steps/allowed", "moved")
    _wait_for_try(bed, "moved")
    paused(bed, invocation_id)
    other = start_program(sdk, tmp_path / "other")
    try:
        (tmp_path / "other" / "moved.allowed").touch()
        deployment_id = bed.caller.register(other.uri)["id"]
        path = f"/invocations/{invocation_id}/resume?deployment={deployment_id}"
        assert bed.caller.admin("PATCH", path).status == 200
        assert bed.caller.attach(invocation_id).ok() == "other"
        # The other tests need the first one again.
        assert bed.caller.admin("DELETE", f"/deployments/{deployment_id}?force=true").status == 202
    finally:
        other.stop()


def test_a_change_of_deployment_is_refused_while_it_runs_and_for_one_that_is_not_there(bed: Bed) -> None:
    invocation_id = bed.caller.send("Steps/allowed", "stays")
    _wait_for_try(bed, "stays")
    resume = f"/invocations/{invocation_id}/resume?deployment="
    refused = bed.caller.admin("PATCH", f"{resume}latest")
    assert refused.status == 409
    assert refused.value["message"] == (
        f"The invocation '{invocation_id}' is still running or the deployment id is not pinned yet, deployment id cannot"
        " be changed."
    )
    paused(bed, invocation_id)
    refused = bed.caller.admin("PATCH", f"{resume}dp_10000000000000000000001")
    assert refused.status == 400
    assert refused.value["message"] == (
        f"The given deployment was not found when trying to resume the invocation '{invocation_id}'."
    )
    assert bed.caller.admin("PATCH", f"{resume}nonsense").status == 400
    bed.caller.kill(invocation_id)


def test_resume_makes_the_next_try_now(bed: Bed, server_kind: str, tmp_path: Path) -> None:
    """The next try is an hour away; the one that the operator asks for comes at once."""
    settings = attrs.evolve(INACTIVITY, retry_initial_interval="1h", retry_max_interval="1h")
    server = make_server(server_kind, tmp_path, settings)
    try:
        with Caller(server) as caller:
            caller.register(bed.program.uri)
            patient = attrs.evolve(bed, server=server, caller=caller)
            invocation_id = caller.send("Steps/allowed", "hurried")
            eventually(lambda: statuses(patient, [invocation_id]) == {"backing-off"}, what="the failed try")
            (bed.program.bed / "hurried.allowed").touch()
            assert operate(patient, "resume", invocation_id).status == 200
            assert caller.attach(invocation_id).ok() == bed.program.bed.name
    finally:
        server.stop()


def test_a_handler_that_never_waits_is_not_paused(bed: Bed) -> None:
    invocation_id = bed.caller.send("Counter/busy/guarded", {"name": "busy", "ms": 2500})
    eventually(lambda: bed.program.lines("guarded.busy") == ["enter busy"], what="the handler")
    assert operate(bed, "pause", invocation_id).status == 202
    assert bed.caller.attach(invocation_id).status == 200
    assert bed.program.lines("guarded.busy") == ["enter busy", "exit busy"]


def test_restart_as_new_runs_everything_again_or_only_what_comes_after(bed: Bed) -> None:
    first = bed.caller.send("Steps/runTwice", "again")
    assert bed.caller.attach(first).ok() == [1, 1]

    path = f"/invocations/{first}/restart-as-new"
    second = bed.caller.admin("PATCH", path).ok()["new_invocation_id"]
    assert bed.caller.attach(second).ok() == [2, 2]
    # Row 1 is the first run, whose result is kept.
    third = bed.caller.admin("PATCH", f"{path}?from=1").ok()["new_invocation_id"]
    assert bed.caller.attach(third).ok() == [1, 3]

    assert first[:14] == second[:14] == third[:14]
    assert bed.caller.admin("PATCH", f"{path}?from=99").status == 400
    assert operate(bed, "purge-journal", first).status == 200
    assert bed.caller.admin("PATCH", path).status == 410
    assert bed.caller.attach(first).ok() == [1, 1]


def patch(bed: Bed, key: str, n: int, version: str | None = None) -> int:
    body = {"object_key": key, "new_state": {"n": list(str(n).encode())}, "version": version}
    return bed.caller.admin("POST", "/services/Counter/state", body).status


def version_of(n: int) -> str:
    entry = (0).to_bytes(8, "big") + b"\x01n\x02" + str(n).encode() + b"\x03"
    return base64.urlsafe_b64encode(hashlib.sha256(entry).digest()).decode().rstrip("=")


def test_a_state_patch_takes_effect_between_those_before_and_after_it(bed: Bed) -> None:
    holder = bed.caller.send("Counter/patched/guarded", {"name": "holder", "ms": 600})
    before = bed.caller.send("Counter/patched/add", 1)
    assert patch(bed, "patched", 10) == 202
    after = bed.caller.send("Counter/patched/add", 1)
    assert [bed.caller.attach(each).status for each in (holder, before, after)] == [200, 200, 200]
    assert bed.caller.attach(before).ok() == 1
    assert bed.caller.attach(after).ok() == 11


def test_a_patch_for_another_state_is_ignored(bed: Bed) -> None:
    assert patch(bed, "versions", 5) == 202
    assert patch(bed, "versions", 6, version_of(4)) == 202
    assert bed.caller.call("Counter/versions/get").ok() == 5
    assert patch(bed, "versions", 7, version_of(5)) == 202
    assert bed.caller.call("Counter/versions/get").ok() == 7
    refused = bed.caller.admin("POST", "/services/Greeter/state", {"object_key": "k", "new_state": {}})
    assert refused.status == 400
    assert refused.value["message"] == "Cannot modify state for service type Service"


def test_after_a_purge_the_same_idempotency_key_runs_anew(bed: Bed) -> None:
    def call() -> Reply:
        return bed.caller.call("Steps/runTwice", "purged", idempotency_key="purged")

    first = call()
    assert first.ok() == [1, 1]
    assert call().ok() == [1, 1]
    assert operate(bed, "purge", first.invocation_id).status == 200
    assert bed.caller.output(first.invocation_id).status == 404
    assert call().ok() == [2, 2]


def test_after_a_purge_a_workflow_runs_anew(bed: Bed) -> None:
    invocation_id = bed.caller.send("Signup/purged/run", "first")
    assert bed.caller.kill(invocation_id).status == 200
    assert bed.caller.call("Signup/purged/run", "second").status == 409
    assert operate(bed, "restart-as-new", invocation_id).status == 422
    assert operate(bed, "purge", invocation_id).status == 200
    assert bed.caller.send("Signup/purged/run", "second") == invocation_id
    assert bed.caller.call("Signup/purged/approve", "approved").status == 200
    assert bed.caller.attach(invocation_id).ok() == "second approved"


def test_a_batch_tells_what_became_of_each(bed: Bed) -> None:
    def batch(operation: str, *ids: str) -> Reply:
        path = f"/internal/invocations_batch_operations/{operation}"
        return bed.caller.admin("POST", path, {"invocation_ids": list(ids)})

    stuck = bed.caller.send("Steps/stuck", {"name": "batch", "depth": 1})
    done = bed.caller.send("Greeter/greet", "batch")
    assert bed.caller.attach(done).status == 200

    answer = batch("kill", stuck, done).ok()
    assert answer["succeeded"] == [stuck]
    assert [failed["invocation_id"] for failed in answer["failed"]] == [done]
    (restarted,) = batch("restart-as-new", done).ok()["succeeded"]
    assert restarted["old_invocation_id"] == done
    assert bed.caller.attach(restarted["new_invocation_id"]).ok() == "Hello batch"
    assert batch("purge", done, stuck).ok() == {"succeeded": [done, stuck], "failed": []}
    assert batch("kill", *[UNKNOWN] * 1001).status == 400
    assert batch("kill", "nonsense").status == 422

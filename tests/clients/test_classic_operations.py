"""What operators do with invocations of the classic SDK (TypeScript 0.8.1)."""

from __future__ import annotations

import json
import time
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


def invoke(bed: Bed, service: str, method: str, argument: Mapping[str, object]) -> str:
    body = {"service": service, "method": method, "argument": argument}
    return str(bed.caller.call("dev.restate.Ingress/Invoke", body).ok()["id"])


def operate(bed: Bed, operation: str, invocation_id: str) -> int:
    return bed.caller.admin("PATCH", f"/invocations/{invocation_id}/{operation}").status


def paused(bed: Bed, invocation_id: str) -> None:
    # 202 while it runs; on a busy machine it may be suspended already.
    assert operate(bed, "pause", invocation_id) in (200, 202)
    eventually(lambda: operate(bed, "pause", invocation_id) == 200, what="the pause")


def counter(bed: Bed, key: str) -> Any:
    return bed.caller.call("counter/get", {"key": key}).ok()["response"]


def add(bed: Bed, key: str, n: int) -> str:
    return invoke(bed, "counter", "add", {"key": key, "request": n})


def test_a_paused_handler_sleeps_on_until_it_is_resumed(bed: Bed) -> None:
    invocation_id = invoke(bed, "counter", "slowAdd", {"key": "paused", "request": {"n": 1, "ms": 2000}})
    paused(bed, invocation_id)
    add(bed, "paused", 10)
    time.sleep(2.5)
    assert bed.caller.output(invocation_id).status == 470
    assert operate(bed, "resume", invocation_id) == 200
    eventually(lambda: counter(bed, "paused") == 11, what="both additions")


def test_a_cancel_wakes_a_paused_handler(bed: Bed) -> None:
    invocation_id = invoke(bed, "steps", "stuck", {"request": {"name": "wakes", "depth": 1}})
    eventually(lambda: bed.program.read("wakes.stuck.1") is not None, what="the handler")
    paused(bed, invocation_id)
    assert operate(bed, "cancel", invocation_id) == 202
    assert eventually(lambda: bed.program.read("wakes.cancelled.1"), what="the cancellation") == "1"


def test_a_kill_ends_a_paused_handler_and_the_next_one_runs(bed: Bed) -> None:
    invocation_id = invoke(bed, "counter", "slowAdd", {"key": "killed", "request": {"n": 1, "ms": 3_600_000}})
    paused(bed, invocation_id)
    add(bed, "killed", 5)
    assert operate(bed, "kill", invocation_id) == 200
    eventually(lambda: counter(bed, "killed") == 5, what="the next one")


def test_a_state_patch_waits_for_its_turn(bed: Bed) -> None:
    invoke(bed, "counter", "guarded", {"key": "patched", "request": {"name": "holder", "ms": 500}})
    add(bed, "patched", 1)
    patch = {"service_key": "patched", "new_state": {"n": list(json.dumps(10).encode())}}
    assert bed.caller.admin("POST", "/services/counter/state", patch).status == 202
    add(bed, "patched", 1)
    eventually(lambda: counter(bed, "patched") == 11, what="the additions")


def test_after_a_purge_the_same_idempotency_key_runs_anew(bed: Bed) -> None:
    def call() -> Reply:
        return bed.caller.call("steps/runTwice", {"request": "purged"}, idempotency_key="purged")

    first = call()
    assert first.ok()["response"] == [1, 1]
    assert call().ok()["response"] == [1, 1]
    invocation_id = first.invocation_id
    assert operate(bed, "restart-as-new", invocation_id) == 410
    assert operate(bed, "purge", invocation_id) == 200
    assert call().ok()["response"] == [2, 2]

"""Cancel and kill of call trees of the classic SDK: which invocations end, what their handlers and callers see."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from restate.runtime.model.ids import InvocationId, format_invocation_id
from tests.support.caller import eventually
from tests.support.programs import Sdk
from tests.support.sql_bed import query

if TYPE_CHECKING:
    from tests.clients.conftest import Bed
    from tests.support.caller import Reply

_SUSPENDED_S = 1.0
"""Longer than the inactivity timeout: what waits so long is suspended."""

_CANCELLED, _ABORTED = (408, "cancelled"), (409, "aborted")

waits = pytest.mark.parametrize("wait_s", [0.0, _SUSPENDED_S], ids=["running", "suspended"])


@pytest.fixture(scope="module")
def sdk(server_kind: str) -> Sdk:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return Sdk.CLASSIC


def ask(bed: Bed, path: str, request: object) -> Reply:
    return bed.caller.call(path, {"request": request})


def add(bed: Bed, key: str) -> Any:
    return bed.caller.call("counter/add", {"key": key, "request": 1}).ok()["response"]


def id_of(bed: Bed, name: str) -> str:
    """The id of an invocation that has announced itself under this name, once it has."""
    text = eventually(lambda: bed.program.read(f"{name}.id"), what=f"the id of {name}")
    return format_invocation_id(InvocationId(bytes.fromhex(text)))


def wait_until_it_waits(bed: Bed, name: str, wait_s: float = 0.0) -> None:
    """Until this invocation waits for something, and so much longer. A cancel before that would find nothing."""
    sql = f"SELECT index FROM sys_journal WHERE id = '{id_of(bed, name)}' AND completed = false"
    eventually(lambda: query(bed.server, sql), what=f"{name} to wait")
    time.sleep(wait_s)


def cancelled_with(bed: Bed, name: str) -> str:
    return eventually(lambda: bed.program.read(f"{name}.cancelled"), what=f"the cancellation of {name}")


def gone(bed: Bed, name: str) -> bool:
    """Whether the invocation has ended: nothing is kept of classic ones without an idempotency key."""
    return bed.caller.admin("PATCH", f"/invocations/{id_of(bed, name)}/purge").status == 404


def assert_gone(bed: Bed, *names: str) -> None:
    for name in names:
        eventually(lambda name=name: gone(bed, name), what=f"the end of {name}")  # type: ignore[misc]


def failure(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.value["code"]


@waits
def test_a_cancel_reaches_the_leaf_and_comes_back_through_every_caller(bed: Bed, wait_s: float) -> None:
    name = f"cancel{wait_s}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/node", {"name": name, "depth": 3, "wait": "sleep"})
        wait_until_it_waits(bed, f"{name}.1", wait_s)
        assert bed.caller.cancel(id_of(bed, f"{name}.3")).status == 202
        assert failure(call.result()) == _CANCELLED
    assert [cancelled_with(bed, f"{name}.{depth}") for depth in (1, 2, 3)] == ["1"] * 3
    assert_gone(bed, f"{name}.1", f"{name}.2", f"{name}.3")


@waits
def test_a_kill_ends_the_whole_tree_without_asking_handlers(bed: Bed, wait_s: float) -> None:
    name = f"kill{wait_s}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/node", {"name": name, "depth": 3, "wait": "sleep"})
        wait_until_it_waits(bed, f"{name}.1", wait_s)
        assert bed.caller.kill(id_of(bed, f"{name}.3")).status == 200
        assert failure(call.result()) == _ABORTED
    assert_gone(bed, f"{name}.1", f"{name}.2", f"{name}.3")
    assert not any(bed.program.read(f"{name}.{depth}.cancelled") for depth in (1, 2, 3))


@pytest.mark.parametrize(("mode", "expected"), [("cancel", _CANCELLED), ("kill", _ABORTED)])
def test_delete_does_the_same_and_forgives_what_is_gone(
    bed: Bed, mode: str, expected: tuple[int, str]
) -> None:
    name = f"delete-{mode}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/node", {"name": name, "depth": 2, "wait": "awakeable"})
        wait_until_it_waits(bed, f"{name}.1")
        root = id_of(bed, f"{name}.2")
        assert bed.caller.admin("DELETE", f"/invocations/{root}?mode={mode}").status == 202
        assert failure(call.result()) == expected
    assert_gone(bed, f"{name}.1", f"{name}.2")
    assert bed.caller.admin("DELETE", f"/invocations/{root}?mode={mode}").status == 202
    assert bed.caller.admin("PATCH", f"/invocations/{root}/{mode}").status == 404


def test_an_end_in_the_middle_is_an_error_for_the_caller_above(bed: Bed) -> None:
    for mode, expected, seen in (("cancel", _CANCELLED, "1"), ("kill", _ABORTED, "10")):
        name = f"middle-{mode}"
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(ask, bed, "trees/node", {"name": name, "depth": 3, "wait": "sleep"})
            wait_until_it_waits(bed, f"{name}.1")
            bed.caller.admin("PATCH", f"/invocations/{id_of(bed, f'{name}.2')}/{mode}").ok()
            assert failure(call.result()) == expected
        assert cancelled_with(bed, f"{name}.3") == seen
        assert_gone(bed, f"{name}.1", f"{name}.2", f"{name}.3")


@waits
def test_a_cancel_reaches_every_branch_but_not_what_was_only_sent(bed: Bed, wait_s: float) -> None:
    name = f"family{wait_s}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/family", name)
        for leaf in ("left.1", "right.1", "sent.1"):
            wait_until_it_waits(bed, f"{name}.{leaf}")
        time.sleep(wait_s)
        assert bed.caller.cancel(id_of(bed, name)).status == 202
        assert call.result().ok()["response"] == [1, 1]
    assert_gone(bed, name, *(f"{name}.{branch}" for branch in ("left.1", "left.2", "right.1", "right.2")))
    assert not gone(bed, f"{name}.sent.1")
    assert bed.caller.kill(id_of(bed, f"{name}.sent.1")).status == 200


def test_a_kill_reaches_every_branch_but_not_what_was_only_sent(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/family", "killed")
        for leaf in ("left.1", "right.1", "sent.1"):
            id_of(bed, f"killed.{leaf}")
        assert bed.caller.kill(id_of(bed, "killed")).status == 200
        assert failure(call.result()) == _ABORTED
    assert_gone(bed, "killed", *(f"killed.{branch}" for branch in ("left.1", "left.2", "right.1", "right.2")))
    assert not gone(bed, "killed.sent.1")
    wait_until_it_waits(bed, "killed.sent.1")
    assert bed.caller.cancel(id_of(bed, "killed.sent.1")).status == 202
    assert_gone(bed, "killed.sent.1")


@pytest.mark.parametrize("mode", ["cancel", "kill"])
def test_a_key_at_the_bottom_is_free_again(bed: Bed, mode: str) -> None:
    name = f"owner-{mode}"
    root = {"name": name, "depth": 2, "wait": "key"}
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(ask, bed, "trees/node", root)
        id_of(bed, f"{name}.1")
        time.sleep(_SUSPENDED_S)
        waiting = pool.submit(add, bed, name)
        bed.caller.admin("PATCH", f"/invocations/{id_of(bed, f'{name}.2')}/{mode}").ok()
        assert waiting.result() == 1
        call.result()


def test_a_child_that_waits_for_its_key_leaves_the_queue(bed: Bed) -> None:
    owner = {"service": "counter", "method": "slowAdd"}
    argument = {"key": "queue", "request": {"n": 1, "ms": 3_600_000}}
    owner_id = bed.caller.call("dev.restate.Ingress/Invoke", {**owner, "argument": argument}).ok()["id"]
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/node", {"name": "queue", "depth": 1, "wait": "key"})
        root = id_of(bed, "queue.1")
        time.sleep(_SUSPENDED_S)
        assert bed.caller.cancel(root).status == 202
        assert failure(call.result()) == _CANCELLED
    assert bed.caller.admin("PATCH", f"/invocations/{owner_id}/purge").status != 404, "the owner lives"
    assert bed.caller.kill(owner_id).status == 200
    # Had the child stayed in the queue, it would hold the key now.
    assert add(bed, "queue") == 1


@waits
def test_a_handler_may_go_on_after_its_cancellation(bed: Bed, wait_s: float) -> None:
    name = f"cleanup{wait_s}"
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/cleansUp", name)
        root = id_of(bed, name)
        wait_until_it_waits(bed, name, wait_s)
        assert bed.caller.cancel(root).status == 202
        assert call.result().ok() == {"response": 1}
    assert bed.program.lines(f"{name}.cleanup") == ["1"]


def test_a_second_cancel_hits_the_cleanup(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/cleansUp", "twice")
        root = id_of(bed, "twice")
        wait_until_it_waits(bed, "twice")
        assert bed.caller.cancel(root).status == 202
        eventually(lambda: bed.program.lines("twice.cleanup"), what="the cleanup")
        wait_until_it_waits(bed, "twice")
        assert bed.caller.cancel(root).status == 202
        assert failure(call.result()) == _CANCELLED


def test_a_cancel_with_nothing_open_is_not_remembered(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, bed, "trees/busy", {"name": "busy", "ms": 300})
        assert bed.caller.cancel(id_of(bed, "busy")).status == 202
        assert call.result().ok() == {"response": "done"}


def test_what_was_cancelled_stays_cancelled_over_a_crash(bed: Bed) -> None:
    with ThreadPoolExecutor(1) as pool:
        sent = {"service": "trees", "method": "node"}
        argument = {"request": {"name": "crash", "depth": 3, "wait": "sleep"}}
        bed.caller.call("dev.restate.Ingress/Invoke", {**sent, "argument": argument}).ok()
        id_of(bed, "crash.1")
        time.sleep(_SUSPENDED_S)
        pool.submit(bed.caller.cancel, id_of(bed, "crash.3")).result().ok()
        bed.server.kill()
        bed.server.start()
    assert [cancelled_with(bed, f"crash.{depth}") for depth in (1, 2, 3)] == ["1"] * 3
    assert_gone(bed, "crash.1", "crash.2", "crash.3")

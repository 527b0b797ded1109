"""Pause and resume, from the handle of the partition to what the service sees of it."""

import logging

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.config import Invoker, RetrySettings
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import Move, TerminateKind
from restate.runtime.model.ids import DeploymentId, InvocationId
from restate.runtime.model.invocation import InvocationRecord, Pin, Status
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Failure, Success
from tests.support.rig import DEPLOYMENT, Conversation, Rig
from tests.support.sdk_peer import Heard

SLOW = RetrySettings(initial_interval_ms=60_000)
OTHER = DeploymentId("dp_10000000000000000000002")


async def send(rig: Rig) -> Callee:
    callee = rig.callee("Greeter", "greet")
    await rig.partition.send(callee, b"", ())
    return callee


def stored(rig: Rig, invocation: InvocationId) -> InvocationRecord:
    record = rig.reader.invocations.get(invocation)
    assert record is not None
    return record


async def outcome(rig: Rig, callee: Callee) -> Success | Failure | None:
    return (await rig.partition.attach(callee.invocation, block=True)).outcome


async def sleeps(sdk: Conversation) -> None:
    """Sleeps for a day, suspends when asked; the second attempt does not wait."""
    replayed = await sdk.replay()
    if len(replayed) == 2:
        sdk.say("Sleep", wake_up_time=1 << 50, result_completion_id=1)
        await sdk.ended()
        sdk.say("Suspension", waiting_completions=[1], waiting_signals=[1])
        sdk.close()
    else:
        sdk.output(b"resumed")


async def test_a_running_handler_is_paused_when_it_waits_and_goes_on_when_resumed(
    nursery: trio.Nursery,
) -> None:
    rig = Rig(nursery, sleeps)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    assert await rig.partition.pause(callee.invocation) is AdminOutcome.ACCEPTED
    await wait_all_tasks_blocked()
    assert stored(rig, callee.invocation).status is Status.PAUSED
    assert stored(rig, callee.invocation).pause_error is None

    assert await rig.partition.resume(callee.invocation) is AdminOutcome.DONE
    assert await outcome(rig, callee) == Success(b"resumed")
    nursery.cancel_scope.cancel()


async def test_each_turn_of_an_invocation_is_a_line_with_its_names(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(nursery, sleeps)
    await rig.start()
    with caplog.at_level(logging.DEBUG, "restate.invoker"):
        callee = await send(rig)
        await wait_all_tasks_blocked()
        await rig.partition.pause(callee.invocation)
        await wait_all_tasks_blocked()
        await rig.partition.resume(callee.invocation)
        await outcome(rig, callee)
        killed = await send(rig)
        await wait_all_tasks_blocked()
        await rig.partition.terminate(killed.invocation, TerminateKind.KILL)
        await wait_all_tasks_blocked()

    lines = [line for line in caplog.records if line.name == "restate.invoker"]
    assert [line.getMessage() for line in lines] == [
        "attempt 1, with 1 journal entries",
        "is to pause",
        "suspended",
        "attempt 1, with 2 journal entries",
        "the handler has ended",
        "attempt 1, with 1 journal entries",
        "cut: it was killed, has ended, or runs anew",
    ]
    for line in lines:
        fields = [line.__dict__[name] for name in ("service", "handler", "deployment")]
        assert fields == ["Greeter", "greet", DEPLOYMENT]
        assert line.__dict__["invocation"].startswith("inv_1")
    nursery.cancel_scope.cancel()


async def test_a_handler_that_never_waits_is_not_paused(nursery: trio.Nursery) -> None:
    asked = trio.Event()

    async def busy(sdk: Conversation) -> None:
        await sdk.replay()
        await asked.wait()
        await sdk.ended()
        sdk.output(b"done")

    rig = Rig(nursery, busy)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    assert await rig.partition.pause(callee.invocation) is AdminOutcome.ACCEPTED
    asked.set()

    assert await outcome(rig, callee) == Success(b"done")
    nursery.cancel_scope.cancel()


async def test_what_came_in_is_sent_before_the_sdk_is_asked_to_suspend(nursery: trio.Nursery) -> None:
    heard: list[Heard] = []

    async def waits(sdk: Conversation) -> None:
        await sdk.replay()
        await sdk.ended()
        heard.extend(sdk.peer.heard)
        sdk.output(b"done")

    rig = Rig(nursery, waits)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    async with trio.open_nursery() as both:
        both.start_soon(rig.partition.signal, callee.invocation, 17, Success(b"x"))
        both.start_soon(rig.partition.pause, callee.invocation)

    assert await outcome(rig, callee) == Success(b"done")
    assert [message.name for message in heard] == ["Signal"]
    nursery.cancel_scope.cancel()


async def test_an_attempt_that_fails_while_a_pause_is_asked_for_is_not_made_again(
    nursery: trio.Nursery,
) -> None:
    async def fails_when_asked(sdk: Conversation) -> None:
        await sdk.replay()
        await sdk.ended()
        sdk.say("Error", code=500, message="boom")
        sdk.close()

    rig = Rig(nursery, fails_when_asked)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    await rig.partition.pause(callee.invocation)
    await wait_all_tasks_blocked()

    assert stored(rig, callee.invocation).status is Status.PAUSED
    assert stored(rig, callee.invocation).pause_error == Failure(500, "boom")
    assert len(rig.client.conversations) == 1
    nursery.cancel_scope.cancel()


async def fails_once(sdk: Conversation, rig: Rig) -> None:
    await sdk.replay()
    if len(rig.client.conversations) == 1:
        sdk.say("Error", code=500, message="boom")
        sdk.close()
    else:
        sdk.output(b"ok")


async def test_one_that_waits_for_its_next_try_is_paused_at_once(nursery: trio.Nursery) -> None:
    rig = Rig(nursery, lambda sdk: fails_once(sdk, rig), retry_policy=SLOW)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    assert await rig.partition.pause(callee.invocation) is AdminOutcome.ACCEPTED
    await wait_all_tasks_blocked()

    assert stored(rig, callee.invocation).status is Status.PAUSED
    assert stored(rig, callee.invocation).pause_error == Failure(500, "boom")
    await rig.partition.resume(callee.invocation)
    assert await outcome(rig, callee) == Success(b"ok")
    nursery.cancel_scope.cancel()


async def test_resume_makes_the_next_try_now(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    rig = Rig(nursery, lambda sdk: fails_once(sdk, rig), retry_policy=SLOW)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()
    began = trio.current_time()

    assert await rig.partition.resume(callee.invocation) is AdminOutcome.DONE

    assert await outcome(rig, callee) == Success(b"ok")
    assert trio.current_time() - began < 60
    nursery.cancel_scope.cancel()


async def test_one_that_waits_for_its_turn_is_paused_at_once(nursery: trio.Nursery) -> None:
    rig = Rig(nursery, sleeps, invoker=Invoker(concurrency_limit=1))
    await rig.start()
    first, second = await send(rig), await send(rig)
    await wait_all_tasks_blocked()

    assert await rig.partition.pause(second.invocation) is AdminOutcome.ACCEPTED
    await wait_all_tasks_blocked()

    assert stored(rig, second.invocation).status is Status.PAUSED
    assert stored(rig, first.invocation).status is Status.INVOKED
    assert len(rig.client.conversations) == 1
    nursery.cancel_scope.cancel()


async def test_a_pause_that_is_taken_back_leaves_a_suspension(nursery: trio.Nursery) -> None:
    asked = trio.Event()

    async def suspends(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Sleep", wake_up_time=1 << 50, result_completion_id=1)
        await sdk.ended()
        await asked.wait()
        sdk.say("Suspension", waiting_completions=[1], waiting_signals=[1])
        sdk.close()

    rig = Rig(nursery, suspends)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    await rig.partition.pause(callee.invocation)
    await rig.partition.resume(callee.invocation)
    asked.set()
    await wait_all_tasks_blocked()

    assert stored(rig, callee.invocation).status is Status.SUSPENDED
    nursery.cancel_scope.cancel()


async def test_a_cancel_is_not_held_up_by_a_pause(nursery: trio.Nursery) -> None:
    canceled = trio.Event()

    async def waits(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        if any(message.name == "Signal" for message in replayed):
            sdk.output(b"canceled")
            return
        await sdk.ended()
        await canceled.wait()
        sdk.say("Suspension", waiting_signals=[1])
        sdk.close()

    rig = Rig(nursery, waits)
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()

    await rig.partition.pause(callee.invocation)
    await wait_all_tasks_blocked()
    await rig.partition.terminate(callee.invocation, TerminateKind.CANCEL)
    canceled.set()

    assert await outcome(rig, callee) == Success(b"canceled")
    nursery.cancel_scope.cancel()


async def test_a_suspended_invocation_is_resumed_on_another_deployment(nursery: trio.Nursery) -> None:
    looked = trio.Event()

    async def two_lives(sdk: Conversation) -> None:
        if len(rig.client.conversations) > 1:
            await looked.wait()
        await sleeps(sdk)

    rig = Rig(nursery, two_lives, invoker=Invoker(inactivity_timeout_ms=0))
    await rig.start()
    callee = await send(rig)
    await wait_all_tasks_blocked()
    assert stored(rig, callee.invocation).status is Status.SUSPENDED
    assert stored(rig, callee.invocation).pin == Pin(DEPLOYMENT, 6)

    assert await rig.partition.resume(callee.invocation, Move(OTHER, False, 5, 6)) is AdminOutcome.DONE

    assert stored(rig, callee.invocation).pin == Pin(OTHER, 6)
    # It is not registered yet, so the attempt fails and is made again later.
    await rig.register(OTHER, revision=2)
    await rig.partition.resume(callee.invocation)
    looked.set()
    assert await outcome(rig, callee) == Success(b"resumed")
    nursery.cancel_scope.cancel()

"""What a crash leaves behind, and how the next process takes it up."""

import trio
from trio.testing import MockClock

from restate.runtime.config import Invoker
from restate.runtime.model.result import Success
from tests.support.rig import Conversation, Rig


async def test_an_invocation_that_was_running_is_tried_again_from_its_journal(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    stored = trio.Event()

    async def before(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Run", result_completion_id=1)
        sdk.say("ProposeRunCompletion", result_completion_id=1, value=b"7")
        await sdk.hear()
        stored.set()

    async def after(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        assert [heard.name for heard in replayed] == ["Start", "Input", "Run", "RunCompletion"]
        sdk.output(replayed[3].message.value.content)

    async with trio.open_nursery() as first_life:
        first = Rig(first_life, before)
        await first.start()
        callee = first.callee("Greeter", "greet")
        await first.partition.send(callee, b"", ())
        await stored.wait()
        first_life.cancel_scope.cancel()

    second = Rig(nursery, after, store=first.store.crash())
    await second.start()
    assert (await second.partition.attach(callee.invocation, block=True)).outcome == Success(b"7")
    nursery.cancel_scope.cancel()


async def test_the_answer_for_a_client_of_the_last_process_goes_to_nobody_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    running = trio.Event()

    async def before(sdk: Conversation) -> None:
        await sdk.replay()
        running.set()

    async def after(sdk: Conversation) -> None:
        _, command = await sdk.replay()
        await trio.sleep(1)
        sdk.output(command.message.value.content)

    async with trio.open_nursery() as first_life:
        first = Rig(first_life, before)
        await first.start()
        first_life.start_soon(first.call, "Greeter", "greet", b"of the dead client")
        await running.wait()
        first_life.cancel_scope.cancel()

    second = Rig(nursery, after, store=first.store.crash())
    await second.start()
    # The old invocation ends first; one of these clients has the place in line that the dead one had.
    await trio.sleep(0.5)

    async def call(body: bytes) -> None:
        assert (await second.call("Greeter", "greet", body)).outcome == Success(body)

    async with trio.open_nursery() as calls:
        for number in range(10):
            calls.start_soon(call, str(number).encode())
    nursery.cancel_scope.cancel()


async def test_a_suspended_invocation_is_left_alone_until_its_timer_fires(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    suspended = trio.Event()

    async def before(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Sleep", wake_up_time=first.clock.now_ms() + 60_000, result_completion_id=1)
        await sdk.ended()
        sdk.say("Suspension", waiting_completions=[1])
        sdk.close()
        suspended.set()

    async def after(sdk: Conversation) -> None:
        replayed = await sdk.replay()
        assert [heard.name for heard in replayed] == ["Start", "Input", "Sleep", "SleepCompletion"]
        sdk.output(b"awake")

    async with trio.open_nursery() as first_life:
        first = Rig(first_life, before, invoker=Invoker(inactivity_timeout_ms=1_000))
        await first.start()
        callee = first.callee("Greeter", "greet")
        await first.partition.send(callee, b"", ())
        await suspended.wait()
        await first.partition.settle()
        first_life.cancel_scope.cancel()

    second = Rig(nursery, after, store=first.store.crash())
    await second.start()
    await trio.sleep(1)
    assert second.client.conversations == []
    assert (await second.partition.attach(callee.invocation, block=True)).outcome == Success(b"awake")
    nursery.cancel_scope.cancel()

"""What operators see of attempts while they run, fail and wait."""

import msgspec
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.config import Invoker, RetrySettings
from restate.runtime.invoker.failure import LastFailure, RelatedCommand
from restate.runtime.invoker.status import AttemptStatus
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.result import Success
from restate.runtime.net.client import ConnectFailed
from tests.support.clock import EPOCH_MS
from tests.support.rig import CLASSIC_DEPLOYMENT, DEPLOYMENT, Conversation, Rig

ONE_SECOND = RetrySettings(initial_interval_ms=1000, factor=1)
SERVER = (b"x-restate-server", b"restate-sdk-test/1.2.3")


async def send(rig: Rig, service: str = "Greeter", handler: str = "greet") -> InvocationId:
    callee = rig.callee(service, handler)
    await rig.partition.send(callee, b"", ())
    await wait_all_tasks_blocked()
    return callee.invocation


def seen(rig: Rig, invocation: InvocationId) -> AttemptStatus:
    status = rig.supervisor.status(invocation)
    assert status is not None
    assert list(rig.supervisor.statuses()) == [status]
    return status


def answer(sdk: Conversation) -> None:
    sdk.answer(200, *sdk.headers[:1], SERVER)


async def test_an_attempt_is_in_flight_until_its_handler_is_done(nursery: trio.Nursery) -> None:
    opened, done = trio.Event(), trio.Event()

    async def greet(sdk: Conversation) -> None:
        await sdk.replay()
        await opened.wait()
        answer(sdk)
        await done.wait()
        sdk.output(b"done")

    rig = Rig(nursery, greet)
    await rig.start()
    started_ms = rig.clock.now_ms()
    invocation = await send(rig)
    status = seen(rig, invocation)
    assert started_ms <= status.last_start_ms <= rig.clock.now_ms()
    assert status == AttemptStatus(invocation, True, 1, status.last_start_ms, DEPLOYMENT, None, None, None)

    opened.set()
    await wait_all_tasks_blocked()
    assert seen(rig, invocation).server == "restate-sdk-test/1.2.3"

    done.set()
    await wait_all_tasks_blocked()
    assert rig.supervisor.status(invocation) is None
    assert list(rig.supervisor.statuses()) == []
    nursery.cancel_scope.cancel()


async def test_a_failure_is_told_while_backing_off_and_in_the_next_attempt(
    nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    async def fail_once(sdk: Conversation) -> None:
        await sdk.replay()
        answer(sdk)
        if len(rig.client.conversations) == 1:
            sdk.say(
                "Error",
                code=503,
                message="not today",
                stacktrace="at line 1",
                related_command_index=2,
                related_command_name="badstep",
                related_command_type=0x0411,
                next_retry_delay=5000,
            )
            sdk.close()

    rig = Rig(nursery, fail_once)
    await rig.start()
    mock_clock.jump(10)
    invocation = await send(rig)
    failure = LastFailure("RT0007", 503, "not today", "at line 1", RelatedCommand(2, "badstep", "Run"))
    assert seen(rig, invocation) == AttemptStatus(
        invocation,
        in_flight=False,
        retry_count=1,
        last_start_ms=EPOCH_MS + 10_000,
        deployment=DEPLOYMENT,
        server="restate-sdk-test/1.2.3",
        next_retry_ms=EPOCH_MS + 15_000,
        failure=failure,
    )

    mock_clock.jump(5)
    await wait_all_tasks_blocked()
    assert seen(rig, invocation) == AttemptStatus(
        invocation,
        in_flight=True,
        retry_count=2,
        last_start_ms=EPOCH_MS + 15_000,
        deployment=DEPLOYMENT,
        server="restate-sdk-test/1.2.3",
        next_retry_ms=None,
        failure=failure,
    )
    nursery.cancel_scope.cancel()


async def test_attempts_count_on_when_the_handler_makes_progress(
    nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    async def one_step_each(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Run", result_completion_id=len(rig.client.conversations))
        sdk.close()

    rig = Rig(nursery, one_step_each, retry_policy=ONE_SECOND)
    await rig.start()
    invocation = await send(rig)
    for attempts in (1, 2, 3):
        status = seen(rig, invocation)
        assert (status.retry_count, status.in_flight) == (attempts, False)
        assert status.failure is not None
        assert status.failure.code == "RT0007"
        mock_clock.jump(2)
        await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def test_a_service_that_is_not_reached_has_no_server(
    nursery: trio.Nursery, mock_clock: MockClock
) -> None:
    async def greet(sdk: Conversation) -> None:
        await sdk.replay()
        answer(sdk)
        sdk.close()

    rig = Rig(nursery, greet, retry_policy=ONE_SECOND)
    await rig.start()
    invocation = await send(rig)
    assert seen(rig, invocation).server == "restate-sdk-test/1.2.3"

    rig.client.unreachable.append(ConnectFailed("refused"))
    mock_clock.jump(2)
    await wait_all_tasks_blocked()
    status = seen(rig, invocation)
    assert (status.server, status.deployment, status.retry_count) == (None, DEPLOYMENT, 2)
    assert status.failure is not None
    assert (status.failure.code, status.failure.related) == ("RT0010", None)
    nursery.cancel_scope.cancel()


async def test_an_operator_who_resumes_ends_the_wait(nursery: trio.Nursery, mock_clock: MockClock) -> None:
    async def fail_once(sdk: Conversation) -> None:
        await sdk.replay()
        if len(rig.client.conversations) == 1:
            sdk.close()

    rig = Rig(nursery, fail_once, retry_policy=ONE_SECOND)
    await rig.start()
    invocation = await send(rig)
    assert seen(rig, invocation).next_retry_ms is not None
    await rig.partition.resume(invocation)
    await wait_all_tasks_blocked()
    status = seen(rig, invocation)
    assert (status.in_flight, status.next_retry_ms, status.retry_count) == (True, None, 2)
    nursery.cancel_scope.cancel()


async def test_what_waits_for_its_turn_has_no_status(nursery: trio.Nursery) -> None:
    done = trio.Event()

    async def greet(sdk: Conversation) -> None:
        await sdk.replay()
        await done.wait()
        sdk.output(b"done")

    rig = Rig(nursery, greet, invoker=Invoker(concurrency_limit=1))
    await rig.start()
    first = await send(rig)
    second = await send(rig)
    assert seen(rig, first).in_flight
    assert rig.supervisor.status(second) is None
    done.set()
    assert (await rig.partition.attach(second, block=True)).outcome == Success(b"done")
    nursery.cancel_scope.cancel()


async def test_a_suspended_invocation_has_no_status(nursery: trio.Nursery) -> None:
    async def sleeps(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Sleep", wake_up_time=1 << 50, result_completion_id=1)
        sdk.say("Suspension", waiting_completions=[1])
        sdk.close()

    rig = Rig(nursery, sleeps)
    await rig.start()
    invocation = await send(rig)
    assert rig.supervisor.status(invocation) is None
    nursery.cancel_scope.cancel()


async def test_a_classic_failure_names_no_command(nursery: trio.Nursery) -> None:
    async def fail(sdk: Conversation) -> None:
        await sdk.replay()
        sdk.say("Error", code=13, message="no")
        sdk.close()

    rig = Rig(nursery, fail)
    await rig.start()
    await rig.register_classic()
    status = seen(rig, await send(rig, "Plain", "m"))
    assert status.deployment == CLASSIC_DEPLOYMENT
    assert status.failure == LastFailure("RT0007", 13, "no", "", None)
    nursery.cancel_scope.cancel()


async def test_a_failure_is_stored_once_as_long_as_it_stays_the_same(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    async def greet(sdk: Conversation) -> None:
        await sdk.replay()
        answer(sdk)
        attempt = len(rig.client.conversations)
        if attempt <= 4:
            sdk.say("Error", code=500, message="boom" if attempt <= 3 else "crash", stacktrace="at line 1")
            sdk.close()
        else:
            sdk.output(b"done")

    rig = Rig(nursery, greet, retry_policy=ONE_SECOND)
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    callee = msgspec.structs.replace(callee, completion_retention_ms=60_000, journal_retention_ms=60_000)
    await rig.partition.call(callee, b"", ())
    events = rig.reader.events.all(callee.invocation)
    assert [msgspec.json.decode(event.detail) for event in events] == [
        {
            "ty": "TransientError",
            "error_code": 500,
            "error_message": message,
            "error_stacktrace": "at line 1",
            "restate_doc_error_code": "RT0007",
        }
        for message in ("boom", "crash")
    ]
    nursery.cancel_scope.cancel()

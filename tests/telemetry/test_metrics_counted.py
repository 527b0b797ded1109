"""What invocations leave behind in the metrics of engine, invoker and storage."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from restate.runtime.config import Invoker, RetrySettings
from restate.runtime.engine.records import TerminateKind
from restate.runtime.engine.tally import OTHER, Tally
from restate.runtime.model.result import Failure, Success
from restate.runtime.net.client import ConnectFailed
from restate.runtime.telemetry.loop_watch import LoopWatch
from restate.runtime.telemetry.metrics import Metrics
from restate.runtime.telemetry.metrics_kinds import Counters, Reading
from tests.support.rig import Conversation, Rig


def values(metric: Counters | Reading) -> dict[tuple[str, ...], float]:
    return dict(metric.items() if isinstance(metric, Counters) else metric.read())


async def greet(sdk: Conversation) -> None:
    await sdk.replay()
    sdk.output(b"hello")


@pytest.fixture
def tried_again(autojump_clock: trio.testing.MockClock) -> None:
    """Retries take no time."""


async def test_an_invocation_is_counted_on_its_whole_way(nursery: trio.Nursery) -> None:
    rig = Rig(nursery, greet)
    await rig.start()
    for _ in range(2):
        await rig.call("Greeter", "greet", b"joe")
    await trio.testing.wait_all_tasks_blocked()
    invoker, partition, storage = rig.metrics.invoker, rig.metrics.partition, rig.metrics.storage
    assert values(invoker.tasks) == {("started", ""): 2, ("completed", ""): 2}
    assert values(invoker.client_requests) == {("200",): 2}
    assert (invoker.enqueued.value, invoker.slots_acquired.value, invoker.slots_released.value) == (2, 2, 2)
    assert sum(invoker.start_delay.buckets.counts) == 2
    assert sum(invoker.seconds.buckets.counts) == 2
    assert invoker.sent_bytes.value > 20
    assert invoker.received_bytes.value > 20
    assert values(partition.ended) == {("Greeter", "succeeded"): 2}
    applied = values(partition.applied)
    assert (applied["Invoke",], applied["AttemptEffect",]) == (2, 4)
    assert storage.batch_records.buckets.total == sum(applied.values())
    assert sum(storage.flush_seconds.buckets.counts) == sum(storage.flush_writes.buckets.counts) > 0
    nursery.cancel_scope.cancel()


async def test_failed_attempts_tell_whether_another_one_follows(
    nursery: trio.Nursery, tried_again: None
) -> None:
    policy = RetrySettings(initial_interval_ms=10, max_attempts=3, on_max_attempts="kill")
    rig = Rig(nursery, greet, retry_policy=policy)
    rig.client.unreachable = [ConnectFailed("no") for _ in range(3)]
    await rig.start()
    reply = await rig.call("Greeter", "greet", b"joe")
    assert isinstance(reply.outcome, Failure)
    await trio.testing.wait_all_tasks_blocked()
    tasks = values(rig.metrics.invoker.tasks)
    assert tasks == {("started", ""): 3, ("failed", "true"): 2, ("failed", "false"): 1}
    assert values(rig.metrics.invoker.classic_tasks) == {("started",): 3, ("failed",): 3}
    assert values(rig.metrics.invoker.retries) == {("Greeter",): 2}
    assert values(rig.metrics.partition.ended) == {("Greeter", "failed"): 1}
    # Only the first attempt tells how long the invocation has waited.
    assert sum(rig.metrics.invoker.start_delay.buckets.counts) == 1
    nursery.cancel_scope.cancel()


async def test_what_waits_for_a_slot_and_what_is_killed(nursery: trio.Nursery) -> None:
    async def wait(sdk: Conversation) -> None:
        await sdk.replay()
        await trio.sleep_forever()

    rig = Rig(nursery, wait, invoker=Invoker(concurrency_limit=1))
    await rig.start()
    ids = [(await rig.partition.send(rig.callee("Greeter", "greet"), b"", ())).id for _ in range(3)]
    await trio.testing.wait_all_tasks_blocked()
    assert rig.supervisor.waiting() == 2
    for invocation in ids:
        await rig.partition.terminate(invocation, TerminateKind.KILL)
    await trio.testing.wait_all_tasks_blocked()
    assert values(rig.metrics.partition.ended) == {("Greeter", "killed"): 3}
    assert (
        values(rig.metrics.invoker.tasks)["aborted", ""] == values(rig.metrics.invoker.tasks)["started", ""]
    )
    nursery.cancel_scope.cancel()


async def test_the_loop_is_watched(autojump_clock: trio.testing.MockClock) -> None:
    metrics = Metrics().process
    with trio.move_on_after(1.1):
        await LoopWatch(metrics).run()
    assert sum(metrics.loop_delay.buckets.counts) == 4
    ((labels, tasks),) = metrics.tasks.read()
    assert labels == ()
    assert tasks >= 1


def test_success_is_told_from_failure() -> None:
    tally = Tally()
    for outcome in (
        Success(b""),
        Failure(500, "no"),
        Failure(409, "killed"),
        Failure(64, "killed"),
        Failure(409, "Cancelled"),
        Failure(1, "canceled"),
    ):
        tally.end("S", outcome)
    assert tally.ended == {
        ("S", "succeeded"): 1,
        ("S", "failed"): 1,
        ("S", "killed"): 2,
        ("S", "cancelled"): 2,
    }
    tally.most = 100
    for number in range(110):
        tally.end(f"made up {number}", Success(b""))
    assert len(tally.ended) == 101
    assert tally.ended[OTHER, "succeeded"] == 14

"""What callers of the partition get, whatever happens to the record they proposed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.engine.actions import (
    AdminOutcome,
    AdminReply,
    IngressReply,
    PublishSchema,
    SubmitReply,
)
from restate.runtime.engine.records import Attach, Record, Terminate, TerminateKind
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSink
from restate.runtime.model.result import Failure, Success
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.schema.rows import deployment_key
from tests.support.rig import DEPLOYMENT, Conversation, Rig

ONE = InvocationId(bytes(23) + b"\1")
TWO = InvocationId(bytes(23) + b"\2")


def taken(partition: Partition) -> Record:
    """The next proposed record; nobody applies it."""
    record, _ = partition.receive_channel.receive_nowait()
    assert record is not None
    return record


def asker(record: Record) -> int:
    """Who waits for the outcome that a record asks for."""
    assert isinstance(record, Attach)
    assert isinstance(record.sink, IngressSink)
    return record.sink.request_id


def full() -> Partition:
    partition = Partition(queue_limit=1)
    partition.offer(None)
    return partition


async def test_a_full_queue_refuses_clients_at_once_and_leaves_nothing_behind() -> None:
    partition = full()
    with pytest.raises(Overloaded) as refused:
        await partition.attach(ONE, block=True)
    assert refused.value.http_status == 503
    with pytest.raises(Overloaded):
        await partition.terminate(ONE, TerminateKind.KILL)
    with pytest.raises(Overloaded):
        await partition.change_schema(0, ())
    with pytest.raises(Overloaded):
        await partition.signal(ONE, 1, Success(b""))
    assert partition.awaited() == set()


async def test_what_must_not_be_lost_waits_for_room(nursery: trio.Nursery) -> None:
    partition = full()
    nursery.start_soon(partition.propose, Terminate(ONE, TerminateKind.KILL))
    await wait_all_tasks_blocked()
    partition.receive_channel.receive_nowait()
    await wait_all_tasks_blocked()
    assert isinstance(taken(partition), Terminate)


async def test_answers_reach_those_who_asked(nursery: trio.Nursery) -> None:
    partition = Partition(queue_limit=10)
    got: list[IngressReply] = []

    async def attach(invocation: InvocationId) -> None:
        got.append(await partition.attach(invocation, block=True))

    for invocation in (ONE, TWO):
        nursery.start_soon(attach, invocation)
        await wait_all_tasks_blocked()
    requests = [taken(partition) for _ in range(2)]
    for request in reversed(requests):
        assert isinstance(request, Attach)
        partition.reply(IngressReply(asker(request), request.id, None, Success(request.id)))
    await wait_all_tasks_blocked()
    assert {reply.outcome for reply in got} == {Success(ONE), Success(TWO)}
    assert partition.awaited() == set()


async def test_answers_to_nobody_are_dropped() -> None:
    partition = Partition(queue_limit=10)
    partition.reply(IngressReply(7, ONE, None, Success(b"")))
    partition.submitted(SubmitReply(7, ONE, None, True))
    partition.operated(AdminReply(7, AdminOutcome.DONE))


async def test_a_client_who_leaves_leaves_nothing_behind(nursery: trio.Nursery) -> None:
    partition = Partition(queue_limit=10)
    with trio.CancelScope() as scope:
        nursery.start_soon(wait_all_tasks_blocked)
        scope.cancel()
        await partition.attach(ONE, block=True)
    assert scope.cancelled_caught
    assert partition.awaited() == set()
    request = taken(partition)
    partition.reply(IngressReply(asker(request), ONE, None, Success(b"")))


async def test_requests_of_two_processes_over_one_store_never_have_the_same_number() -> None:
    numbers = set()
    for boots in range(3):
        partition = Partition(queue_limit=10)
        partition.begin(partition.schema, boots)
        for _ in range(3):
            with trio.move_on_after(0):
                await partition.terminate(ONE, TerminateKind.CANCEL)
            record = taken(partition)
            assert isinstance(record, Terminate)
            numbers.add(record.request_id)
    assert len(numbers) == 9


async def test_after_refuse_nothing_new_is_accepted_but_the_rest_goes_on() -> None:
    partition = Partition(queue_limit=10)
    partition.refuse()
    with pytest.raises(ShuttingDown, match="send the request again") as refused:
        await partition.attach(ONE, block=True)
    assert refused.value.http_status == 503
    with pytest.raises(ShuttingDown):
        await partition.signal(ONE, 1, Success(b""))
    await partition.propose(Terminate(ONE, TerminateKind.KILL))
    assert isinstance(taken(partition), Terminate)


async def test_only_the_clients_of_the_named_invocations_are_sent_away(nursery: trio.Nursery) -> None:
    partition = Partition(queue_limit=10)
    sent_away: list[InvocationId] = []

    async def attach(invocation: InvocationId) -> None:
        with pytest.raises(ShuttingDown, match="goes on"):
            await partition.attach(invocation, block=True)
        sent_away.append(invocation)

    for invocation in (ONE, TWO, ONE):
        nursery.start_soon(attach, invocation)
    await wait_all_tasks_blocked()
    assert partition.awaited() == {ONE, TWO}
    partition.send_away({ONE})
    await wait_all_tasks_blocked()
    assert sent_away == [ONE, ONE]
    partition.send_away(partition.awaited())
    await wait_all_tasks_blocked()
    assert sent_away == [ONE, ONE, TWO]


async def test_an_outcome_that_has_arrived_is_taken_though_the_client_is_sent_away(
    nursery: trio.Nursery,
) -> None:
    partition = Partition(queue_limit=10)
    got: list[IngressReply] = []

    async def attach() -> None:
        got.append(await partition.attach(ONE, block=True))

    nursery.start_soon(attach)
    await wait_all_tasks_blocked()
    request = taken(partition)
    partition.reply(IngressReply(asker(request), ONE, None, Failure(500, "no")))
    partition.send_away({ONE})
    await wait_all_tasks_blocked()
    assert [reply.outcome for reply in got] == [Failure(500, "no")]


async def idle(sdk: Conversation) -> None:
    await sdk.replay()


async def answers(sdk: Conversation) -> None:
    await sdk.replay()
    sdk.output(b"done")


async def test_of_two_changes_of_one_schema_version_the_first_wins(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    rig = Rig(nursery, idle)
    await rig.start()
    version = rig.partition.schema.version
    row = (deployment_key(DEPLOYMENT), None)
    assert await rig.partition.change_schema(version, (row,))
    assert rig.partition.schema.version == version + 1
    assert rig.partition.schema.deployments == {}
    assert not await rig.partition.change_schema(version, (row,))
    assert rig.partition.schema.version == version + 1
    nursery.cancel_scope.cancel()


async def test_everything_that_returns_is_on_disk(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    rig = Rig(nursery, answers)
    await rig.start()
    callee = rig.callee("Greeter", "greet")
    durable: list[Callable[[], object]] = [
        lambda: rig.partition.send(callee, b"", ()),
        lambda: rig.partition.attach(callee.invocation, block=True),
        lambda: rig.partition.signal(callee.invocation, "name", Success(b"")),
        lambda: rig.partition.complete_awakeable(callee.invocation, 1, Success(b"")),
        lambda: rig.partition.terminate(callee.invocation, TerminateKind.CANCEL),
        rig.partition.settle,
    ]
    for ask in durable:
        await ask()  # type: ignore[misc]
        assert rig.store.unflushed == 0
    nursery.cancel_scope.cancel()


async def test_a_change_of_the_schema_and_the_end_are_told() -> None:
    partition = Partition(queue_limit=1)
    first = partition.changed
    partition.publish(PublishSchema(1, ()))
    second = partition.changed
    assert (first.is_set(), second.is_set(), partition.refusing) == (True, False, False)
    partition.refuse()
    assert (second.is_set(), partition.changed.is_set(), partition.refusing) == (True, False, True)

"""The loop: how records become writes, and what happens after them."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.engine.actions import AdminReply, PublishSchema, StartAttempt, SubmitReply
from restate.runtime.engine.machine import MESSAGE_LIMIT
from restate.runtime.engine.records import ChangeSchema, Invoke, TerminateKind
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSource, Status
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.processor import Processor
from restate.runtime.storage.api import StorageError, Write
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.support.clock import TrioClock
from tests.support.rig import Conversation, Rig

BATCH_RECORDS = 4
BATCH_BYTES = 1000


class CountingStore(MemoryStore):
    """Notes the size of each write; fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[int] = []
        self.fail = False

    def write(self, writes: list[Write]) -> None:
        if self.fail:
            raise StorageError("the disk is full")
        self.writes.append(len(writes))
        super().write(writes)


class Loop:
    """A processor whose actions are only noted."""

    def __init__(self, store: CountingStore | None = None) -> None:
        self.store = store or CountingStore()
        self.partition = Partition(queue_limit=1000)
        self.reader = Tables(self.store)
        self.performed: list[Any] = []
        committer = Committer(self.store, self.performed.extend)
        self.committer = committer
        self.processor = Processor(
            self.partition,
            Tables(self.store),
            committer,
            TrioClock(),
            batch_records=BATCH_RECORDS,
            batch_bytes=BATCH_BYTES,
        )

    async def start(self, nursery: trio.Nursery) -> None:
        await nursery.start(self.committer.run)
        await nursery.start(self.processor.run)

    def batches(self) -> int:
        """How many writes there have been since the last question."""
        count = len(self.store.writes)
        self.store.writes.clear()
        return count


@pytest.fixture
async def loop(nursery: trio.Nursery) -> Loop:
    loop = Loop()
    await loop.start(nursery)
    loop.batches()
    return loop


def invoke(number: int, body: bytes = b"") -> Invoke:
    return Invoke(
        id=InvocationId(number.to_bytes(24, "big")),
        target=Target("Greeter", "greet", None, ServiceType.SERVICE, HandlerType.PLAIN),
        body=body,
        headers=(),
        source=IngressSource(),
        sink=None,
        completion_retention_ms=0,
        journal_retention_ms=0,
        idempotency_key=None,
        execution_time_ms=None,
        submit_request=number,
    )


async def test_waiting_records_share_a_write_up_to_the_limit(loop: Loop) -> None:
    for number in range(1, 2 * BATCH_RECORDS + 2):
        loop.partition.offer(invoke(number))
    await wait_all_tasks_blocked()
    assert loop.batches() == 3
    submitted = [action.request_id for action in loop.performed if isinstance(action, SubmitReply)]
    assert submitted == list(range(1, 2 * BATCH_RECORDS + 2))


async def test_a_batch_ends_when_its_payloads_are_large(loop: Loop) -> None:
    for number in range(1, 5):
        loop.partition.offer(invoke(number, bytes(BATCH_BYTES // 2)))
    await wait_all_tasks_blocked()
    assert loop.batches() == 2


async def test_a_record_over_the_limit_goes_alone(loop: Loop) -> None:
    for number in range(1, 4):
        loop.partition.offer(invoke(number, bytes(2 * BATCH_BYTES)))
    await wait_all_tasks_blocked()
    assert loop.batches() == 3


@pytest.mark.parametrize("waits", [False, True], ids=["given at once", "from the queue"])
async def test_a_long_record_is_gone_when_it_is_written(nursery: trio.Nursery, waits: bool) -> None:
    body = os.urandom(2 * BATCH_BYTES)
    holders: list[int] = []

    class WatchingStore(CountingStore):
        def write(self, writes: list[Write]) -> None:
            holders.append(sys.getrefcount(body))
            super().write(writes)

    loop = Loop(WatchingStore())
    await loop.start(nursery)
    if waits:
        loop.partition.offer(invoke(1))
    holders.clear()
    before = sys.getrefcount(body)
    loop.partition.offer(invoke(2, body))
    await wait_all_tasks_blocked()
    assert len(loop.store.writes) > 1
    assert holders[-1] == before


async def test_callbacks_run_once_their_record_is_on_disk_and_in_order(loop: Loop) -> None:
    done: list[int] = []
    for number in range(1, 7):

        def durable(number: int = number) -> None:
            assert loop.store.unflushed == 0
            assert loop.reader.invocations.get(InvocationId(number.to_bytes(24, "big"))) is not None
            done.append(number)

        loop.partition.offer(invoke(number), durable)
    await wait_all_tasks_blocked()
    assert done == [1, 2, 3, 4, 5, 6]


async def test_settle_returns_when_everything_before_it_is_on_disk(loop: Loop) -> None:
    for number in range(1, 7):
        loop.partition.offer(invoke(number))
    await loop.partition.settle()
    assert loop.store.unflushed == 0
    assert len([action for action in loop.performed if isinstance(action, SubmitReply)]) == 6


async def test_a_failing_disk_ends_the_loop() -> None:
    loop = Loop()
    with pytest.RaisesGroup(pytest.RaisesExc(StorageError, match="full"), flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            await loop.start(nursery)
            loop.store.fail = True
            loop.partition.offer(invoke(1))


async def test_at_the_start_an_attempt_is_started_for_each_running_invocation_before_it_is_reported(
    nursery: trio.Nursery,
) -> None:
    first = Loop()
    async with trio.open_nursery() as life:
        await first.start(life)
        for number in (1, 2, 3):
            first.partition.offer(invoke(number))
        await first.partition.settle()
        life.cancel_scope.cancel()

    second = Loop(first.store)
    await second.start(nursery)
    assert [action.id for action in second.performed if isinstance(action, StartAttempt)] == [
        InvocationId(number.to_bytes(24, "big")) for number in (1, 2, 3)
    ]
    assert second.store.unflushed == 0


async def test_schema_changes_are_published_before_the_answer(loop: Loop) -> None:
    loop.partition.offer(ChangeSchema(0, ((b"other/row", b"1"),), 9))
    await wait_all_tasks_blocked()
    assert [type(action) for action in loop.performed] == [PublishSchema, AdminReply]


@pytest.mark.slow
async def test_more_messages_than_one_record_may_cause_all_get_there(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    count = MESSAGE_LIMIT + 200
    started: set[str] = set()

    async def script(sdk: Conversation) -> None:
        replay = await sdk.replay()
        started.add(replay[0].message.debug_id)
        if replay[1].message.value.content == b"parent":
            # All of them wait for the one who is cancelled: their cancellations are the messages of one record.
            for number in range(count):
                sdk.say(
                    "Call",
                    service_name="Greeter",
                    handler_name="other",
                    invocation_id_notification_idx=2 * number + 1,
                    result_completion_id=2 * number + 2,
                )
        await sdk.ended()

    rig = Rig(nursery, script)
    await rig.start()
    parent = rig.callee("Greeter", "greet")
    await rig.partition.send(parent, b"parent", ())
    with trio.fail_after(600):
        while len(started) < min(count, rig.config.invoker.concurrency_limit):  # noqa: ASYNC110 -- from outside
            await trio.sleep(0.1)
    await trio.sleep(10)
    await rig.partition.terminate(parent.invocation, TerminateKind.KILL)
    await trio.sleep(60)
    assert rig.reader.counters.get("outbox_tail") > 0
    assert list(rig.reader.outbox.read(10)) == []
    alive = [
        status
        for _, status, _ in rig.reader.invocations.of_service("Greeter")
        if status is not Status.COMPLETED
    ]
    assert alive == []
    nursery.cancel_scope.cancel()

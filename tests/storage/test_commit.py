from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing

from restate.runtime.storage.api import Flush, StorageError, Write
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.memory import MemoryStore


class GatedStore(MemoryStore):
    """Each flush waits until the test lets it go, and can be told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.started = 0
        self.fail: Exception | None = None
        self._send, self._receive = trio.open_memory_channel[None](100)

    def release(self) -> None:
        self._send.send_nowait(None)

    @asynccontextmanager
    async def flusher(self) -> AsyncIterator[Flush]:
        async with super().flusher() as inner:

            async def flush() -> None:
                covered = self.unflushed
                self.started += 1
                await self._receive.receive()
                if self.fail is not None:
                    raise self.fail
                assert covered <= self.unflushed
                await inner()

            yield flush


@pytest.fixture
def store() -> GatedStore:
    return GatedStore()


@pytest.fixture
def done() -> list[object]:
    """Actions and callbacks in the order in which they ran."""
    return []


@pytest.fixture
def committer(store: GatedStore, done: list[object], nursery: trio.Nursery) -> Committer:
    committer = Committer(store, done.extend)
    nursery.start_soon(committer.run)
    return committer


def _row(number: int) -> list[Write]:
    return [("inv", b"%d" % number, b"x")]


settled = trio.testing.wait_all_tasks_blocked


async def test_writes_are_numbered_from_one_and_visible_at_once(
    committer: Committer, store: GatedStore
) -> None:
    assert [committer.write(_row(number), []) for number in range(3)] == [1, 2, 3]
    assert (committer.last_written, committer.last_flushed) == (3, 0)
    assert store.get("inv", b"2") == b"x"


async def test_actions_wait_for_the_flush_then_run_before_their_callbacks_in_order(
    committer: Committer, store: GatedStore, done: list[object]
) -> None:
    committer.write(
        _row(1), ["a", "b"], [partial(done.append, "callback 1"), partial(done.append, "callback 2")]
    )
    committer.write(_row(2), ["c"], [partial(done.append, "callback 3")])
    await settled()
    assert done == []
    store.release()
    await settled()
    assert done == ["a", "b", "callback 1", "callback 2", "c", "callback 3"]
    assert committer.last_flushed == 2


async def test_a_flush_covers_the_writes_made_before_it_began_and_no_others(
    committer: Committer, store: GatedStore, done: list[object]
) -> None:
    committer.write(_row(1), [1])
    await settled()
    committer.write(_row(2), [2])
    committer.write(_row(3), [3])
    store.release()
    await settled()
    assert done == [1]
    assert (store.started, committer.last_flushed) == (2, 1)
    store.release()
    await settled()
    assert done == [1, 2, 3]
    assert (store.started, committer.last_flushed) == (2, 3)


async def test_nothing_is_flushed_without_a_write(
    committer: Committer, store: GatedStore, done: list[object]
) -> None:
    assert committer.write([], ["at once"], [partial(done.append, "callback")]) == 0
    assert done == ["at once", "callback"]
    await settled()
    assert store.started == 0


async def test_a_read_is_answered_only_when_what_it_read_is_durable(
    committer: Committer, store: GatedStore, done: list[object]
) -> None:
    committer.write(_row(1), [1])
    await settled()
    assert committer.write([], ["read"]) == 1
    committer.write(_row(2), [2])
    await settled()
    assert done == []
    store.release()
    await settled()
    assert done == [1, "read"]
    store.release()
    await settled()
    assert done == [1, "read", 2]


async def test_an_action_may_write_and_its_actions_come_after_those_of_the_write_it_belongs_to(
    store: GatedStore, nursery: trio.Nursery
) -> None:
    done: list[object] = []

    def perform(actions: Sequence[Callable[[], None]]) -> None:
        for action in actions:
            action()

    committer = Committer(store, perform)
    nursery.start_soon(committer.run)
    nested = partial(committer.write, [], [partial(done.append, "nested")])
    committer.write([], [nested, partial(done.append, "last of the first")])
    assert done == ["last of the first"]
    await settled()
    assert done == ["last of the first", "nested"]
    committer.write(_row(1), [nested, partial(done.append, "second")])
    committer.write([], [partial(done.append, "third")])
    store.release()
    await settled()
    assert done[2:] == ["second", "third", "nested"]


async def test_barrier_returns_at_once_when_all_is_durable(committer: Committer, store: GatedStore) -> None:
    with trio.fail_after(30), trio.testing.assert_checkpoints():
        await committer.barrier()
    assert store.started == 0


async def test_barrier_waits_for_earlier_writes_and_their_actions_and_not_for_later_ones(
    committer: Committer, store: GatedStore, done: list[object], nursery: trio.Nursery
) -> None:
    async def wait(name: str) -> None:
        await committer.barrier()
        done.append(name)

    committer.write(_row(1), [1])
    nursery.start_soon(wait, "first")
    await settled()
    committer.write(_row(2), [2])
    nursery.start_soon(wait, "second")
    await settled()
    assert done == []
    store.release()
    await settled()
    assert done == [1, "first"]
    store.release()
    await settled()
    assert done == [1, "first", 2, "second"]


async def test_a_cancelled_waiter_disturbs_nobody(
    committer: Committer, store: GatedStore, done: list[object]
) -> None:
    committer.write(_row(1), [1])
    with trio.CancelScope() as scope:
        scope.cancel()
        await committer.barrier()
    assert scope.cancelled_caught
    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer.barrier)
        await settled()
        nursery.cancel_scope.cancel()
    store.release()
    with trio.fail_after(30):
        await committer.barrier()
    assert done == [1]


async def test_a_flush_that_fails_ends_the_committer_and_performs_nothing(store: GatedStore) -> None:
    done: list[object] = []
    committer = Committer(store, done.extend)
    store.fail = StorageError("disk full")

    async def wait() -> None:
        with pytest.raises(StorageError, match="an earlier write"):
            await committer.barrier()

    async with trio.open_nursery() as nursery:
        committer.write(_row(1), [1])
        nursery.start_soon(wait)
        store.release()
        with pytest.raises(StorageError, match="disk full"):
            await committer.run()
    assert done == []
    with pytest.raises(StorageError, match="expected the process to end"):
        committer.write(_row(2), [])
    with pytest.raises(StorageError, match="expected the process to end"):
        await committer.barrier()
    assert store.crash().dump() == {}


async def test_a_write_that_fails_reaches_the_writer_and_nothing_can_be_written_after_it() -> None:
    class FullStore(MemoryStore):
        def write(self, writes: list[Write]) -> None:
            raise StorageError("disk full")

    committer = Committer(FullStore(), lambda _: None)
    with pytest.raises(StorageError, match="disk full"):
        committer.write(_row(1), [1])
    with pytest.raises(StorageError, match="expected the process to end"):
        committer.write(_row(1), [1])
    assert committer.last_written == 0


async def test_an_action_that_raises_ends_the_committer(store: GatedStore) -> None:
    def perform(actions: Sequence[object]) -> None:
        raise RuntimeError("a bug")

    committer = Committer(store, perform)
    committer.write(_row(1), [1])
    store.release()
    with pytest.raises(RuntimeError, match="a bug"):
        await committer.run()

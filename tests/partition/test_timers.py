"""Which timers are proposed, when, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from restate.runtime.engine.actions import SetTimer, UnsetTimer
from restate.runtime.engine.records import TimerFired
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.partition.timers import Timers
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.support.clock import EPOCH_MS, TrioClock

IN_MEMORY = 4


def key(after_ms: int, number: int = 0, kind: TimerKind = TimerKind.SLEEP) -> TimerKey:
    """A timer due so long after the start of the test."""
    return TimerKey(EPOCH_MS + after_ms, kind, InvocationId(number.to_bytes(24, "big")), number)


class Loop:
    """In place of the partition and its processor: deletes what has fired, and notes when that was."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.tables = Tables(self.store)
        self.fired: list[tuple[int, TimerKey]] = []
        self.timers = Timers(self, Tables(self.store), TrioClock(), in_memory=IN_MEMORY)  # type: ignore[arg-type]

    async def propose(self, record: Any, durable: Callable[[], None] | None = None) -> None:
        await trio.lowlevel.checkpoint()
        assert isinstance(record, TimerFired)
        self.fired.append((TrioClock().now_ms() - EPOCH_MS, record.key))
        self.store_deleted(record.key)

    def stored(self, *keys: TimerKey) -> None:
        for each in keys:
            self.tables.timers.put(each, 1)
        self.store.write(self.tables.take_writes())

    def store_deleted(self, deleted: TimerKey) -> None:
        self.tables.timers.delete(deleted)
        self.store.write(self.tables.take_writes())

    def set(self, *keys: TimerKey) -> None:
        """As the processor and the performer do, one after the other."""
        for each in keys:
            self.stored(each)
            self.timers.set(SetTimer(each))

    def unset(self, each: TimerKey) -> None:
        self.store_deleted(each)
        self.timers.unset(UnsetTimer(each))

    @property
    def keys(self) -> list[TimerKey]:
        return [each for _, each in self.fired]


@pytest.fixture
def loop() -> Loop:
    return Loop()


async def run(loop: Loop, nursery: trio.Nursery, until_ms: int) -> None:
    nursery.start_soon(loop.timers.run)
    await trio.sleep(until_ms / 1000)


async def test_timers_fire_when_they_are_due_and_never_early(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    loop.set(key(300), key(100), key(200))
    await run(loop, nursery, 10_000)
    assert loop.fired == [(100, key(100)), (200, key(200)), (300, key(300))]


async def test_what_was_due_while_the_server_was_down_fires_at_once_and_in_order(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    past = [key(-1000 + n, n) for n in range(3 * IN_MEMORY)]
    loop.stored(*reversed(past), key(50))
    await run(loop, nursery, 10)
    assert loop.fired == [(0, each) for each in past]


async def test_timers_of_one_millisecond_fire_by_kind_then_id(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    keys = [key(10, 2, TimerKind.DELAYED_START), key(10, 1), key(10, 2), key(10, 0, TimerKind.PURGE)]
    loop.set(*reversed(keys))
    await run(loop, nursery, 100)
    assert loop.keys == keys


async def test_more_timers_than_memory_holds_are_read_page_by_page(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    keys = [key(100 * n, n) for n in range(1, 5 * IN_MEMORY)]
    loop.set(*keys[::2], *keys[1::2])
    await run(loop, nursery, 100_000)
    assert loop.fired == [(100 * n, each) for n, each in enumerate(keys, 1)]


async def test_timers_set_between_and_above_the_page_in_memory_are_not_missed(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    loop.stored(*(key(1000 * n, n) for n in range(1, 9)))
    await run(loop, nursery, 50)
    loop.set(key(1500), key(4500), key(20_000), key(7500), key(100))
    await trio.sleep(60)
    assert [at for at, _ in loop.fired] == [
        100, 1000, 1500, 2000, 3000, 4000, 4500, 5000, 6000, 7000, 7500, 8000, 20_000,
    ]  # fmt: skip


async def test_timers_set_before_the_first_page_is_read_leave_no_gap(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    # What the engine sets while the server recovers lies far above the page; those between are only in the store.
    loop.stored(*(key(n, n) for n in range(1, 3 * IN_MEMORY)))
    loop.set(key(1000))
    await run(loop, nursery, 5000)
    assert loop.keys == [*(key(n, n) for n in range(1, 3 * IN_MEMORY)), key(1000)]


async def test_an_earlier_timer_set_while_waiting_fires_first(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    loop.set(key(5000))
    await run(loop, nursery, 100)
    loop.set(key(200))
    await trio.sleep(10)
    assert loop.fired == [(200, key(200)), (5000, key(5000))]


async def test_a_timer_set_while_there_is_none_fires(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await run(loop, nursery, 100)
    loop.set(key(200))
    await trio.sleep(10)
    assert loop.fired == [(200, key(200))]


async def test_a_deleted_timer_does_not_fire(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    keys = [key(100 * n, n) for n in range(1, 3 * IN_MEMORY)]
    loop.set(*keys)
    await run(loop, nursery, 50)
    loop.unset(keys[0])
    loop.unset(keys[-1])
    for each in keys[1:IN_MEMORY]:
        loop.unset(each)
    loop.unset(key(77_777))
    await trio.sleep(10)
    assert loop.keys == keys[IN_MEMORY:-1]


async def test_a_timer_set_twice_fires_once(
    loop: Loop, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    loop.set(key(100), key(100))
    await run(loop, nursery, 1000)
    assert loop.keys == [key(100)]

"""The machine's clock, and ids."""

import uuid

import pytest
import trio
from trio.testing import MockClock

from restate.runtime.clock import SystemClock, SystemIds


class Machine:
    """The machine's clock: it follows the clock of Trio, and can be set ahead or back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead_ms = 0
        monkeypatch.setattr(
            "time.time_ns", lambda: 10**18 + round(trio.current_time() * 10**9) + self.ahead_ms * 10**6
        )


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def test_a_sleep_ends_when_the_time_has_come_and_never_early(
    machine: Machine, autojump_clock: MockClock
) -> None:
    due_ms = SystemClock().now_ms() + 12_345
    await SystemClock().sleep_until(due_ms)
    assert due_ms <= SystemClock().now_ms() <= due_ms + 1
    assert trio.current_time() == pytest.approx(12.345, abs=0.002)


async def test_a_step_forward_of_the_machines_clock_is_noticed_within_seconds(
    machine: Machine, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    ended_s: list[float] = []

    async def sleep() -> None:
        await SystemClock().sleep_until(SystemClock().now_ms() + 3_600_000)
        ended_s.append(trio.current_time())

    nursery.start_soon(sleep)
    await trio.sleep(1)
    machine.ahead_ms = 7_200_000
    await trio.sleep(100)
    assert ended_s
    assert ended_s[0] <= 6


async def test_a_step_back_makes_a_sleep_longer(
    machine: Machine, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    ended = trio.Event()

    async def sleep() -> None:
        await SystemClock().sleep_until(SystemClock().now_ms() + 10_000)
        ended.set()

    nursery.start_soon(sleep)
    await trio.sleep(1)
    machine.ahead_ms = -60_000
    await trio.sleep(60)
    assert not ended.is_set()
    await ended.wait()


async def test_a_time_that_has_passed_is_only_a_checkpoint(
    machine: Machine, autojump_clock: MockClock
) -> None:
    await SystemClock().sleep_until(0)
    assert trio.current_time() == 0
    with trio.CancelScope() as scope:
        scope.cancel()
        await SystemClock().sleep_until(0)
    assert scope.cancelled_caught


async def test_ulids_differ_and_are_ordered_by_time(machine: Machine, autojump_clock: MockClock) -> None:
    ids = SystemIds()
    first = ids.ulid()
    assert len(first) == 16
    assert int.from_bytes(first[:6], "big") == SystemClock().now_ms()
    assert len({ids.ulid() for _ in range(1000)}) == 1000
    machine.ahead_ms = 1000
    assert ids.ulid() > first


async def test_uuid7_texts_have_version_variant_and_time(machine: Machine, autojump_clock: MockClock) -> None:
    text = SystemIds().uuid7_text()
    parsed = uuid.UUID(text)
    assert str(parsed) == text
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == SystemClock().now_ms()


def test_buckets_are_in_range() -> None:
    assert {SystemIds().bucket(3) for _ in range(200)} == {0, 1, 2}

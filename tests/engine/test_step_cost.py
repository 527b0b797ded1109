"""What a step costs does not depend on how much there is: it reads and writes as many rows in a world with ten
invocations, inbox entries or journal rows as in one with ten thousand. `scripts/bench_engine.py` measures the time.
"""

from collections.abc import Iterator

import attrs
import pytest

from restate.runtime.storage.api import Store, Write
from restate.runtime.storage.memory import MemoryStore
from tests.engine.loads import AROUND, OWN, STEPS, boot, start_subject
from tests.engine.world import World


@attrs.frozen
class Cost:
    """gets: point reads. scanned: rows that scans gave. writes: rows written."""

    gets: int
    scans: int
    scanned: int
    writes: int


class CountingStore:
    """A store that counts what is asked of it. Not a whole one: nothing here runs a committer."""

    def __init__(self) -> None:
        self._store = MemoryStore()
        self.gets = self.scans = self.scanned = self.writes = 0

    def get(self, table: str, key: bytes) -> bytes | None:
        self.gets += 1
        return self._store.get(table, key)

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        self.scans += 1
        return self._count(self._store.scan(table, start, end))

    def _count(self, rows: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        for row in rows:
            self.scanned += 1
            yield row

    def write(self, writes: list[Write]) -> None:
        self.writes += len(writes)
        self._store.write(writes)
        self._store.flush()

    def cost(self) -> Cost:
        return Cost(self.gets, self.scans, self.scanned, self.writes)


def _world() -> tuple[World, CountingStore]:
    store = CountingStore()
    stored: Store = store  # type: ignore[assignment]
    return World(stored), store


def _costs(world: World, store: CountingStore, size: int, own: str | None = None) -> dict[str, Cost]:
    costs = {}
    for number, (title, step) in enumerate(STEPS.items()):
        name = f"x{number}"
        start_subject(world, name)
        if own is not None:
            OWN[own](world, name, size)
        step.prepare(world, name, number)
        before = attrs.astuple(store.cost())
        step.act(world, name, number)
        after = attrs.astuple(store.cost())
        costs[title] = Cost(*(late - early for late, early in zip(after, before, strict=True)))
    return costs


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
def test_a_step_costs_the_same_among_few_as_among_many(around: str) -> None:
    costs = []
    for size in (10, 10_000):
        world, store = _world()
        AROUND[around](world, size)
        costs.append(_costs(world, store, size))
    assert costs[0] == costs[1]


# Shorter journals are deleted row by row, so the end of one with 10 rows is not that of one with 100.
@pytest.mark.slow
@pytest.mark.parametrize(("own", "sizes"), [("journal", (100, 3_000)), ("inbox", (10, 1_000))])
def test_a_step_costs_the_same_with_a_short_journal_or_inbox_as_with_a_long_one(
    own: str, sizes: tuple[int, int]
) -> None:
    costs = []
    for size in sizes:
        world, store = _world()
        costs.append(_costs(world, store, size, own))
    assert costs[0] == costs[1]
    assert all(sum(attrs.astuple(cost)) < 60 for cost in costs[0].values()), costs[0]


@pytest.mark.slow
@pytest.mark.parametrize("around", AROUND)
def test_a_start_reads_what_runs_and_nothing_else(around: str) -> None:
    costs = []
    for size in (10, 10_000):
        world, store = _world()
        AROUND[around](world, size)
        for number in range(3):
            start_subject(world, f"x{number}")
        before = attrs.astuple(store.cost())
        assert boot(world) == 3
        costs.append([late - early for late, early in zip(attrs.astuple(store.cost()), before, strict=True)])
    assert costs[0] == costs[1]

"""The invariants of engine.md §9 over random lives, on both stores.

The default run applies more than 20,000 records; `ENGINE_EXAMPLES=20000` applies about two million.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restate.runtime.storage.api import Store
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.storage.rocksdb import RocksStore
from tests.engine import invariants
from tests.engine.simulation import Simulation, Step
from tests.engine.world import World

EXAMPLES = int(os.environ.get("ENGINE_EXAMPLES", "220"))
STEPS = st.lists(st.tuples(st.integers(0, 26), st.integers(0, 2**40)), min_size=50, max_size=100)
PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large]


def play(simulation: Simulation, steps: list[Step]) -> None:
    for step in steps:
        simulation.step(*step)


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=PATIENT)
@given(STEPS, st.sampled_from((1, 3, 1024)))
def test_invariants_hold_after_every_record(steps: list[Step], message_limit: int) -> None:
    simulation = Simulation(message_limit=message_limit)
    play(simulation, steps)
    simulation.finish()


@pytest.mark.slow
@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=PATIENT)
@given(STEPS, st.integers(2, 9))
def test_the_same_records_give_the_same_store_and_actions(steps: list[Step], batch_size: int) -> None:
    simulation = Simulation()
    play(simulation, steps)
    store, actions = simulation.replay(batch_size)
    assert isinstance(simulation.world.store, MemoryStore)
    assert store.dump() == simulation.world.store.dump()
    assert actions == simulation.actions


@pytest.mark.slow
@settings(max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=PATIENT)
@given(STEPS, st.data())
def test_invariants_hold_after_a_crash_that_loses_writes(steps: list[Step], data: st.DataObject) -> None:
    simulation = Simulation()
    play(simulation, steps)
    store = simulation.world.store
    assert isinstance(store, MemoryStore)
    kept = data.draw(st.integers(0, store.unflushed))
    invariants.check(store.crash(kept))


@pytest.mark.slow
@settings(max_examples=max(5, EXAMPLES // 6), deadline=None, suppress_health_check=PATIENT)
@given(STEPS)
def test_invariants_hold_on_rocksdb_and_after_reopening_it(steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)

        def reopen(store: Store) -> Store:
            store.close()
            return RocksStore.open(path)

        simulation = Simulation(reopen, world=World(RocksStore.open(path)))
        try:
            play(simulation, steps)
        finally:
            simulation.world.store.close()

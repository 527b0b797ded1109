"""What a restarted invocation takes over, and what not."""

import pytest

from restate.runtime.engine.records import End, RestartAsNew, Terminate, TerminateKind
from restate.runtime.model.ids import random_seed_of
from restate.runtime.model.invocation import RestartSource, Sink, Status
from restate.runtime.model.journal import NotificationRow
from restate.runtime.model.result import Success
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.engine.world import CLIENT, PIN, World, exclusive, invocation_id, pinned, service

A, B, C = (invocation_id(name) for name in "abc")


def ended(*, sink: Sink | None = None, random_seed: int | None = None) -> World:
    """Invocation `a` has run a step and has ended, all at time 1000."""
    world = World()
    world.invoke(
        "a",
        service(),
        idempotency_key="i",
        completion_retention_ms=500,
        journal_retention_ms=400,
        sink=sink,
        random_seed=random_seed,
    )
    world.effect("a", pinned(wire.run(1)), wire.propose(1, Success(b"x")), wire.output(MODERN), End())
    return world


def test_it_is_a_new_invocation_that_nobody_waits_for_yet() -> None:
    world = ended(sink=CLIENT)
    world.now_ms = 1200
    world.apply(RestartAsNew(A, B, 1))
    record = world.stored("b")
    assert record.status is Status.INVOKED
    assert record.source == RestartSource(A)
    assert (record.sinks, record.idempotency_key, record.execution_time_ms) == ((), None, None)
    assert (record.created_ms, record.running_ms, record.completed_ms) == (1200, 1200, None)
    assert (record.completion_retention_ms, record.journal_retention_ms) == (500, 400)
    assert record.pin == PIN
    assert record.outcome is None
    assert record.incarnation > world.stored("a").incarnation


def test_copied_rows_keep_their_times() -> None:
    world = ended()
    world.now_ms = 1200
    world.apply(RestartAsNew(A, B, 1))
    assert [row.appended_ms for row in world.journal("b")] == [1000, 1000, 1000]
    assert world.journal("b") == world.journal("a")[:3]


@pytest.mark.parametrize(
    ("own", "last_index", "seed"), [(None, 0, None), (None, 1, random_seed_of(A)), (5, 0, None), (5, 1, 5)]
)
def test_with_a_part_of_the_journal_comes_the_randomness_that_made_it(
    own: int | None, last_index: int, seed: int | None
) -> None:
    world = ended(random_seed=own)
    world.apply(RestartAsNew(A, B, last_index))
    assert world.stored("b").random_seed == seed


def test_a_restart_can_be_restarted() -> None:
    world = ended()
    world.apply(RestartAsNew(A, B, 1))
    world.apply(Terminate(B, TerminateKind.KILL), RestartAsNew(B, C, 2))
    assert world.journal("c") == world.journal("b")
    assert world.stored("c").random_seed == random_seed_of(A)


def test_a_completion_that_two_commands_share_is_copied_once() -> None:
    world = World()
    world.invoke("a", exclusive(), completion_retention_ms=500, journal_retention_ms=500)
    world.effect(
        "a",
        pinned(wire.run(1)),
        wire.run(1),
        wire.set_state(MODERN, b"n", b"1"),
        wire.propose(1, Success(b"x")),
    )
    world.apply(Terminate(A, TerminateKind.KILL), RestartAsNew(A, B, 2))
    assert sum(isinstance(row, NotificationRow) for row in world.journal("b")) == 1


def test_children_of_the_first_life_end_with_a_kill_of_the_second() -> None:
    world = World()
    world.invoke("a", service(), completion_retention_ms=500, journal_retention_ms=500)
    world.effect("a", pinned(wire.send(MODERN, C, service(), completion_id=1)), wire.output(MODERN), End())
    world.apply(RestartAsNew(A, B, 1))
    world.apply(Terminate(B, TerminateKind.KILL))
    assert world.record("c") is None

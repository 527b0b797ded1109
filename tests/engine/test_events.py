"""What is kept for people when attempts fail, beside the journal."""

from restate.runtime.engine.records import End, Operate, Operation, Paused, Reported
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import EventRow
from restate.runtime.model.result import Failure
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.engine.world import World, invocation_id, pinned, service

A = invocation_id("a")


def failed() -> World:
    """Invocation `a` has run a step, has failed once, and is tried again."""
    world = World()
    world.invoke("a", service(), completion_retention_ms=500, journal_retention_ms=400)
    world.effect("a", pinned(wire.run(1)))
    world.now_ms = 1200
    world.effect("a", Reported('{"error_code":500}'))
    return world


def test_a_failed_attempt_is_kept_with_its_place_and_time() -> None:
    world = failed()
    assert world.tables.events.all(A) == [EventRow("TransientError", 1, 1200, '{"error_code":500}')]


def test_it_changes_nothing_else() -> None:
    world = failed()
    record = world.stored("a")
    assert record.status is Status.INVOKED
    assert record.modified_ms < 1200
    assert len(world.journal("a")) == 2


def test_a_pause_is_kept_with_the_reason() -> None:
    world = failed()
    world.effect("a", Paused(Failure(500, "boom"), detail='{"ty":"Paused"}'))
    assert [event.type for event in world.tables.events.all(A)] == ["TransientError", "Paused"]
    assert world.stored("a").events == 2


def test_events_go_with_the_journal() -> None:
    world = failed()
    world.effect("a", wire.output(MODERN), End())
    assert len(world.tables.events.all(A)) == 1
    world.apply(Operate(A, Operation.PURGE_JOURNAL, 1))
    assert world.tables.events.all(A) == []
    assert world.stored("a").events == 0


def test_events_go_with_the_invocation() -> None:
    world = failed()
    world.effect("a", wire.output(MODERN), End())
    world.apply(Operate(A, Operation.PURGE, 1))
    assert world.tables.events.all(A) == []
    assert world.record("a") is None

"""Where invocations belong in a trace, and when their spans end."""

import pytest

from restate.runtime.engine.actions import EndSpan
from restate.runtime.engine.records import End, RestartAsNew, Terminate, TerminateKind
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.trace import TraceContext, span_id_of
from tests.engine import commands as wire
from tests.engine.world import World, invocation_id, service

ROOT = TraceContext(bytes(range(16)), b"", True)


def test_a_called_invocation_is_below_its_caller() -> None:
    world = World()
    world.invoke("a", service(), trace=ROOT)
    world.effect("a", wire.call(wire.MODERN, invocation_id("b"), service(), ids=(1, 2)))
    world.effect("a", wire.send(wire.MODERN, invocation_id("c"), service()))
    assert world.stored("a").trace == ROOT
    for name in ("b", "c"):
        assert world.stored(name).trace == ROOT.below(span_id_of(invocation_id("a")))


@pytest.mark.parametrize("trace", [None, TraceContext(bytes(range(16)), b"", False)])
def test_the_end_of_what_is_not_recorded_is_not_told(trace: TraceContext | None) -> None:
    world = World()
    world.invoke("a", service(), trace=trace)
    actions = [*world.effect("a", wire.output(wire.MODERN)), *world.effect("a", End())]
    assert [action for action in actions if isinstance(action, EndSpan)] == []


def test_a_span_ends_with_the_outcome() -> None:
    world = World()
    world.invoke("a", service(), trace=ROOT)
    world.effect("a", wire.output(wire.MODERN, Success(b"done")))
    (ended,) = (action for action in world.effect("a", End()) if isinstance(action, EndSpan))
    assert (ended.id, ended.record.outcome, ended.record.trace) == (
        invocation_id("a"),
        Success(b"done"),
        ROOT,
    )
    assert ended.record.completed_ms == world.now_ms


def test_a_killed_invocation_ends_its_span() -> None:
    world = World()
    world.invoke("a", service(), trace=ROOT)
    actions = world.apply(Terminate(invocation_id("a"), TerminateKind.KILL))
    (ended,) = (action for action in actions if isinstance(action, EndSpan))
    assert isinstance(ended.record.outcome, Failure)


def test_what_is_restarted_stays_in_its_trace() -> None:
    world = World()
    world.invoke("a", service(), trace=ROOT, completion_retention_ms=1000, journal_retention_ms=1000)
    world.effect("a", wire.output(wire.MODERN))
    world.effect("a", End())
    world.apply(RestartAsNew(invocation_id("a"), invocation_id("b"), 0))
    assert world.stored("b").trace == ROOT

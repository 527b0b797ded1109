"""The life of one invocation, rule by rule."""

from restate.runtime.engine.actions import IngressReply, StartAttempt
from restate.runtime.engine.records import End
from restate.runtime.model.invocation import IngressSink
from restate.runtime.model.result import Success
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.engine.world import World, invocation_id, pinned, service

A = invocation_id("a")


def test_a_call_runs_and_its_caller_gets_the_output() -> None:
    world = World()
    (started,) = world.invoke("a", service(), body=b"in", sink=IngressSink(7))
    assert isinstance(started, StartAttempt)
    assert started.record.journal_length == 1
    world.effect("a", pinned(wire.output(MODERN, Success(b"out"))))
    assert world.effect("a", End()) == [IngressReply(7, A, service(), Success(b"out"))]
    assert world.record("a") is None

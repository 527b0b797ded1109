"""Nobody waits for ever: for every state an invocation can wait in, something stored will bring it on.

*Wakers* are derived from the rows alone, after a restart, so nothing in memory counts. Kill works in every state.
"""

import os
import random
from collections.abc import Callable, Iterator

import pytest

from restate.runtime.engine.outbox import _decode
from restate.runtime.engine.records import (
    Attach,
    CompleteAwakeable,
    End,
    Invoke,
    Message,
    Paused,
    Respond,
    SendSignal,
    Suspended,
    Terminate,
    TerminateKind,
    TimerFired,
)
from restate.runtime.engine.turn import object_of
from restate.runtime.journal.attach import AttachInvocation, GetInvocationOutput
from restate.runtime.journal.awakeable import Awakeable
from restate.runtime.journal.call import Call
from restate.runtime.journal.catalog import Command
from restate.runtime.journal.promise import GetPromise
from restate.runtime.journal.run import Run
from restate.runtime.journal.sleep import Sleep
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, CallSink, Combinator, InvocationRecord, Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.promise import PromiseListener
from restate.runtime.model.result import VOID, Success
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.tables import keys
from restate.runtime.tables.rows import PROMISE, decode_bytes, decode_inbox_entry, decode_invocation_id
from tests.engine import commands as wire
from tests.engine import invariants
from tests.engine.commands import CLASSIC, MODERN
from tests.engine.invariants import Contents
from tests.engine.simulation import Simulation
from tests.engine.world import (
    World,
    exclusive,
    invocation_id,
    keyed,
    pinned,
    service,
    unkeyed,
    workflow,
    workflow_shared,
)

LIVES = int(os.environ.get("ENGINE_LIVES", "40"))
STEPS = 60
A, B = invocation_id("a"), invocation_id("b")


class Wakers:
    """What in the rows will act on an invocation."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._timers = {keys.parse_timer_key(raw) for raw in contents.raw[keys.TIMERS]}
        self._inboxed = {decode_inbox_entry(raw) for raw in contents.raw[keys.INBOX].values()}
        self._listeners = {
            listener
            for raw in contents.raw[keys.PROMISE].values()
            for listener in PROMISE.decode(raw).listeners
        }

        messages = [_decode(decode_bytes(raw)) for raw in contents.raw[keys.OUTBOX].values()]
        self._messages = {waiter for message in messages for waiter in _waiters(message)}

    def of(self, invocation: InvocationId) -> Iterator[str]:
        """Names of what will bring the invocation on; none: it waits for ever."""
        record = self._contents.records[invocation]
        match record.status:
            case Status.SCHEDULED:
                assert record.execution_time_ms is not None
                if TimerKey(record.execution_time_ms, TimerKind.DELAYED_START, invocation, 0) in self._timers:
                    yield "timer"
            case Status.INBOXED:
                holder = self._contents.raw[keys.LOCK].get(keys.object_prefix(*object_of(record.target)))
                if holder is not None and invocation in self._inboxed:
                    # Whoever holds the lock is not the one who waits, and is itself brought on or operated.
                    assert self._contents.records[decode_invocation_id(holder)].status in invariants.LIVE
                    yield "holder of the lock"
            case Status.INVOKED:
                if invocation in self._contents.raw[keys.RUN]:
                    yield "next start, or running attempt"
            case Status.SUSPENDED:
                assert record.awaiting is not None
                yield from self._of_tree(invocation, record, record.awaiting)
            case Status.PAUSED:
                yield "operator"
            case Status.COMPLETED:
                assert record.completed_ms is not None
                due_ms = record.completed_ms + record.completion_retention_ms
                if TimerKey(due_ms, TimerKind.PURGE, invocation, 0) in self._timers:
                    yield "timer"

    def _of_tree(
        self, invocation: InvocationId, record: InvocationRecord, awaiting: Awaiting
    ) -> Iterator[str]:
        """Every leaf needs a waker, because a combinator may wait for just that one."""
        if awaiting.signals or awaiting.named_signals:
            yield "whoever knows the signal"
        open_commands = {
            completion_id: (row, command)
            for row, command in self._contents.commands(invocation)
            for completion_id in command.completion_ids
        }
        for completion_id in awaiting.completions:
            if completion_id not in open_commands:
                # The simulation's handlers may do that; real ones are refused by the service protocol.
                yield "no command"
                continue
            row, command = open_commands[completion_id]
            waker = self._of_command(invocation, record, completion_id, row, command)
            assert waker is not None, f"{invocation!r} awaits {command}, and nothing will complete it"
            yield waker
        for child in awaiting.nested:
            yield from self._of_tree(invocation, record, child)

    def _of_command(
        self,
        invocation: InvocationId,
        record: InvocationRecord,
        completion_id: int,
        row: CommandRow,
        command: Command,
    ) -> str | None:
        match command:
            case Sleep():
                timer = TimerKey(command.wake_up_time_ms, TimerKind.SLEEP, invocation, completion_id)
                return "timer" if timer in self._timers else None
            case Call() | AttachInvocation() | GetInvocationOutput():
                assert row.callee is not None
                callee = self._contents.records.get(row.callee.invocation)
                sink = CallSink(invocation, record.incarnation, completion_id)
                if callee is not None and sink in callee.sinks and callee.status is not Status.COMPLETED:
                    return "callee"
            case GetPromise():
                listener = PromiseListener(invocation, record.incarnation, completion_id)
                if listener in self._listeners:
                    return "whoever completes the promise"
            case Awakeable():
                return "whoever knows the awakeable"
            case Run():
                # Only a running SDK proposes results; one that suspends on a run of its own has a bug.
                return "the SDK's own run"
        if (invocation, record.incarnation, completion_id) in self._messages:
            return "message in the outbox"
        return None


def _waiters(message: Message) -> Iterator[tuple[InvocationId, int, int]]:
    """(invocation, incarnation, completion id) that a message will lead to a completion of."""
    if isinstance(message, Respond):
        yield message.id, message.incarnation, message.completion_id
    elif isinstance(message, Invoke | Attach) and isinstance(message.sink, CallSink):
        yield message.sink.caller, message.sink.incarnation, message.sink.completion_id


def check_all_wake(contents: Contents) -> None:
    wakers = Wakers(contents)
    for invocation, record in contents.records.items():
        assert list(wakers.of(invocation)), f"{record.status} {invocation!r} waits for ever"


@pytest.mark.parametrize("seed", range(LIVES))
def test_in_random_lives_everything_that_waits_will_wake(seed: int) -> None:
    choose = random.Random(seed)
    simulation = Simulation(message_limit=choose.choice((1, 3, 1024)))
    for _ in range(STEPS):
        simulation.step(choose.randrange(23), choose.randrange(2**40))
        check_all_wake(simulation.contents)


@pytest.mark.parametrize("seed", range(LIVES))
def test_in_random_lives_a_kill_ends_whatever_there_is(seed: int) -> None:
    """And nobody who waited for it waits on."""
    choose = random.Random(seed)
    simulation = Simulation()
    for _ in range(STEPS):
        simulation.step(choose.randrange(23), choose.randrange(2**40))
    while unfinished := [
        invocation
        for invocation, record in simulation.contents.records.items()
        if record.status is not Status.COMPLETED
    ]:
        victim = choose.choice(unfinished)
        simulation.apply(Terminate(victim, TerminateKind.KILL))
        left = simulation.contents.records.get(victim)
        assert left is None or left.status is Status.COMPLETED
        simulation._drain_all()
        check_all_wake(simulation.contents)
    assert not simulation.pending, "every client has been answered"


def _suspend(
    world: World, *completions: int, signals: tuple[int, ...] = (), names: tuple[str, ...] = ()
) -> None:
    world.effect("a", Suspended(Awaiting(Combinator.FIRST_COMPLETED, completions, signals, names)))


def _scheduled(world: World) -> None:
    world.invoke("a", service(), execution_time_ms=world.now_ms + 10)


def _inboxed(world: World) -> None:
    world.invoke("b", exclusive())
    world.invoke("a", exclusive())


def _running(world: World) -> None:
    world.invoke("a", service())


def _paused(world: World) -> None:
    world.invoke("a", exclusive())
    world.effect("a", Paused(None))


def _completed(world: World) -> None:
    world.invoke("a", service(), completion_retention_ms=10)
    world.effect("a", pinned(wire.output(MODERN)), End())


def _asleep(world: World) -> None:
    world.invoke("a", service())
    world.effect("a", pinned(wire.sleep(MODERN, world.now_ms + 10, 1)))
    _suspend(world, 1, signals=(1,))


def _calling(world: World) -> None:
    world.invoke("a", service())
    world.effect("a", pinned(wire.call(MODERN, B, service(), ids=(1, 2))))
    _suspend(world, 2)


def _attached(world: World) -> None:
    world.invoke("b", service())
    world.invoke("a", service())
    world.effect("a", pinned(wire.attach(B, 1)))
    _suspend(world, 1)


def _promised(world: World) -> None:
    world.invoke("a", workflow(), completion_retention_ms=10)
    world.effect("a", pinned(wire.get_promise("p", 1)))
    _suspend(world, 1)


def _signaled(world: World) -> None:
    world.invoke("a", service())
    _suspend(world, signals=(17,), names=("go",))


def _classic_asleep(world: World) -> None:
    world.invoke("a", unkeyed())
    world.effect("a", pinned(wire.sleep(CLASSIC, world.now_ms + 10)))
    _suspend(world, 1)


def _classic_calling(world: World) -> None:
    world.invoke("a", keyed())
    world.effect("a", pinned(wire.call(CLASSIC, B, unkeyed())))
    _suspend(world, 1)


def _classic_awakeable(world: World) -> None:
    world.invoke("a", keyed())
    world.effect("a", pinned(wire.awakeable()))
    _suspend(world, 1)


def _fire(world: World) -> None:
    ((timer, _),) = world.tables.timers.read(None, 1)
    world.now_ms = timer.due_ms
    world.apply(TimerFired(timer))


def _end_b(world: World) -> None:
    generation = world.stored("b").target.generation
    world.effect("b", pinned(wire.output(generation, Success(b"x"))), End())


def _complete_promise(world: World) -> None:
    world.invoke("b", workflow_shared())
    world.effect("b", pinned(wire.complete_promise("p", 1, Success(b"x"))))


WAITS: dict[Callable[[World], None], Callable[[World], object]] = {
    _scheduled: _fire,
    _inboxed: _end_b,
    _running: lambda world: None,
    _completed: _fire,
    _asleep: _fire,
    _calling: _end_b,
    _attached: _end_b,
    _promised: _complete_promise,
    _signaled: lambda world: world.apply(SendSignal(A, "go", VOID)),
    _classic_asleep: _fire,
    _classic_calling: _end_b,
    _classic_awakeable: lambda world: world.apply(CompleteAwakeable(A, 1, Success(b"x"))),
}
"""{how an invocation comes to wait: what wakes it}."""


@pytest.mark.parametrize("wait", WAITS)
def test_each_way_to_wait_ends_by_its_waker_after_a_restart(wait: Callable[[World], None]) -> None:
    world = World()
    wait(world)
    world.restart()
    check_all_wake(invariants.check(world.store))
    WAITS[wait](world)
    record = world.record("a")
    assert (
        (record is None) if wait is _completed else (record is not None and record.status is Status.INVOKED)
    )
    assert wait is _completed or A in world.token, "it has an attempt"


@pytest.mark.parametrize("wait", [*WAITS, _paused])
@pytest.mark.parametrize("restart", [False, True])
def test_a_kill_works_in_each_way_to_wait(wait: Callable[[World], None], restart: bool) -> None:
    world = World()
    wait(world)
    if restart:
        world.restart()
    world.apply(Terminate(A, TerminateKind.KILL))
    record = world.record("a")
    assert record is None or record.status is Status.COMPLETED
    check_all_wake(invariants.check(world.store))


def test_a_waiter_without_a_waker_is_noticed() -> None:
    """The checks above can fail."""
    world = World()
    _asleep(world)
    ((timer, _),) = world.tables.timers.read(None, 1)
    world.tables.timers.delete(timer)
    world.write()
    with pytest.raises(AssertionError, match="nothing will complete it"):
        check_all_wake(invariants.read(world.store))


def test_what_has_come_is_not_waited_for_any_more() -> None:
    world = World()
    world.invoke("a", service())
    awaiting = Awaiting(Combinator.ALL_COMPLETED, (), (17, 18), ("go",))
    world.effect("a", Suspended(awaiting))
    world.apply(SendSignal(A, 18, VOID))
    assert world.stored("a").awaiting == Awaiting(Combinator.ALL_COMPLETED, (), (17,), ("go",))
    world.apply(SendSignal(A, "go", VOID), SendSignal(A, 17, VOID))
    assert world.stored("a").status is Status.INVOKED


def test_a_timer_of_an_earlier_incarnation_does_nothing() -> None:
    world = World()
    world.invoke("a", service(), execution_time_ms=world.now_ms + 50)
    ((timer, incarnation),) = world.tables.timers.read(None, 1)
    world.tables.timers.put(timer, incarnation + 1)
    world.write()
    world.apply(TimerFired(timer))
    assert world.stored("a").status is Status.SCHEDULED
    assert world.tables.timers.get(timer) is None

"""Worlds with much in them, and single steps in them: does a step cost the same in each?

A step works on an invocation of its own, the subject: the handler `add` of an object, running, first in line. What there
is much of is either the subject's (its journal, its inbox) or lies around it.
"""

from collections.abc import Callable

import attrs

from restate.runtime.engine.records import (
    Attach,
    End,
    Operate,
    Operation,
    Record,
    SendSignal,
    Suspended,
    Terminate,
    TerminateKind,
    TimerFired,
)
from restate.runtime.engine.turn import Draft
from restate.runtime.journal.run import RUN_COMPLETION
from restate.runtime.model.invocation import Awaiting, Combinator, IngressSink
from restate.runtime.model.journal import CommandRow, NotificationRow
from restate.runtime.model.result import VOID, Success
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.engine.world import World, exclusive, invocation_id, invoke, pinned, service

CHUNK = 500
"""Records, or journal rows, per write while a world is filled."""
FIRST_FREE = 10_000_000
"""Completion ids from here on are not in any long journal."""
LATER_MS = 1_000_000_000


def start_subject(world: World, name: str) -> None:
    world.invoke(name, exclusive(name))
    world.effect(name, pinned(wire.set_state(MODERN, b"n", b"1")))


def lengthen_journal(world: World, name: str, length: int) -> None:
    """Runs that are done, up to `length` rows."""
    record = world.stored(name)
    draft = Draft(invocation_id(name), record, record)
    command = wire.run(1)
    result = Success(b"done")
    for index in range(draft.record.journal_length, length):
        number = draft.record.commands
        if index % 2:
            world.tables.journal.append(
                draft.id, index, NotificationRow(RUN_COMPLETION, number - 1, 1, result)
            )
        else:
            row = CommandRow(command.code, number, 1, wire.run(number).raw)
            world.tables.journal.append(draft.id, index, row, (number,))
            draft.change(commands=number + 1)
        draft.change(journal_length=index + 1)
        if index % CHUNK == 0:
            world.write()
    world.tables.invocations.put(draft.id, draft.record, draft.previous)
    world.write()


def _apply_many(world: World, count: int, make: Callable[[int], None]) -> None:
    for number in range(count):
        make(number)
        if number % CHUNK == 0:
            world.write()
            # They hold the records, all of which would stay in memory.
            world.actions.clear()
    world.write()
    world.actions.clear()


def fill_inbox(world: World, name: str, count: int) -> None:
    """Let `count` invocations wait for the subject's object."""
    _apply_many(
        world,
        count,
        lambda number: _later(world, invoke(f"{name}.{number}", exclusive(name))),
    )


def add_suspended(world: World, count: int, first: int = 0) -> None:
    """Of services and objects, each waiting for a signal. first: number in the name of the first."""

    waiting = Suspended(Awaiting(Combinator.FIRST_COMPLETED, (), (), ("go",)))

    def make(number: int) -> None:
        name = f"s{first + number}"
        _later(world, invoke(name, exclusive(name) if number % 2 else service()))
        world.effect(name, waiting, keep_pending=True)

    _apply_many(world, count, make)


def add_retained(world: World, count: int) -> None:
    """Completed ones, with journal and outcome, and timers that are due later."""

    def make(number: int) -> None:
        name = f"r{number}"
        _later(
            world,
            invoke(name, service(), completion_retention_ms=LATER_MS, journal_retention_ms=LATER_MS // 2),
        )
        world.effect(name, pinned(wire.output(MODERN)), End(), keep_pending=True)

    _apply_many(world, count, make)


def add_scheduled(world: World, count: int) -> None:
    _apply_many(
        world,
        count,
        lambda number: _later(world, invoke(f"t{number}", service(), execution_time_ms=LATER_MS + number)),
    )


def _later(world: World, record: Record) -> None:
    world.apply(record, keep_pending=True)


@attrs.frozen
class Step:
    """act: the step. prepare: brings the subject to where it can be taken. Both get the subject's name and a number that is
    used once. ends: the subject is gone afterwards.
    """

    act: Callable[[World, str, int], object]
    prepare: Callable[[World, str, int], object] = lambda world, name, number: None
    ends: bool = False


def _id(number: int) -> int:
    """A completion id with two free ones behind it."""
    return FIRST_FREE + 3 * number


def _output(world: World, name: str, number: int) -> None:
    world.effect(name, wire.output(MODERN))


def _run(world: World, name: str, number: int) -> None:
    world.effect(name, wire.run(_id(number)))


def _propose(world: World, name: str, number: int) -> None:
    world.effect(name, wire.propose(_id(number), Success(b"x")))


def _set_state(world: World, name: str, number: int) -> None:
    world.effect(name, wire.set_state(MODERN, b"n", b"2"))


def _get_state(world: World, name: str, number: int) -> None:
    world.effect(name, wire.get_state(MODERN, b"n", _id(number)))


def _sleep(world: World, name: str, number: int) -> None:
    world.effect(name, wire.sleep(MODERN, world.now_ms, _id(number)))


def _call(world: World, name: str, number: int) -> None:
    callee = invocation_id(f"c{number}")
    world.effect(name, wire.call(MODERN, callee, service(), ids=(_id(number) + 1, _id(number) + 2)))


def _sleep_and_call(world: World, name: str, number: int) -> None:
    _sleep(world, name, number)
    _call(world, name, number)


def _suspend(world: World, name: str, number: int) -> None:
    world.effect(name, Suspended(Awaiting(Combinator.FIRST_COMPLETED, (), (), (f"go{number}",))))


def _signal(world: World, name: str, number: int) -> None:
    world.apply(SendSignal(invocation_id(name), f"go{number}", VOID))


def _suspend_and_signal(world: World, name: str, number: int) -> None:
    """As `_suspend`, whose subject goes on for the next step."""
    _suspend(world, name, number)
    _signal(world, name, number)


def _schedule(world: World, name: str, number: int) -> None:
    world.invoke(f"n{number}", service(), sink=None, execution_time_ms=world.now_ms)


def _fire(world: World, name: str, number: int) -> None:
    ((timer, _),) = world.tables.timers.read(None, 1)
    world.apply(TimerFired(timer))


def _complete(world: World, name: str, number: int) -> None:
    world.invoke(f"n{number}", service(), completion_retention_ms=50, journal_retention_ms=50)
    world.effect(f"n{number}", pinned(wire.output(MODERN)), End())


def _purge(world: World, name: str, number: int) -> None:
    world.apply(Operate(invocation_id(f"n{number}"), Operation.PURGE))


def _attach(world: World, name: str, number: int) -> None:
    world.apply(Attach(invocation_id(name), IngressSink(number), block=False))


def _terminate(kind: TerminateKind) -> Callable[[World, str, int], object]:
    return lambda world, name, number: world.apply(Terminate(invocation_id(name), kind))


STEPS = {
    "invoke a service": Step(lambda world, name, number: world.invoke(f"n{number}", service())),
    "invoke a new object": Step(
        lambda world, name, number: world.invoke(f"n{number}", exclusive(f"n{number}"))
    ),
    "invoke, scheduled": Step(_schedule),
    "scheduled time has come": Step(_fire, _schedule),
    "purge": Step(_purge, _complete),
    "join by the same id": Step(lambda world, name, number: world.invoke(name, exclusive(name), sink=None)),
    "attach, no wait": Step(_attach),
    "append: set state": Step(_set_state),
    "append: get state": Step(_get_state),
    "append: sleep": Step(_sleep),
    "timer fires": Step(_fire, _sleep),
    "append: call": Step(_call),
    "run completion": Step(_propose, _run),
    "signal to a running one": Step(_signal),
    "suspend and resume": Step(_suspend_and_signal),
    "cancel": Step(_terminate(TerminateKind.CANCEL)),
    "invoke, to the inbox": Step(
        lambda world, name, number: world.invoke(f"n{number}", exclusive(object_name(world, name)))
    ),
    "end, inbox pop": Step(lambda world, name, number: world.effect(name, End()), _output, ends=True),
    "kill, inbox pop": Step(_terminate(TerminateKind.KILL), _sleep_and_call, ends=True),
}


def object_name(world: World, name: str) -> str:
    key = world.stored(name).target.key
    assert key is not None
    return key


AROUND: dict[str, Callable[[World, int], None]] = {
    "invocations": add_suspended,
    "retained": add_retained,
    "scheduled": add_scheduled,
}
"""What there may be much of around the subject."""

OWN: dict[str, Callable[[World, str, int], None]] = {
    "journal": lengthen_journal,
    "inbox": fill_inbox,
}
"""What there may be much of that is the subject's."""


def boot(world: World) -> int:
    """A restart; how many attempts it starts."""
    return len(world.restart())

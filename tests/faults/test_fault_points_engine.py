"""The fault points of engine.md §10 that lie inside the engine: what comes in any order, twice, late, or over a restart.

"A restart" here is a new process over exactly what was on disk; it may lie between any two records.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import msgspec
import pytest

from restate.runtime.engine.actions import AbortAttempt, DrainLater, IngressReply, StartAttempt
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import (
    Attach,
    AttemptEffect,
    CompleteAwakeable,
    DrainOutbox,
    End,
    Failed,
    Operate,
    Operation,
    PatchState,
    Paused,
    Record,
    Respond,
    RestartAsNew,
    Resume,
    SendSignal,
    Suspended,
    Terminate,
    TerminateKind,
    TimerFired,
)
from restate.runtime.engine.turn import object_of
from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, Combinator, IngressSink, Status
from restate.runtime.model.journal import NotificationRow
from restate.runtime.model.result import VOID, Failure, Success
from restate.runtime.model.target import Generation
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.engine import commands as wire
from tests.engine import invariants
from tests.engine.commands import CLASSIC, MODERN
from tests.engine.world import (
    World,
    exclusive,
    invocation_id,
    invoke,
    keyed,
    pinned,
    service,
    unkeyed,
    workflow,
    workflow_shared,
)

A, B, C, D = (invocation_id(name) for name in "abcd")
OK = Success(b"ok")


def restart(world: World, keep: int | None = None) -> None:
    """The power fails: of what is not flushed, the first `keep` writes survive; None: everything was flushed."""
    assert isinstance(world.store, MemoryStore)
    if keep is None:
        world.store.flush()
    world.restart(world.store.crash(keep or 0))
    invariants.check(world.store)


def each(world: World, *records: Record, restarts: bool = True) -> None:
    """Apply records one by one, with a restart behind each."""
    for record in records:
        world.apply(record)
        invariants.check(world.store)
        if restarts:
            restart(world)


def cancel(target: InvocationId) -> Terminate:
    return Terminate(target, TerminateKind.CANCEL)


def kill(target: InvocationId) -> Terminate:
    return Terminate(target, TerminateKind.KILL)


def wait_for(*completions: int, signals: tuple[int, ...] = (), names: tuple[str, ...] = ()) -> Suspended:
    return Suspended(Awaiting(Combinator.FIRST_COMPLETED, completions, signals, names))


def response(world: World, completion_id: int, incarnation: int | None = None) -> Respond:
    """For "a"."""
    generation = world.stored("a").target.generation
    number = world.stored("a").incarnation if incarnation is None else incarnation
    return Respond(A, number, completion_id, generation, OK)


def _sleeping(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", service())
    world.effect("a", pinned(wire.sleep(MODERN, world.now_ms, 1)))
    ((timer, _),) = world.tables.timers.read(None, 1)
    return wait_for(1), TimerFired(timer)


def _calling(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", service())
    world.effect("a", pinned(wire.call(MODERN, B, service(), ids=(1, 2))))
    world.effect("b", wire.output(MODERN, OK))
    return wait_for(2), AttemptEffect(B, world.token[B], End())


def _signaled(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", service())
    return wait_for(signals=(17,)), SendSignal(A, 17, VOID)


def _named(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", service())
    return wait_for(names=("go",)), SendSignal(A, "go", VOID)


def _canceled(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", service())
    return wait_for(signals=(1,)), cancel(A)


def _promised(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", workflow(), completion_retention_ms=50)
    world.effect("a", pinned(wire.get_promise("p", 1)))
    world.invoke("b", workflow_shared())
    effect = pinned(wire.complete_promise("p", 1, OK))
    return wait_for(1), AttemptEffect(B, world.token[B], effect)


def _attached(world: World) -> tuple[Suspended, Record]:
    world.invoke("b", service())
    world.effect("b", pinned(wire.output(MODERN, OK)))
    world.invoke("a", service())
    world.effect("a", pinned(wire.attach(B, 1)))
    return wait_for(1), AttemptEffect(B, world.token[B], End())


def _classic_sleep(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", unkeyed())
    world.effect("a", pinned(wire.sleep(CLASSIC, world.now_ms)))
    ((timer, _),) = world.tables.timers.read(None, 1)
    return wait_for(1), TimerFired(timer)


def _classic_awakeable(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", unkeyed())
    world.effect("a", pinned(wire.awakeable()))
    return wait_for(1), CompleteAwakeable(A, 1, OK)


def _classic_call(world: World) -> tuple[Suspended, Record]:
    world.invoke("a", unkeyed())
    world.effect("a", pinned(wire.call(CLASSIC, B, unkeyed())))
    world.effect("b", wire.output(CLASSIC, OK))
    return wait_for(1), AttemptEffect(B, world.token[B], End())


WAITS = (
    _sleeping, _calling, _signaled, _named, _canceled, _promised, _attached, _classic_sleep, _classic_awakeable,
    _classic_call,
)  # fmt: skip


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize(
    "order", ["before", "same batch before", "same batch after", "after", "after a restart"]
)
def test_F10_a_suspension_racing_what_it_waits_for(
    wait: Callable[[World], tuple[Suspended, Record]], order: str
) -> None:
    world = World()
    suspension, notification = wait(world)
    before = world.stored("a").journal_length
    suspended = AttemptEffect(A, world.token[A], suspension)
    match order:
        case "before":
            each(world, notification, suspended, restarts=False)
        case "same batch before":
            world.apply(notification, suspended)
        case "same batch after":
            world.apply(suspended, notification)
        case "after":
            each(world, suspended, notification, restarts=False)
        case "after a restart":
            each(world, suspended, restarts=False)
            # The other side's attempt is a new one after the restart, too.
            restart(world)
            if isinstance(notification, AttemptEffect):
                notification = msgspec.structs.replace(notification, token=world.token[notification.id])
            each(world, notification, restarts=False)
    invariants.check(world.store)
    assert world.stored("a").status is Status.INVOKED
    started = [action for action in world.actions if isinstance(action, StartAttempt) and action.id == A]
    assert started[-1].record.journal_length == world.stored("a").journal_length > before


def _complete(world: World, name: str = "a", retention_ms: int = 100) -> None:
    world.invoke(name, service(), completion_retention_ms=retention_ms, journal_retention_ms=retention_ms)
    world.effect(name, pinned(wire.call(MODERN, B, service(), ids=(1, 2))))
    world.effect(name, wire.output(MODERN, OK), End())


@pytest.mark.parametrize("restarts", [False, True])
def test_F13_a_completion_that_comes_twice_or_too_late(restarts: bool) -> None:
    world = World()
    world.invoke("a", service(), completion_retention_ms=100, journal_retention_ms=100)
    world.effect("a", pinned(wire.call(MODERN, B, service(), ids=(1, 2))))
    first = response(world, 2)
    each(world, first, restarts=restarts)
    once = invariants.read(world.store)
    each(world, first, restarts=restarts)
    assert invariants.read(world.store).raw == once.raw
    world.effect("a", wire.output(MODERN, OK), End())
    completed = invariants.read(world.store)
    each(world, first, restarts=restarts)
    assert invariants.read(world.store).raw == completed.raw
    world.fire()
    assert world.record("a") is None
    each(world, first, restarts=restarts)
    assert world.record("a") is None
    # The same id again, waiting for the same completion id.
    world.invoke("a", service())
    world.effect("a", pinned(wire.call(MODERN, D, service(), ids=(1, 2))))
    length = world.stored("a").journal_length
    each(world, first, restarts=restarts)
    assert world.stored("a").journal_length == length
    each(world, response(world, 2), restarts=restarts)
    assert world.stored("a").journal_length == length + 1


def _scheduled(world: World) -> None:
    world.invoke("a", service(), execution_time_ms=world.now_ms + 10)


def _inboxed(world: World) -> None:
    world.invoke("b", exclusive())
    world.invoke("a", exclusive())


@pytest.mark.parametrize("before", [_scheduled, _inboxed])
def test_F14_signals_before_the_start_twice_and_after_the_end(before: Callable[[World], None]) -> None:
    world = World()
    before(world)
    each(world, SendSignal(A, 17, OK), SendSignal(A, 17, OK), SendSignal(A, "go", VOID))
    if before is _scheduled:
        world.fire()
    else:
        world.effect("b", pinned(wire.output(MODERN)), End())
    restart(world)
    assert [row.key for row in world.journal("a") if isinstance(row, NotificationRow)] == [17, 17, "go"]
    world.effect("a", wait_for(signals=(17,)))
    assert world.stored("a").status is Status.INVOKED
    world.effect("a", pinned(wire.output(MODERN)), End())
    each(world, SendSignal(A, 17, OK))
    assert world.record("a") is None


@pytest.mark.parametrize("target", [unkeyed(), keyed()])
def test_F14_a_classic_awakeable_before_its_entry_twice_and_after_the_end(target: object) -> None:
    world = World()
    world.invoke("b", keyed())
    world.invoke("a", target)  # type: ignore[arg-type]
    each(world, CompleteAwakeable(A, 1, OK), CompleteAwakeable(A, 1, Failure(1, "late")))
    if target == keyed():
        world.effect("b", pinned(wire.output(CLASSIC)), End())
    world.effect("a", pinned(wire.awakeable()))
    restart(world)
    each(world, CompleteAwakeable(A, 1, Failure(1, "late")))
    (completion,) = (row for row in world.journal("a") if isinstance(row, NotificationRow))
    assert completion.result == OK
    world.effect("a", wait_for(1))
    assert world.stored("a").status is Status.INVOKED
    world.effect("a", wire.output(CLASSIC), End())
    each(world, CompleteAwakeable(A, 1, OK))
    assert world.record("a") is None


def _invoked(world: World) -> None:
    world.invoke("a", exclusive())
    world.effect("a", pinned(wire.sleep(MODERN, 5000, 1)))


def _suspended(world: World) -> None:
    _invoked(world)
    world.effect("a", wait_for(1, signals=(1,)))


def _paused(world: World) -> None:
    _invoked(world)
    world.effect("a", Paused(None))


def _completed(world: World) -> None:
    world.invoke("a", exclusive(), completion_retention_ms=9000, journal_retention_ms=9000)
    world.effect("a", pinned(wire.output(MODERN, OK)), End())


def _free(world: World) -> None:
    """There is no such invocation."""


STATES = (_free, _scheduled, _inboxed, _invoked, _suspended, _paused, _completed)
OPERATIONS: dict[str, Record] = {
    "kill": kill(A),
    "cancel": cancel(A),
    "pause": Operate(A, Operation.PAUSE),
    "resume": Resume(A),
}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operations", list(itertools.product(OPERATIONS, repeat=2)), ids="-".join)
def test_F15_operations_in_every_state_and_twice(
    state: Callable[[World], None], operations: Sequence[str]
) -> None:
    for restarts in (False, True):
        world = World()
        state(world)
        each(world, *(OPERATIONS[name] for name in operations), restarts=restarts)
        begun = state not in (_free, _completed)
        if "kill" in operations or (begun and "cancel" in operations and state in (_scheduled, _inboxed)):
            assert world.record("a") is None or state is _completed
        each(world, kill(A), restarts=restarts)
        replies = [action for action in world.actions if isinstance(action, IngressReply) and action.id == A]
        assert len(replies) == (0 if state is _free else 1), "whatever happens, a client gets one answer"
        assert world.record("a") is None or state is _completed


@pytest.mark.parametrize("name", OPERATIONS)
def test_F15_operations_between_any_two_messages_of_a_handler(name: str) -> None:
    effects = (
        pinned(wire.set_state(MODERN, b"n", b"1")),
        wire.run(1),
        wire.propose(1, OK),
        wire.call(MODERN, B, service(), ids=(2, 3)),
        wire.sleep(MODERN, 5000, 4),
        wire.send(MODERN, C, service(), completion_id=5),
        wire.output(MODERN, OK),
        End(),
    )
    for at in range(len(effects) + 1):
        world = World()
        world.invoke("a", exclusive())
        world.invoke("d", exclusive())
        token = world.token[A]
        for effect in effects[:at]:
            each(world, AttemptEffect(A, token, effect), restarts=False)
        each(world, OPERATIONS[name], restarts=False)
        for effect in effects[at:]:
            each(world, AttemptEffect(A, token, effect), restarts=False)
        restart(world)
        if world.record("a") is not None:
            each(world, kill(A))
        replies = [action for action in world.actions if isinstance(action, IngressReply) and action.id == A]
        assert len(replies) == 1
        assert world.stored("d").status is Status.INVOKED, "the next in line has the object"
        assert world.tables.timers.read(None, 1) == []


@pytest.mark.parametrize("generation", [MODERN, CLASSIC])
@pytest.mark.parametrize("node", "abcd")
@pytest.mark.parametrize("kind", TerminateKind)
def test_F15_on_every_node_of_a_tree(generation: Generation, node: str, kind: TerminateKind) -> None:
    """a calls b and d, b calls c."""
    target = service() if generation is MODERN else unkeyed()
    world = World()
    world.invoke("a", target)
    world.effect("a", pinned(wire.call(generation, B, target, ids=(1, 2))))
    world.effect("b", pinned(wire.call(generation, C, target, ids=(1, 2))))
    world.effect("a", wire.call(generation, D, target, ids=(3, 4)))
    restart(world)
    each(world, Terminate(invocation_id(node), kind), Terminate(invocation_id(node), kind))
    reached = {"a": "abcd", "b": "bc", "c": "c", "d": "d"}[node]
    if kind is TerminateKind.KILL:
        assert [name for name in "abcd" if world.record(name) is None] == list(reached)
    for name in "dcba":
        if world.record(name) is not None:
            if world.stored(name).status is not Status.INVOKED:
                each(world, kill(invocation_id(name)))
            else:
                world.effect(name, wire.output(generation, OK), End())
                restart(world)
    assert invariants.check(world.store).records == {}
    assert sum(isinstance(action, IngressReply) for action in world.actions) == 1


def test_F16_patches_and_invocations_of_an_inbox_take_effect_in_turn_over_restarts() -> None:
    world = World()
    world.invoke("h", exclusive())
    world.effect("h", pinned(wire.set_state(MODERN, b"n", b"0")))
    patch = PatchState(MODERN, "Counter", "k", ((b"n", b"1"),))
    each(world, patch, msgspec.structs.replace(patch, state=((b"n", b"2"),)))
    names = [f"i{number}" for number in range(20)]
    for name in names:
        each(world, invoke(name, exclusive(), sink=IngressSink(5)))
    assert _number(world) == b"0"
    world.effect("h", wire.output(MODERN), End())
    assert _number(world) == b"2"
    for name in names:
        restart(world)
        assert set(world.token) == {invocation_id(name)}, "one at a time, in order"
        world.effect(name, pinned(wire.output(MODERN)), End())
    restart(world)
    assert world.token == {}
    assert invariants.check(world.store).records == {}


def _number(world: World) -> bytes | None:
    return world.tables.state.get(*object_of(exclusive()), b"n")


def test_F16_every_prefix_of_the_writes_of_a_long_inbox_is_whole() -> None:
    world = World()
    store = world.store
    assert isinstance(store, MemoryStore)
    names = [f"i{number}" for number in range(10)]
    for name in names:
        world.invoke(name, exclusive())
    for name in names:
        world.effect(name, pinned(wire.output(MODERN)), End())
    for keep in range(store.unflushed + 1):
        revived = World(store.crash(keep))
        revived.restart()
        while running := list(revived.tables.invocations.running()):
            ((one, _),) = running
            revived.apply(
                AttemptEffect(one, revived.token[one], pinned(wire.output(MODERN))),
                AttemptEffect(one, revived.token[one], End()),
            )
            invariants.check(revived.store)
        assert invariants.check(revived.store).records == {}


@pytest.mark.parametrize(("limit", "children"), [(8, 30), (1024, 1100)])
def test_F17_a_crash_at_each_row_while_the_outbox_drains(limit: int, children: int) -> None:
    world = World(machine=Machine(message_limit=limit))
    world.invoke("a", service())
    world.effect(
        "a", *(pinned(wire.send(MODERN, invocation_id(f"c{n}"), service())) for n in range(children))
    )
    actions = world.apply(kill(A))
    assert any(isinstance(action, DrainLater) for action in actions)
    store = world.store
    assert isinstance(store, MemoryStore)
    store.flush()
    waiting = len(world.tables.outbox.read(children))
    assert waiting == children - limit
    while world.tables.outbox.read(1):
        world.apply(DrainOutbox(1))
    for keep in range(0, store.unflushed, 1 if children < 100 else 17):
        revived = World(store.crash(keep))
        assert any(isinstance(action, DrainLater) for action in revived.restart()), "a start goes on draining"
        invariants.check(revived.store)
        assert len(revived.tables.outbox.read(children)) == waiting - keep
        while revived.tables.outbox.read(1):
            revived.apply(DrainOutbox(32))
        assert invariants.check(revived.store).records == {}, "each kill has arrived"


@pytest.mark.parametrize("first", ["purge", "attach"])
@pytest.mark.parametrize("one_batch", [True, False])
def test_F18_an_attach_while_the_purge_timer_fires(first: str, one_batch: bool) -> None:
    world = World()
    _complete(world)
    restart(world)
    timer = next(key for key, _ in world.tables.timers.read(None, 9) if key.id == A)
    records: list[Record] = [TimerFired(timer), Attach(A, IngressSink(7), block=True)]
    if first == "attach":
        records.reverse()
    world.now_ms = timer.due_ms
    if one_batch:
        world.apply(*records)
    else:
        each(world, *records)
    (reply,) = (one for one in world.actions if isinstance(one, IngressReply) and one.request_id == 7)
    assert reply.not_found == (first == "purge")
    assert reply.outcome == (None if first == "purge" else OK)


@pytest.mark.parametrize("first", ["purge", "restart"])
@pytest.mark.parametrize("one_batch", [True, False])
def test_F18_a_purge_while_it_is_restarted_as_new(first: str, one_batch: bool) -> None:
    world = World()
    _complete(world)
    restart(world)
    records: list[Record] = [Operate(A, Operation.PURGE), RestartAsNew(A, C)]
    if first == "restart":
        records.reverse()
    if one_batch:
        world.apply(*records)
    else:
        each(world, *records)
    invariants.check(world.store)
    assert world.record("a") is None
    assert (world.record("c") is None) == (first == "purge")
    if first == "restart":
        world.effect("c", pinned(wire.output(MODERN, OK)), End())
        assert world.stored("c").outcome == OK


@pytest.mark.parametrize("damage", ["short", "empty", "newer"])
@pytest.mark.parametrize("table", ["inv", "journal", "lock", "timers"])
def test_F20_a_row_that_cannot_be_read_is_an_error_and_no_guess(damage: str, table: str) -> None:
    world = World()
    world.invoke("a", exclusive())
    world.effect("a", pinned(wire.sleep(MODERN, 2000, 1)))
    (key, value), *_ = list(world.store.scan(table, b"", None))
    broken = {"short": value[: len(value) // 2], "empty": b"", "newer": b"\x63" + value[1:]}[damage]
    world.store.write([(table, key, broken)])
    tables = Tables(world.store)
    reads: dict[str, Callable[[], object]] = {
        "inv": lambda: tables.invocations.get(A),
        "journal": lambda: tables.journal.read(A, 0, 2),
        "lock": lambda: tables.locks.get(*object_of(exclusive())),
        "timers": lambda: tables.timers.read(None, 5),
    }
    with pytest.raises(StorageFormatError if damage == "newer" else StorageDamaged):
        reads[table]()


def test_F21_an_old_attempt_has_nothing_to_say_once_its_successor_has_started() -> None:
    effects = (
        wire.set_state(MODERN, b"n", b"old"),
        wire.run(1),
        wire.propose(1, OK),
        wire.call(MODERN, B, service(), ids=(2, 3)),
        wire.output(MODERN, Success(b"old")),
        wait_for(signals=(1,)),
        Paused(None),
        Failed(Failure(1, "old")),
        End(),
    )
    world = World()
    world.invoke("a", exclusive())
    old = world.token[A]
    world.effect("a", pinned(wire.run(1)))
    world.effect("a", Paused(None))
    world.apply(Resume(A))
    assert world.token[A] != old
    before = invariants.check(world.store).raw
    for effect in effects:
        (action,) = world.apply(AttemptEffect(A, old, effect))
        assert action == AbortAttempt(A, old)
        assert invariants.check(world.store).raw == before
    # In one batch with what ends it, too.
    world.apply(kill(A), invoke("a", exclusive()), *(AttemptEffect(A, old + 1, effect) for effect in effects))
    assert len(world.journal("a")) == 1


@pytest.mark.parametrize("keep", [0, 1])
def test_F22_a_producers_record_and_its_number_are_on_disk_together(keep: int) -> None:
    """There is no consumer of Kafka yet, and no record names a producer. This is the rule that it will need: the number
    is written with what the record did, so that a record that comes again after F3 is known, and after F2 is not.
    """
    world = World()
    assert isinstance(world.store, MemoryStore)
    world.apply(invoke("a", service()), keep_pending=True)
    world.tables.dedup.put("sub_1/topic/0", 41)
    world.write()
    restart(world, keep)
    assert world.tables.dedup.get("sub_1/topic/0") == (41 if keep else None)
    assert (world.record("a") is not None) == bool(keep)

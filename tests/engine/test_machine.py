"""What the scenarios do not show: fields, codes and times."""

import pytest

from restate.runtime.engine.actions import (
    AbortAttempt,
    AckCommand,
    IngressReply,
    JournalGrew,
    StartAttempt,
)
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import (
    Attach,
    CompleteAwakeable,
    End,
    Failed,
    Paused,
    Respond,
    SendSignal,
    Suspended,
)
from restate.runtime.model.invocation import (
    Awaiting,
    CallSink,
    Combinator,
    IngressSink,
    IngressSource,
    Pin,
    ServiceSource,
    Status,
)
from restate.runtime.model.journal import CommandRow, NotificationRow
from restate.runtime.model.result import VOID, Failure, Result, Success
from restate.runtime.model.target import Generation, Target
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC, MODERN
from tests.engine.world import (
    PIN,
    World,
    exclusive,
    invocation_id,
    invoke,
    keyed,
    pinned,
    service,
    shared,
    unkeyed,
    workflow,
)

A, B = invocation_id("a"), invocation_id("b")


def test_an_attempt_starts_with_the_record_as_it_is_stored() -> None:
    world = World(now_ms=1234)
    (started,) = world.invoke("a", service(), sink=IngressSink(7), idempotency_key="i", random_seed=5)
    assert isinstance(started, StartAttempt)
    assert started.record == world.stored("a")
    record = started.record
    assert (record.status, record.created_ms, record.running_ms) == (Status.INVOKED, 1234, 1234)
    assert (record.source, record.sinks, record.idempotency_key) == (IngressSource(), (IngressSink(7),), "i")
    assert (record.journal_length, record.commands, record.random_seed) == (1, 1, 5)


def test_the_first_append_pins_and_later_ones_do_not_change_it() -> None:
    world = World()
    world.invoke("a", service())
    world.effect("a", pinned(wire.run(1)))
    world.effect("a", pinned(wire.run(2), Pin("dp_other", 5)))
    assert world.stored("a").pin == PIN


def test_an_invocation_without_a_pin_may_suspend_and_pause() -> None:
    world = World()
    world.invoke("a", service())
    world.effect("a", Paused(Failure(500, "why")))
    record = world.stored("a")
    assert (record.status, record.pin, record.pause_error) == (Status.PAUSED, None, Failure(500, "why"))
    assert (A, record.incarnation) not in list(world.tables.invocations.running())


def test_an_end_without_output_changes_nothing() -> None:
    world = World()
    world.invoke("a", service())
    assert world.effect("a", End()) == []
    assert world.stored("a").status is Status.INVOKED
    world.effect("a", wire.output(MODERN), End())
    assert world.record("a") is None


def test_the_last_output_counts() -> None:
    world = World()
    world.invoke("a", service(), sink=IngressSink(7))
    world.effect("a", wire.output(MODERN, Success(b"1")), wire.output(MODERN, Failure(4, "2")))
    assert world.effect("a", End()) == [IngressReply(7, A, service(), Failure(4, "2"))]


def test_acks_count_commands_and_only_if_asked() -> None:
    world = World()
    world.invoke("a", unkeyed())
    token = world.token[A]
    world.effect("a", wire.get_state(CLASSIC, b"n"))
    assert world.effect("a", wire.side_effect(b"")) == [AckCommand(A, token, 2)]


def test_a_commands_own_completion_is_shown_after_its_ack() -> None:
    world = World()
    world.invoke("a", exclusive())
    token = world.token[A]
    actions = world.effect("a", wire.get_state(MODERN, b"n", 1, ack=True))
    assert actions == [AckCommand(A, token, 1), JournalGrew(A, token, 3)]


def test_rows_keep_what_was_received() -> None:
    world = World(now_ms=50)
    world.invoke("a", service())
    effect = wire.call(MODERN, B, service(), ids=(1, 2))
    world.effect("a", effect, wire.run(3), wire.propose(3, Failure(1, "no"), ack=True))
    _, call, callee, _, result = world.journal("a")
    assert call == CommandRow(0x040D, 1, 50, effect.raw, False, effect.callee)
    assert isinstance(callee, NotificationRow)
    assert (callee.code, callee.key) == (0x800E, 1)
    assert result == NotificationRow(0x8011, 3, 50, Failure(1, "no"), acked=True)


def test_a_proposal_is_taken_once_and_only_for_a_run() -> None:
    world = World()
    world.invoke("a", service())
    assert world.effect("a", wire.propose(1, Success(b"early"))) == []
    world.effect("a", wire.run(1), wire.propose(1, Success(b"first")), wire.propose(1, Success(b"second")))
    assert [row.result for row in world.journal("a") if isinstance(row, NotificationRow)] == [
        Success(b"first")
    ]


def test_a_called_invocation_knows_its_caller() -> None:
    world = World()
    world.invoke("a", service())
    world.effect("a", wire.call(MODERN, B, exclusive(), ids=(1, 2), body=b"x", retention_ms=9))
    record = world.stored("b")
    assert record.source == ServiceSource(A, service())
    assert record.sinks == (CallSink(A, world.stored("a").incarnation, 2),)
    assert (record.completion_retention_ms, record.journal_retention_ms) == (9, 9)


@pytest.mark.parametrize(
    ("caller", "callee", "code", "arrives"),
    [
        (unkeyed(), service(), 404, 5),
        (service(), unkeyed(), 5, 404),
        (service(), unkeyed(), 99, 500),
        (service(), service("other"), 404, 404),
        (unkeyed(), keyed(), 5, 5),
        (unkeyed(), keyed(), 64, 10),
    ],
)
def test_a_callees_failure_arrives_with_a_code_of_the_callers_generation(
    caller: Target, callee: Target, code: int, arrives: int
) -> None:
    world = World()
    world.invoke("a", caller)
    world.effect("a", wire.call(caller.generation, B, callee, ids=(1, 2)))
    world.effect("b", Failed(Failure(code, "no")))
    last = world.journal("a")[-1]
    assert isinstance(last, NotificationRow)
    assert (last.code, last.result) == (0x800D, Failure(arrives, "no"))


def test_a_client_gets_the_code_as_it_is_stored() -> None:
    world = World()
    world.invoke("a", unkeyed(), sink=IngressSink(7))
    (reply,) = world.effect("a", Failed(Failure(64, "killed")))
    assert isinstance(reply, IngressReply)
    assert reply.outcome == Failure(64, "killed")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("unknown", Failure(404, "not found")),
        ("running", VOID),
        ("completed", Success(b"done")),
    ],
)
def test_asking_for_the_output_of_another_invocation(state: str, expected: Result) -> None:
    world = World()
    if state != "unknown":
        world.invoke("b", service(), completion_retention_ms=1000)
    if state == "completed":
        world.effect("b", wire.output(MODERN, Success(b"done")), End())
    world.invoke("a", service())
    world.effect("a", wire.get_output(B, 1))
    last = world.journal("a")[-1]
    assert isinstance(last, NotificationRow)
    assert (last.code, last.key, last.result) == (0x8013, 1, expected)


def test_attaching_from_a_handler_waits_for_the_end() -> None:
    world = World()
    world.invoke("b", service())
    world.invoke("a", service())
    assert world.effect("a", wire.attach(B, 1)) == []
    world.effect("b", wire.output(MODERN, Success(b"done")))
    assert world.effect("b", End())[1:] == [JournalGrew(A, world.token[A], 3)]
    last = world.journal("a")[-1]
    assert isinstance(last, NotificationRow)
    assert (last.code, last.result) == (0x8012, Success(b"done"))


def test_the_same_waiter_is_told_once() -> None:
    world = World()
    world.invoke("a", service(), sink=IngressSink(7))
    world.apply(Attach(A, IngressSink(7), block=True))
    assert len(world.effect("a", wire.output(MODERN), End())) == 1


def test_shared_handlers_read_state_and_cannot_write_it() -> None:
    world = World()
    world.invoke("a", exclusive())
    world.effect("a", wire.set_state(MODERN, b"n", b"1"))
    world.invoke("b", shared())
    world.effect(
        "b", wire.set_state(MODERN, b"n", b"2"), wire.clear_all_state(MODERN), wire.get_state(MODERN, b"n", 1)
    )
    last = world.journal("b")[-1]
    assert isinstance(last, NotificationRow)
    assert last.result == Success(b"1")


def test_a_target_without_key_has_no_state() -> None:
    world = World()
    for name, target in (("a", service()), ("b", unkeyed())):
        generation = target.generation
        world.invoke(name, target)
        world.effect(name, wire.set_state(generation, b"n", b"1"), wire.get_state(generation, b"n", 1))
        last = world.journal(name)[-1]
        assert isinstance(last, NotificationRow)
        assert last.result == VOID


def test_generations_keep_their_objects_apart() -> None:
    world = World()
    world.invoke("a", exclusive("k", name="Same"))
    world.invoke("b", keyed("k", name="Same"))
    assert world.stored("b").status is Status.INVOKED


def test_a_signal_before_the_start_is_kept() -> None:
    world = World()
    world.invoke("a", exclusive())
    world.invoke("b", exclusive())
    world.apply(SendSignal(B, 17, Success(b"early")))
    assert world.stored("b").journal_length == 2
    started = [
        action for action in world.effect("a", wire.output(MODERN), End()) if isinstance(action, StartAttempt)
    ]
    assert [(action.id, action.record.journal_length) for action in started] == [(B, 2)]


def test_messages_for_the_other_generation_are_dropped() -> None:
    world = World()
    world.invoke("a", service())
    world.invoke("b", unkeyed())
    assert (
        world.apply(CompleteAwakeable(A, 1, Success(b"")), SendSignal(B, 17, VOID), SendSignal(B, "go", VOID))
        == []
    )
    assert world.stored("a").journal_length == world.stored("b").journal_length == 1


def test_a_response_finds_only_the_incarnation_that_asked() -> None:
    world = World()
    world.invoke("a", service())
    old = world.stored("a").incarnation
    world.effect("a", wire.call(MODERN, B, service(), ids=(1, 2)))
    world.effect("a", wire.output(MODERN), End())
    world.invoke("a", service())
    world.effect("a", wire.call(MODERN, invocation_id("c"), service(), ids=(1, 2)))
    world.effect("b", wire.output(MODERN, Success(b"for the old one")), End())
    assert world.stored("a").journal_length == 3
    assert world.apply(Respond(A, old, 2, Generation.MODERN, Success(b""))) == []


def test_time_never_runs_backwards() -> None:
    world = World(now_ms=5000)
    world.invoke("a", service())
    world.now_ms = 10
    world.invoke("b", service())
    assert world.stored("b").created_ms == 5000
    world.restart()
    world.invoke("c", service())
    assert world.stored("c").created_ms == 5000


def test_a_delayed_start_in_the_past_still_goes_through_its_timer() -> None:
    world = World(now_ms=5000)
    world.invoke("a", service(), execution_time_ms=10)
    assert world.stored("a").status is Status.SCHEDULED
    (started,) = world.fire()
    assert isinstance(started, StartAttempt)


def test_a_workflow_run_is_refused_while_it_runs_and_after_it_was_killed() -> None:
    world = World()
    world.invoke("a", workflow(), completion_retention_ms=1000)
    world.effect("a", Failed(Failure(409, "killed")))
    (reply,) = world.invoke("a", workflow(), sink=IngressSink(2))
    assert isinstance(reply, IngressReply)
    assert reply.outcome == Failure(409, "the workflow method was already invoked")
    (reply,) = world.apply(Attach(A, IngressSink(3), block=True))
    assert isinstance(reply, IngressReply)
    assert reply.outcome == Failure(409, "killed")


def test_the_journal_is_not_kept_longer_than_the_outcome() -> None:
    world = World()
    world.invoke("a", service(), completion_retention_ms=10, journal_retention_ms=99)
    assert world.stored("a").journal_retention_ms == 10


def test_an_old_attempt_is_told_to_stop_and_not_the_new_one() -> None:
    world = World()
    world.invoke("a", service())
    old = world.token[A]
    world.effect("a", wire.output(MODERN), End())
    world.invoke("a", service())
    assert world.effect("a", End(), token=old) == [AbortAttempt(A, old)]
    assert world.token[A] != old


def test_records_of_one_batch_see_each_other() -> None:
    store = MemoryStore()
    tables, machine = Tables(store), Machine()
    machine.apply(invoke("a", exclusive()), 1, tables)
    machine.apply(invoke("b", exclusive()), 1, tables)
    store.write(tables.take_writes())
    record = tables.invocations.get(B)
    assert record is not None
    assert record.status is Status.INBOXED


def test_a_completion_for_a_classic_entry_that_is_no_awakeable_is_dropped() -> None:
    world = World()
    world.invoke("a", unkeyed())
    world.effect("a", wire.sleep(CLASSIC, 9000), wire.side_effect(b""))
    for index in (0, 1, 2):
        assert world.apply(CompleteAwakeable(A, index, Success(b""))) == []
    assert world.stored("a").journal_length == 3


def test_an_early_completion_alone_does_not_resume() -> None:
    world = World()
    world.invoke("a", unkeyed())
    world.apply(CompleteAwakeable(A, 5, Success(b"")))
    assert world.effect("a", Suspended(Awaiting(Combinator.FIRST_COMPLETED, (5,)))) == []
    assert world.stored("a").status is Status.SUSPENDED


def test_a_completion_id_used_twice_is_completed_once() -> None:
    world = World()
    world.invoke("a", exclusive())
    world.effect("a", wire.get_state(MODERN, b"n", 1), wire.get_state(MODERN, b"m", 1))
    assert sum(isinstance(row, NotificationRow) for row in world.journal("a")) == 1

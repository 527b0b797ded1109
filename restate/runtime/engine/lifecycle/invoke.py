"""How an invocation begins: created, or joined if it exists; scheduled, inboxed or run at once (rules 1 to 8)."""

from restate.runtime import __version__
from restate.runtime.engine.actions import SetTimer
from restate.runtime.engine.lifecycle.answer import add_sink, answer, answer_stored, submitted
from restate.runtime.engine.lifecycle.patch import decode_patch, replace_state
from restate.runtime.engine.records import Invoke
from restate.runtime.engine.turn import Draft, Turn, object_of
from restate.runtime.journal.input import INPUT_CODE, encode_input
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.result import Failure
from restate.runtime.model.target import Generation, HandlerType, Target
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.tables.api import StatePatch

ALREADY_INVOKED = Failure(409, "the workflow method was already invoked")


def invoke(turn: Turn, record: Invoke) -> None:
    """Rules 1 to 6."""
    draft = turn.load(record.id)
    if draft is not None:
        _join(turn, draft, record)
        return
    draft = _create(turn, record)
    submitted(turn, record.submit_request, draft, is_new=True)
    if record.execution_time_ms is not None:
        _schedule(turn, draft, record.execution_time_ms)
    else:
        admit(turn, draft)
    turn.save(draft)


def _join(turn: Turn, draft: Draft, record: Invoke) -> None:
    """The same id again, thus the same idempotency or workflow key. Its input may differ; it is ignored."""
    submitted(turn, record.submit_request, draft, is_new=False)
    if record.sink is None:
        return
    target = draft.record.target
    if target.handler_type is HandlerType.WORKFLOW:
        answer(turn, draft.id, target, record.sink, ALREADY_INVOKED)
    elif draft.record.status is Status.COMPLETED:
        answer_stored(turn, draft, record.sink)
    elif add_sink(draft, record.sink):
        turn.save(draft)


def _create(turn: Turn, record: Invoke) -> Draft:
    target = record.target
    generation = target.generation
    stored = InvocationRecord(
        status=Status.SCHEDULED,
        target=target,
        created_ms=turn.now_ms,
        modified_ms=turn.now_ms,
        pin=None,
        incarnation=turn.tables.counters.next("incarnation"),
        source=record.source,
        sinks=() if record.sink is None else (record.sink,),
        completion_retention_ms=record.completion_retention_ms,
        journal_retention_ms=min(record.journal_retention_ms, record.completion_retention_ms),
        idempotency_key=record.idempotency_key,
        execution_time_ms=record.execution_time_ms,
        journal_length=1,
        commands=1,
        random_seed=record.random_seed,
        trace=record.trace,
        created_version=__version__,
    )
    row = CommandRow(
        INPUT_CODE,
        0,
        turn.now_ms,
        encode_input(generation, record.body, record.headers),
        completed=generation is Generation.CLASSIC,
    )
    turn.tables.journal.append(record.id, 0, row)
    return Draft(record.id, stored, None)


def delayed_start(invocation: InvocationId, execution_time_ms: int) -> TimerKey:
    """The timer of a scheduled invocation."""
    return TimerKey(execution_time_ms, TimerKind.DELAYED_START, invocation, 0)


def _schedule(turn: Turn, draft: Draft, execution_time_ms: int) -> None:
    """Also for a time that is past: the timer fires at once."""
    draft.change(status=Status.SCHEDULED, scheduled_ms=turn.now_ms)
    key = delayed_start(draft.id, execution_time_ms)
    turn.tables.timers.put(key, draft.record.incarnation)
    turn.actions.append(SetTimer(key))


def admit(turn: Turn, draft: Draft) -> None:
    """Run a new or due invocation now, or let it wait for its object's lock."""
    target = draft.record.target
    if target.exclusive:
        place = object_of(target)
        if turn.tables.locks.get(*place) is not None:
            seq = turn.tables.counters.next("inbox_seq")
            turn.tables.inbox.push(*place, seq, draft.id)
            draft.change(status=Status.INBOXED, inbox_seq=seq, inboxed_ms=turn.now_ms)
            return
        turn.tables.locks.put(*place, draft.id)
    run(turn, draft)


def run(turn: Turn, draft: Draft) -> None:
    """Enter Invoked with a fresh attempt, from wherever. running_ms: when that happened first."""
    running_ms = draft.record.running_ms
    draft.change(
        status=Status.INVOKED,
        running_ms=turn.now_ms if running_ms is None else running_ms,
        inbox_seq=None,
        awaiting=None,
        pause_error=None,
    )
    draft.starts = True


def release(turn: Turn, target: Target) -> None:
    """The holder of an object's lock has ended: apply the patches that are next in the inbox and run the invocation
    behind them, or unlock (rule 8).
    """
    place = object_of(target)
    while (head := turn.tables.inbox.head(*place)) is not None:
        seq, entry = head
        turn.tables.inbox.delete(*place, seq)
        if isinstance(entry, StatePatch):
            replace_state(turn, decode_patch(entry))
        else:
            _take_lock(turn, place, entry)
            return
    turn.tables.locks.delete(*place)


def _take_lock(turn: Turn, place: tuple[bytes, str, str], entry: InvocationId) -> None:
    turn.tables.locks.put(*place, entry)
    draft = turn.load(entry)
    assert draft is not None, "an inboxed invocation has a record"
    run(turn, draft)
    turn.save(draft)

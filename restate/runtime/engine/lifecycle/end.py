"""How an invocation ends: everybody who waits is told, the lock passes on, and what may be asked later is kept
(rules 20 to 25).
"""

from collections.abc import Iterator

from restate.runtime.engine.actions import EndSpan, SetTimer, UnsetTimer
from restate.runtime.engine.lifecycle.answer import answer, expiry_ms
from restate.runtime.engine.lifecycle.invoke import release
from restate.runtime.engine.records import Respond
from restate.runtime.engine.turn import Draft, Turn, object_of
from restate.runtime.journal.catalog import Command, decode
from restate.runtime.journal.sleep import Sleep
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.model.journal import CommandRow
from restate.runtime.model.result import Failure, Outcome
from restate.runtime.model.target import Generation, HandlerType, Target
from restate.runtime.model.timer import TimerKey, TimerKind


def finish(turn: Turn, draft: Draft, outcome: Outcome) -> None:
    """The end of an invocation that had begun: by its own End, by failure, or killed. Saves or frees the draft."""
    turn.attempts.end(draft.id)
    turn.tally.end(draft.record.target.service, outcome)
    for key in open_sleeps(turn, draft):
        unset(turn, key)
    ended = draft.record
    draft.change(
        status=Status.COMPLETED, outcome=outcome, completed_ms=turn.now_ms, sinks=(), awaiting=None,
        open_sleeps=0, last_output=None, pause_error=None,
    )  # fmt: skip
    # Classic clients learn of the expiry with every answer, modern ones only with those from a stored outcome.
    told = ended.target.generation is Generation.CLASSIC and ended.completion_retention_ms > 0
    for sink in ended.sinks:
        expiry = expiry_ms(draft.record) if told else None
        answer(turn, draft.id, ended.target, sink, outcome, expiry)
    if ended.trace is not None and ended.trace.sampled:
        turn.actions.append(EndSpan(draft.id, draft.record))
    if ended.completion_retention_ms == 0:
        turn.free(draft)
    else:
        _retain(turn, draft)
        turn.save(draft)
    if ended.target.exclusive:
        release(turn, ended.target)


def _retain(turn: Turn, draft: Draft) -> None:
    record = draft.record
    if record.journal_retention_ms == 0:
        _drop_journal(turn, draft)
    for key in retention_timers(draft.id, record):
        turn.tables.timers.put(key, record.incarnation)
        turn.actions.append(SetTimer(key))


def retention_timers(invocation: InvocationId, record: InvocationRecord) -> Iterator[TimerKey]:
    """The timers of a completed invocation. The journal needs one of its own only if it goes first."""
    assert record.completed_ms is not None, "retention begins with the end"
    if 0 < record.journal_retention_ms < record.completion_retention_ms:
        due_ms = record.completed_ms + record.journal_retention_ms
        yield TimerKey(due_ms, TimerKind.PURGE_JOURNAL, invocation, 0)
    due_ms = record.completed_ms + record.completion_retention_ms
    yield TimerKey(due_ms, TimerKind.PURGE, invocation, 0)


def purge(turn: Turn, draft: Draft) -> None:
    """Forget a completed invocation; with a workflow run also everything of its key."""
    for key in retention_timers(draft.id, draft.record):
        unset(turn, key)
    turn.free(draft)
    target = draft.record.target
    if target.handler_type is HandlerType.WORKFLOW:
        turn.tables.state.clear(*object_of(target))
        _forget_promises(turn, target)


def _forget_promises(turn: Turn, target: Target) -> None:
    """Handlers that still wait fail. Waiting on would be for ever, or until a later run of the same key completes a
    promise of its own with the same name: an answer to another question.
    """
    for name, row in turn.tables.promises.all(*object_of(target)):
        failure = Failure(410, f"the workflow was purged before its promise '{name}' was completed")
        for listener in row.listeners:
            turn.send(
                Respond(
                    listener.invocation,
                    listener.incarnation,
                    listener.completion_id,
                    Generation.MODERN,
                    failure,
                )
            )
    turn.tables.promises.delete_all(*object_of(target))


def purge_journal(turn: Turn, draft: Draft) -> None:
    """Forget the journal of a completed invocation, keep its outcome."""
    for key in retention_timers(draft.id, draft.record):
        if key.kind is TimerKind.PURGE_JOURNAL:
            unset(turn, key)
    _drop_journal(turn, draft)
    turn.save(draft)


def _drop_journal(turn: Turn, draft: Draft) -> None:
    turn.tables.journal.delete(draft.id, draft.record.journal_length)
    turn.tables.events.delete(draft.id, draft.record.events)
    draft.change(journal_length=0, commands=0, events=0)


def unset(turn: Turn, key: TimerKey) -> None:
    """Remove a timer that may be there."""
    if turn.tables.timers.get(key) is not None:
        turn.tables.timers.delete(key)
        turn.actions.append(UnsetTimer(key))


def open_sleeps(turn: Turn, draft: Draft) -> Iterator[TimerKey]:
    """The timers of all sleeps that have not fired."""
    if draft.record.open_sleeps == 0:
        return
    for _, command in open_commands(turn, draft):
        if isinstance(command, Sleep):
            yield sleep_timer(draft.id, command)


def sleep_timer(invocation: InvocationId, command: Sleep) -> TimerKey:
    return TimerKey(command.wake_up_time_ms, TimerKind.SLEEP, invocation, command.completion_id)


def open_commands(turn: Turn, draft: Draft) -> Iterator[tuple[CommandRow, Command]]:
    """Sleeps that have not fired; of classic invocations also calls without a result, and awakeables, except that one may
    have been completed before it was stored. In journal order.
    """
    for row in turn.tables.journal.waiting(draft.id):
        yield row, decode(draft.generation, row.code, row.raw, command_index=row.command_index)

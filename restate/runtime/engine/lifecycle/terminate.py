"""Cancel and kill, over the tree of calls (rules 18, 22, 23 and 28; engine.md §6.1, §6.2)."""

from restate.runtime.engine.actions import AbortAttempt, AdminOutcome, AdminReply
from restate.runtime.engine.lifecycle.answer import answer
from restate.runtime.engine.lifecycle.end import finish, open_commands, sleep_timer, unset
from restate.runtime.engine.lifecycle.invoke import delayed_start, run
from restate.runtime.engine.lifecycle.notify import signal, wake
from restate.runtime.engine.lifecycle.pause import take_back_pause
from restate.runtime.engine.records import SendSignal, Terminate, TerminateKind
from restate.runtime.engine.turn import Draft, Turn, object_of
from restate.runtime.journal.awakeable import Awakeable
from restate.runtime.journal.call import Call
from restate.runtime.journal.catalog import Command, completion_code
from restate.runtime.journal.sleep import Sleep
from restate.runtime.model.ids import CANCEL_SIGNAL, InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import SIGNAL_CODE, CommandRow
from restate.runtime.model.result import (
    CANCELED_CLASSIC,
    CANCELED_MODERN,
    KILLED_CLASSIC,
    KILLED_MODERN,
    VOID,
    Failure,
)
from restate.runtime.model.target import Generation


def terminate(turn: Turn, record: Terminate) -> None:
    """A cancel or kill from an operator, or a kill that a parent passes on."""
    outcome = _terminate(turn, record)
    if record.request_id is not None:
        turn.actions.append(AdminReply(record.request_id, outcome))


def _terminate(turn: Turn, record: Terminate) -> AdminOutcome:
    draft = turn.load(record.id)
    if draft is None or draft.record.status is Status.COMPLETED:
        # Whoever still runs for it must not go on.
        turn.actions.append(AbortAttempt(record.id))
        return AdminOutcome.NOT_FOUND if draft is None else AdminOutcome.ALREADY_COMPLETED
    classic = draft.generation is Generation.CLASSIC
    kill = record.kind is TerminateKind.KILL
    if draft.record.status in (Status.SCHEDULED, Status.INBOXED):
        failure = KILLED_CLASSIC if classic else KILLED_MODERN
        if not kill:
            failure = CANCELED_CLASSIC if classic else CANCELED_MODERN
        _drop(turn, draft, failure)
        return AdminOutcome.DONE
    if kill:
        _kill(turn, draft)
        return AdminOutcome.DONE
    # What a cancel asks for must not be kept waiting by a pause.
    take_back_pause(turn, draft)
    if classic:
        _cancel_classic(turn, draft, (*record.path, record.id))
    else:
        _cancel_modern(turn, draft)
    return AdminOutcome.ACCEPTED


def receive_signal(turn: Turn, record: SendSignal) -> None:
    """Signal number 1 is a cancel, whoever sends it; all others are only notifications."""
    if record.key == CANCEL_SIGNAL:
        terminate(turn, Terminate(record.id, TerminateKind.CANCEL))
    else:
        signal(turn, record)


def _drop(turn: Turn, draft: Draft, failure: Failure) -> None:
    """An invocation that has not begun goes without a trace, but those who wait are told."""
    record = draft.record
    if record.status is Status.SCHEDULED:
        assert record.execution_time_ms is not None, "a scheduled invocation has a time"
        unset(turn, delayed_start(draft.id, record.execution_time_ms))
    else:
        assert record.inbox_seq is not None, "an inboxed invocation has its place in the inbox"
        turn.tables.inbox.delete(*object_of(record.target), record.inbox_seq)
    turn.tally.end(record.target.service, failure)
    for sink in record.sinks:
        answer(turn, draft.id, record.target, sink, failure)
    turn.free(draft)


def _kill(turn: Turn, draft: Draft) -> None:
    """Children first, then the invocation; its handler is not asked."""
    classic = draft.generation is Generation.CLASSIC
    # Classic sends and finished calls are left alone; a modern kill takes everything the invocation has started.
    if classic:
        children = [row for row, command in open_commands(turn, draft) if isinstance(command, Call)]
    else:
        children = turn.tables.journal.children(draft.id)
    for row in children:
        assert row.callee is not None, "a call is stored with its callee"
        turn.send(Terminate(row.callee.invocation, TerminateKind.KILL))
    turn.actions.append(AbortAttempt(draft.id))
    finish(turn, draft, KILLED_CLASSIC if classic else KILLED_MODERN)


def _cancel_modern(turn: Turn, draft: Draft) -> None:
    """The SDK sees the signal at its next await, and cancels what the handler has called."""
    turn.append_notification(draft, SIGNAL_CODE, CANCEL_SIGNAL, VOID)
    if draft.record.status is Status.PAUSED:
        run(turn, draft)
    else:
        wake(turn, draft)
    turn.save(draft)


def _cancel_classic(turn: Turn, draft: Draft, path: tuple[InvocationId, ...]) -> None:
    """Leaf first: callees are canceled and their failure comes back up; all else that is open fails now. Nothing is
    remembered: what the handler does next is not canceled. Calls in a circle have no leaf, so the last one fails.
    """
    before = draft.record.journal_length
    for row, command in list(open_commands(turn, draft)):
        if isinstance(command, Call):
            assert row.callee is not None, "a call is stored with its callee"
            callee = row.callee.invocation
            if callee not in path:
                turn.send(Terminate(callee, TerminateKind.CANCEL, path=path))
                continue
        _cancel_entry(turn, draft, row, command)
    if draft.record.status is Status.PAUSED:
        run(turn, draft)
    elif draft.record.journal_length > before:
        wake(turn, draft)
    if draft.record is not draft.previous:
        turn.save(draft)


def _cancel_entry(turn: Turn, draft: Draft, row: CommandRow, command: Command) -> None:
    if isinstance(command, Awakeable):
        if turn.tables.journal.notification_of(draft.id, True, row.command_index) is None:
            turn.append_notification(draft, SIGNAL_CODE, row.command_index, CANCELED_CLASSIC)
        return
    if isinstance(command, Sleep):
        unset(turn, sleep_timer(draft.id, command))
        draft.change(open_sleeps=draft.record.open_sleeps - 1)
    code = completion_code(draft.generation, row.code)
    turn.append_notification(draft, code, row.command_index, CANCELED_CLASSIC)

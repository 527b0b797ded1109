"""What the current attempt reports: commands, run results, and how it ended (rules 9, 10, 12, 13, 16, 20, 21, 27)."""

from typing import assert_never

from restate.runtime.engine.actions import AbortAttempt, AckCommand
from restate.runtime.engine.awaiting import remaining
from restate.runtime.engine.context import CommandContext
from restate.runtime.engine.lifecycle.end import finish
from restate.runtime.engine.lifecycle.invoke import run
from restate.runtime.engine.lifecycle.notify import lookup
from restate.runtime.engine.records import (
    AppendCommand,
    AttemptEffect,
    End,
    Failed,
    Paused,
    ProposeRun,
    Reported,
    Suspended,
)
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.journal.catalog import decode
from restate.runtime.journal.run import RUN_COMPLETION
from restate.runtime.model.invocation import Pin, Status
from restate.runtime.model.journal import CommandRow


def attempt_effect(turn: Turn, record: AttemptEffect) -> None:
    """An attempt that is not the current one any more has nothing to say."""
    draft = turn.load(record.id)
    if draft is None or turn.attempts.token(record.id) != record.token:
        turn.actions.append(AbortAttempt(record.id, record.token))
        return
    assert draft.record.status is Status.INVOKED, "only an Invoked invocation has a current attempt"
    match record.effect:
        case AppendCommand():
            _append(turn, draft, record.token, record.effect)
        case ProposeRun():
            _propose_run(turn, draft, record.effect)
        case Suspended():
            _suspend(turn, draft, record.effect)
        case Paused():
            _pause(turn, draft, record.effect)
        case Reported():
            turn.append_event(draft, "TransientError", record.effect.detail)
            # What its readers see as the last change is a change of status or journal.
            turn.tables.invocations.put(draft.id, draft.record, draft.previous)
        case End():
            _end(turn, draft)
        case Failed():
            finish(turn, draft, record.effect.error)
        case _:
            assert_never(record.effect)


def _append(turn: Turn, draft: Draft, token: int, effect: AppendCommand) -> None:
    record = draft.record
    command = decode(
        draft.generation,
        effect.code,
        effect.raw,
        command_index=record.commands,
        completed=effect.completed,
    )
    row = CommandRow(effect.code, record.commands, turn.now_ms, effect.raw, effect.completed, effect.callee)
    turn.tables.journal.append(draft.id, record.journal_length, row, command.completion_ids)
    draft.change(
        journal_length=record.journal_length + 1,
        commands=record.commands + 1,
        pin=_pin(record.pin, effect.pin),
    )
    command.apply(CommandContext(turn, draft, row))
    if effect.ack:
        turn.actions.append(AckCommand(draft.id, token, row.command_index))
    turn.save(draft)


def _pin(stored: Pin | None, proposed: Pin | None) -> Pin | None:
    """The first attempt that stores something decides where the invocation stays."""
    return proposed if stored is None else stored


def _propose_run(turn: Turn, draft: Draft, effect: ProposeRun) -> None:
    """Dropped if the run is complete already, or is not in the journal."""
    journal = turn.tables.journal
    known = journal.command_of(draft.id, effect.completion_id) is not None
    if not known or journal.notification_of(draft.id, False, effect.completion_id) is not None:
        return
    draft.change(pin=_pin(draft.record.pin, effect.pin))
    turn.append_notification(draft, RUN_COMPLETION, effect.completion_id, effect.result, acked=effect.ack)
    turn.save(draft)


def _suspend(turn: Turn, draft: Draft, effect: Suspended) -> None:
    pausing = turn.attempts.is_pausing(draft.id)
    turn.attempts.end(draft.id)
    rest = remaining(effect.awaiting, lookup(turn, draft))
    if pausing:
        draft.change(status=Status.PAUSED, pause_error=None)
    elif rest is None:
        # What it waits for came while it was going to sleep.
        run(turn, draft)
    else:
        draft.change(status=Status.SUSPENDED, awaiting=rest)
    turn.save(draft)


def _pause(turn: Turn, draft: Draft, effect: Paused) -> None:
    taken_back = effect.asked and not turn.attempts.is_pausing(draft.id)
    turn.attempts.end(draft.id)
    if taken_back:
        run(turn, draft)
    else:
        draft.change(status=Status.PAUSED, pause_error=effect.error)
        if effect.detail:
            turn.append_event(draft, "Paused", effect.detail)
    turn.save(draft)


def _end(turn: Turn, draft: Draft) -> None:
    """An End without any Output is void: the invoker has made a failed attempt of it and will try again."""
    if draft.record.last_output is not None:
        finish(turn, draft, draft.record.last_output)

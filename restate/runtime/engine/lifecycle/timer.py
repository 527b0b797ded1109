"""Durable time: a timer has come due (rule 7, sleeps, and the end of retention)."""

from typing import assert_never

from restate.runtime.engine.lifecycle.end import purge, purge_journal
from restate.runtime.engine.lifecycle.invoke import admit
from restate.runtime.engine.lifecycle.notify import complete, wake
from restate.runtime.engine.records import TimerFired
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.model.result import VOID
from restate.runtime.model.timer import TimerKind


def timer_fired(turn: Turn, record: TimerFired) -> None:
    """A timer fires once, and only for the invocation it was set by, not for a later one with the same id."""
    key = record.key
    incarnation = turn.tables.timers.get(key)
    if incarnation is None:
        return
    turn.tables.timers.delete(key)
    draft = turn.load(key.id)
    if draft is None or draft.record.incarnation != incarnation:
        return
    match key.kind:
        case TimerKind.DELAYED_START:
            admit(turn, draft)
            turn.save(draft)
        case TimerKind.SLEEP:
            _wake_up(turn, draft, key.index)
        case TimerKind.PURGE_JOURNAL:
            purge_journal(turn, draft)
        case TimerKind.PURGE:
            purge(turn, draft)
        case _:
            assert_never(key.kind)


def _wake_up(turn: Turn, draft: Draft, completion_id: int) -> None:
    if complete(turn, draft, completion_id, VOID):
        draft.change(open_sleeps=draft.record.open_sleeps - 1)
        wake(turn, draft)
        turn.save(draft)

"""Operators' commands that need nothing but the invocation (rules 16, 24 and 25)."""

from restate.runtime.engine.actions import AdminOutcome, AdminReply
from restate.runtime.engine.lifecycle.end import purge, purge_journal
from restate.runtime.engine.lifecycle.pause import pause
from restate.runtime.engine.records import Operate, Operation
from restate.runtime.engine.turn import Turn
from restate.runtime.model.invocation import Status


def operate(turn: Turn, record: Operate) -> None:
    """Purging needs a completed invocation, pausing one that has begun."""
    outcome = _operate(turn, record)
    if record.request_id is not None:
        turn.actions.append(AdminReply(record.request_id, outcome))


def _operate(turn: Turn, record: Operate) -> AdminOutcome:
    draft = turn.load(record.id)
    if draft is None:
        return AdminOutcome.NOT_FOUND
    if record.operation is Operation.PAUSE:
        return pause(turn, draft)
    if draft.record.status is not Status.COMPLETED:
        return AdminOutcome.NOT_COMPLETED
    if record.operation is Operation.PURGE:
        purge(turn, draft)
    else:
        purge_journal(turn, draft)
    return AdminOutcome.DONE

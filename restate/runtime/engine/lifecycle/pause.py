"""Pause and resume (rules 16 and 19; engine.md §6.4).

A pause is graceful: the SDK is asked to suspend, and what would be a suspension, or the wait for another try, becomes a
pause. The request is as volatile as the attempt that it is made to: after a restart of the server the next attempt runs.
"""

from restate.runtime.engine.actions import AdminOutcome, AdminReply, PauseAttempt, ResumeAttempt
from restate.runtime.engine.lifecycle.invoke import run
from restate.runtime.engine.records import Move, Resume
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.model.invocation import Pin, Status


def pause(turn: Turn, draft: Draft) -> AdminOutcome:
    """What is suspended stays so: it does not run, and what it waits for should wake it."""
    match draft.record.status:
        case Status.SUSPENDED | Status.PAUSED:
            return AdminOutcome.DONE
        case Status.INVOKED:
            token = turn.attempts.token(draft.id)
            assert token is not None, "an Invoked invocation has a current attempt"
            turn.attempts.pause(draft.id)
            turn.actions.append(PauseAttempt(draft.id, token))
            return AdminOutcome.ACCEPTED
    return AdminOutcome.NOT_RUNNING


def take_back_pause(turn: Turn, draft: Draft) -> None:
    """If a pause was asked for that has not come about, let the attempt go on as if it had not."""
    if turn.attempts.resume(draft.id):
        _let_attempt_go_on(turn, draft)


def _let_attempt_go_on(turn: Turn, draft: Draft) -> None:
    token = turn.attempts.token(draft.id)
    assert token is not None, "an Invoked invocation has a current attempt"
    turn.actions.append(ResumeAttempt(draft.id, token))


def resume(turn: Turn, record: Resume) -> None:
    """An operator lets an invocation go on."""
    outcome = _resume(turn, record)
    if record.request_id is not None:
        turn.actions.append(AdminReply(record.request_id, outcome))


def _resume(turn: Turn, record: Resume) -> AdminOutcome:
    draft = turn.load(record.id)
    if draft is None:
        return AdminOutcome.NOT_FOUND
    match draft.record.status:
        case Status.COMPLETED:
            return AdminOutcome.ALREADY_COMPLETED
        case Status.SCHEDULED | Status.INBOXED:
            return AdminOutcome.NOT_STARTED
        case Status.INVOKED:
            if record.move is not None:
                return AdminOutcome.DEPLOYMENT_FIXED
            turn.attempts.resume(draft.id)
            _let_attempt_go_on(turn, draft)
            return AdminOutcome.DONE
    pin = moved(draft.record.pin, record.move)
    if isinstance(pin, AdminOutcome):
        return pin
    draft.change(pin=pin)
    run(turn, draft)
    turn.save(draft)
    return AdminOutcome.DONE


def moved(pin: Pin | None, move: Move | None) -> Pin | AdminOutcome | None:
    """The pin after the move, or why it cannot be made. The journal's protocol version stays, whatever the deployment.

    Without a pin the newest deployment is chosen anyway, and no other one can be.
    """
    if move is None:
        return pin
    if move.deployment_id is None:
        return AdminOutcome.DEPLOYMENT_UNKNOWN
    if pin is None:
        return None if move.latest else AdminOutcome.DEPLOYMENT_FIXED
    if not move.min_protocol_version <= pin.protocol_version <= move.max_protocol_version:
        return AdminOutcome.DEPLOYMENT_INCOMPATIBLE
    return Pin(move.deployment_id, pin.protocol_version)

"""Notifications: completions and signals that come to an invocation (rules 11, 14, 15, 17, 18 and 28)."""

from restate.runtime.engine.awaiting import Lookup, remaining
from restate.runtime.engine.lifecycle.invoke import run
from restate.runtime.engine.records import CompleteAwakeable, Respond, SendSignal
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.journal.awakeable import CLASSIC_AWAKEABLE
from restate.runtime.journal.catalog import completion_code
from restate.runtime.model.codes import convert
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.model.journal import SIGNAL_CODE, CommandRow
from restate.runtime.model.result import Failure, Result
from restate.runtime.model.target import Generation

ATTEMPTED = (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)
"""Begun and not ended: there is, was or will be an attempt."""


def respond(turn: Turn, record: Respond) -> None:
    """An outcome this invocation waits for. Void if it is not (or no longer) the one that asked."""
    draft = turn.load(record.id)
    if draft is None or draft.record.incarnation != record.incarnation:
        return
    result = record.result
    if isinstance(result, Failure):
        code = convert(result.code, record.generation, draft.generation)
        result = Failure(code, result.message, result.metadata)
    if complete(turn, draft, record.completion_id, result):
        wake(turn, draft)
        turn.save(draft)


def complete(turn: Turn, draft: Draft, completion_id: int, result: Result) -> bool:
    """Append a command's completion; False, and nothing done, if it has one or nobody waits for it.

    The first completion stays: a journal with two would not replay to one outcome.
    """
    if draft.record.status not in ATTEMPTED:
        return False
    journal = turn.tables.journal
    place = journal.command_of(draft.id, completion_id)
    if place is None or journal.notification_of(draft.id, False, completion_id) is not None:
        return False
    command = journal.get(draft.id, place)
    assert isinstance(command, CommandRow), "the index of completion ids leads to commands"
    code = completion_code(draft.generation, command.code)
    turn.append_notification(draft, code, completion_id, result)
    return True


def complete_awakeable(turn: Turn, record: CompleteAwakeable) -> None:
    """Classic awakeable, known by its id; it may come before the entry. Dropped if the index is another entry's."""
    draft = turn.load(record.id)
    if draft is None or draft.generation is Generation.MODERN or draft.record.status is Status.COMPLETED:
        return
    early = record.index >= draft.record.commands
    if not early and not is_awakeable(turn, draft.id, record.index):
        return
    if turn.tables.journal.notification_of(draft.id, True, record.index) is not None:
        return
    turn.append_notification(draft, SIGNAL_CODE, record.index, record.result)
    wake(turn, draft)
    turn.save(draft)


def is_awakeable(turn: Turn, invocation: InvocationId, command_index: int) -> bool:
    """Whether a stored classic entry is an awakeable that arrived without a result."""
    place = turn.tables.journal.command_of(invocation, command_index)
    row = None if place is None else turn.tables.journal.get(invocation, place)
    return isinstance(row, CommandRow) and row.code == CLASSIC_AWAKEABLE


def signal(turn: Turn, record: SendSignal) -> None:
    """Any signal but cancel. The same signal again is appended again: each await consumes one."""
    draft = turn.load(record.id)
    if draft is None or draft.generation is Generation.CLASSIC or draft.record.status is Status.COMPLETED:
        return
    turn.append_notification(draft, SIGNAL_CODE, record.key, record.result)
    wake(turn, draft)
    turn.save(draft)


def wake(turn: Turn, draft: Draft) -> None:
    """After a notification: a suspended invocation goes on if it waited for this one. The caller saves."""
    if draft.record.status is Status.SUSPENDED:
        assert draft.record.awaiting is not None, "a suspended invocation awaits something"
        rest = remaining(draft.record.awaiting, lookup(turn, draft))
        if rest is None:
            run(turn, draft)
        else:
            draft.change(awaiting=rest)


def lookup(turn: Turn, draft: Draft) -> Lookup:
    """How the members of an awaiting tree are found in the journal."""
    if draft.generation is Generation.MODERN:
        find = turn.tables.journal.notification_of
        return lambda is_signal, key: find(draft.id, is_signal, key)
    return lambda _is_signal, index: _classic_standing(turn, draft, int(index))


def _classic_standing(turn: Turn, draft: Draft, index: int) -> tuple[int, bool | None] | None:
    """Whether the entry `index` is complete. One that needs no completion is complete by being stored: the SDK waits
    for its ack, which comes with the next attempt's replay.
    """
    if index >= draft.record.commands:
        return None
    journal = turn.tables.journal
    place = journal.command_of(draft.id, index)
    if place is None:
        return 0, None
    found = journal.notification_of(draft.id, False, index)
    if found is None and is_awakeable(turn, draft.id, index):
        return journal.notification_of(draft.id, True, index)
    return found

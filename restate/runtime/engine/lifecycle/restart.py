"""Restart as new: a completed invocation runs again under a new id, from its input or from a place in its journal
(rule 26; engine.md §6.5).
"""

from collections.abc import Sequence

from restate.runtime import __version__
from restate.runtime.engine.actions import AdminOutcome, AdminReply
from restate.runtime.engine.lifecycle.invoke import admit
from restate.runtime.engine.lifecycle.pause import moved
from restate.runtime.engine.records import RestartAsNew
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.journal.catalog import Command, decode
from restate.runtime.journal.output import Output
from restate.runtime.model.ids import random_seed_of
from restate.runtime.model.invocation import InvocationRecord, Pin, RestartSource, Status
from restate.runtime.model.journal import CommandRow, JournalRow
from restate.runtime.model.target import HandlerType

_OLDEST_VERSION = 6
"""Of the protocol, for a copy of more than the input: SDKs of older ones do not replay another invocation's journal."""

_Row = tuple[JournalRow, Command | None]
"""A journal row and, if it is one, the command in it."""


def restart_as_new(turn: Turn, record: RestartAsNew) -> None:
    """The old invocation stays as it is."""
    outcome = _restart(turn, record)
    if record.request_id is not None:
        turn.actions.append(AdminReply(record.request_id, outcome))


def _restart(turn: Turn, record: RestartAsNew) -> AdminOutcome:
    old = turn.load(record.id)
    if old is None:
        return AdminOutcome.NOT_FOUND
    refusal = _refusal(old.record, record.last_index)
    if refusal is not None:
        return refusal
    pin = _pin(old.record, record)
    if isinstance(pin, AdminOutcome):
        return pin
    if record.last_index >= old.record.journal_length:
        return AdminOutcome.JOURNAL_INCOMPLETE
    copied = _prefix(turn, old, record.last_index)
    completions = _completions(turn, old, copied, record.last_index)
    if completions is None:
        return AdminOutcome.JOURNAL_INCOMPLETE
    draft = _create(turn, record, old, [*copied, *completions], pin)
    admit(turn, draft)
    turn.save(draft)
    return AdminOutcome.DONE


def _refusal(record: InvocationRecord, last_index: int) -> AdminOutcome | None:
    match record.status:
        case Status.SCHEDULED | Status.INBOXED:
            return AdminOutcome.NOT_STARTED
        case Status.INVOKED | Status.SUSPENDED | Status.PAUSED:
            return AdminOutcome.NOT_COMPLETED
    if record.target.handler_type is HandlerType.WORKFLOW:
        # There is one run for each key, and this was it.
        return AdminOutcome.UNSUPPORTED
    if record.journal_length == 0:
        return AdminOutcome.JOURNAL_GONE
    if last_index > 0 and (record.pin is None or record.pin.protocol_version < _OLDEST_VERSION):
        return AdminOutcome.UNSUPPORTED
    return None


def _pin(record: InvocationRecord, restart: RestartAsNew) -> Pin | AdminOutcome | None:
    pin = moved(record.pin, restart.move)
    latest = restart.move is not None and restart.move.latest
    if restart.last_index == 0 and latest and pin is not AdminOutcome.DEPLOYMENT_UNKNOWN:
        # The input says nothing about a protocol version, so the first attempt may choose as for any invocation.
        return None
    return pin


def _prefix(turn: Turn, old: Draft, last_index: int) -> list[_Row]:
    return [
        (row, _decoded(old, row) if isinstance(row, CommandRow) else None)
        for row in turn.tables.journal.read(old.id, 0, last_index + 1)
    ]


def _decoded(old: Draft, row: CommandRow) -> Command:
    return decode(old.generation, row.code, row.raw, command_index=row.command_index, completed=row.completed)


def _completions(turn: Turn, old: Draft, copied: Sequence[_Row], last_index: int) -> list[_Row] | None:
    """The completions of the copied commands that lie behind the prefix, in order; None if some are missing."""
    journal = turn.tables.journal
    places = set()
    for _, command in copied:
        for completion_id in () if command is None else command.completion_ids:
            found = journal.notification_of(old.id, False, completion_id)
            if found is None:
                return None
            places.add(found[0])
    rows = [journal.get(old.id, place) for place in sorted(places) if place > last_index]
    return [(row, None) for row in rows if row is not None]


def _create(turn: Turn, restart: RestartAsNew, old: Draft, rows: Sequence[_Row], pin: Pin | None) -> Draft:
    """The new invocation with its journal. What copied commands have done to the state is done already."""
    last_output = None
    for index, (row, command) in enumerate(rows):
        completion_ids = () if command is None else command.completion_ids
        turn.tables.journal.append(restart.new_id, index, row, completion_ids)
        if isinstance(command, Output):
            last_output = command.outcome
    seed = None
    if restart.last_index > 0:
        # What the handler has drawn so far, it must draw again.
        seed = random_seed_of(old.id) if old.record.random_seed is None else old.record.random_seed
    record = InvocationRecord(
        status=Status.SCHEDULED,
        target=old.record.target,
        created_ms=turn.now_ms,
        modified_ms=turn.now_ms,
        pin=pin,
        incarnation=turn.tables.counters.next("incarnation"),
        source=RestartSource(old.id),
        sinks=(),
        completion_retention_ms=old.record.completion_retention_ms,
        journal_retention_ms=old.record.journal_retention_ms,
        journal_length=len(rows),
        commands=sum(isinstance(row, CommandRow) for row, _ in rows),
        random_seed=seed,
        last_output=last_output,
        trace=old.record.trace,
        created_version=__version__,
    )
    return Draft(restart.new_id, record, None)

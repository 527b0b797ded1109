"""One application of one record: what it reads, writes, sends and causes."""

from collections import deque
from typing import Any

import attrs
import msgspec

from restate.runtime.engine.actions import Action, JournalGrew, StartAttempt
from restate.runtime.engine.attempts import Attempts
from restate.runtime.engine.records import Message
from restate.runtime.engine.tally import Tally
from restate.runtime.model.ids import InvocationId, classic_partition_key, partition_key_of_key
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.journal import EventRow, NotificationRow
from restate.runtime.model.result import Result
from restate.runtime.model.target import Generation, Target
from restate.runtime.tables.api import Tables

_change = msgspec.structs.replace


@attrs.define
class Draft:
    """An invocation on its way from one stored record to the next.

    previous: the record as stored; None for a new invocation. starts, grew: whether saving it starts an attempt, or
    lets the running one see more of the journal.
    """

    id: InvocationId
    record: InvocationRecord
    previous: InvocationRecord | None
    starts: bool = False
    grew: bool = False

    @property
    def generation(self) -> Generation:
        return self.record.target.generation

    def change(self, **fields: Any) -> None:
        """Replace fields of the record."""
        self.record = _change(self.record, **fields)


@attrs.define
class Turn:
    """messages: records for other invocations; they are applied after everything else this record does."""

    now_ms: int
    tables: Tables
    attempts: Attempts
    actions: list[Action] = attrs.field(factory=list)
    messages: deque[Message] = attrs.field(factory=deque)
    tally: Tally = attrs.field(factory=Tally)

    def load(self, invocation: InvocationId) -> Draft | None:
        record = self.tables.invocations.get(invocation)
        return None if record is None else Draft(invocation, record, record)

    def save(self, draft: Draft) -> None:
        """Store the draft, once per turn, after all its changes; then cause what became due for its attempt."""
        draft.change(modified_ms=self.now_ms)
        self.tables.invocations.put(draft.id, draft.record, draft.previous)
        if draft.starts:
            self.start(draft)
        elif draft.grew:
            token = self.attempts.token(draft.id)
            if token is not None:
                self.actions.append(JournalGrew(draft.id, token, draft.record.journal_length))

    def start(self, draft: Draft) -> None:
        """Start an attempt of the invocation as it is stored."""
        self.actions.append(StartAttempt(draft.id, self.attempts.start(draft.id), draft.record))

    def free(self, draft: Draft) -> None:
        """Remove every row of the invocation."""
        self.tables.journal.delete(draft.id, draft.record.journal_length)
        self.tables.events.delete(draft.id, draft.record.events)
        if draft.previous is not None:
            self.tables.invocations.delete(draft.id, draft.previous)

    def append_event(self, draft: Draft, kind: str, detail: str) -> None:
        """Add something that people may want to know. Nothing else depends on it."""
        record = draft.record
        row = EventRow(kind, max(0, record.journal_length - 1), self.now_ms, detail)
        self.tables.events.append(draft.id, record.events, row)
        draft.change(events=record.events + 1)

    def append_notification(
        self, draft: Draft, code: int, key: int | str, result: Result, *, acked: bool = False
    ) -> None:
        """Add a row to the journal. Whether anybody wakes up is decided elsewhere."""
        row = NotificationRow(code, key, self.now_ms, result, acked)
        self.tables.journal.append(draft.id, draft.record.journal_length, row)
        draft.change(journal_length=draft.record.journal_length + 1)
        draft.grew = True

    def send(self, message: Message) -> None:
        self.messages.append(message)


def object_of(target: Target) -> tuple[bytes, str, str]:
    """(partition key, service, key): where lock, inbox, state and promises of a keyed target live."""
    return place_of(target.generation, target.service, target.key or "")


def place_of(generation: Generation, service: str, key: str) -> tuple[bytes, str, str]:
    """As `object_of`, without a handler."""
    if generation is Generation.CLASSIC:
        return classic_partition_key(key.encode()), service, key
    return partition_key_of_key(key), service, key

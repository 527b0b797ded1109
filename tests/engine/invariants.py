"""What holds between any two records (engine.md §9), checked on the raw rows of a store.

Most tables mirror others. They are derived again here from the invocation records and journals, and must be equal to
the bit: locks, inboxes, timers, the indexes. That covers at once what is missing and what is left over.
"""

from collections.abc import Iterator
from functools import lru_cache

import attrs

from restate.runtime.engine.turn import object_of
from restate.runtime.journal.attach import AttachInvocation
from restate.runtime.journal.awakeable import Awakeable
from restate.runtime.journal.call import Call
from restate.runtime.journal.catalog import Command, decode
from restate.runtime.journal.input import INPUT_CODE
from restate.runtime.journal.promise import GetPromise
from restate.runtime.journal.sleep import Sleep
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, CallSink, InvocationRecord, Status
from restate.runtime.model.journal import (
    CHILD_COMMANDS,
    WAITED_FOR,
    WAITING_COMMANDS,
    CommandRow,
    JournalRow,
    NotificationRow,
)
from restate.runtime.model.promise import PromiseListener
from restate.runtime.model.result import CalleeId, Failure, StateKeys
from restate.runtime.model.target import Generation
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.storage.api import Store
from restate.runtime.tables import keys, rows
from restate.runtime.tables.api import StatePatch

LIVE = (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)
Raw = dict[bytes, bytes]


@attrs.frozen
class Contents:
    """Everything a store holds, the nouns decoded."""

    raw: dict[str, Raw]
    records: dict[InvocationId, InvocationRecord]
    journals: dict[InvocationId, list[JournalRow]]

    def commands(self, invocation: InvocationId) -> Iterator[tuple[CommandRow, Command]]:
        generation = self.records[invocation].target.generation
        for row in self.journals.get(invocation, []):
            if isinstance(row, CommandRow):
                yield row, _command(generation, row)

    def notified(self, invocation: InvocationId, *, signals: bool) -> dict[int | str, NotificationRow]:
        """The first notification of each key."""
        found: dict[int | str, NotificationRow] = {}
        for row in self.journals.get(invocation, []):
            if isinstance(row, NotificationRow) and row.is_signal is signals:
                found.setdefault(row.key, row)
        return found


# The same few rows are looked at after every record.
_record = lru_cache(maxsize=4096)(rows.INVOCATION.decode)
_row = lru_cache(maxsize=4096)(rows.JOURNAL_ROW.decode)


@lru_cache(maxsize=4096)
def _command(generation: Generation, row: CommandRow) -> Command:
    return decode(generation, row.code, row.raw, command_index=row.command_index, completed=row.completed)


def read(store: Store) -> Contents:
    """Decode a store. Fails if a journal has a gap or belongs to nobody."""
    names = (
        keys.INV, keys.RUN, keys.INV_SVC, keys.JOURNAL, keys.JIDX, keys.LOCK, keys.INBOX, keys.TIMERS, keys.STATE,
        keys.PROMISE, keys.OUTBOX, keys.EVENTS,
    )  # fmt: skip
    raw = {name: dict(store.scan(name, b"", None)) for name in names}
    records = {InvocationId(key): _record(value) for key, value in raw[keys.INV].items()}
    journals: dict[InvocationId, list[JournalRow]] = {}
    for key, value in raw[keys.JOURNAL].items():
        journal = journals.setdefault(InvocationId(key[:24]), [])
        assert int.from_bytes(key[24:], "big") == len(journal), "6: journal indexes have no gap"
        journal.append(_row(value))
    assert set(journals) <= set(records), "13: a journal belongs to a record"
    return Contents(raw, records, journals)


def check(store: Store) -> Contents:
    """All invariants that concern what is stored now."""
    contents = read(store)
    _check_indexes(contents)
    _check_locks_and_inboxes(contents)
    _check_timers(contents)
    for invocation in contents.records:
        _check_journal(contents, invocation)
        _check_status(contents, invocation)
    if not contents.raw[keys.OUTBOX]:
        _check_waiting_callers(contents)
    return contents


def _check_indexes(contents: Contents) -> None:
    invoked = {
        invocation: rows.encode_number(record.incarnation)
        for invocation, record in contents.records.items()
        if record.status is Status.INVOKED
    }
    assert contents.raw[keys.RUN] == invoked, "1: `run` is exactly the Invoked ones"
    by_service = {
        keys.service_prefix(record.target.service, record.target.key) + invocation: rows.encode_service_entry(
            record.status, record.created_ms
        )
        for invocation, record in contents.records.items()
    }
    assert contents.raw[keys.INV_SVC] == by_service, "13: `inv_svc` mirrors the records"
    assert contents.raw[keys.JIDX] == dict(_journal_index(contents)), "9: `jidx` is derived from the journal"


def _journal_index(contents: Contents) -> Iterator[tuple[bytes, bytes]]:
    for invocation, journal in contents.journals.items():
        decoded = {row.command_index: command for row, command in contents.commands(invocation)}
        seen = set()
        # What completed an awakeable before it was there leaves its mark as it is.
        last = {
            (row.is_signal, row.key): index
            for index, row in enumerate(journal)
            if isinstance(row, NotificationRow) and row.code in WAITED_FOR
        }
        for index, row in enumerate(journal):
            if isinstance(row, CommandRow):
                place = rows.encode_number(index)
                if row.code in CHILD_COMMANDS:
                    yield keys.child_key(invocation, index), place
                for completion_id in decoded[row.command_index].completion_ids:
                    yield keys.command_key(invocation, completion_id), place
                    by_signal = WAITING_COMMANDS.get(row.code)
                    if by_signal is not None and last.get((by_signal, completion_id), -1) < index:
                        yield keys.open_key(invocation, by_signal, completion_id), place
                continue
            place = keys.notification_key(invocation, row.is_signal, row.key)
            if place not in seen:
                seen.add(place)
                yield place, rows.encode_notification_place(index, _succeeded(row))


def _succeeded(row: NotificationRow) -> bool | None:
    if isinstance(row.result, StateKeys | CalleeId):
        return None
    return not isinstance(row.result, Failure)


def _check_locks_and_inboxes(contents: Contents) -> None:
    locks: Raw = {}
    inboxes: Raw = {}
    for invocation, record in contents.records.items():
        if record.target.exclusive and record.status in LIVE:
            prefix = keys.object_prefix(*object_of(record.target))
            assert prefix not in locks, "2: at most one exclusive invocation of a key has begun"
            locks[prefix] = rows.encode_bytes(invocation)
        if record.status is Status.INBOXED:
            assert record.inbox_seq is not None
            prefix = keys.object_prefix(*object_of(record.target))
            inboxes[prefix + keys.number_key(record.inbox_seq)] = rows.encode_inbox_entry(invocation)
        else:
            assert record.inbox_seq is None, "4: only an Inboxed invocation has a place in the inbox"
    assert contents.raw[keys.LOCK] == locks, "3: a lock for each exclusive invocation that has begun"
    waiting = contents.raw[keys.INBOX]
    invocations = {
        key: value
        for key, value in waiting.items()
        if not isinstance(rows.decode_inbox_entry(value), StatePatch)
    }
    assert invocations == inboxes, "4: an inbox entry for each Inboxed invocation"
    assert {key[:-8] for key in waiting} <= set(locks), "4: what waits, waits for somebody"


def _check_timers(contents: Contents) -> None:
    expected = {
        keys.timer_key(timer): rows.encode_number(record.incarnation)
        for invocation, record in contents.records.items()
        for timer in _timers(contents, invocation, record)
    }
    assert contents.raw[keys.TIMERS] == expected, "11, 12, 13: exactly the timers that somebody waits for"


def _timers(contents: Contents, invocation: InvocationId, record: InvocationRecord) -> Iterator[TimerKey]:
    if record.status is Status.SCHEDULED:
        assert record.execution_time_ms is not None
        yield TimerKey(record.execution_time_ms, TimerKind.DELAYED_START, invocation, 0)
    elif record.status is Status.COMPLETED:
        assert record.completed_ms is not None
        if contents.journals.get(invocation) and record.journal_retention_ms < record.completion_retention_ms:
            due_ms = record.completed_ms + record.journal_retention_ms
            yield TimerKey(due_ms, TimerKind.PURGE_JOURNAL, invocation, 0)
        yield TimerKey(record.completed_ms + record.completion_retention_ms, TimerKind.PURGE, invocation, 0)
    elif record.status in LIVE:
        completed = contents.notified(invocation, signals=False)
        sleeps = [
            command
            for _, command in contents.commands(invocation)
            if isinstance(command, Sleep) and command.completion_id not in completed
        ]
        assert record.open_sleeps == len(sleeps), "12: the count of open sleeps"
        for command in sleeps:
            yield TimerKey(command.wake_up_time_ms, TimerKind.SLEEP, invocation, command.completion_id)


def _check_journal(contents: Contents, invocation: InvocationId) -> None:
    record = contents.records[invocation]
    journal = contents.journals.get(invocation, [])
    assert record.journal_length == len(journal), "6: the record knows the length of its journal"
    assert record.commands == sum(isinstance(row, CommandRow) for row in journal), "6: and its commands"
    assert journal or record.status is Status.COMPLETED, (
        "6: only a completed invocation may have lost its journal"
    )
    if journal:
        first = journal[0]
        assert isinstance(first, CommandRow), "6: row 0 is the input"
        assert first.code == INPUT_CODE, "6: row 0 is the input"
    waiting: set[int] = set()
    done: set[int | str] = set()
    decoded = iter(contents.commands(invocation))
    for row in journal:
        if isinstance(row, CommandRow):
            waiting.update(next(decoded)[1].completion_ids)
        elif not row.is_signal:
            assert row.key in waiting, "8: a completion comes after its command"
            assert row.key not in done, "8: a completion comes once"
            done.add(row.key)


def _check_status(contents: Contents, invocation: InvocationId) -> None:
    record = contents.records[invocation]
    assert record.journal_retention_ms <= record.completion_retention_ms, "14: the journal is not kept longer"
    if record.status is Status.SUSPENDED:
        assert record.awaiting is not None, "10: who is suspended waits for something"
        leaves = list(_leaves(record.awaiting))
        assert leaves, "10: and not for nothing"
        assert not any(_has_come(contents, invocation, *leaf) for leaf in leaves), (
            "10: and none of it has come"
        )
    else:
        assert record.awaiting is None, "10: only a suspended invocation awaits"
    completed = record.status is Status.COMPLETED
    assert completed == (record.outcome is not None), "an outcome and only then"
    assert not completed or (not record.sinks and record.completion_retention_ms > 0), (
        "answered, and kept for a reason"
    )


def _check_waiting_callers(contents: Contents) -> None:
    """16: whoever still waits for a callee is known to it; nobody waits for an invocation that is gone or over."""
    for invocation, record in contents.records.items():
        if record.status not in LIVE:
            continue
        completed = contents.notified(invocation, signals=False)
        for row, command in contents.commands(invocation):
            if isinstance(command, GetPromise) and command.completion_id not in completed:
                _check_listener(contents, invocation, record, command)
            if isinstance(command, Call):
                completion_id = command.result_completion_id
            elif isinstance(command, AttachInvocation):
                completion_id = command.completion_id
            else:
                continue
            if completion_id not in completed:
                assert row.callee is not None
                callee = contents.records.get(row.callee.invocation)
                assert callee is not None, "16: an open call's callee exists"
                assert CallSink(invocation, record.incarnation, completion_id) in callee.sinks, (
                    "16: and knows who waits"
                )


def _check_listener(
    contents: Contents, invocation: InvocationId, record: InvocationRecord, command: GetPromise
) -> None:
    raw = contents.raw[keys.PROMISE].get(keys.object_prefix(*object_of(record.target)) + command.key.encode())
    assert raw is not None, "16: the promise that somebody waits for is there"
    listener = PromiseListener(invocation, record.incarnation, command.completion_id)
    assert listener in rows.PROMISE.decode(raw).listeners, "16: and knows who waits"


def _leaves(node: Awaiting) -> Iterator[tuple[bool, int | str]]:
    """(is_signal, key) of everything a tree names."""
    for completion in node.completions:
        yield False, completion
    for signal in node.signals:
        yield True, signal
    for name in node.named_signals:
        yield True, name
    for child in node.nested:
        yield from _leaves(child)


def _has_come(contents: Contents, invocation: InvocationId, is_signal: bool, key: int | str) -> bool:
    notified = contents.notified(invocation, signals=is_signal)
    if contents.records[invocation].target.generation is Generation.MODERN:
        return key in notified
    command = next(command for row, command in contents.commands(invocation) if row.command_index == key)
    if isinstance(command, Awakeable):
        notified = contents.notified(invocation, signals=True)
    return key not in command.completion_ids or key in notified

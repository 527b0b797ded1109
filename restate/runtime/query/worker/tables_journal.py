"""`sys_journal`: one row per entry, in the words of the invocation's own generation.

A modern journal is shown as it is stored, command by command and notification by notification. A classic one consists
of commands, each with its completion joined to it; a completion that came before its command stands in its place.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import attrs

import restate.runtime.journal
from restate.runtime.journal import catalog
from restate.runtime.journal.call import Call, OneWayCall
from restate.runtime.journal.catalog import Command, CommandDecodeError
from restate.runtime.journal.promise import CompletePromise, GetPromise, PeekPromise
from restate.runtime.journal.sleep import Sleep
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.journal import (
    CALLEE_ID_CODE,
    CLASSIC_CALLEE_ID_BASE,
    Callee,
    CommandRow,
    JournalRow,
    NotificationRow,
)
from restate.runtime.model.target import Generation, Target
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import RowChunk
from restate.runtime.query.worker.entry_json import command_json, notification_json
from restate.runtime.query.worker.scan import Chunk, Wanted
from restate.runtime.query.worker.tables_invocations import parse_ids, service_prefixes
from restate.runtime.query.worker.world import World
from restate.runtime.service_protocol.classic import COMPLETION_CODES, ENTRY_NAMES, encode_result
from restate.runtime.service_protocol.modern import encode_notification
from restate.runtime.tables import keys, rows

# Importing the package has filled the catalog.
assert restate.runtime.journal.__all__

_ID_SIZE = 24
_FRAME_HEADER = 8
_CHUNK_BYTES = 4 << 20
_LATEST_PROTOCOL = 6
_COMPLETION_KINDS = {
    catalog.completion_code(generation, code): kind
    for generation, code, kind in catalog.registered()
    if generation is Generation.MODERN and catalog.completion_code(generation, code)
}
_COMPLETION_KINDS[CALLEE_ID_CODE] = "CallInvocationId"
_CLASSIC_NAMES = {0x0400: "PollInputStream", **ENTRY_NAMES}


@attrs.frozen
class Journal:
    """What the entries of one invocation share. record: None if only the journal is left."""

    invocation: InvocationId
    record: InvocationRecord | None

    @property
    def target(self) -> Target | None:
        return None if self.record is None else self.record.target

    @property
    def classic(self) -> bool:
        return self.target is not None and self.target.generation is Generation.CLASSIC

    @property
    def service_key(self) -> str:
        """As in `sys_status`: unique for what has no object."""
        key = None if self.target is None else self.target.key
        return format_invocation_id(self.invocation) if key is None else key


@attrs.define(slots=False)
class Entry:
    """One row. stored: as the journal has it, decoded when a column needs it. completion: joined to a classic command."""

    journal: Journal
    index: int
    stored: bytes | JournalRow
    completion: NotificationRow | None = None

    @property
    def size(self) -> int:
        """Bytes, roughly."""
        if isinstance(self.stored, bytes):
            return len(self.stored)
        return len(self.stored.raw) if isinstance(self.stored, CommandRow) else 0

    @cached_property
    def row(self) -> JournalRow:
        return rows.JOURNAL_ROW.decode(self.stored) if isinstance(self.stored, bytes) else self.stored

    @cached_property
    def kind(self) -> str:
        """`Sleep`, `Call`; what a notification completes, or `Signal`."""
        row = self.row
        if isinstance(row, NotificationRow):
            return "Signal" if row.is_signal else _COMPLETION_KINDS.get(row.code, "Unknown")
        return catalog.kind_of(Generation.MODERN, row.code)

    @cached_property
    def command(self) -> Command | None:
        """None for a notification, and for bytes that cannot be read."""
        row = self.row
        if not isinstance(row, CommandRow):
            return None
        generation = Generation.CLASSIC if self.journal.classic else Generation.MODERN
        try:
            return catalog.decode(generation, row.code, row.raw, command_index=row.command_index)
        except (CommandDecodeError, catalog.UnknownCommand):
            return None

    @property
    def entry_type(self) -> str:
        row = self.row
        if not self.journal.classic:
            return f"{'Notification' if isinstance(row, NotificationRow) else 'Command'}: {self.kind}"
        if isinstance(row, NotificationRow):
            return "CompletionResult"
        return _CLASSIC_NAMES.get(row.code, "Custom")

    @property
    def name(self) -> str | None:
        if isinstance(self.row, NotificationRow) or self.journal.classic:
            return None
        return "" if self.command is None else self.command.name

    @property
    def completed(self) -> bool | None:
        """Of classic entries that can be; the modern generation shows completions as entries of their own."""
        row = self.row
        if not self.journal.classic or not isinstance(row, CommandRow) or row.code not in COMPLETION_CODES:
            return None
        return row.completed or self.completion is not None

    @property
    def callee(self) -> Callee | None:
        """Of a classic call or send."""
        row = self.row
        return row.callee if self.journal.classic and isinstance(row, CommandRow) else None

    @property
    def wake_up_ms(self) -> int | None:
        command = self.command if self.journal.classic else None
        return command.wake_up_time_ms if isinstance(command, Sleep) else None

    @property
    def raw(self) -> bytes:
        """The body of the entry's message; a classic one as it is replayed, with its completion."""
        row = self.row
        if self.journal.classic:
            completion = row if isinstance(row, NotificationRow) else self.completion
            own = row.raw if isinstance(row, CommandRow) else b""
            return own if completion is None else own + encode_result(completion.result)
        if isinstance(row, CommandRow):
            return row.raw
        pin = None if self.journal.record is None else self.journal.record.pin
        version = _LATEST_PROTOCOL if pin is None else pin.protocol_version
        return encode_notification(row, version)[_FRAME_HEADER:]

    def json(self, *, lite: bool) -> str | None:
        row = self.row
        if self.journal.classic:
            return None
        if isinstance(row, NotificationRow):
            return notification_json(self.kind, row, lite=lite)
        return None if self.command is None else command_json(self.kind, self.command, row.callee, lite=lite)


def _invoked(entry: Entry, getter: Callable[[Target], Any]) -> Any:
    callee = entry.callee
    if callee is not None and callee.target is not None:
        return getter(callee.target)
    return None


def _promise_name(entry: Entry) -> str | None:
    """Promises are commands of the modern generation, which tells the name in its JSON only."""
    command = entry.command if entry.journal.classic else None
    return command.key if isinstance(command, GetPromise | PeekPromise | CompletePromise) else None


def _invoked_service(entry: Entry) -> str | None:
    command = entry.command if entry.journal.classic else None
    return command.service if isinstance(command, Call | OneWayCall) else None


def _invoked_method(entry: Entry) -> str | None:
    command = entry.command if entry.journal.classic else None
    return command.handler if isinstance(command, Call | OneWayCall) else None


_GETTERS: Mapping[str, Callable[[Entry], Any]] = {
    "partition_key": lambda entry: int.from_bytes(entry.journal.invocation[:8], "big"),
    "id": lambda entry: format_invocation_id(entry.journal.invocation),
    "index": lambda entry: entry.index,
    "entry_type": lambda entry: entry.entry_type,
    "name": lambda entry: entry.name,
    "completed": lambda entry: entry.completed,
    "invoked_id": lambda entry: (
        None if entry.callee is None else format_invocation_id(entry.callee.invocation)
    ),
    "invoked_target": lambda entry: _invoked(entry, str),
    "sleep_wakeup_at": lambda entry: entry.wake_up_ms,
    "promise_name": _promise_name,
    "raw": lambda entry: entry.raw,
    "raw_length": lambda entry: len(entry.raw),
    "version": lambda entry: 1 if entry.journal.classic else 2,
    "entry_json": lambda entry: entry.json(lite=False),
    "entry_lite_json": lambda entry: entry.json(lite=True),
    "appended_at": lambda entry: None if entry.journal.classic else entry.row.appended_ms,
    "service": lambda entry: None if entry.journal.target is None else entry.journal.target.service,
    "service_key": lambda entry: entry.journal.service_key,
    "invoked_service": _invoked_service,
    "invoked_method": _invoked_method,
    "invoked_service_key": lambda entry: _invoked(entry, lambda target: target.key),
}


class JournalEntries:
    """The source."""

    schema = tables.BY_NAME["sys_journal"].schema

    def __init__(self, world: World) -> None:
        self._world = world

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        size, total = next(sizes), 0
        found: list[Entry] = []
        for entry in self._entries(wanted):
            found.append(entry)
            total += entry.size
            if len(found) >= size or total >= _CHUNK_BYTES:
                yield RowChunk(self.schema, _GETTERS, found)
                found, size, total = [], next(sizes), 0
        yield RowChunk(self.schema, _GETTERS, found)

    def _entries(self, wanted: Wanted) -> Iterator[Entry]:
        for prefix in journal_prefixes(wanted, self._world):
            yield from self._under(prefix)

    def _under(self, prefix: bytes) -> Iterator[Entry]:
        """Of all journals whose ids start so."""
        journal: Journal | None = None
        classic: list[JournalRow] = []
        for chunk in self._world.store.chunks(keys.JOURNAL, prefix, _sizes()):
            for key, raw in chunk:
                if journal is None or key[:_ID_SIZE] != journal.invocation:
                    yield from _classic_entries(journal, classic)
                    journal, classic = self._journal(InvocationId(key[:_ID_SIZE])), []
                if journal.classic:
                    classic.append(rows.JOURNAL_ROW.decode(raw))
                else:
                    yield Entry(journal, int.from_bytes(key[_ID_SIZE:], "big"), raw)
        yield from _classic_entries(journal, classic)

    def _journal(self, invocation: InvocationId) -> Journal:
        raw = self._world.store.get(keys.INV, invocation)
        return Journal(invocation, None if raw is None else rows.INVOCATION.decode(raw))


def journal_prefixes(wanted: Wanted, world: World) -> list[bytes]:
    """The beginnings of the ids whose rows are wanted: whole ids, partition keys, or all."""
    allowed = wanted.allowed
    if "id" in allowed:
        return sorted(parse_ids(allowed["id"]))
    if "service" in allowed and "service_key" in allowed:
        prefixes = service_prefixes(allowed["service"], allowed["service_key"])
        found = {
            key[-_ID_SIZE:]
            for prefix in prefixes
            for chunk in world.store.chunks(keys.INV_SVC, prefix, _sizes())
            for key, _ in chunk
        }
        return sorted(found)
    if "partition_key" in allowed:
        return [key.to_bytes(8, "big") for key in sorted(allowed["partition_key"])]
    return [b""]


def _sizes() -> Iterator[int]:
    """Of chunks that are taken apart at once."""
    size = 16
    while True:
        yield size
        size = min(size * 2, 1024)


def _classic_entries(journal: Journal | None, stored: Sequence[JournalRow]) -> Iterator[Entry]:
    """Commands by their own index, with their completions."""
    if journal is None or not stored:
        return
    commands = {row.command_index: row for row in stored if isinstance(row, CommandRow)}
    completions: dict[int, NotificationRow] = {}
    for row in stored:
        if isinstance(row, NotificationRow) and isinstance(row.key, int) and row.key < CLASSIC_CALLEE_ID_BASE:
            completions.setdefault(row.key, row)
    for index in sorted(commands.keys() | completions.keys()):
        command = commands.get(index)
        if command is None:
            yield Entry(journal, index, completions[index])
        else:
            completion = completions.get(index) if command.code in COMPLETION_CODES else None
            yield Entry(journal, index, command, None if command.completed else completion)

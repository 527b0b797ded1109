"""The journal of every invocation, with the index from ids to journal places."""

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import (
    CHILD_COMMANDS,
    WAITED_FOR,
    WAITING_COMMANDS,
    CommandRow,
    JournalRow,
    NotificationRow,
)
from restate.runtime.model.result import CalleeId, Failure, StateKeys, Success, Void
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Base, View

_GETS_BEFORE_SCAN = 12
"""A scan costs as much as this many point reads, and passes deleted rows besides."""

_DELETES_BEFORE_RANGE = 64
"""From this length on a journal is deleted as a range: at a fixed cost, but every later read has to look at the range."""


class Journal:
    """`journal`: rows by (id, index), never changed once written.

    `jidx`: completion id → command; notification → place; and, so that no journal need be read at its end, the places
    of commands that wait (WAITING_COMMANDS) and that started others (CHILD_COMMANDS).
    """

    __slots__ = ("_index", "_rows")

    def __init__(self, base: Base) -> None:
        self._rows = View(base, keys.JOURNAL)
        self._index = View(base, keys.JIDX)

    def get(self, invocation: InvocationId, index: int) -> JournalRow | None:
        raw = self._rows.get(keys.journal_key(invocation, index))
        return None if raw is None else rows.JOURNAL_ROW.decode(raw)

    def append(
        self, invocation: InvocationId, index: int, row: JournalRow, completion_ids: tuple[int, ...] = ()
    ) -> None:
        """Write row `index`, which is the length so far. completion_ids: those that `row`, a command, will get."""
        self._rows.put(keys.journal_key(invocation, index), rows.JOURNAL_ROW.encode(row))
        for completion_id in completion_ids:
            self._index.put(keys.command_key(invocation, completion_id), rows.encode_number(index))
        if isinstance(row, CommandRow):
            by_signal = WAITING_COMMANDS.get(row.code)
            if by_signal is not None:
                for completion_id in completion_ids:
                    waiting = keys.open_key(invocation, by_signal, completion_id)
                    self._index.put(waiting, rows.encode_number(index))
            elif row.code in CHILD_COMMANDS:
                self._index.put(keys.child_key(invocation, index), rows.encode_number(index))
        else:
            place = keys.notification_key(invocation, row.is_signal, row.key)
            # A signal may come again; its first place stays.
            if self._index.get(place) is None:
                self._index.put(place, rows.encode_notification_place(index, _succeeded(row)))
            if row.code in WAITED_FOR and isinstance(row.key, int):
                waiting = keys.open_key(invocation, row.is_signal, row.key)
                if self._index.get(waiting) is not None:
                    self._index.delete(waiting)

    def read(self, invocation: InvocationId, start: int, end: int) -> list[JournalRow]:
        """The rows with start <= index < end that there are."""
        if end - start <= _GETS_BEFORE_SCAN:
            found = [self.get(invocation, index) for index in range(start, end)]
            return [row for row in found if row is not None]
        scan = self._rows.scan(keys.journal_key(invocation, start), keys.journal_key(invocation, end))
        return [rows.JOURNAL_ROW.decode(raw) for _, raw in scan]

    def delete(self, invocation: InvocationId, length: int | None = None) -> None:
        """Remove every row of the journal and its index. length: of the journal, if known."""
        end = keys.prefix_end(invocation)
        if end is not None and (length is None or length > _DELETES_BEFORE_RANGE):
            self._rows.delete_range(invocation, end)
            self._index.delete_range(invocation, end)
            return
        for index in range(length or 0):
            self._rows.delete(keys.journal_key(invocation, index))
        for key, _ in self._index.scan_prefix(invocation):
            self._index.delete(key)

    def waiting(self, invocation: InvocationId) -> list[CommandRow]:
        """The WAITING_COMMANDS that nothing has come for since, in journal order."""
        return self._commands(invocation, keys.open_prefix(invocation))

    def children(self, invocation: InvocationId) -> list[CommandRow]:
        """The CHILD_COMMANDS, in journal order."""
        return self._commands(invocation, keys.child_prefix(invocation))

    def _commands(self, invocation: InvocationId, prefix: bytes) -> list[CommandRow]:
        places = sorted(rows.decode_number(raw) for _, raw in self._index.scan_prefix(prefix))
        found = [self.get(invocation, index) for index in places]
        return [row for row in found if isinstance(row, CommandRow)]

    def command_of(self, invocation: InvocationId, completion_id: int) -> int | None:
        """Journal index of the command that the completion id belongs to."""
        raw = self._index.get(keys.command_key(invocation, completion_id))
        return None if raw is None else rows.decode_number(raw)

    def notification_of(
        self, invocation: InvocationId, is_signal: bool, key: int | str
    ) -> tuple[int, bool | None] | None:
        """(first journal index, True for a success, False for a failure, None for neither), or None: not there yet."""
        raw = self._index.get(keys.notification_key(invocation, is_signal, key))
        return None if raw is None else rows.decode_notification_place(raw)


def _succeeded(row: NotificationRow) -> bool | None:
    match row.result:
        case Void() | Success():
            return True
        case Failure():
            return False
        case StateKeys() | CalleeId():
            return None

"""What happened to invocations beside their journals: failed attempts, pauses."""

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import EventRow
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Base, View


class Events:
    """`events`: what happened to invocations beside their journals, the last few of each."""

    __slots__ = ("_view",)

    KEPT = 32
    """Of one invocation: one that fails for ever, each time in another way, must not fill the disk."""

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.EVENTS)

    def append(self, invocation: InvocationId, number: int, row: EventRow) -> None:
        """number: how many there have been before."""
        self._view.put(keys.event_key(invocation, number), rows.EVENT.encode(row))
        if number >= self.KEPT:
            self._view.delete(keys.event_key(invocation, number - self.KEPT))

    def all(self, invocation: InvocationId) -> list[EventRow]:
        """Those that are kept, oldest first."""
        return [rows.EVENT.decode(raw) for _, raw in self._view.scan_prefix(invocation)]

    def delete(self, invocation: InvocationId, count: int) -> None:
        """count: how many there have been."""
        for number in range(max(0, count - self.KEPT), count):
            self._view.delete(keys.event_key(invocation, number))

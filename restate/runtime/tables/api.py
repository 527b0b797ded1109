"""Tables: everything that is stored, by noun. What the engine and the journal commands work on."""

from restate.runtime.tables.events import Events
from restate.runtime.tables.invocations import Invocations
from restate.runtime.tables.journal import Journal
from restate.runtime.tables.objects import Inbox, Locks, Promises, State
from restate.runtime.tables.queues import Counters, Dedup, Outbox, Schema, Timers
from restate.runtime.tables.rows import InboxEntry, InvocationHead, StatePatch
from restate.runtime.tables.view import Base, DeleteUpTo, Reads

__all__ = ["DeleteUpTo", "InboxEntry", "InvocationHead", "Reads", "StatePatch", "Tables", "Write"]

Write = tuple[str, bytes, bytes | DeleteUpTo | None]
"""Table, key, value; None deletes the key, DeleteUpTo a range of keys."""


class Tables:
    """Reads of the store with the pending writes of the current batch on top.

    Every method may raise the store's error; every read StorageFormatError or StorageDamaged as well, if a row cannot be
    understood. One Tables writes; others over the same store may read, but not `counters`.
    """

    def __init__(self, store: Reads) -> None:
        base = Base(store)
        self._changed = base.changed
        self.invocations = Invocations(base)
        self.journal = Journal(base)
        self.locks = Locks(base)
        self.inbox = Inbox(base)
        self.state = State(base)
        self.promises = Promises(base)
        self.timers = Timers(base)
        self.events = Events(base)
        self.outbox = Outbox(base)
        self.dedup = Dedup(base)
        self.schema = Schema(base)
        self.counters = Counters(base)

    def take_writes(self) -> list[Write]:
        """The pending writes, ranges before single keys, one per key, for one `store.write`, which must follow at once: they are gone from here."""
        self.invocations.encode()
        self.counters.encode()
        writes: list[Write] = []
        for view in self._changed:
            name = view.name
            writes += [(name, key, value) for key, value in view.take()]
        self._changed.clear()
        return writes

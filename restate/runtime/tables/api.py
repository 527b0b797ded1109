"""Tables: everything that is stored, by noun. What the engine and the journal commands work on."""

from restate.runtime.tables.invocations import Invocations
from restate.runtime.tables.journal import Journal
from restate.runtime.tables.objects import Inbox, Locks, Promises, State
from restate.runtime.tables.queues import Counters, Dedup, Outbox, Schema, Timers
from restate.runtime.tables.rows import InboxEntry, InvocationHead, StatePatch
from restate.runtime.tables.view import Reads

__all__ = ["InboxEntry", "InvocationHead", "Reads", "StatePatch", "Tables", "Write"]

Write = tuple[str, bytes, bytes | None]
"""Table, key, value; None deletes. The same as `storage.api.Write`."""


class Tables:
    """Reads of the store with the pending writes of the current batch on top.

    Every method may raise the store's error; every read StorageFormatError or StorageDamaged as well, if a row cannot be
    understood. One Tables writes; others over the same store may read, but not `counters`.
    """

    def __init__(self, store: Reads) -> None:
        self.invocations = Invocations(store)
        self.journal = Journal(store)
        self.locks = Locks(store)
        self.inbox = Inbox(store)
        self.state = State(store)
        self.promises = Promises(store)
        self.timers = Timers(store)
        self.outbox = Outbox(store)
        self.dedup = Dedup(store)
        self.schema = Schema(store)
        self.counters = Counters(store)
        self._parts = (
            self.invocations, self.journal, self.locks, self.inbox, self.state, self.promises, self.timers, self.outbox,
            self.dedup, self.schema, self.counters,
        )  # fmt: skip

    def take_writes(self) -> list[Write]:
        """The pending writes, one per key, for one `store.write`, which must follow at once: they are gone from here."""
        writes: list[Write] = []
        for part in self._parts:
            for view in part.views:
                if view.pending:
                    writes.extend((view.name, key, value) for key, value in view.pending.items())
                    view.pending.clear()
        return writes

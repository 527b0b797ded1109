"""`sys_journal_events`: failed attempts and pauses, as they were stored."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.journal import EventRow
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import RowChunk
from restate.runtime.query.worker.scan import Chunk, Wanted
from restate.runtime.query.worker.tables_journal import journal_prefixes
from restate.runtime.query.worker.world import World
from restate.runtime.tables import keys, rows

_ID_SIZE = 24


@attrs.frozen
class _Event:
    invocation: InvocationId
    row: EventRow


_GETTERS: Mapping[str, Callable[[_Event], Any]] = {
    "partition_key": lambda event: int.from_bytes(event.invocation[:8], "big"),
    "id": lambda event: format_invocation_id(event.invocation),
    "after_journal_entry_index": lambda event: event.row.after_index,
    "appended_at": lambda event: event.row.appended_ms,
    "event_type": lambda event: event.row.type,
    "event_json": lambda event: event.row.detail,
}


class Events:
    """The source."""

    schema = tables.BY_NAME["sys_journal_events"].schema

    def __init__(self, world: World) -> None:
        self._world = world

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        for prefix in journal_prefixes(wanted, self._world):
            for chunk in self._world.store.chunks(keys.EVENTS, prefix, sizes):
                found = [_Event(InvocationId(key[:_ID_SIZE]), rows.EVENT.decode(raw)) for key, raw in chunk]
                yield RowChunk(self.schema, _GETTERS, found)

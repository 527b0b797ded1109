"""`sys_idempotency`: which invocation an idempotency key leads to."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import RowChunk
from restate.runtime.query.worker.filters import Allowed
from restate.runtime.query.worker.scan import Chunk, Wanted
from restate.runtime.query.worker.tables_invocations import MOST_AT_ONCE, parse_ids, service_prefixes
from restate.runtime.query.worker.world import World
from restate.runtime.tables import keys, rows

_Row = tuple[InvocationId, InvocationRecord]

_GETTERS: Mapping[str, Callable[[_Row], Any]] = {
    "partition_key": lambda row: int.from_bytes(row[0][:8], "big"),
    "service_name": lambda row: row[1].target.service,
    "service_key": lambda row: row[1].target.object_key,
    "service_handler": lambda row: row[1].target.handler,
    "idempotency_key": lambda row: row[1].idempotency_key,
    "invocation_id": lambda row: format_invocation_id(row[0]),
}


class Idempotency:
    """The source: the invocations that have such a key."""

    schema = tables.BY_NAME["sys_idempotency"].schema

    def __init__(self, world: World) -> None:
        self._world = world

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        for chunk in self._records(wanted.allowed, sizes):
            decoded = [(key, rows.INVOCATION.decode(raw)) for key, raw in chunk]
            yield RowChunk(
                self.schema, _GETTERS, [row for row in decoded if row[1].idempotency_key is not None]
            )

    def _records(self, allowed: Allowed, sizes: Iterator[int]) -> Iterator[list[tuple[InvocationId, bytes]]]:
        store = self._world.store
        if "invocation_id" in allowed:
            yield from self._looked_up(parse_ids(allowed["invocation_id"]))
        elif "service_name" in allowed:
            for prefix in service_prefixes(allowed["service_name"], None):
                for listed in store.chunks(keys.INV_SVC, prefix, sizes):
                    yield from self._looked_up([InvocationId(key[-24:]) for key, _ in listed])
        else:
            for chunk in store.chunks(keys.INV, b"", sizes):
                yield [(InvocationId(key), raw) for key, raw in chunk]

    def _looked_up(self, ids: list[InvocationId]) -> Iterator[list[tuple[InvocationId, bytes]]]:
        for start in range(0, len(ids), MOST_AT_ONCE):
            some = ids[start : start + MOST_AT_ONCE]
            found = zip(some, self._world.store.get_many(keys.INV, some), strict=True)
            yield [(key, raw) for key, raw in found if raw is not None]

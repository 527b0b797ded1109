"""`sys_invocation`, `sys_invocation_status` and `sys_status`: three views of the same stored records.

Two stored tables hold them: `inv` by id, with the whole record, and `inv_svc` by service and key, which is small and has
id, service, status and time of creation. What a query needs decides which one is scanned: counting a million by status
or service is a matter of the small one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import attrs
import msgspec
import pyarrow as pa

from restate.runtime.errors import StorageDamaged
from restate.runtime.model.ids import IdError, InvocationId, format_invocation_id, parse_invocation_id
from restate.runtime.model.invocation import InvocationRecord, Status
from restate.runtime.model.result import Success
from restate.runtime.query.live import LiveFailure
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.filters import Allowed
from restate.runtime.query.worker.id_texts import invocation_texts
from restate.runtime.query.worker.invocation_columns import (
    CLASSIC_RECORD_COLUMNS,
    RECORD_COLUMNS,
    STORED_STATUS,
    Getter,
)
from restate.runtime.query.worker.live_columns import FAILURE_COLUMNS, LIVE_COLUMNS
from restate.runtime.query.worker.pauses import pause_failure
from restate.runtime.query.worker.scan import Chunk, CountChunk, Wanted
from restate.runtime.query.worker.world import World
from restate.runtime.storage.secondary import Row
from restate.runtime.tables import keys, rows

_ID_SIZE = 24
_ENTRY_SIZE = 10
MOST_AT_ONCE = 32
"""Records that are looked up together: each may have megabytes."""
_LARGE_RECORD = 4096
_INDEX_COLUMNS = frozenset({"id", "partition_key", "status", "target_service_name", "service", "created_at"})
"""What `inv_svc` tells without the record."""
_INDEX_FILTERS = frozenset({"status", "target_service_name", "service", "created_at"})
"""Worth a pass over `inv_svc`, with a look at the records of what it leaves."""
_RECORD_STATUS = 4
"""Where a stored record has its status: behind the version byte and the three of a long msgpack array."""
_LONG_ARRAY = 0xDC

_RUNNING, _BACKING_OFF, _READY = 7, 8, 9
_SHOWN_STATUS = [
    None, "scheduled", "pending", "ready", "suspended", "paused", "completed", "running", "backing-off", "ready",
]  # fmt: skip
_STORED_STATUS = [None, *(STORED_STATUS[status] for status in Status)]


@attrs.frozen
class Kind:
    """One of the tables. status: {code: text}; live: whether what the invoker has in memory is part of it. statuses: the
    stored ones that it shows; None: all.
    """

    schema: pa.Schema
    getters: Mapping[str, Getter]
    status: Sequence[str | None]
    live: bool = False
    statuses: frozenset[Status] | None = None


SYS_INVOCATION = Kind(tables.BY_NAME["sys_invocation"].schema, RECORD_COLUMNS, _SHOWN_STATUS, live=True)
SYS_INVOCATION_STATUS = Kind(tables.BY_NAME["sys_invocation_status"].schema, RECORD_COLUMNS, _STORED_STATUS)
SYS_STATUS = Kind(
    tables.BY_NAME["sys_status"].schema,
    CLASSIC_RECORD_COLUMNS,
    _STORED_STATUS,
    statuses=frozenset({Status.INVOKED, Status.SUSPENDED, Status.PAUSED}),
)


class Invocations:
    """The source of all three."""

    def __init__(self, kind: Kind, world: World) -> None:
        self.schema = kind.schema
        self._kind = kind
        self._world = world

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        if not wanted.columns and self._kind.statuses is None:
            yield from map(CountChunk, self._world.store.counts(keys.INV_SVC, sizes))
            return
        for chunk in self._all(wanted, sizes):
            yield self._shown(chunk)

    def _shown(self, chunk: "InvocationChunk") -> "InvocationChunk":
        statuses = self._kind.statuses
        if statuses is None:
            return chunk
        places = [place for place, code in enumerate(chunk.codes) if code in statuses]
        return chunk if len(places) == len(chunk) else chunk.take(places)

    def _all(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator["InvocationChunk"]:
        allowed = wanted.allowed
        if "id" in allowed:
            return self._by_id(parse_ids(allowed["id"]), sizes)
        by_service = _service_prefixes(allowed)
        if by_service is not None:
            return (chunk for prefix in by_service for chunk in self._by_service(prefix, sizes))
        if "partition_key" in allowed:
            prefixes = sorted(key.to_bytes(8, "big") for key in allowed["partition_key"])
            return (chunk for prefix in prefixes for chunk in self._scan(prefix, sizes))
        if wanted.only(_INDEX_COLUMNS) or wanted.filtered & _INDEX_FILTERS or self._kind.statuses is not None:
            return self._by_service(b"", sizes)
        return self._scan(b"", sizes)

    def _by_id(self, ids: Iterable[InvocationId], sizes: Iterator[int]) -> Iterator["InvocationChunk"]:
        pending = iter(sorted(ids))
        while chosen := list(islice(pending, min(next(sizes), MOST_AT_ONCE))):
            found = zip(chosen, self._world.store.get_many(keys.INV, chosen), strict=True)
            chunk: list[Row] = [(key, raw) for key, raw in found if raw is not None]
            if chunk:
                yield self._of_records(chunk)

    def _scan(self, prefix: bytes, sizes: Iterator[int]) -> Iterator["InvocationChunk"]:
        return (self._of_records(chunk) for chunk in self._world.store.chunks(keys.INV, prefix, sizes))

    def _of_records(self, chunk: list[Row]) -> "InvocationChunk":
        ids, raws = zip(*chunk, strict=True)
        return InvocationChunk(self._kind, self._world, ids, raws=raws)

    def _by_service(self, prefix: bytes, sizes: Iterator[int]) -> Iterator["InvocationChunk"]:
        for chunk in self._world.store.chunks(keys.INV_SVC, prefix, sizes):
            row_keys, entries = zip(*chunk, strict=True)
            yield InvocationChunk(self._kind, self._world, None, row_keys=row_keys, entries=entries)


class InvocationChunk:
    """Some invocations. Made from rows of `inv_svc` (row_keys, entries) or of `inv` (raws)."""

    def __init__(
        self,
        kind: Kind,
        world: World,
        ids: Sequence[bytes] | None,
        *,
        row_keys: Sequence[bytes] | None = None,
        entries: Sequence[bytes] | None = None,
        raws: Sequence[bytes] | None = None,
    ) -> None:
        self._kind = kind
        self._world = world
        self._known_ids = ids
        self._row_keys = row_keys
        self._entries = entries
        self._raws = raws
        self._records: list[InvocationRecord] | None = None
        self._columns: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        rows = self._known_ids if self._row_keys is None else self._row_keys
        assert rows is not None, "a chunk has ids, or the keys that end with them"
        return len(rows)

    @property
    def _ids(self) -> Sequence[bytes]:
        """Taken from the row keys only when a column needs them."""
        if self._known_ids is None:
            assert self._row_keys is not None, "a chunk has ids, or the keys that end with them"
            self._known_ids = [key[-_ID_SIZE:] for key in self._row_keys]
        return self._known_ids

    def take(self, places: list[int]) -> "InvocationChunk":
        def at(values: Sequence[Any] | None) -> Sequence[Any] | None:
            return None if values is None else [values[place] for place in places]

        taken = InvocationChunk(
            self._kind,
            self._world,
            at(self._known_ids),
            row_keys=at(self._row_keys),
            entries=at(self._entries),
            raws=at(self._raws),
        )
        if self._records is not None:
            taken._records = [self._records[place] for place in places]
        return taken

    @property
    def codes(self) -> bytes:
        """The stored status of each, as a byte."""
        if self._entries is not None:
            joined = b"".join(self._entries)
            if len(joined) == _ENTRY_SIZE * len(self):
                return joined[1::_ENTRY_SIZE]
            return bytes(rows.decode_service_entry(entry)[0] for entry in self._entries)
        raws = self._raws
        if raws is not None and self._records is None and all(raw[1] == _LONG_ARRAY for raw in raws):
            return bytes([raw[_RECORD_STATUS] for raw in raws])
        return bytes(record.status for record in self.records)

    @property
    def records(self) -> list[InvocationRecord]:
        if self._records is None:
            if self._raws is not None:
                self._records = [_record(raw) for raw in self._raws]
            else:
                self._records = list(self._looked_up())
        return self._records

    def _looked_up(self) -> Iterator[InvocationRecord]:
        ids = self._ids
        for start in range(0, len(ids), MOST_AT_ONCE):
            for raw in self._world.store.get_many(keys.INV, ids[start : start + MOST_AT_ONCE]):
                yield _record(raw)

    def column(self, name: str) -> pa.Array:
        found = self._columns.get(name)
        if found is None:
            found = self._columns[name] = self._column(name)
        return found

    def _column(self, name: str) -> pa.Array:
        kind = self._kind.schema.field(name).type
        special = _SPECIAL.get(name)
        if special is not None:
            found = special(self)
            if found is not None:
                return found
        if self._kind.live and name in LIVE_COLUMNS:
            return self._live_column(name, kind)
        getter = self._kind.getters.get(name)
        if getter is None:
            return pa.nulls(len(self), kind)
        return pa.array([getter(record) for record in self.records], kind)

    # -- columns that are not a matter of one record -------------------------------------------------------------

    def id_column(self) -> pa.Array:
        return pa.array(invocation_texts(self._ids), pa.utf8())

    def partition_keys(self) -> pa.Array:
        return pa.array([int.from_bytes(raw[:8], "big") for raw in self._ids], pa.uint64())

    def statuses(self) -> pa.Array:
        stored = self.codes
        shown = self._with_live(stored) if self._kind.live else stored
        places = pa.Array.from_buffers(pa.int8(), len(shown), [None, pa.py_buffer(shown)])
        return pa.DictionaryArray.from_arrays(
            places, pa.array(self._kind.status, pa.utf8())
        ).dictionary_decode()

    def _with_live(self, stored: bytes) -> bytes:
        shown = bytearray(stored)
        live = self._world.live
        place = stored.find(Status.INVOKED)
        ids = self._ids if place >= 0 else ()
        while place >= 0:
            attempt = live.get(ids[place])
            if attempt is not None:
                shown[place] = _RUNNING if attempt.in_flight else _BACKING_OFF
            place = stored.find(Status.INVOKED, place + 1)
        return bytes(shown)

    def services(self) -> pa.Array | None:
        """From the row keys, if there are any."""
        if self._row_keys is None:
            return None
        names: dict[bytes, str] = {}
        found = []
        for key in self._row_keys:
            raw = key[2 : 2 + (key[0] << 8 | key[1])]
            name = names.get(raw)
            if name is None:
                name = names[raw] = raw.decode()
            found.append(name)
        return pa.array(found, pa.utf8())

    def created(self) -> pa.Array | None:
        """From the entries, if there are any."""
        if self._entries is None:
            return None
        joined = b"".join(self._entries)
        size = len(self)
        if len(joined) != _ENTRY_SIZE * size:
            return None
        # Big-endian numbers at every tenth byte, turned into little-endian ones side by side.
        numbers = bytearray(8 * size)
        for place in range(8):
            numbers[place::8] = joined[_ENTRY_SIZE - 1 - place :: _ENTRY_SIZE]
        return pa.Array.from_buffers(tables.TIMESTAMP, size, [None, pa.py_buffer(bytes(numbers))])

    def service_keys(self) -> pa.Array:
        """As classic clients know them: unique for what has no object."""
        keyed = [
            format_invocation_id(InvocationId(raw)) if record.target.key is None else record.target.key
            for raw, record in zip(self._ids, self.records, strict=True)
        ]
        return pa.array(keyed, pa.utf8())

    def _live_column(self, name: str, kind: pa.DataType) -> pa.Array:
        live = self._world.live
        getter = LIVE_COLUMNS[name]
        attempts = [live.get(raw) for raw in self._ids]
        values = [None if attempt is None else getter(attempt) for attempt in attempts]
        of_failure = FAILURE_COLUMNS.get(name)
        if of_failure is not None:
            for place, failure in self._pause_failures.items():
                if attempts[place] is None:
                    values[place] = of_failure(failure)
        return pa.array(values, kind)

    @cached_property
    def _pause_failures(self) -> dict[int, LiveFailure]:
        """{place: why the invocation there is paused}; it is stored, and is what its reader wants to know."""
        found = {}
        for place, code in enumerate(self.codes):
            if code == Status.PAUSED:
                failure = pause_failure(self._world, self._ids[place], self.records[place])
                if failure is not None:
                    found[place] = failure
        return found


_SPECIAL: Mapping[str, Callable[[InvocationChunk], pa.Array | None]] = {
    "id": InvocationChunk.id_column,
    "partition_key": InvocationChunk.partition_keys,
    "status": InvocationChunk.statuses,
    "target_service_name": InvocationChunk.services,
    "service": InvocationChunk.services,
    "created_at": InvocationChunk.created,
    "service_key": InvocationChunk.service_keys,
}


def parse_ids(texts: Iterable[str]) -> list[InvocationId]:
    """Those that are ids; what is none matches nothing."""
    found = []
    for text in texts:
        try:
            found.append(parse_invocation_id(text))
        except IdError:
            continue
    return found


def _service_prefixes(allowed: Allowed) -> list[bytes] | None:
    """Prefixes in `inv_svc` of what a filter leaves; None if it leaves every service."""
    services = allowed.get("target_service_name", allowed.get("service"))
    keyed = allowed.get("target_service_key", allowed.get("service_key"))
    targets = allowed.get("target")
    if services is not None and (keyed is not None or targets is None):
        return service_prefixes(services, keyed)
    return None if targets is None else _target_prefixes(targets)


def service_prefixes(services: Iterable[str], keyed: Iterable[str] | None) -> list[bytes]:
    """Prefixes in `inv_svc` of the invocations of services, or of some keys of them.

    A key may also be the id that stands for one in tables of the classic generation.
    """
    names = [service for service in services if keys.is_service_name(service)]
    if keyed is None:
        return sorted(keys.service_prefix(service, None) for service in names)
    chosen = sorted(keyed)
    prefixes = [keys.service_prefix(service, key) for service in names for key in chosen]
    prefixes += [
        keys.service_prefix(service, None) + invocation
        for service in names
        for invocation in parse_ids(chosen)
    ]
    return keys.outermost(prefixes)


def _target_prefixes(targets: Iterable[str]) -> list[bytes]:
    """The same of `Svc/handler` and `Obj/key/handler`: only a key may have slashes."""
    found = []
    for target in targets:
        service, _, rest = target.partition("/")
        key, slash, _ = rest.rpartition("/")
        if keys.is_service_name(service):
            found.append(keys.service_prefix(service, key if slash else None))
    return keys.outermost(found)


def _record(raw: bytes | None) -> InvocationRecord:
    if raw is None:
        raise StorageDamaged(
            "expected the record of an invocation that is listed by service; restore a backup"
        )
    record = rows.INVOCATION.decode(raw)
    if len(raw) > _LARGE_RECORD:
        # Whether there is a result is shown, but not the result; thousands of large ones do not fit into memory.
        short = Success(b"") if isinstance(record.outcome, Success) else record.outcome
        record = msgspec.structs.replace(record, outcome=short, last_output=None)
    return record

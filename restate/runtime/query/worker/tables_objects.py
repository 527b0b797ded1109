"""What belongs to one object: its state, promises, inbox and lock. All keys start with the object (`tables.keys`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import attrs

from restate.runtime.errors import StorageDamaged
from restate.runtime.model.ids import (
    InvocationId,
    classic_partition_key,
    format_invocation_id,
    partition_key_of_key,
)
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.promise import PromiseRow
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.target import Target
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import RowChunk
from restate.runtime.query.worker.invocation_columns import (
    caller_id,
    caller_service,
    classic_invoked_by,
)
from restate.runtime.query.worker.scan import Chunk, Wanted
from restate.runtime.query.worker.tables_invocations import parse_ids
from restate.runtime.query.worker.world import World
from restate.runtime.storage.secondary import Row
from restate.runtime.tables import keys, rows

_PARTITION_KEY_SIZE = 8
_MOST_REMEMBERED = 10_000

RowT = TypeVar("RowT")
Getters = Mapping[str, Callable[[Any], Any]]


@attrs.frozen
class Object:
    """Whose row it is. size: bytes of the key that name it."""

    partition_key: int
    service: str
    key: str
    size: int


class Objects:
    """Reads objects out of row keys. Rows of one object stand together, so what came last is remembered."""

    def __init__(self) -> None:
        self._service_of: dict[bytes, str] = {}
        self._prefix = b"\x00"
        self._last: Object | None = None

    def of(self, row_key: bytes) -> Object:
        """Raises StorageDamaged."""
        if self._last is not None and row_key.startswith(self._prefix):
            return self._last
        try:
            found = self._parse(row_key)
        except (IndexError, UnicodeDecodeError) as error:
            raise StorageDamaged(
                f"expected the key of an object, got {row_key[:64]!r}; restore a backup"
            ) from error
        self._prefix, self._last = row_key[: found.size], found
        return found

    def _parse(self, row_key: bytes) -> Object:
        start = _PARTITION_KEY_SIZE + 2
        end = start + int.from_bytes(row_key[_PARTITION_KEY_SIZE:start], "big")
        raw = row_key[start:end]
        service = self._service_of.get(raw)
        if service is None:
            if len(self._service_of) > _MOST_REMEMBERED:
                self._service_of.clear()
            service = self._service_of[raw] = raw.decode()
        key_start = end + 4
        size = key_start + int.from_bytes(row_key[end:key_start], "big")
        if size > len(row_key):
            raise IndexError(size)
        partition_key = int.from_bytes(row_key[:_PARTITION_KEY_SIZE], "big")
        return Object(partition_key, service, row_key[key_start:size].decode(), size)


@attrs.frozen
class ObjectRow:
    """One stored row. rest: its key behind the object."""

    object: Object
    rest: bytes
    raw: bytes


class ObjectSource(Generic[RowT]):
    """A table whose keys start with an object."""

    table: str
    name: str
    getters: ClassVar[Getters]

    def __init__(self, world: World) -> None:
        self.schema = tables.BY_NAME[self.name].schema
        self._world = world

    def row(self, row: ObjectRow) -> RowT | None:
        """What the columns are made of; None: no row of this table."""
        raise NotImplementedError

    def prefixes(self, wanted: Wanted) -> list[bytes]:
        """Where the rows stand that the filter allows; none within another."""
        return object_prefixes(wanted)

    def _records(self, texts: Iterable[str]) -> list[InvocationRecord]:
        """Those of some ids."""
        raws = (self._world.store.get(keys.INV, each) for each in parse_ids(texts))
        return [rows.INVOCATION.decode(raw) for raw in raws if raw is not None]

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        for prefix in self.prefixes(wanted):
            objects = Objects()
            for chunk in self._world.store.chunks(self.table, prefix, sizes):
                found = (self.row(_object_row(objects, row)) for row in chunk)
                yield RowChunk(self.schema, self.getters, [row for row in found if row is not None])


def _object_row(objects: Objects, row: Row) -> ObjectRow:
    row_key, raw = row
    found = objects.of(row_key)
    return ObjectRow(found, row_key[found.size :], raw)


def object_prefixes(wanted: Wanted, names: Iterable[bytes] = (b"",)) -> list[bytes]:
    """Where the objects stand that the filter allows. names: what may follow an object in a key.

    Partition keys of both generations are tried.
    """
    allowed = wanted.allowed
    services = allowed.get("service_name", allowed.get("service"))
    chosen = allowed.get("service_key")
    if chosen is None:
        return [key.to_bytes(8, "big") for key in sorted(allowed.get("partition_key", ()))] or [b""]
    if services is None:
        return sorted({hashed for key in chosen for hashed in _partition_keys(key)})
    places = [
        place
        for key in chosen
        for service in services
        if keys.is_service_name(service)
        for place in object_places(service, key)
    ]
    return keys.outermost(place + name for place in places for name in names)


def object_places(service: str, key: str) -> list[bytes]:
    """The prefixes under which one object may stand."""
    return [keys.object_prefix(hashed, service, key) for hashed in _partition_keys(key)]


def _places_of(target: Target) -> list[bytes]:
    return [] if target.key is None else object_places(target.service, target.key)


def _partition_keys(key: str) -> set[bytes]:
    return {partition_key_of_key(key), classic_partition_key(key.encode())}


def utf8(raw: bytes) -> str | None:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def _named(wanted: Wanted) -> list[bytes]:
    """What the keys of rows end with, or begin to, where columns `key` are in them."""
    return [key.encode() for key in wanted.allowed.get("key", ("",))]


_OBJECT_GETTERS: Getters = {
    "partition_key": lambda row: row.object.partition_key,
    "service_name": lambda row: row.object.service,
    "service": lambda row: row.object.service,
    "service_key": lambda row: row.object.key,
}


class StateRows(ObjectSource[ObjectRow]):
    """`state`."""

    table = keys.STATE
    name = "state"
    getters: ClassVar[Getters] = {
        **_OBJECT_GETTERS,
        "key": lambda row: utf8(row.rest),
        "key_length": lambda row: len(row.rest),
        "value_utf8": lambda row: utf8(rows.decode_bytes(row.raw)),
        "value": lambda row: rows.decode_bytes(row.raw),
        "value_length": lambda row: len(row.raw) - 1,
    }

    def prefixes(self, wanted: Wanted) -> list[bytes]:
        return object_prefixes(wanted, _named(wanted))

    def row(self, row: ObjectRow) -> ObjectRow:
        return row


@attrs.frozen
class _Promise:
    object: Object
    key: str | None
    promise: PromiseRow

    @property
    def success(self) -> bytes | None:
        outcome = self.promise.outcome
        return outcome.value if isinstance(outcome, Success) else None

    @property
    def failure(self) -> str | None:
        outcome = self.promise.outcome
        return f"[{outcome.code}] {outcome.message}" if isinstance(outcome, Failure) else None


class PromiseRows(ObjectSource[_Promise]):
    """`sys_promise`."""

    table = keys.PROMISE
    name = "sys_promise"
    getters: ClassVar[Getters] = {
        **_OBJECT_GETTERS,
        "key": lambda row: row.key,
        "completed": lambda row: row.promise.outcome is not None,
        "completion_success_value": lambda row: row.success,
        "completion_success_value_utf8": lambda row: None if row.success is None else utf8(row.success),
        "completion_failure": lambda row: row.failure,
    }

    def prefixes(self, wanted: Wanted) -> list[bytes]:
        return object_prefixes(wanted, _named(wanted))

    def row(self, row: ObjectRow) -> _Promise:
        return _Promise(row.object, utf8(row.rest), rows.PROMISE.decode(row.raw))


class LockRows(ObjectSource[ObjectRow]):
    """`sys_keyed_service_status`."""

    table = keys.LOCK
    name = "sys_keyed_service_status"
    getters: ClassVar[Getters] = {
        **_OBJECT_GETTERS,
        "invocation_id": lambda row: format_invocation_id(rows.decode_invocation_id(row.raw)),
    }

    def prefixes(self, wanted: Wanted) -> list[bytes]:
        ids = wanted.allowed.get("invocation_id")
        if ids is None:
            return object_prefixes(wanted)
        targets = [record.target for record in self._records(ids)]
        return keys.outermost(place for target in targets for place in _places_of(target))

    def row(self, row: ObjectRow) -> ObjectRow:
        return row


@attrs.define(slots=False)
class _Waiting:
    """An invocation in an inbox; its record is read when a column needs it."""

    object: Object
    sequence_number: int
    invocation: InvocationId
    world: World

    @cached_property
    def record(self) -> InvocationRecord | None:
        raw = self.world.store.get(keys.INV, self.invocation)
        return None if raw is None else rows.INVOCATION.decode(raw)


def _of_record(getter: Callable[[InvocationRecord], Any]) -> Callable[[_Waiting], Any]:
    return lambda row: None if row.record is None else getter(row.record)


class InboxRows(ObjectSource[_Waiting]):
    """`sys_inbox`. Patches of state that wait there are no invocations."""

    table = keys.INBOX
    name = "sys_inbox"
    getters: ClassVar[Getters] = {
        **_OBJECT_GETTERS,
        "id": lambda row: format_invocation_id(row.invocation),
        "sequence_number": lambda row: row.sequence_number,
        "created_at": _of_record(lambda record: record.created_ms),
        "method": _of_record(lambda record: record.target.handler),
        "invoked_by": _of_record(classic_invoked_by),
        "invoked_by_service": _of_record(caller_service),
        "invoked_by_id": _of_record(caller_id),
    }

    def prefixes(self, wanted: Wanted) -> list[bytes]:
        ids = wanted.allowed.get("id")
        if ids is None:
            return object_prefixes(wanted)
        return keys.outermost(
            place + keys.number_key(record.inbox_seq)
            for record in self._records(ids)
            if record.inbox_seq is not None
            for place in _places_of(record.target)
        )

    def row(self, row: ObjectRow) -> _Waiting | None:
        entry = rows.decode_inbox_entry(row.raw)
        if isinstance(entry, rows.StatePatch):
            return None
        return _Waiting(row.object, int.from_bytes(row.rest, "big"), entry, self._world)

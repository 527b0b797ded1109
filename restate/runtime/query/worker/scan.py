"""A table as DataFusion takes it: a `pyarrow.dataset.Dataset` that reads lazily, with projection and filter (sql.md §3.2).

A filter that was pushed down is ours alone, so it is always applied, exactly. The columns that it needs are built first,
and the others only for the rows it lets through.
"""

from collections.abc import Collection, Iterator
from typing import Any, Protocol

import attrs
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset

from restate.runtime.query.worker.filters import Allowed, Filter
from restate.runtime.query.worker.world import World

_FIRST_ROWS = 128
"""Nobody tells us a LIMIT, and most queries have a small one."""
_MOST_ROWS = 4_096
_MOST_FILTERED_ROWS = 8_192
_MOST_COUNTED_ROWS = 32_768


class Chunk(Protocol):
    """Some rows of a table, whose columns are built when they are asked for."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> pa.Array: ...

    def take(self, places: list[int]) -> "Chunk":
        """Only the rows at these places."""
        ...


@attrs.frozen
class CountChunk:
    """Rows of which nothing is asked but how many there are."""

    size: int

    def __len__(self) -> int:
        return self.size

    def column(self, name: str) -> pa.Array:
        raise AssertionError(f"expected rows to be counted only, asked for {name}")

    def take(self, places: list[int]) -> Chunk:
        return CountChunk(len(places))


@attrs.frozen
class Wanted:
    """What a query asks of a table. columns: all that will be asked for; filtered: those that the filter reads."""

    columns: frozenset[str]
    filtered: frozenset[str]
    allowed: Allowed

    def only(self, names: Collection[str]) -> bool:
        """Whether no column but these is needed."""
        return self.columns <= frozenset(names)


class Source(Protocol):
    """Where the rows of a table come from."""

    schema: pa.Schema

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        """At least the rows that `wanted.allowed` lets through, each once; chunks about as long as `sizes` say."""
        ...


class Provider(pyarrow.dataset.Dataset):  # type: ignore[misc]
    """Use `of`: the base class cannot be made."""

    _source: Source
    _world: World

    @classmethod
    def of(cls, source: Source, world: World) -> "Provider":
        provider: Provider = cls.__new__(cls)
        provider._source = source
        provider._world = world
        return provider

    @property
    def schema(self) -> pa.Schema:
        return self._source.schema

    def scanner(self, columns: list[str] | None = None, **_: Any) -> "Scan":
        return Scan(self._source, self._world, columns, None)

    def get_fragments(self, filter: Any = None) -> list["Fragment"]:  # noqa: A002 -- the name is Arrow's
        """One, thus one partition."""
        return [Fragment(self._source, self._world)]


@attrs.frozen
class Fragment:
    """The one part of a table."""

    source: Source
    world: World

    def scanner(
        self,
        schema: pa.Schema,
        columns: list[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 -- the name is Arrow's
        batch_size: int | None = None,
        **_: Any,
    ) -> "Scan":
        return Scan(self.source, self.world, columns, filter)


class Scan:
    """One pass over a table."""

    def __init__(
        self, source: Source, world: World, columns: list[str] | None, condition: pc.Expression | None
    ) -> None:
        names = source.schema.names if columns is None else columns
        self._source = source
        self._world = world
        self._names = names
        self._condition = condition
        self.projected_schema = pa.schema([source.schema.field(name) for name in names])

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Pulled by DataFusion, one at a time, on a thread of its own."""
        condition = self._condition
        found = None if condition is None else Filter.of(condition, self._source.schema)
        filtered = frozenset[str]() if found is None else found.columns
        allowed = {} if found is None else found.allowed
        if any(not values for values in allowed.values()):
            return
        wanted = Wanted(frozenset(self._names) | filtered, filtered, allowed)
        for chunk in self._source.chunks(wanted, self._sizes()):
            self._world.check()
            if not len(chunk):
                continue
            batch = self._batch(chunk) if found is None else self._through(chunk, found)
            if batch is not None:
                yield batch

    def _sizes(self) -> Iterator[int]:
        most = _MOST_ROWS if self._condition is None else _MOST_FILTERED_ROWS
        if not self._names and self._condition is None:
            most = _MOST_COUNTED_ROWS
        size = _FIRST_ROWS
        while True:
            yield size
            size = min(size * 2, most)

    def _through(self, chunk: Chunk, condition: Filter) -> pa.RecordBatch | None:
        """The rows that the filter lets through; None if there are none."""
        places = condition.places(len(chunk), chunk.column)
        if not len(places):
            return None
        if len(places) == len(chunk):
            return self._batch(chunk)
        if not condition.columns.issuperset(self._names):
            return self._batch(chunk.take(places.to_pylist()))
        if not self._names:
            return _counted(len(places))
        # All that is asked for is at hand.
        columns = [chunk.column(name).take(places) for name in self._names]
        return pa.RecordBatch.from_arrays(columns, schema=self.projected_schema)

    def _batch(self, rows: Chunk) -> pa.RecordBatch:
        if not self._names:
            return _counted(len(rows))
        return pa.RecordBatch.from_arrays(
            [rows.column(name) for name in self._names], schema=self.projected_schema
        )


def _counted(size: int) -> pa.RecordBatch:
    """A batch without columns that still has a length."""
    return pa.RecordBatch.from_arrays([pa.nulls(size)], names=["rows"]).select([])

"""Columns out of Python rows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import pyarrow as pa

from restate.runtime.query.worker.scan import Chunk, Wanted

RowT = TypeVar("RowT")


class RowChunk(Generic[RowT]):
    """Rows as objects, with a function for each column that has values; the others are NULL.

    A function that is used for several columns should remember what it computed.
    """

    __slots__ = ("_columns", "_getters", "_schema", "rows")

    def __init__(
        self, schema: pa.Schema, getters: Mapping[str, Callable[[RowT], Any]], rows: Sequence[RowT]
    ) -> None:
        self.rows = rows
        self._schema = schema
        self._getters = getters
        self._columns: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> pa.Array:
        found = self._columns.get(name)
        if found is None:
            getter = self._getters.get(name)
            kind = self._schema.field(name).type
            if getter is None:
                found = pa.nulls(len(self.rows), kind)
            else:
                found = pa.array([getter(row) for row in self.rows], kind)
            self._columns[name] = found
        return found

    def take(self, places: list[int]) -> Chunk:
        rows = self.rows
        return RowChunk(self._schema, self._getters, [rows[place] for place in places])


class ListSource(Generic[RowT]):
    """A table whose rows are few and read at once."""

    def __init__(
        self,
        schema: pa.Schema,
        getters: Mapping[str, Callable[[RowT], Any]],
        read: Callable[[], Sequence[RowT]] = lambda: (),
    ) -> None:
        self.schema = schema
        self._getters = getters
        self._read = read

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        rows = self._read()
        start = 0
        while start < len(rows):
            end = start + next(sizes)
            yield RowChunk(self.schema, self._getters, rows[start:end])
            start = end

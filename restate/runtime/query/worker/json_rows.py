"""Rows as JSON objects, in the form that the command line of the modern generation reads (sql.md §2.2).

NULL has no key.
"""

from typing import Any

import msgspec
import pyarrow as pa

from restate.runtime.query.arrow_values import values

_encode = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode

OPENING = b'{"rows":['
CLOSING = b"]}"


class JsonRows:
    """Encodes the batches of one result. Before the first row OPENING, after the last CLOSING."""

    def __init__(self, schema: pa.Schema) -> None:
        self._names = schema.names
        self._first = True

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """The rows, with a comma before all but the first of the result."""
        # Of fifty columns of an invocation, most are NULL in every row.
        filled = [place for place, column in enumerate(batch.columns) if column.null_count < len(column)]
        names = [self._names[place] for place in filled]
        columns = [values(batch.column(place)) for place in filled]
        objects: list[dict[str, Any]]
        if not columns:
            objects = [{}] * batch.num_rows
        elif any(batch.column(place).null_count for place in filled):
            objects = [
                {name: value for name, value in zip(names, row, strict=True) if value is not None}
                for row in zip(*columns, strict=True)
            ]
        else:
            objects = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        text = _encode(objects)[1:-1]
        if not self._first and objects:
            text = b"," + text
        self._first = self._first and not objects
        return text

"""Record batches as DataRow messages, made column by column by Arrow's own kernels.

No Python runs for each row: every column becomes a column of byte strings, every byte string gets its big-endian length
before it, and one join makes the messages, whose bytes then lie behind each other in the result's buffer.
"""

import sys
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from restate.runtime.query.worker.big_endian import big_endian
from restate.runtime.query.worker.postgres_binary import binary_column
from restate.runtime.query.worker.postgres_text import BYTES, text_column

_NOTHING = pa.scalar(b"", BYTES)
_NULL = b"\xff\xff\xff\xff"
_NULL_CELL = pa.scalar(_NULL, BYTES)
_DATA_ROW = pa.scalar(b"D", BYTES)
_HEAD_BYTES = pa.scalar(6, pa.int64())
"""The message's length counts itself and the number of columns, but not the type byte."""
_NO_LENGTH = pa.scalar(-1, pa.int64())
# Kernels take scalars: to turn a number or a text into one, Arrow looks for a package that is not installed, each time.


class RowEncoder:
    """Encodes the batches of one result."""

    def __init__(self, schema: pa.Schema, binary: Sequence[bool], timezone: str) -> None:
        """binary: one flag a column. timezone: the session's, a name of the zone database; for text only."""
        self._binary = tuple(binary)
        self._timezone = timezone
        self._count = pa.scalar(len(schema).to_bytes(2, "big"), BYTES)

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """One message a row. Raises pa.ArrowInvalid for a time zone Arrow does not know."""
        nulls = [column.null_count == len(column) for column in batch.columns]
        if all(nulls):
            return self._nulls(batch)
        parts: list[pa.Array | pa.Scalar] = []
        for column, binary, is_null in zip(batch.columns, self._binary, nulls, strict=True):
            if is_null:
                # Of fifty columns of an invocation, most are.
                parts.append(_NULL_CELL)
                continue
            cells = binary_column(column) if binary else text_column(column, self._timezone)
            parts += (_prefixes(cells), pc.fill_null(cells, _NOTHING))
        bodies = pc.binary_join_element_wise(*parts, _NOTHING)
        lengths = big_endian(pc.add(pc.binary_length(bodies), _HEAD_BYTES).cast(pa.int32()))
        return _contents(pc.binary_join_element_wise(_DATA_ROW, lengths, self._count, bodies, _NOTHING))

    def _nulls(self, batch: pa.RecordBatch) -> bytes:
        count = len(self._binary)
        body = count.to_bytes(2, "big") + _NULL * count
        return (b"D" + (len(body) + 4).to_bytes(4, "big") + body) * int(batch.num_rows)


def _prefixes(cells: pa.Array) -> pa.Array:
    """The length of each cell as four bytes; NULL has length -1 and no bytes."""
    return big_endian(pc.fill_null(pc.binary_length(cells), _NO_LENGTH).cast(pa.int32()))


def _contents(messages: pa.Array) -> bytes:
    """All values behind each other. The buffer of a join may be longer than its values."""
    _, offsets, contents = messages.buffers()
    last = offsets.slice((messages.offset + len(messages)) * 8, 8).to_pybytes()
    return bytes(contents.slice(0, int.from_bytes(last, sys.byteorder)).to_pybytes())

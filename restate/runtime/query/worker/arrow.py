"""Results as an Arrow IPC stream, in pieces, in types that clients of both generations read."""

import pyarrow as pa
import pyarrow.types as kinds


class _Pieces:
    """A file to write to, whose content is taken away piece by piece."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes | pa.Buffer) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        return len(piece)

    def flush(self) -> None:
        """There is nothing below."""

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class ArrowStream:
    """Encodes the batches of one result. dates: timestamps become Date64, which is what classic clients expect."""

    def __init__(self, schema: pa.Schema, *, dates: bool) -> None:
        fields = [field.with_type(_plain(field.type, dates=dates)) for field in schema]
        self._schema = pa.schema([pa.field(field.name, field.type, field.nullable) for field in fields])
        self._pieces = _Pieces()
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._pieces, mode="w"), self._schema)

    def encode(self, batch: pa.RecordBatch) -> bytes:
        """With the schema before the first batch."""
        columns = [
            _cast(column, kind) for column, kind in zip(batch.columns, self._schema.types, strict=True)
        ]
        if columns:
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))
        else:
            self._writer.write_batch(batch)
        return self._pieces.take()

    def close(self) -> bytes:
        """The end of the stream; the schema as well if there was no batch."""
        self._writer.close()
        return self._pieces.take()


def _plain(kind: pa.DataType, *, dates: bool) -> pa.DataType:
    if kinds.is_string_view(kind) or kinds.is_large_string(kind):
        return pa.utf8()
    if kinds.is_binary_view(kind) or kinds.is_large_binary(kind):
        return pa.binary()
    if kinds.is_dictionary(kind):
        return _plain(kind.value_type, dates=dates)
    if dates and kinds.is_timestamp(kind):
        return pa.date64()
    return kind


def _cast(column: pa.Array, kind: pa.DataType) -> pa.Array:
    if column.type == kind:
        return column
    if kinds.is_date64(kind):
        # Arrow's own cast cuts the time of day off; classic clients want all milliseconds.
        milliseconds = column.cast(pa.timestamp("ms", tz=column.type.tz), safe=False)
        return milliseconds.cast(pa.int64()).view(pa.date64())
    return column.cast(kind)

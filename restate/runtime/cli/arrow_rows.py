"""Rows from an Arrow stream, which tells all columns of a result, also those that are NULL in every row.

Imports pyarrow, so only what shows such rows imports this.
"""

import json
from typing import Any

import attrs
import pyarrow as pa

from restate.runtime.cli.output import Cell
from restate.runtime.query.arrow_values import values


@attrs.frozen
class Result:
    """names: of all columns, in the order of the statement. rows: each as long as names."""

    names: list[str]
    rows: list[list[Cell]]


def read(stream: bytes) -> Result:
    """Values look as they do in the JSON form of the result. Raises ValueError for what is not a whole Arrow stream."""
    try:
        with pa.ipc.open_stream(stream) as reader:
            names, batches = reader.schema.names, list(reader)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from error
    rows = []
    for batch in batches:
        columns = [map(_cell, values(column)) for column in batch.columns]
        rows += [list(row) for row in zip(*columns, strict=True)]
    return Result(names, rows)


def _cell(value: Any) -> Cell:
    match value:
        case bool():
            return str(value).lower()
        case None | str() | int() | float():
            return value
        case list() | dict():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)

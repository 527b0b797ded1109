"""Arrow numbers, little-endian in memory, as byte strings in network order."""

import array
import sys

import pyarrow as pa

_CODES = {1: "b", 2: "h", 4: "i", 8: "q"}


def big_endian(numbers: pa.Array) -> pa.Array:
    """Numbers of a fixed width → large_binary of that many bytes each; NULL stays NULL."""
    width = numbers.type.bit_width // 8
    buffer = numbers.buffers()[1]
    if buffer is None:
        return pa.nulls(len(numbers), pa.large_binary())
    swapped = array.array(_CODES[width])
    swapped.frombytes(buffer.slice(numbers.offset * width, len(numbers) * width).to_pybytes())
    if sys.byteorder == "little":
        swapped.byteswap()
    valid = numbers.is_valid().buffers()[1] if numbers.null_count else None
    fixed = pa.Array.from_buffers(pa.binary(width), len(numbers), [valid, pa.py_buffer(swapped)])
    return fixed.cast(pa.large_binary())

"""Header compression that remembers: the blocks of one connection are much alike.

hpack does everything anew for every header. jh2 has its own compression in Rust, which needs none of this.
"""

from collections.abc import Iterable
from typing import Any

from hpack import Decoder, Encoder, HeaderTuple

# Headers whose values do not come again.
_ONCE = frozenset(
    (
        b"content-length",
        b"grpc-message",
        b"grpc-status-details-bin",
        b"idempotency-expires",
        b"traceparent",
        b"x-restate-id",
        b"x-restate-invocation-id",
        b"x-restate-jwt-v1",
        b"x-restate-service-key",
    )
)
_INDEXED, _INSERTED, _RESIZED = 0x80, 0x40, 0x20  # the first bits of a header's representation (RFC 7541 §6)
_LONGEST_KNOWN = 256  # bytes of a block
_MOST_KNOWN = 64  # blocks


class CachingEncoder(Encoder):
    """For blocks that differ in one or two headers only.

    hpack searches its whole table for every header. Values that come once are kept out of the table, so that it
    stays as it is after the first blocks, and the index of an entry can be remembered. Without Huffman coding,
    which costs more time here than its bytes do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._indexed: dict[tuple[bytes, bytes], bytes] = {}  # good until the table changes

    @property
    def header_table_size(self) -> int:
        return int(self.header_table.maxsize)

    @header_table_size.setter
    def header_table_size(self, value: int) -> None:
        # hpack forgets to tell the peer of a size that is set twice before the next block.
        if value != self.header_table_size:
            self.header_table.maxsize = value
            self.table_size_changes.append(value)

    def encode(self, headers: Any, huffman: bool = False) -> bytes:
        """The header block for pairs of bytes."""
        if self.header_table.resized:
            self._indexed.clear()
            return super().encode(headers, huffman)
        indexed = self._indexed
        pieces = []
        for header in headers:
            piece = indexed.get(header)
            if piece is None:
                piece = self.add(header, header[0] in _ONCE, huffman)
                if piece[0] & _INDEXED:
                    indexed[header] = piece
                elif piece[0] & _INSERTED:
                    indexed.clear()
            pieces.append(piece)
        return b"".join(pieces)


class CachingDecoder(Decoder):
    """For blocks that come again: a client with a filled table sends the same few bytes for every request."""

    def __init__(self, max_header_list_size: int) -> None:
        super().__init__(max_header_list_size)
        self._known: dict[bytes, list[HeaderTuple]] = {}  # good until the table changes

    def decode(self, data: bytes, raw: bool = False) -> Iterable[HeaderTuple]:
        """The headers of a block; the caller does not change the list."""
        if not raw:
            return super().decode(data, raw)
        found = self._known.get(data)
        if found is not None:
            return found
        entries = self.header_table.dynamic_entries
        newest = entries[0] if entries else None
        headers = list(super().decode(data, raw))
        # A new entry is another object, even when it says the same.
        changed = (entries[0] if entries else None) is not newest or data[0] & 0xE0 == _RESIZED
        if changed:
            self._known.clear()
        elif len(data) <= _LONGEST_KNOWN:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[data] = headers
        return headers

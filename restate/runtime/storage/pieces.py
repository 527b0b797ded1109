"""Long values, in pieces, so that RocksDB never needs a whole one at once.

Theory. RocksDB copies a value as a whole again and again: into a table in memory, twice for the block of a file, for each
read. With values of 32 MB that was 200 MB. So a long value is stored in pieces, in the store's own table, and where it
belongs there is a short note that leads to them. A directory beside the pieces tells which values are long: who replaces
or deletes one deletes its pieces, in the same write. Whoever reads rows puts them together again; nobody above the store
knows. Databases from before have no notes, and are read as they are.
"""

import struct
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Self

import attrs
from rocksdict import RdictIter

from restate.runtime.errors import StorageDamaged

LONG_BYTES = 2 << 20
"""From this length on a value is stored in pieces."""

_LARGEST_PIECE = 1 << 20
# Values of tables begin with the version of their format, and keys of the store's own table with a lower case word.
_NOTE = b"\xff a long value, in pieces "
_FIELDS = struct.Struct(">QIIQ")
_PIECE = b"piece/"
_DIRECTORY = b"long/"

Place = tuple[str, bytes]
"""Table and key."""


@attrs.frozen
class LongValue:
    """Where a long value is. write: the number of the write that stored it. ordinal: which one of that write's it is.

    piece: bytes of each piece but the last. size: of the value, in bytes.
    """

    write: int
    ordinal: int
    piece: int
    size: int

    @classmethod
    def of(cls, write: int, ordinal: int, size: int) -> Self:
        """A value that is still to be stored.

        A batch doubles its memory whenever it is full, and copies what it has. With a first piece of a little more than
        a half, quarter, eighth of the value it does so last when it is half full: both halves are no more than the value.
        """
        piece = size
        while piece > _LARGEST_PIECE:
            piece = -(-piece // 2)
        return cls(write, ordinal, piece + (piece >> 4), size)

    @classmethod
    def noted(cls, stored: bytes) -> Self:
        """Of a value for which `is_note` is true, and of one in the directory."""
        try:
            return cls(*_FIELDS.unpack(stored[len(_NOTE) :]))
        except struct.error as error:
            raise StorageDamaged(f"cannot read where a long value is: {error}; restore a backup") from error

    @property
    def note(self) -> bytes:
        """What is stored where the value belongs."""
        return _NOTE + _FIELDS.pack(self.write, self.ordinal, self.piece, self.size)

    def piece_keys(self) -> Iterator[bytes]:
        """Of the pieces, in the store's own table."""
        for number in range(-(-self.size // self.piece)):
            yield _PIECE + self.write.to_bytes(8, "big") + struct.pack(">II", self.ordinal, number)

    def split(self, value: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Key and bytes of each piece."""
        whole = memoryview(value)
        for key, start in zip(self.piece_keys(), range(0, self.size, self.piece), strict=True):
            yield key, bytes(whole[start : start + self.piece])

    def join(self, read: Callable[[bytes], bytes | None]) -> bytes:
        """The value. read: of the store's own table. Raises StorageDamaged, and what `read` raises."""
        # Its value is its buffer, and growing it moves pages instead of copying bytes.
        whole = BytesIO()
        for key in self.piece_keys():
            piece = read(key)
            if piece is None:
                break
            whole.write(piece)
        if whole.tell() != self.size:
            raise StorageDamaged(
                f"expected a long value of {self.size} bytes, found {whole.tell()}; restore a backup"
            )
        return whole.getvalue()


def is_note(stored: bytes) -> bool:
    """Whether these bytes of a table only lead to a long value."""
    return stored.startswith(_NOTE)


def directory_key(place: Place) -> bytes:
    """In the store's own table."""
    table, key = place
    return _DIRECTORY + table.encode() + b"/" + key


def directory(
    rows: Callable[[bytes, bytes], Iterator[tuple[bytes, bytes]]],
) -> Iterator[tuple[Place, LongValue]]:
    """All long values. rows: gives those of the store's own table with start <= key < end."""
    for key, stored in rows(_DIRECTORY, _DIRECTORY[:-1] + b"0"):
        table, _, rest = key[len(_DIRECTORY) :].partition(b"/")
        yield (table.decode(), rest), LongValue.noted(stored)


def reading(rows: RdictIter) -> Callable[[bytes], bytes | None]:
    """For `LongValue.join`: the value of a key as an iterator sees it."""

    def read(key: bytes) -> bytes | None:
        rows.seek(key)
        if not rows.valid():
            rows.status()
            return None
        found: bytes | None = rows.value() if rows.key() == key else None
        return found

    return read

"""Length-prefixed messages of gRPC and gRPC-Web: one byte of flags, four of length, the message."""

import struct

import attrs

from restate.runtime.rpc.compression import too_large
from restate.runtime.rpc.status import Code, RpcError

COMPRESSED = 0x01
TRAILERS = 0x80  # the message is the trailers of a gRPC-Web answer
HEAD_BYTES = 5

_HEAD = struct.Struct(">BI")
_BLOCK_BYTES = 1 << 20  # of pieces that are put together early, see FrameReader.feed


def frame(message: bytes, flags: int = 0) -> bytes:
    return _HEAD.pack(flags, len(message)) + message


def frame_head(size: int) -> bytes:
    """What stands before a message of so many bytes that is not compressed."""
    return _HEAD.pack(0, size)


@attrs.frozen
class Frame:
    compressed: bool
    message: bytes


class FrameReader:
    """The messages in a stream of bytes. Feed it pieces, take frames in between.

    limit: greatest length of a message in bytes, looked at as soon as its head is here.
    """

    __slots__ = ("_blocks", "_limit", "_loose", "_pieces", "_size", "_wanted")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0  # of the pieces together
        self._blocks = 0  # so many of the pieces, the first ones, are put together
        self._loose = 0  # size of the others
        self._wanted = HEAD_BYTES  # bytes that must be here before the pieces are looked at again

    def feed(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._size += len(piece)
        self._loose += len(piece)
        if self._loose >= _BLOCK_BYTES:
            # Thousands of small pieces leave holes in memory that the system does not get back; long ones do not.
            self._pieces[self._blocks :] = [b"".join(self._pieces[self._blocks :])]
            self._blocks += 1
            self._loose = 0

    def take(self) -> Frame | None:
        """The next frame, if it is here whole. Raises RpcError: INTERNAL for unknown flags, RESOURCE_EXHAUSTED."""
        if self._size < self._wanted:
            return None
        if len(self._pieces[0]) < HEAD_BYTES:
            self._keep(b"".join(self._pieces))
        flags, length = _HEAD.unpack_from(self._pieces[0])
        if flags > COMPRESSED:
            raise RpcError(Code.INTERNAL, f"expected a message with flags 0 or 1, got {flags}")
        if length > self._limit:
            raise too_large(self._limit)
        self._wanted = HEAD_BYTES + length
        if self._size < self._wanted:
            return None
        message, rest = self._split(self._wanted)
        self._keep(rest)
        self._wanted = HEAD_BYTES
        return Frame(flags == COMPRESSED, message)

    def _keep(self, rest: bytes) -> None:
        self._pieces = [rest] if rest else []
        self._size = self._loose = len(rest)
        self._blocks = 0

    def _split(self, end: int) -> tuple[bytes, bytes]:
        """The message, which ends at `end`, and what follows it. A long message is copied once."""
        *earlier, last = self._pieces
        if not earlier:
            return last[HEAD_BYTES:end], last[end:]
        kept = len(last) - (self._size - end)
        if kept < 0:  # several frames, of which none was taken
            whole = b"".join(self._pieces)
            return whole[HEAD_BYTES:end], whole[end:]
        parts: list[bytes | memoryview] = [
            memoryview(earlier[0])[HEAD_BYTES:],
            *earlier[1:],
            memoryview(last)[:kept],
        ]
        return b"".join(parts), last[kept:]

    def end(self) -> None:
        """No more pieces come. Raises RpcError INTERNAL when a frame was begun."""
        if self._size:
            raise RpcError(
                Code.INTERNAL, f"expected {self._wanted} bytes of a message, got only {self._size} of them"
            )

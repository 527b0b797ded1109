"""Frames: an 8-byte header, then a protobuf body; the same in both generations (service-protocol.md §2).

Header, big endian: type code (16 bits), flags (16 bits), body length without the header (32 bits).
"""

import struct

from restate.runtime.service_protocol.received import AttemptError

REQUIRES_ACK = 0x8000
COMPLETED = 0x0001
"""Classic entries that carry their result."""

HEADER = struct.Struct(">HHI")

Frame = tuple[int, int, bytes]
"""(code, flags, body)."""


def encode_frame(code: int, body: bytes, flags: int = 0) -> bytes:
    """One frame as it goes over the wire."""
    return HEADER.pack(code, flags, len(body)) + body


def frame_parts(code: int, body: bytes, flags: int = 0) -> tuple[bytes, bytes]:
    """The same in two parts, for who joins frames: a long body is not copied before."""
    return HEADER.pack(code, flags, len(body)), body


class FrameDecoder:
    """Cuts a byte stream into frames, however the stream itself was cut.

    size_limit: bodies of this many bytes or more are refused as soon as their header is there.
    """

    def __init__(self, size_limit: int) -> None:
        self._size_limit = size_limit
        self._buffer = bytearray()

    @property
    def missing(self) -> tuple[int, int] | None:
        """(bytes of the next frame that are there, bytes it needs) if the stream stands inside a frame, else None."""
        return (len(self._buffer), self._needed()) if self._buffer else None

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes, in order. Call `check` when they are dealt with: frames before one that is
        over the limit count.
        """
        frames: list[Frame] = []
        if self._buffer:
            self._buffer += chunk
            # Only a complete frame is copied out of the buffer, so that many small chunks cost linear time.
            needed = self._needed()
            if len(self._buffer) < needed:
                return []
            frames.append(self._cut(needed))
            chunk = bytes(self._buffer)
            self._buffer.clear()
        position, size = 0, len(chunk)
        while size - position >= HEADER.size:
            code, flags, length = HEADER.unpack_from(chunk, position)
            body = position + HEADER.size
            if length >= self._size_limit or size - body < length:
                break
            frames.append((code, flags, chunk[body : body + length]))
            position = body + length
        if position < size:
            self._buffer += chunk[position:]
        return frames

    def _cut(self, end: int) -> Frame:
        """The frame at the start of the buffer, which is there whole. Its body is copied once."""
        code, flags, _ = HEADER.unpack_from(self._buffer)
        with memoryview(self._buffer) as view:
            body = bytes(view[HEADER.size : end])
        del self._buffer[:end]
        return code, flags, body

    def check(self) -> None:
        """Raise AttemptError RT0003 if the frame that the stream stands in is over the limit."""
        length = self._needed() - HEADER.size
        if length >= self._size_limit:
            raise AttemptError(
                "RT0003", f"message encoding error: hit message size limit: {length} >= {self._size_limit}"
            )

    def _needed(self) -> int:
        """Bytes until the next frame is complete, as far as they are known."""
        if len(self._buffer) < HEADER.size:
            return HEADER.size
        length: int = HEADER.unpack_from(self._buffer)[2]
        return HEADER.size + length

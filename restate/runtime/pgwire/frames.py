"""Bytes → frames: one type byte, four bytes of length that count themselves, the body."""

import attrs

from restate.runtime.pgwire.errors import PROTOCOL_VIOLATION, FatalError

_LONG = frozenset(b"QPBdFp")
"""Tags whose bodies may be as long as the limit; every other message is short."""
_SHORT = frozenset(b"DECSHXcf")
_SHORT_SIZE = 10_000
_HEADER = 5


@attrs.frozen
class Frame:
    """One message of the client. tag: the type byte."""

    tag: int
    body: bytes


class Frames:
    """Cuts a stream of bytes. size_limit: of the body of a long message; it can be raised when the client is known."""

    def __init__(self, size_limit: int) -> None:
        self.size_limit = size_limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Frame | None:
        """The next whole frame; None if more bytes are needed. Raises FatalError as soon as a header is wrong."""
        buffer = self._buffer
        if not buffer:
            return None
        tag = buffer[0]
        if tag not in _LONG and tag not in _SHORT:
            raise FatalError(PROTOCOL_VIOLATION, f"invalid frontend message type {tag}")
        if len(buffer) < _HEADER:
            return None
        length = int.from_bytes(buffer[1:_HEADER], "big")
        limit = self.size_limit if tag in _LONG else min(_SHORT_SIZE, self.size_limit)
        if not 4 <= length <= limit + 4:
            raise FatalError(
                PROTOCOL_VIOLATION,
                f"invalid length {length} of message type {chr(tag)}: expected 4 to {limit + 4}",
            )
        if len(buffer) < length + 1:
            return None
        body = bytes(buffer[_HEADER : length + 1])
        del buffer[: length + 1]
        return Frame(tag, body)

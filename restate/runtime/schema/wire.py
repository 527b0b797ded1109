"""A scanner over the protobuf wire format, for the few places that must not depend on message classes."""

from collections.abc import Iterator

VARINT = 0
FIXED64 = 1
LENGTH_DELIMITED = 2
START_GROUP = 3
END_GROUP = 4
FIXED32 = 5


class WireError(ValueError):
    """The bytes are not a protobuf message, or a field has another wire type than expected."""


def fields(raw: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """(field number, wire type, value) of each top-level field, in order: int for varints, else the bytes.

    Groups are skipped. Raises WireError where the bytes break off or make no sense.
    """
    position = 0
    groups: list[int] = []
    while position < len(raw):
        tag, position = _varint(raw, position)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if number == 0:
            raise WireError("field number 0")
        if kind == VARINT:
            value, position = _varint(raw, position)
        elif kind in (FIXED64, FIXED32):
            value, position = _take(raw, position, 8 if kind == FIXED64 else 4)
        elif kind == LENGTH_DELIMITED:
            size, position = _varint(raw, position)
            value, position = _take(raw, position, size)
        elif kind == START_GROUP:
            groups.append(number)
            continue
        elif kind == END_GROUP and groups and groups.pop() == number:
            continue
        else:
            raise WireError(f"unexpected wire type {kind} of field {number}")
        if not groups:
            yield number, kind, value
    if groups:
        raise WireError("a group is not closed")


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(raw):
            raise WireError("truncated")
        byte = raw[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise WireError("a varint is longer than 10 bytes")


def _take(raw: bytes, position: int, size: int) -> tuple[bytes, int]:
    end = position + size
    if end > len(raw):
        raise WireError("truncated")
    return raw[position:end], end

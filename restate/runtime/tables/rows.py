"""Rows as bytes: one version byte, then the row.

Structs are msgpack arrays. Their fields are only ever appended, with defaults: then old bytes give a new struct, and new
bytes an old one. Anything else needs a new version byte and a reader for the old one. What cannot be read is
StorageFormatError (a version from the future) or StorageDamaged, never a wrong row.
"""

from typing import Any, Generic, TypeVar

import attrs
import msgspec

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord, Pin, Status
from restate.runtime.model.journal import EventRow, JournalRow
from restate.runtime.model.promise import PromiseRow
from restate.runtime.model.target import Target

RowT = TypeVar("RowT")

VERSION = 1
_HEAD = bytes((VERSION,))
_ENCODE = msgspec.msgpack.Encoder().encode
_INVOCATION_TAG = b"\x00"
_PATCH_TAG = b"\x01"


class InvocationHead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The leading columns of InvocationRecord: what scans filter on, at less than half of the cost."""

    status: Status
    target: Target
    created_ms: int
    modified_ms: int
    pin: Pin | None
    incarnation: int


@attrs.frozen
class StatePatch:
    """An inbox entry that is not an invocation: the engine's record, encoded by the engine."""

    raw: bytes


InboxEntry = InvocationId | StatePatch


class Codec(Generic[RowT]):
    """Encodes and decodes one kind of struct. noun: what it is, in errors."""

    __slots__ = ("_decode", "_noun")

    def __init__(self, noun: str, kind: Any) -> None:
        self._noun = noun
        self._decode = msgspec.msgpack.Decoder(kind).decode

    def encode(self, row: RowT) -> bytes:
        return _HEAD + _ENCODE(row)

    def decode(self, raw: bytes) -> RowT:
        """Raises StorageFormatError, StorageDamaged."""
        if raw[:1] != _HEAD:
            raise _refusal(self._noun, raw)
        try:
            # A view: the row may be as long as the longest body.
            row: RowT = self._decode(memoryview(raw)[1:])
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise StorageDamaged(f"cannot read the stored {self._noun}: {error}; restore a backup") from error
        return row


INVOCATION: Codec[InvocationRecord] = Codec("invocation", InvocationRecord)
INVOCATION_HEAD: Codec[InvocationHead] = Codec("invocation", InvocationHead)
JOURNAL_ROW: Codec[JournalRow] = Codec("journal row", JournalRow)
EVENT: Codec[EventRow] = Codec("event", EventRow)
PROMISE: Codec[PromiseRow] = Codec("promise", PromiseRow)


def encode_bytes(value: bytes) -> bytes:
    """Bytes that mean nothing to us: state, schema, messages."""
    return _HEAD + value


def decode_bytes(raw: bytes) -> bytes:
    if raw[:1] != _HEAD:
        raise _refusal("value", raw)
    return raw[1:]


def encode_number(number: int) -> bytes:
    """0..2^64-1. Raises OverflowError."""
    return _HEAD + number.to_bytes(8, "big")


def decode_number(raw: bytes) -> int:
    if raw[:1] != _HEAD:
        raise _refusal("number", raw)
    if len(raw) != 9:
        raise StorageDamaged(f"expected a stored number of 9 bytes, got {len(raw)}; restore a backup")
    return int.from_bytes(raw[1:], "big")


def decode_invocation_id(raw: bytes) -> InvocationId:
    """Of `encode_bytes(id)`."""
    value = decode_bytes(raw)
    if len(value) != 24:
        raise StorageDamaged(
            f"expected a stored invocation id of 24 bytes, got {len(value)}; restore a backup"
        )
    return InvocationId(value)


def encode_notification_place(index: int, succeeded: bool | None) -> bytes:
    """Where in the journal a notification is, and how it went: None unknown, else success or failure."""
    return (
        _HEAD
        + index.to_bytes(4, "big")
        + (b"\x00" if succeeded is None else b"\x01" if succeeded else b"\x02")
    )


def decode_notification_place(raw: bytes) -> tuple[int, bool | None]:
    value = decode_bytes(raw)
    if len(value) != 5 or value[4] > 2:
        raise StorageDamaged(f"expected a notification's place, got {raw[:32]!r}; restore a backup")
    return int.from_bytes(value[:4], "big"), (None, True, False)[value[4]]


def encode_inbox_entry(entry: InboxEntry) -> bytes:
    if isinstance(entry, StatePatch):
        return _HEAD + _PATCH_TAG + entry.raw
    return _HEAD + _INVOCATION_TAG + entry


def decode_inbox_entry(raw: bytes) -> InboxEntry:
    value = decode_bytes(raw)
    tag, rest = value[:1], value[1:]
    if tag == _PATCH_TAG:
        return StatePatch(rest)
    if tag != _INVOCATION_TAG or len(rest) != 24:
        raise StorageDamaged(f"expected an inbox entry, got {raw[:32]!r}; restore a backup")
    return InvocationId(rest)


def encode_service_entry(status: Status, created_ms: int) -> bytes:
    """The value of `inv_svc`: enough to list a service's invocations without their records."""
    return _HEAD + bytes((status,)) + created_ms.to_bytes(8, "big")


def decode_service_entry(raw: bytes) -> tuple[Status, int]:
    value = decode_bytes(raw)
    if len(value) != 9 or not Status.SCHEDULED <= value[0] <= Status.COMPLETED:
        raise StorageDamaged(f"expected a service's invocation entry, got {raw[:32]!r}; restore a backup")
    return Status(value[0]), int.from_bytes(value[1:], "big")


def _refusal(noun: str, raw: bytes) -> StorageFormatError | StorageDamaged:
    if not raw:
        return StorageDamaged(f"expected a stored {noun}, got no bytes; restore a backup")
    return StorageFormatError(
        f"expected a stored {noun} of version {VERSION}, got version {raw[0]}: a newer version wrote it"
    )

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.errors import StorageDamaged, StorageFormatError
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, CallSink, Combinator, InvocationRecord, Pin, Status
from restate.runtime.model.journal import Callee, CommandRow, JournalRow, NotificationRow
from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import Failure, Success
from restate.runtime.tables import rows
from tests.tables.builders import (
    ID,
    TARGET,
    ids,
    journal_rows,
    promise_rows,
    record,
    records,
    times,
    u32,
    u64,
)

_TARGET_HEX = "95" + "a7436f756e746572" + "a3616464" + "a36b6579" + "0101"
_ID_HEX = "c418" + bytes(range(24)).hex()


def test_golden_bytes_of_an_invocation() -> None:
    full = msgspec.structs.replace(
        record(Status.SUSPENDED),
        pin=Pin("dp_1", 6),
        sinks=(CallSink(ID, 2, 3),),
        journal_length=4,
        commands=3,
        awaiting=Awaiting(Combinator.UNKNOWN, (1,), (17,), ("go",)),
        random_seed=2**64 - 1,
        last_output=Failure(500, "no", (("a", "b"),)),
    )
    raw = bytes.fromhex(
        "01"
        "dc0018"
        "04" + _TARGET_HEX + "0a0a" + "92a464705f3106" + "01" + "9100" + "9194" + "01" + _ID_HEX + "0203"
        "0000" + "c0c0" + "040300c0" + "9500" + "9101" + "9111" + "91a2676f" + "90"
        "c0" + "c0c0c0c0" + "cf" + "ff" * 8 + "9402cd01f4a26e6f9192a161a162"
    )
    assert rows.INVOCATION.decode(raw) == full
    # Later fields come after these; the bytes of these never change.
    fields = msgspec.msgpack.decode(rows.INVOCATION.encode(full)[1:])
    assert b"\x01" + msgspec.msgpack.encode(fields[:24]) == raw


@pytest.mark.parametrize(
    ("row", "raw"),
    [
        (
            CommandRow(0x0400, 1, 5, b"\x00\xff"),
            "01" + "97" + "00" + "cd0400" + "01" + "05" + "c40200ff" + "c2" + "c0",
        ),
        (
            CommandRow(0x040D, 0, 5, b"", True, Callee(ID, TARGET)),
            "01"
            + "97"
            + "00"
            + "cd040d"
            + "00"
            + "05"
            + "c400"
            + "c3"
            + "95"
            + _ID_HEX
            + _TARGET_HEX
            + "0000c0",
        ),
        (
            NotificationRow(0x800C, 2, 5, Success(b"x")),
            "01" + "96" + "01" + "cd800c" + "0205" + "9201c40178" + "c2",
        ),
        (
            NotificationRow(0xFBFF, "go", 5, Failure(1, "")),
            "01" + "96" + "01" + "cdfbff" + "a2676f" + "05" + "940201a090" + "c2",
        ),
    ],
)
def test_golden_bytes_of_journal_rows(row: JournalRow, raw: str) -> None:
    assert rows.JOURNAL_ROW.encode(row).hex() == raw
    assert rows.JOURNAL_ROW.decode(bytes.fromhex(raw)) == row


def test_golden_bytes_of_the_other_rows() -> None:
    promise = PromiseRow(Success(b"x"), (PromiseListener(ID, 1, 2),))
    assert rows.PROMISE.encode(promise).hex() == "01" + "92" + "9201c40178" + "9193" + _ID_HEX + "0102"
    assert rows.encode_bytes(b"x") == b"\x01x"
    assert rows.encode_number(258) == b"\x01\x00\x00\x00\x00\x00\x00\x01\x02"
    assert rows.encode_notification_place(258, None) == b"\x01\x00\x00\x01\x02\x00"
    assert rows.encode_notification_place(0, True) == b"\x01\x00\x00\x00\x00\x01"
    assert rows.encode_notification_place(0, False) == b"\x01\x00\x00\x00\x00\x02"
    assert rows.encode_inbox_entry(ID) == b"\x01\x00" + ID
    assert rows.encode_inbox_entry(rows.StatePatch(b"patch")) == b"\x01\x01patch"
    assert rows.encode_service_entry(Status.PAUSED, 1) == b"\x01\x05\x00\x00\x00\x00\x00\x00\x00\x01"


@given(records)
def test_an_invocation_is_read_back(value: InvocationRecord) -> None:
    raw = rows.INVOCATION.encode(value)
    assert rows.INVOCATION.decode(raw) == value
    head = rows.INVOCATION_HEAD.decode(raw)
    assert all(getattr(head, name) == getattr(value, name) for name in head.__struct_fields__)


@given(journal_rows)
def test_a_journal_row_is_read_back(value: JournalRow) -> None:
    assert rows.JOURNAL_ROW.decode(rows.JOURNAL_ROW.encode(value)) == value


@given(promise_rows)
def test_a_promise_is_read_back(value: PromiseRow) -> None:
    assert rows.PROMISE.decode(rows.PROMISE.encode(value)) == value


@given(u64, u32, st.sampled_from([None, True, False]), ids, st.binary(max_size=30), times)
def test_small_values_are_read_back(
    number: int, index: int, succeeded: bool | None, invocation: InvocationId, blob: bytes, created_ms: int
) -> None:
    assert rows.decode_number(rows.encode_number(number)) == number
    place = rows.encode_notification_place(index, succeeded)
    assert rows.decode_notification_place(place) == (index, succeeded)
    assert rows.decode_invocation_id(rows.encode_bytes(invocation)) == invocation
    assert rows.decode_bytes(rows.encode_bytes(blob)) == blob
    assert rows.decode_inbox_entry(rows.encode_inbox_entry(invocation)) == invocation
    assert rows.decode_inbox_entry(rows.encode_inbox_entry(rows.StatePatch(blob))) == rows.StatePatch(blob)
    for status in Status:
        assert rows.decode_service_entry(rows.encode_service_entry(status, created_ms)) == (
            status,
            created_ms,
        )


_DECODERS: list[Callable[[bytes], Any]] = [
    rows.INVOCATION.decode,
    rows.INVOCATION_HEAD.decode,
    rows.JOURNAL_ROW.decode,
    rows.PROMISE.decode,
    rows.decode_bytes,
    rows.decode_number,
    rows.decode_invocation_id,
    rows.decode_notification_place,
    rows.decode_inbox_entry,
    rows.decode_service_entry,
]
_REFUSALS = (StorageDamaged, StorageFormatError)


@given(st.binary(max_size=60), st.booleans(), st.sampled_from(_DECODERS))
def test_any_bytes_are_a_value_or_an_error(
    raw: bytes, versioned: bool, decode: Callable[[bytes], Any]
) -> None:
    with suppress(*_REFUSALS):
        decode(b"\x01" + raw if versioned else raw)


@given(records, st.data())
def test_a_changed_byte_gives_a_value_or_an_error(value: InvocationRecord, data: st.DataObject) -> None:
    raw = bytearray(rows.INVOCATION.encode(value))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(*_REFUSALS):
        rows.INVOCATION.decode(bytes(raw))


@given(records, st.data())
def test_a_row_cut_short_is_an_error(value: InvocationRecord, data: st.DataObject) -> None:
    raw = rows.INVOCATION.encode(value)
    with pytest.raises(StorageDamaged):
        rows.INVOCATION.decode(raw[: data.draw(st.integers(0, len(raw) - 1))])


@pytest.mark.parametrize("decode", _DECODERS)
def test_a_version_from_the_future_is_named(decode: Callable[[bytes], Any]) -> None:
    with pytest.raises(StorageFormatError, match="of version 1, got version 2: a newer version wrote it"):
        decode(b"\x02" + bytes(9))


def test_a_row_nested_without_end_is_an_error() -> None:
    with pytest.raises(StorageDamaged, match="cannot read the stored invocation"):
        rows.INVOCATION.decode(b"\x01" + b"\x91" * 100_000)


class _Old(msgspec.Struct, frozen=True, array_like=True):
    number: int


class _New(msgspec.Struct, frozen=True, array_like=True):
    number: int
    added: str = "default"


def test_fields_can_be_appended_in_both_directions() -> None:
    old: rows.Codec[_Old] = rows.Codec("row", _Old)
    new: rows.Codec[_New] = rows.Codec("row", _New)
    assert new.decode(old.encode(_Old(1))) == _New(1)
    assert old.decode(new.encode(_New(1, "x"))) == _Old(1)


def test_an_invocation_of_the_first_fields_alone_can_be_read() -> None:
    # The fields without a default, as a first release would have written them.
    values = msgspec.msgpack.decode(rows.INVOCATION.encode(record())[1:])[:10]
    assert rows.INVOCATION.decode(b"\x01" + msgspec.msgpack.encode(values)) == record()

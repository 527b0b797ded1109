import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.storage.api import TABLES
from restate.runtime.tables import keys
from tests.tables.builders import ID, ids, texts, timers, u32, u64


def test_the_tables_are_those_of_the_store() -> None:
    names = {value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}
    assert names == set(TABLES)


def test_golden_keys() -> None:
    assert (
        keys.object_prefix(b"12345678", "Svc", "k\u00e9") == b"12345678\x00\x03Svc\x00\x00\x00\x03k\xc3\xa9"
    )
    assert keys.service_prefix("Svc", None) == b"\x00\x03Svc"
    assert keys.service_prefix("Svc", "") == b"\x00\x03Svc\x00\x00\x00\x00"
    assert keys.journal_key(ID, 258) == ID + b"\x00\x00\x01\x02"
    assert keys.command_key(ID, 1) == ID + b"c\x00\x00\x00\x01"
    assert keys.notification_key(ID, False, 1) == ID + b"n\x00\x00\x00\x00\x01"
    assert keys.notification_key(ID, True, 1) == ID + b"n\x01\x00\x00\x00\x01"
    assert keys.notification_key(ID, True, "go") == ID + b"n\x02go"
    assert (
        keys.timer_key(TimerKey(1, TimerKind.SLEEP, ID, 3)) == b"\0\0\0\0\0\0\0\x01\x02" + ID + b"\0\0\0\x03"
    )


def test_of_prefixes_within_another_only_that_is_left() -> None:
    assert keys.outermost([b"b", b"ab", b"a", b"a\xff", b"b", b"c"]) == [b"a", b"b", b"c"]
    assert keys.outermost([b"a", b""]) == [b""]
    assert keys.outermost([]) == []


def test_a_service_name_fits_into_its_two_bytes_of_length() -> None:
    assert keys.is_service_name("x" * 65_535)
    assert keys.text_prefix("x" * 65_535)
    assert not keys.is_service_name("x" * 65_536)
    assert not keys.is_service_name("\u00e9" * 32_768)


@pytest.mark.parametrize(("length", "held"), [(256, True), (257, False)])
def test_only_short_object_keys_are_held_after_the_call(length: int, held: bool) -> None:
    key = "".join(["\u00e9"] * length)
    before = sys.getrefcount(key)
    prefix = keys.object_prefix(b"12345678", "Svc", key)
    assert prefix == b"12345678\x00\x03Svc" + (2 * length).to_bytes(4, "big") + key.encode()
    assert (sys.getrefcount(key) > before) == held


@given(timers, timers)
def test_timer_keys_sort_as_timers_and_can_be_read_back(one: TimerKey, other: TimerKey) -> None:
    assert (keys.timer_key(one) < keys.timer_key(other)) == (one < other)
    assert keys.parse_timer_key(keys.timer_key(one)) == one


@given(st.binary(max_size=40))
def test_any_bytes_are_a_timer_key_or_an_error(raw: bytes) -> None:
    try:
        timer = keys.parse_timer_key(raw)
    except ValueError:
        return
    assert keys.timer_key(timer) == raw


@given(ids, u32, ids, u32)
def test_journal_keys_sort_by_invocation_then_index(
    one: InvocationId, one_index: int, other: InvocationId, other_index: int
) -> None:
    in_order = (one, one_index) < (other, other_index)
    assert (keys.journal_key(one, one_index) < keys.journal_key(other, other_index)) == in_order


@given(u64, u64)
def test_number_keys_sort_as_numbers(one: int, other: int) -> None:
    assert (keys.number_key(one) < keys.number_key(other)) == (one < other)


@given(st.tuples(texts, texts), st.tuples(texts, texts), st.binary(max_size=4), st.binary(max_size=4))
def test_rows_of_two_objects_never_mix(
    one: tuple[str, str], other: tuple[str, str], name: bytes, other_name: bytes
) -> None:
    prefix = keys.object_prefix(b"12345678", *one)
    row = keys.object_prefix(b"12345678", *other) + other_name
    assert row.startswith(prefix) == (one == other)
    assert (prefix + name < prefix + other_name) == (name < other_name)


@given(st.binary(max_size=5), st.binary(max_size=5), st.binary(max_size=3))
def test_prefix_end_parts_what_starts_with_the_prefix_from_what_comes_after(
    prefix: bytes, key: bytes, rest: bytes
) -> None:
    end = keys.prefix_end(prefix)
    for candidate in (key, prefix + rest):
        inside = candidate >= prefix and (end is None or candidate < end)
        assert inside == candidate.startswith(prefix)


@pytest.mark.parametrize(
    ("prefix", "end"), [(b"", None), (b"\xff\xff", None), (b"a", b"b"), (b"a\xff", b"b"), (b"\x00", b"\x01")]
)
def test_prefix_end(prefix: bytes, end: bytes | None) -> None:
    assert keys.prefix_end(prefix) == end


def test_a_service_name_over_its_length_field_is_refused() -> None:
    with pytest.raises(OverflowError):
        keys.text_prefix("x" * 65536)

"""Length-prefixed messages, in pieces of any size."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.rpc.frames import COMPRESSED, Frame, FrameReader, frame
from restate.runtime.rpc.status import Code, RpcError

messages = st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=5)


def read(pieces: list[bytes], limit: int = 100) -> list[Frame]:
    """All frames; each is taken as early as it can be."""
    reader = FrameReader(limit)
    found = []
    for piece in pieces:
        reader.feed(piece)
        while (one := reader.take()) is not None:
            found.append(one)
    reader.end()
    return found


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(marks)]


@given(messages, st.lists(st.integers(0, 10_000), max_size=8))
def test_messages_come_out_as_they_went_in_wherever_they_are_cut(
    sent: list[tuple[bytes, bool]], places: list[int]
) -> None:
    data = b"".join(frame(message, COMPRESSED if compressed else 0) for message, compressed in sent)
    expected = [Frame(compressed, message) for message, compressed in sent]
    assert read(cut(data, places)) == expected
    assert read([data[i : i + 1] for i in range(len(data))]) == expected


@given(st.binary(max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_any_bytes_are_frames_or_an_error_of_the_protocol(data: bytes, places: list[int]) -> None:
    try:
        found = read(cut(data, places), limit=30)
    except RpcError as error:
        codes = {error.code}
    else:
        codes = set()
        assert b"".join(frame(one.message, one.compressed) for one in found) == data
    assert codes <= {Code.INTERNAL, Code.RESOURCE_EXHAUSTED}


def test_the_limit_counts_before_the_message_is_here() -> None:
    reader = FrameReader(10)
    reader.feed(b"\0\xff\xff\xff\xff")
    with pytest.raises(RpcError) as refused:
        reader.take()
    assert refused.value.code is Code.RESOURCE_EXHAUSTED
    assert read([frame(b"x" * 10)], limit=10) == [Frame(False, b"x" * 10)]


@pytest.mark.parametrize("flags", [2, 3, 0x80, 0xFF])
def test_unknown_flags_are_refused(flags: int) -> None:
    with pytest.raises(RpcError) as refused:
        read([frame(b"x", flags)])
    assert refused.value.code is Code.INTERNAL


@pytest.mark.parametrize("size", range(1, 8))
def test_half_a_frame_at_the_end_is_refused(size: int) -> None:
    with pytest.raises(RpcError) as refused:
        read([frame(b"abc")[:size]])
    assert refused.value.code is Code.INTERNAL


def test_frames_may_be_taken_late() -> None:
    reader = FrameReader(100)
    for piece in cut(frame(b"a" * 10) + frame(b"") + frame(b"c" * 20), [1, 4, 7, 16, 17, 25]):
        reader.feed(piece)
    assert [reader.take(), reader.take(), reader.take(), reader.take()] == [
        Frame(False, b"a" * 10),
        Frame(False, b""),
        Frame(False, b"c" * 20),
        None,
    ]


def test_long_messages_are_whole_however_they_are_put_together() -> None:
    messages = [bytes([number]) * (700_000 + number) for number in range(5)]
    data = b"".join(frame(message) for message in messages)
    reader = FrameReader(1 << 20)
    found = []
    for start in range(0, len(data), 16_384):
        reader.feed(data[start : start + 16_384])
        while (one := reader.take()) is not None:
            found.append(one.message)
    reader.end()
    assert found == messages


def test_a_long_message_taken_late_is_whole() -> None:
    message = bytes(range(256)) * 12_000
    reader = FrameReader(4 << 20)
    for start in range(0, len(data := frame(message)), 10_000):
        reader.feed(data[start : start + 10_000])
    found = reader.take()
    assert found is not None
    assert found.message == message


def test_a_long_message_is_copied_once() -> None:
    size, piece = 8 << 20, 16_384
    reader = FrameReader(size)
    tracemalloc.start()
    try:
        reader.feed(frame(bytes(piece - 5))[:1] + size.to_bytes(4) + bytes(piece - 5))
        found = reader.take()
        left = size - piece + 5
        while left:
            reader.feed(bytes(min(piece, left)))
            left -= min(piece, left)
            found = reader.take()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert len(found.message) == size
    assert peak < 2.1 * size

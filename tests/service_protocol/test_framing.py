from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.service_protocol.framing import FrameDecoder, encode_frame
from restate.runtime.service_protocol.received import AttemptError

LIMIT = 100
FRAMES = [(0x0401, 0, b"hello"), (0x0003, 0, b""), (0xFC01, 0x8000, bytes(range(99))), (0x0000, 0x0001, b"x")]
STREAM = b"".join(encode_frame(code, body, flags) for code, flags, body in FRAMES)


def test_the_header_is_type_flags_and_length_in_big_endian() -> None:
    assert encode_frame(0x0C00, b"ab", 0x8001) == b"\x0c\x00\x80\x01\x00\x00\x00\x02ab"


def test_a_whole_stream_gives_all_frames() -> None:
    assert FrameDecoder(LIMIT).feed(STREAM) == FRAMES


def test_single_bytes_give_the_same_frames() -> None:
    decoder = FrameDecoder(LIMIT)
    frames = []
    for position in range(len(STREAM)):
        frames += decoder.feed(STREAM[position : position + 1])
        decoder.check()
    assert frames == FRAMES


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_a_cut_anywhere_gives_the_same_frames(cut: int) -> None:
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(STREAM[:cut]) + decoder.feed(STREAM[cut:]) == FRAMES
    assert decoder.missing is None


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=6),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_any_frames_in_any_cuts_come_out_again(frames: list[tuple[int, int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(code, body, flags) for code, flags, body in frames)
    decoder = FrameDecoder(LIMIT)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    found = []
    for left, right in pairwise(edges):
        found += decoder.feed(stream[left:right])
    assert found == frames


def test_a_frame_that_is_not_complete_is_missing_bytes() -> None:
    decoder = FrameDecoder(LIMIT)
    decoder.feed(b"\x00\x03\x00")
    assert decoder.missing == (3, 8)
    decoder.feed(b"\x00\x00\x00\x00\x02a")
    assert decoder.missing == (9, 10)
    decoder.feed(b"b")
    assert decoder.missing is None


def test_a_body_over_the_limit_is_refused_at_its_header() -> None:
    decoder = FrameDecoder(LIMIT)
    head = encode_frame(3, b"") + b"\x04\x01\x00\x00\x00\x00\x00\x64"
    assert decoder.feed(head) == [(3, 0, b"")]
    with pytest.raises(AttemptError) as caught:
        decoder.check()
    assert caught.value.code == "RT0003"
    assert str(caught.value) == "message encoding error: hit message size limit: 100 >= 100"


def test_a_body_just_under_the_limit_passes() -> None:
    decoder = FrameDecoder(LIMIT)
    assert decoder.feed(encode_frame(1, bytes(99))) == [(1, 0, bytes(99))]
    decoder.check()

"""Remembered header blocks say what a decoder without memory reads, whatever an encoder does to the table."""

from __future__ import annotations

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.net.header_compression import CachingDecoder, CachingEncoder

HEADERS = [(b":path", b"/a"), (b"x", b"1"), (b"x", b"2"), (b"y", b"v" * 60), (b"z", b"")]

blocks = st.lists(
    st.one_of(
        st.lists(st.sampled_from(HEADERS), min_size=1, max_size=4),
        st.sampled_from([0, 100, 4096]),
    ),
    max_size=30,
)


@given(blocks)
def test_blocks_mean_the_same_with_and_without_memory(steps: list[list[tuple[bytes, bytes]] | int]) -> None:
    encoder, plain, caching = CachingEncoder(), hpack.Decoder(), CachingDecoder(65_536)
    for step in steps:
        if isinstance(step, int):
            encoder.header_table_size = step
            continue
        data = encoder.encode(step)
        assert list(caching.decode(data, raw=True)) == list(plain.decode(data, raw=True)) == step


def test_a_block_that_comes_again_is_not_read_again() -> None:
    encoder, decoder = hpack.Encoder(), CachingDecoder(65_536)
    first = list(decoder.decode(encoder.encode(HEADERS[:2]), raw=True))
    block = encoder.encode(HEADERS[:2])
    again = decoder.decode(block, raw=True)
    assert list(again) == first
    assert decoder.decode(block, raw=True) is again
    decoder.decode(encoder.encode(HEADERS[2:]), raw=True)
    assert decoder.decode(encoder.encode(HEADERS[:2]), raw=True) is not again


def test_what_is_remembered_is_bounded() -> None:
    decoder = CachingDecoder(65_536)
    for number in range(1000):
        name = b"n%d" % number
        block = b"\x00" + bytes([len(name)]) + name + b"\x01v"  # a literal that is not inserted
        assert list(decoder.decode(block, raw=True)) == [(name, b"v")]
    assert len(decoder._known) <= 64
    decoder._known.clear()
    list(decoder.decode(b"\x00\x01n\x7f\xa1\x01" + b"v" * 288, raw=True))
    assert len(decoder._known) == 0


def test_a_broken_block_is_an_error_each_time() -> None:
    decoder = CachingDecoder(65_536)
    for _ in range(2):
        with pytest.raises(hpack.HPACKDecodingError):
            decoder.decode(b"\xff\xff\xff\xff\xff\x0f", raw=True)

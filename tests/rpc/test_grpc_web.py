"""Trailers in the body, and base64 of everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.rpc.grpc_web import TextReader, encode_text, trailer_frame
from restate.runtime.rpc.status import Code, RpcError
from tests.rpc.test_frames import cut


def read(pieces: list[bytes]) -> bytes:
    reader = TextReader()
    data = b"".join([reader.feed(piece) for piece in pieces])
    reader.end()
    return data


def test_trailers_are_lines_in_a_frame_of_their_own() -> None:
    made = trailer_frame([(b"grpc-status", b"0"), (b"a", b"b")])
    assert made == b"\x80\0\0\0\x14grpc-status:0\r\na:b\r\n"


@given(st.lists(st.binary(max_size=20), max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_parts_are_read_each_with_its_padding(parts: list[bytes], places: list[int]) -> None:
    text = b"".join(encode_text(part) for part in parts)
    assert read(cut(text, places)) == b"".join(parts)
    assert read([text[i : i + 1] for i in range(len(text))]) == b"".join(parts)


@pytest.mark.parametrize(
    "text",
    [
        b"AA",
        b"AAA",
        b"A===",
        b"====",
        b"AAAA====",
        b"AA======",
        b"AA=A",
        b"A*==",
        b"AAAA\n",
        "é".encode() * 2,
    ],
)
def test_what_is_no_base64_is_refused(text: bytes) -> None:
    with pytest.raises(RpcError) as refused:
        read([text])
    assert refused.value.code is Code.INTERNAL


@given(st.binary(max_size=40), st.lists(st.integers(0, 40), max_size=4))
def test_any_bytes_are_base64_or_an_error_of_the_protocol(text: bytes, places: list[int]) -> None:
    codes = set()
    try:
        read(cut(text, places))
    except RpcError as error:
        codes.add(error.code)
    else:
        assert len(text) % 4 == 0
    assert codes <= {Code.INTERNAL}

"""Which headers are the caller's own, and bytes in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.rpc.metadata import decode_binary, encode_binary, entries, header
from restate.runtime.rpc.status import Code, RpcError


@given(st.binary(max_size=50))
def test_bytes_survive_without_padding(value: bytes) -> None:
    encoded = encode_binary(value)
    assert b"=" not in encoded
    assert decode_binary(encoded) == value
    assert decode_binary(encoded + b"=" * (-len(encoded) % 4)) == value


@pytest.mark.parametrize("value", [b"a", b"*bcd", b"ab cd"])
def test_what_is_no_base64_is_refused(value: bytes) -> None:
    with pytest.raises(RpcError) as refused:
        decode_binary(value)
    assert refused.value.code is Code.INVALID_ARGUMENT


def test_headers_of_the_protocols_are_left_out() -> None:
    headers = [
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        (b"grpc-timeout", b"1S"),
        (b"connect-protocol-version", b"1"),
        (b"user-agent", b"me"),
        (b"x-own", b"a"),
        (b"x-own", b"b"),
        (b"x-own-bin", b"AQI,Aw=="),
    ]
    assert list(entries(headers)) == [
        ("x-own", "a"),
        ("x-own", "b"),
        ("x-own-bin", b"\x01\x02"),
        ("x-own-bin", b"\x03"),
    ]


def test_entries_get_their_wire_form() -> None:
    assert header("X-A", "é") == (b"x-a", b"\xe9")
    assert header("a-bin", b"\xff") == (b"a-bin", b"/w")
    with pytest.raises(ValueError, match="expected bytes"):
        header("a-bin", "text")
    with pytest.raises(ValueError, match="expected text"):
        header("a", b"bytes")

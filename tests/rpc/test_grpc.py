"""Headers and trailers of gRPC."""

from __future__ import annotations

import pytest
from google.protobuf import wrappers_pb2
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pb.rpc_pb2 import Status
from restate.runtime.rpc.grpc import decode_message, encode_message, error_trailers, timeout_of
from restate.runtime.rpc.metadata import decode_binary
from restate.runtime.rpc.status import Code, Detail, RpcError


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"1500m", 1.5), (b"5u", 5e-6), (b"7n", 7e-9), (b"0S", 0),
     (b"99999999S", 99_999_999)],
)  # fmt: skip
def test_timeouts_have_units(value: bytes, seconds: float) -> None:
    assert timeout_of(value) == pytest.approx(seconds)
    assert timeout_of(None) is None


@pytest.mark.parametrize(
    "value", [b"", b"1", b"S", b"123456789S", b"-1S", b"1.5S", b"1s", b"1S ", "\u0661S".encode(), b"1S\n"]
)
def test_other_timeouts_are_refused(value: bytes) -> None:
    with pytest.raises(RpcError) as refused:
        timeout_of(value)
    assert refused.value.code is Code.INVALID_ARGUMENT


@pytest.mark.parametrize("text", ["x" * 5000, "é" * 5000, "x" + "é" * 5000, "xx" + "é" * 5000, "☺" * 5000])
def test_a_long_message_is_cut_between_characters_of_the_encoding(text: str) -> None:
    encoded = encode_message(text)
    assert 4090 < len(encoded) <= 4096
    assert text.startswith(decode_message(encoded).rstrip("\ufffd"))
    assert b"%" not in encoded[-2:]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_messages_of_errors_survive(text: str) -> None:
    encoded = encode_message(text)
    assert all(0x20 <= byte <= 0x7E for byte in encoded)
    assert decode_message(encoded) == text


def test_messages_are_percent_encoded() -> None:
    assert encode_message("é 100%\n") == b"%C3%A9 100%25%0A"
    assert encode_message("\ud800") == b"?"
    assert decode_message(b"%zz%C3") == "%zz�"


def test_an_error_is_its_trailers() -> None:
    plain = RpcError(Code.NOT_FOUND, "")
    assert error_trailers(plain) == [(b"grpc-status", b"5")]
    inner = wrappers_pb2.StringValue(value="x")
    error = RpcError(Code.ABORTED, "no", (Detail.of(inner),), ((b"a", b"b"),))
    *trailers, details, own = error_trailers(error)
    assert trailers == [(b"grpc-status", b"10"), (b"grpc-message", b"no")]
    assert own == (b"a", b"b")
    assert details[0] == b"grpc-status-details-bin"
    status = Status.FromString(decode_binary(details[1]))
    assert (status.code, status.message) == (10, "no")
    assert status.details[0].Is(wrappers_pb2.StringValue.DESCRIPTOR)

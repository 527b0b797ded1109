import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.config.values import (
    Address,
    read_address,
    read_attempts,
    read_count,
    read_duration,
    read_factor,
    read_flag,
    read_header_text,
    read_size,
    read_url,
)


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("0.0.0.0:0", Address("0.0.0.0", 0)),
        (":8080", Address("", 8080)),
        ("8080", Address("", 8080)),
        (8080, Address("", 8080)),
        ("[::1]:8080", Address("::1", 8080)),
        ("localhost:1", Address("127.0.0.1", 1)),
    ],
)
def test_an_address_is_ip_and_port_or_only_a_port(raw: object, address: Address) -> None:
    assert read_address(raw) == address


@pytest.mark.parametrize(
    "raw",
    ["", ":", "::1", "::1:8080", "[::1]", "[127.0.0.1]:80", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:-1",
     "example.org:80", 65536, -1, True, None, 1.5, "1.2.3:80", "8080 9090", "\u0668:80", ":\u0668"],
)  # fmt: skip
def test_what_is_no_address_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match=r"expected an (address|IP address) such as"):
        read_address(raw)


def test_an_address_prints_as_it_is_read() -> None:
    for text in ("127.0.0.1:8080", "[::1]:8080"):
        assert str(read_address(text)) == text


@pytest.mark.parametrize(
    ("raw", "size_bytes"),
    [("32MiB", 33_554_432), ("32 mib", 33_554_432), ("10MB", 10_000_000), ("1.5KiB", 1536), (77, 77), ("77", 77), ("77B", 77)],
)  # fmt: skip
def test_sizes_have_binary_and_decimal_units(raw: object, size_bytes: int) -> None:
    assert read_size(raw) == size_bytes


@pytest.mark.parametrize("raw", ["", "lots", "-1", 0, "0", "1 XB", "32M", True, None, 1.5, "99999999999TiB"])
def test_what_is_no_size_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as"):
        read_size(raw)


def test_a_duration_may_be_zero_but_not_a_bare_number() -> None:
    assert read_duration("0s") == read_duration("0") == read_duration(0) == 0
    for raw in (5, "5", -1, True, None, 1.5):
        with pytest.raises(ValueError, match="expected a duration"):
            read_duration(raw)


@pytest.mark.parametrize("raw", [0, -1, "x", True, None, 1.0, "1.0", "9" * 13])
def test_counts_are_whole_numbers_from_one(raw: object) -> None:
    assert read_count("12") == read_count(12) == 12
    with pytest.raises(ValueError, match="whole number of at least 1"):
        read_count(raw)


@pytest.mark.parametrize("raw", [0, 0.99, "x", True, None, "nan", "inf"])
def test_factors_are_numbers_from_one(raw: object) -> None:
    assert read_factor("1.5") == read_factor(1.5) == 1.5
    assert read_factor(2) == 2.0
    with pytest.raises(ValueError, match=r"at least 1\.0"):
        read_factor(raw)


def test_attempts_are_a_count_or_unlimited() -> None:
    assert read_attempts("3") == 3
    assert read_attempts("Unlimited") == read_attempts(None) == "unlimited"
    with pytest.raises(ValueError, match="or 'unlimited'"):
        read_attempts(0)


def test_flags_are_words_or_values() -> None:
    assert read_flag("TRUE") is True
    assert read_flag(False) is False
    for raw in ("yes", 1, None):
        with pytest.raises(ValueError, match="expected true or false"):
            read_flag(raw)


@given(st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none(), st.booleans()))
def test_any_raw_value_gives_a_value_or_a_value_error(raw: object) -> None:
    for reader in (
        read_address,
        read_size,
        read_duration,
        read_count,
        read_factor,
        read_attempts,
        read_flag,
    ):
        with contextlib.suppress(ValueError):
            reader(raw)


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        (" https://[::1]:1/path?query ", "https://[::1]:1/path"),
        ("proxy:3128", "http://proxy:3128"),
        ("http://name:secret@proxy", "http://proxy"),
    ],
)
def test_a_url_has_a_scheme_and_no_secrets(raw: object, url: str) -> None:
    assert read_url(raw) == url


@pytest.mark.parametrize(
    "raw", ["", "socks5://proxy", "http://", "http://a:99999", "http://a:0", "http://a b", "é", 80, None]
)
def test_what_is_no_url_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="expected an address such as"):
        read_url(raw)


@pytest.mark.parametrize("raw", ["a\nb", "é", "x" * 256, "\x7f", ""])
def test_what_cannot_stand_in_a_header_is_refused(raw: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        read_header_text(raw)


def test_a_text_for_a_header_may_have_spaces() -> None:
    assert read_header_text(" my cluster ") == "my cluster"

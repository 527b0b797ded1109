"""Request targets beyond ASCII."""

from __future__ import annotations

import pytest

from restate.runtime.net.h1_request import H1Request, RequestParser
from restate.runtime.net.limits import Limits
from restate.runtime.net.target import in_ascii


async def nothing(request: H1Request) -> None:
    raise AssertionError("nobody reads a body")


def parser() -> RequestParser:
    return RequestParser(Limits(), ("127.0.0.1", 1), nothing)


def targets(parser: RequestParser) -> list[bytes]:
    found = [request.target for request in parser.ready]
    parser.ready.clear()
    return found


def test_characters_beyond_ascii_are_percent_encoded_and_nothing_else() -> None:
    text = bytes(range(0x80)) + "ä€😀".encode()
    assert in_ascii(text) == bytes(range(0x80)) + b"%C3%A4%E2%82%AC%F0%9F%98%80"


@pytest.mark.parametrize("text", [b"/\xe4", b"/\xff", b"/\xc0\xaf", b"/\xed\xa0\x80", b"/\xc3"])
def test_what_is_not_utf_8_stays(text: bytes) -> None:
    assert in_ascii(text) == text


POST = "POST /ä/€😀?ü HTTP/1.1\r\nhost: ä\r\ncontent-length: 4\r\n\r\nä\nü"[:-1].encode() + b"\xc3"
"""Its header and its body are not ASCII either, and no part of the line."""
TARGET = b"/%C3%A4/%E2%82%AC%F0%9F%98%80?%C3%BC"


@pytest.mark.parametrize("cut", range(1, len(POST)))
def test_a_request_in_two_pieces_is_the_same_one(cut: int) -> None:
    requests = parser()
    requests.feed(POST[:cut])
    requests.feed(POST[cut:])
    assert requests.failure is None
    (request,) = requests.ready
    assert request.target == TARGET
    assert (b"host", "ä".encode()) in request.headers
    assert b"".join(request.pending) == b"\xc3\xa4\n\xc3"
    assert request.arrived


def test_requests_byte_by_byte_with_line_ends_between_them() -> None:
    requests = parser()
    for byte in (POST + b"\r\n\r\n") * 3:
        requests.feed(bytes([byte]))
    assert requests.failure is None
    assert targets(requests) == [TARGET] * 3


def test_a_body_in_the_form_of_a_request_is_passed_on_as_it_is() -> None:
    body = "GET /ä HTTP/1.1\r\n\r\n".encode()
    requests = parser()
    requests.feed(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(body))
    requests.feed(body[:7])
    requests.feed(body[7:])
    (request,) = requests.ready
    assert b"".join(request.pending) == body
    assert request.arrived


@pytest.mark.parametrize(
    "line", [b"GET /\xe4 HTTP/1.1", b"G\xc3\xa4T / HTTP/1.1", b"\xc3", b"\xff\n", b"GET /\xc3 "]
)
def test_a_line_that_is_no_request_is_refused_as_soon_as_it_is_known(line: bytes) -> None:
    requests = parser()
    for byte in line:
        requests.feed(bytes([byte]))
    assert requests.failure is not None
    assert requests.failure.status == 400
    assert targets(requests) == []


def test_a_request_behind_another_one_in_the_same_piece_must_be_ascii() -> None:
    requests = parser()
    requests.feed(POST * 2)
    assert targets(requests) == [TARGET]
    assert requests.failure is not None

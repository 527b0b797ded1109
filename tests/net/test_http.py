"""The request as a value, without a connection."""

import pytest

from restate.runtime.net.http import BodyTooLarge, ConnectionClosed, Request, only_closed


def request(*pieces: bytes, arrived: bool = True, length: int | None = None) -> Request:
    headers = [(b"a", b"1"), (b"b", b"2"), (b"a", b"3")]
    return Request("POST", b"/", headers, "2", ("127.0.0.1", 1), length, list(pieces), arrived)


def test_the_first_value_of_a_header() -> None:
    assert request().header(b"a") == b"1"
    assert request().header(b"c") is None


async def test_the_body_can_be_asked_for_again() -> None:
    whole = request(b"ab", b"", b"c")
    assert whole.complete_body == b"abc"
    assert await whole.body(3) == b"abc"
    assert await whole.body(3) == b"abc"
    assert await whole.read() == b"abc"
    assert await whole.read() == b""


async def test_a_body_can_be_taken_once() -> None:
    for whole in (request(b"ab", b"c"), request(b"ab", b"c", arrived=False)):
        whole.arrived = True
        assert await whole.body(3) == b"abc"
        assert whole.take_body() == b"abc"
        assert whole.pending == []
        assert await whole.read() == b""


async def test_a_body_that_has_not_come_cannot_be_taken() -> None:
    with pytest.raises(RuntimeError, match="expected take_body after the whole body has arrived"):
        request(b"ab", arrived=False).take_body()


async def test_a_body_that_was_begun_is_not_whole() -> None:
    begun = request(b"ab", b"c")
    assert await begun.read() == b"ab"
    assert begun.complete_body is None
    assert await begun.body(3) == b"c"


@pytest.mark.parametrize(("limit", "length", "declared"), [(2, 3, True), (2, None, False)])
async def test_the_limit_of_a_body(limit: int, length: int | None, declared: bool) -> None:
    with pytest.raises(BodyTooLarge, match="at most 2 bytes") as caught:
        await request(b"abc", length=length).body(limit)
    assert (caught.value.limit, caught.value.declared) == (limit, declared)


async def test_a_body_that_cannot_come() -> None:
    cut = request(b"ab", arrived=False)
    assert cut.complete_body is None
    with pytest.raises(ConnectionClosed):
        await cut.body(10)


def test_only_closed_looks_into_groups() -> None:
    closed = ConnectionClosed("gone")
    assert only_closed(closed)
    assert only_closed(ExceptionGroup("", [closed, ExceptionGroup("", [closed])]))
    assert not only_closed(ExceptionGroup("", [closed, ValueError()]))
    assert not only_closed(ValueError())

"""Bytes → frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire.errors import FatalError
from restate.runtime.pgwire.frames import Frame, Frames
from tests.support.pg_peer import message, query

TAGS = "QPBdFpDECSHXcf"


@given(st.lists(st.tuples(st.sampled_from(TAGS), st.binary(max_size=300)), max_size=8), st.data())
def test_frames_are_the_same_however_the_bytes_are_cut(
    sent: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    stream = b"".join(message(tag, body) for tag, body in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    frames, found = Frames(1000), list[Frame]()
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames.feed(stream[begin:end])
        found += iter(frames.next, None)
    assert found == [Frame(ord(tag), body) for tag, body in sent]
    assert frames._buffer == b""


@given(st.binary(max_size=200))
def test_any_bytes_give_frames_or_one_fatal_error(data: bytes) -> None:
    frames = Frames(100)
    frames.feed(data)
    code = "08P01"
    try:
        while frames.next() is not None:
            pass
    except FatalError as error:
        code = error.sqlstate
    assert code == "08P01"


def test_an_unknown_message_is_refused_at_its_first_byte() -> None:
    frames = Frames(100)
    frames.feed(b"~")
    with pytest.raises(FatalError, match="invalid frontend message type 126"):
        frames.next()


@pytest.mark.parametrize("length", [0, 3, 105, 2**31, 2**32 - 1])
def test_a_length_out_of_bounds_is_refused_before_the_body_comes(length: int) -> None:
    frames = Frames(100)
    frames.feed(b"Q" + length.to_bytes(4, "big"))
    with pytest.raises(FatalError, match="expected 4 to 104"):
        frames.next()


def test_messages_that_are_never_long_have_a_limit_of_their_own() -> None:
    frames = Frames(1_000_000)
    frames.feed(b"S" + (20_000).to_bytes(4, "big"))
    with pytest.raises(FatalError, match="expected 4 to 10004"):
        frames.next()


def test_the_limit_grows_when_the_client_is_known() -> None:
    frames = Frames(10)
    frames.feed(query("select 1, 2, 3"))
    with pytest.raises(FatalError):
        frames.next()
    frames.size_limit = 100
    assert frames.next() is not None

"""What clients send is answered as PostgreSQL 15 answered it."""

from __future__ import annotations

import pytest

from tests.pgwire.driver import Machine
from tests.pgwire.exchanges import EXCHANGES, START, STARTS, recorded, shown
from tests.support.pg_peer import Replies

RECORDED = recorded()

OURS = {
    "message: function call": ["E ERROR 0A000 function calls are not supported: use SELECT", "Z I", "T word:25:0", "D one", "C SELECT 1", "Z I"],
    # A format that does not exist is refused where it is asked for, not where it would be used.
    "extended: unknown format": ["1", "E ERROR 22023 unsupported format code: 7", "Z I"],
    # The parameters are looked at before the success of the start is told.
    "start: bad encoding": RECORDED["start: bad encoding"][1:],
    "start: bad time zone": RECORDED["start: bad time zone"][1:],
    # Clients that speak version 2 are not known since 2003; they, too, get the message of version 3.
    "start: version 2": ["E FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.0"],
}  # fmt: skip
"""Where ours differs, and is meant to."""


def answers(sent: bytes, *, piece: int) -> list[str]:
    """What the machines say to these bytes, given in pieces."""
    machine = Machine()
    is_start = int.from_bytes(sent[:4], "big") == len(sent)
    if not is_start:
        machine.feed(START)
    replies = Replies()
    for at in range(0, len(sent), piece):
        replies.feed(machine.feed(sent[at : at + piece]))
    found = [text for text in map(shown, replies.all()) if text is not None]
    assert replies.rest == b""
    assert machine.open_queries == 0
    return found


def comparable(name: str, found: list[str]) -> list[str]:
    """The order of settings in a greeting is nobody's business."""
    return sorted(found) if name in STARTS else found


@pytest.mark.parametrize("piece", [1 << 20, 1, 3])
@pytest.mark.parametrize("name", EXCHANGES | STARTS)
def test_the_answer_is_that_of_postgres(name: str, piece: int) -> None:
    expected = OURS.get(name, RECORDED[name])
    assert comparable(name, answers((EXCHANGES | STARTS)[name], piece=piece)) == comparable(name, expected)


def test_every_exchange_was_recorded_and_every_difference_is_one() -> None:
    assert RECORDED.keys() == (EXCHANGES | STARTS).keys()
    assert [name for name, ours in OURS.items() if RECORDED[name] == ours] == []

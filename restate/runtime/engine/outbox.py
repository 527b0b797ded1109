"""Messages that one record caused beyond its share. They wait in the outbox table, so that one write stays small.

While any wait, new messages queue up behind them: messages between the same two invocations never overtake each other.
"""

from collections.abc import Iterable

import msgspec

from restate.runtime.engine.records import Message
from restate.runtime.tables.api import Tables

_HEAD = "outbox_head"
_TAIL = "outbox_tail"
"""Counters: seq of the last message that was taken, and of the last that was put."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


def is_empty(tables: Tables) -> bool:
    return tables.counters.get(_HEAD) == tables.counters.get(_TAIL)


def put(tables: Tables, messages: Iterable[Message]) -> None:
    for message in messages:
        tables.outbox.push(tables.counters.next(_TAIL), _encode(message))


def take(tables: Tables, count: int) -> list[Message]:
    """Remove up to `count` messages, oldest first."""
    rows = tables.outbox.read(count)
    for seq, _ in rows:
        tables.outbox.delete(seq)
        tables.counters.set(_HEAD, seq)
    return [_decode(raw) for _, raw in rows]

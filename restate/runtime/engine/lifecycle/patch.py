"""State patches: an operator replaces the whole state of an object (engine.md §6.6)."""

import base64
import hashlib
from collections.abc import Sequence

import msgspec

from restate.runtime.engine.records import PatchState
from restate.runtime.engine.turn import Turn, place_of
from restate.runtime.tables.api import StatePatch

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PatchState).decode


def patch_state(turn: Turn, record: PatchState) -> None:
    """At once if nobody has the object, else in turn: never under the hands of a handler that has read the state."""
    place = place_of(record.generation, record.service, record.key)
    if turn.tables.locks.get(*place) is None:
        replace_state(turn, record)
    else:
        seq = turn.tables.counters.next("inbox_seq")
        turn.tables.inbox.push(*place, seq, StatePatch(_encode(record)))


def decode_patch(entry: StatePatch) -> PatchState:
    """The record in an inbox entry."""
    return _decode(entry.raw)


def replace_state(turn: Turn, record: PatchState) -> None:
    """Apply the patch, unless it was made for another state than there is now."""
    place = place_of(record.generation, record.service, record.key)
    table = turn.tables.state
    if record.version is not None and record.version != state_version(table.all(*place)):
        return
    table.clear(*place)
    for name, value in record.state:
        table.put(*place, name, value)


def state_version(state: Sequence[tuple[bytes, bytes]]) -> str:
    """The hash by which clients name a state, of its (name, value) in the order of names (admin.md §3.2)."""
    digest = hashlib.sha256()
    for index, (name, value) in enumerate(state):
        digest.update(index.to_bytes(8, "big") + b"\x01" + name + b"\x02" + value + b"\x03")
    return base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")

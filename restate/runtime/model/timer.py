"""Durable timers: what is due, and in which order."""

from enum import IntEnum

import msgspec

from restate.runtime.model.ids import InvocationId


class TimerKind(IntEnum):
    """Order among timers due in the same millisecond; stored, so numbers never change."""

    DELAYED_START = 1
    SLEEP = 2
    PURGE_JOURNAL = 3
    PURGE = 4


class TimerKey(msgspec.Struct, frozen=True, array_like=True, gc=False, order=True):
    """Identity and order of a durable timer. index: completion id of a sleep, else 0."""

    due_ms: int
    kind: TimerKind
    id: InvocationId
    index: int

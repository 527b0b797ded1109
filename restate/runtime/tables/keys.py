"""Order-preserving keys (engine.md §8.2).

Integers are big endian and unsigned. A service name has its length in 2 bytes before it, an object key in 4; so no key
of one object is a prefix of another's, and rows of one object stand together.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.timer import TimerKey, TimerKind

META = "meta"
FSM = "fsm"
INV = "inv"
RUN = "run"
INV_SVC = "inv_svc"
JOURNAL = "journal"
JIDX = "jidx"
EVENTS = "events"
LOCK = "lock"
INBOX = "inbox"
STATE = "state"
PROMISE = "promise"
TIMERS = "timers"
OUTBOX = "outbox"
DEDUP = "dedup"
SCHEMA = "schema"

_LONGEST_CACHED = 256
_LONGEST_SERVICE = 65_535
_TIMER = struct.Struct(">QB24sI")
_NOTIFICATION = b"n"
_COMMAND = b"c"
_OPEN = b"o"
_CHILD = b"k"


def prefix_end(prefix: bytes) -> bytes | None:
    """The smallest key above every key that starts with `prefix`; None if there is none (all 0xff, or empty)."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes((stripped[-1] + 1,)) if stripped else None


def outermost(prefixes: Iterable[bytes]) -> list[bytes]:
    """In order, without those that start with another: every key that starts with any of them does so with one."""
    found: list[bytes] = []
    for prefix in sorted(prefixes):
        if not found or not prefix.startswith(found[-1]):
            found.append(prefix)
    return found


def number_key(number: int) -> bytes:
    """8 bytes."""
    return number.to_bytes(8, "big")


def text_prefix(text: str) -> bytes:
    """A service name: 2 bytes of length, then utf-8. Raises OverflowError above 65,535 bytes."""
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def is_service_name(text: str) -> bool:
    """Whether rows can stand under it."""
    return len(text.encode()) <= _LONGEST_SERVICE


def key_part(key: str) -> bytes:
    """An object key: 4 bytes of length, then utf-8."""
    raw = key.encode()
    return len(raw).to_bytes(4, "big") + raw


def object_prefix(partition_key: bytes, service: str, key: str) -> bytes:
    """Prefix of every row of one object; also the whole key of its lock. partition_key: 8 bytes, of the key."""
    # Clients choose the key: with long ones a full cache would hold hundreds of megabytes.
    if len(key) <= _LONGEST_CACHED:
        return _object_prefix_cached(partition_key, service, key)
    return _object_prefix(partition_key, service, key)


def _object_prefix(partition_key: bytes, service: str, key: str) -> bytes:
    return partition_key + text_prefix(service) + key_part(key)


_object_prefix_cached = lru_cache(maxsize=4096)(_object_prefix)


def service_prefix(service: str, key: str | None) -> bytes:
    """Prefix of the `inv_svc` rows of a service, or of one key of it."""
    return text_prefix(service) if key is None else text_prefix(service) + key_part(key)


def journal_key(invocation: InvocationId, index: int) -> bytes:
    return invocation + index.to_bytes(4, "big")


def command_key(invocation: InvocationId, completion_id: int) -> bytes:
    """Where the command that a completion id belongs to is found."""
    return invocation + _COMMAND + completion_id.to_bytes(4, "big")


def open_prefix(invocation: InvocationId) -> bytes:
    """Prefix of the places of commands that wait for something outside the invocation."""
    return invocation + _OPEN


def open_key(invocation: InvocationId, by_signal: bool, key: int) -> bytes:
    """by_signal: what it waits for is a signal, not a completion."""
    return invocation + _OPEN + (b"\x01" if by_signal else b"\x00") + key.to_bytes(4, "big")


def child_prefix(invocation: InvocationId) -> bytes:
    """Prefix of the places of commands that started another invocation."""
    return invocation + _CHILD


def child_key(invocation: InvocationId, index: int) -> bytes:
    return invocation + _CHILD + index.to_bytes(4, "big")


def event_key(invocation: InvocationId, number: int) -> bytes:
    """number: of the event, from 0."""
    return invocation + number_key(number)


def notification_key(invocation: InvocationId, is_signal: bool, key: int | str) -> bytes:
    """Where a notification is found: kind byte 0 completion, 1 signal by number, 2 signal by name."""
    if isinstance(key, str):
        return invocation + _NOTIFICATION + b"\x02" + key.encode()
    return invocation + _NOTIFICATION + (b"\x01" if is_signal else b"\x00") + key.to_bytes(4, "big")


def timer_key(timer: TimerKey) -> bytes:
    """37 bytes that sort as TimerKey does."""
    return _TIMER.pack(timer.due_ms, timer.kind, timer.id, timer.index)


def parse_timer_key(raw: bytes) -> TimerKey:
    """Inverse of `timer_key`. Raises ValueError."""
    try:
        due_ms, kind, invocation, index = _TIMER.unpack(raw)
    except struct.error as error:
        raise ValueError(f"expected a timer key of {_TIMER.size} bytes, got {len(raw)}") from error
    return TimerKey(due_ms, TimerKind(kind), InvocationId(invocation), index)

"""What is not under an object or invocation: timers, outbox, producers, schema, counters."""

from collections.abc import Iterator
from itertools import islice

from restate.runtime.model.timer import TimerKey
from restate.runtime.tables import keys, rows
from restate.runtime.tables.view import Base, View


class Timers:
    """`timers`: the incarnation each timer is meant for, in the order in which they are due."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.TIMERS)

    def put(self, key: TimerKey, incarnation: int) -> None:
        self._view.put(keys.timer_key(key), rows.encode_number(incarnation))

    def get(self, key: TimerKey) -> int | None:
        raw = self._view.get(keys.timer_key(key))
        return None if raw is None else rows.decode_number(raw)

    def delete(self, key: TimerKey) -> None:
        self._view.delete(keys.timer_key(key))

    def read(self, after: TimerKey | None, limit: int) -> list[tuple[TimerKey, int]]:
        """The first `limit` timers, or the first after `after`, which itself is left out."""
        start = b"" if after is None else keys.timer_key(after) + b"\x00"
        return [
            (keys.parse_timer_key(key), rows.decode_number(raw))
            for key, raw in islice(self._view.scan(start, None), limit)
        ]


class Outbox:
    """`outbox`: messages that overflowed one record's work, by seq. The bytes are the engine's."""

    __slots__ = ("_first", "_view")

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.OUTBOX)
        # No live row is below; see Inbox.
        self._first = b""

    def push(self, seq: int, raw: bytes) -> None:
        key = keys.number_key(seq)
        self._first = min(self._first, key)
        self._view.put(key, rows.encode_bytes(raw))

    def read(self, limit: int) -> list[tuple[int, bytes]]:
        """The first `limit` messages, left in place."""
        found = list(islice(self._view.scan(self._first, None), limit))
        if found:
            self._first = found[0][0]
        return [(int.from_bytes(key, "big"), rows.decode_bytes(raw)) for key, raw in found]

    def delete(self, seq: int) -> None:
        self._view.delete(keys.number_key(seq))


class Dedup:
    """`dedup`: the last number taken from each external producer."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.DEDUP)

    def get(self, producer: str) -> int | None:
        raw = self._view.get(producer.encode())
        return None if raw is None else rows.decode_number(raw)

    def put(self, producer: str, number: int) -> None:
        self._view.put(producer.encode(), rows.encode_number(number))


class Schema:
    """`schema`: rows whose keys and values are those of the schema registry."""

    __slots__ = ("_view",)

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.SCHEMA)

    def get(self, key: bytes) -> bytes | None:
        raw = self._view.get(key)
        return None if raw is None else rows.decode_bytes(raw)

    def put(self, key: bytes, value: bytes) -> None:
        self._view.put(key, rows.encode_bytes(value))

    def delete(self, key: bytes) -> None:
        self._view.delete(key)

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        return ((key, rows.decode_bytes(raw)) for key, raw in self._view.scan(b"", None))


class Counters:
    """`fsm`: named numbers, 0 until set. Read once and kept, so only the writer's Tables may use them."""

    __slots__ = ("_changed", "_numbers", "_view")

    def __init__(self, base: Base) -> None:
        self._view = View(base, keys.FSM)
        self._numbers: dict[str, int] = {}
        self._changed: set[str] = set()

    def encode(self) -> None:
        """Make the pending writes complete."""
        for name in self._changed:
            self._view.put(name.encode(), rows.encode_number(self._numbers[name]))
        self._changed.clear()

    def get(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            raw = self._view.get(name.encode())
            number = self._numbers[name] = 0 if raw is None else rows.decode_number(raw)
        return number

    def set(self, name: str, number: int) -> None:
        self._numbers[name] = number
        self._changed.add(name)

    def next(self, name: str) -> int:
        """Increment; return the new number, thus 1 at first."""
        number = self.get(name) + 1
        self.set(name, number)
        return number

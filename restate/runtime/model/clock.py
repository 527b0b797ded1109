"""The Clock protocol: the only way to durable time. Implemented once, in `restate.runtime.clock`."""

from typing import Protocol


class Clock(Protocol):
    """Epoch milliseconds, and a sleep that ends when they have passed."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC; may step backwards with the machine's clock."""
        ...

    async def sleep_until(self, due_ms: int) -> None:
        """Return when `now_ms() >= due_ms`, never early. A checkpoint."""
        ...


class IdSource(Protocol):
    """Where new ids come from; the engine itself has no randomness."""

    def ulid(self) -> bytes:
        """16 bytes, time-ordered."""
        ...

    def bucket(self, count: int) -> int:
        """A random number, 0..count-1."""
        ...

    def uuid7_text(self) -> str:
        """36 characters; the key of a classic unkeyed invocation."""
        ...

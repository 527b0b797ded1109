"""Durable time for tests."""

import itertools

import trio

EPOCH_MS = 1_700_000_000_000


class TrioClock:
    """Durable time that follows Trio's clock, so that `autojump_clock` moves both. Only with the memory store.

    shift_ms: by how much somebody has set the machine's clock.
    """

    def __init__(self) -> None:
        self.shift_ms = 0

    def now_ms(self) -> int:
        return EPOCH_MS + self.shift_ms + round(trio.current_time() * 1000)

    async def sleep_until(self, due_ms: int) -> None:
        while (remaining_ms := due_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- the clock is what is waited for
            await trio.sleep(remaining_ms / 1000)
        await trio.lowlevel.checkpoint()


class CountingIds:
    """Ids that a reader of a failing test can tell apart."""

    def __init__(self, first: int = 1) -> None:
        self._numbers = itertools.count(first)

    def ulid(self) -> bytes:
        return next(self._numbers).to_bytes(16, "big")

    def bucket(self, count: int) -> int:
        return next(self._numbers) % count

    def uuid7_text(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._numbers):012}"

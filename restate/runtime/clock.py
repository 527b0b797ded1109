"""The only place that reads the machine's clock or its randomness for durable purposes.

Everything durable that concerns time (timers, retries, retention, `created_at`) comes from the one `SystemClock` that
`app` makes; tests put another object in its place.
"""

import os
import random
import time
import uuid

import trio

_LONGEST_SLEEP_S = 5.0
"""A step of the machine's clock is noticed within this time."""


class SystemClock:
    """Implements `model.clock.Clock`."""

    def now_ms(self) -> int:
        return _milliseconds()

    async def sleep_until(self, due_ms: int) -> None:
        while (remaining_ms := due_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- the clock is what is waited for
            await trio.sleep(min(remaining_ms / 1000, _LONGEST_SLEEP_S))
        await trio.lowlevel.checkpoint()


class SystemIds:
    """Implements `model.clock.IdSource`. Randomness is good enough to be unique, not to be secret, but for ULIDs."""

    def ulid(self) -> bytes:
        # Imported with the first id: at the start it would delay the first answer by 10 ms.
        from ulid import ULID

        return ULID().bytes

    def bucket(self, count: int) -> int:
        return random.randrange(count)

    def uuid7_text(self) -> str:
        raw = (_milliseconds() << 80) | int.from_bytes(os.urandom(10), "big")
        raw = (raw & ~(0xF << 76)) | (0x7 << 76)
        raw = (raw & ~(0x3 << 62)) | (0x2 << 62)
        return str(uuid.UUID(int=raw))


def _milliseconds() -> int:
    """Since 1970 UTC."""
    return time.time_ns() // 1_000_000

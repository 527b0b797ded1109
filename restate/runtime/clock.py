"""The only place that reads the machine's clock or its randomness for durable purposes.

Everything durable that concerns time (timers, retries, retention, `created_at`) comes from the one `SystemClock` that
`app` makes; tests put another object in its place.
"""

import os
import random
import time
import uuid

import trio
from ulid import ULID

_LONGEST_SLEEP_S = 5.0
"""A step of the machine's clock is noticed within this time."""


class SystemClock:
    """Implements `model.clock.Clock`."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def sleep_until(self, due_ms: int) -> None:
        while (remaining_ms := due_ms - self.now_ms()) > 0:  # noqa: ASYNC110 -- the clock is what is waited for
            await trio.sleep(min(remaining_ms / 1000, _LONGEST_SLEEP_S))
        await trio.lowlevel.checkpoint()


class SystemIds:
    """Implements `model.clock.IdSource`. Randomness is good enough to be unique, not to be secret, but for ULIDs."""

    def ulid(self) -> bytes:
        return ULID().bytes

    def bucket(self, count: int) -> int:
        return random.randrange(count)

    def uuid7_text(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        raw = (milliseconds << 80) | int.from_bytes(os.urandom(10), "big")
        raw = (raw & ~(0xF << 76)) | (0x7 << 76)
        raw = (raw & ~(0x3 << 62)) | (0x2 << 62)
        return str(uuid.UUID(int=raw))

"""When a failed attempt is tried again."""

from typing import Literal

import attrs

OnMaxAttempts = Literal["pause", "kill"]


@attrs.frozen
class RetryPolicy:
    """Exponential back-off. max_attempts counts the first attempt too; None means for ever."""

    initial_interval_ms: int
    factor: float
    max_interval_ms: int
    max_attempts: int | None
    on_max_attempts: OnMaxAttempts

    def delay_ms(self, failures: int) -> int | None:
        """Milliseconds to wait after the `failures`-th failure in a row (1 is the first); None: give up."""
        if self.max_attempts is not None and failures >= self.max_attempts:
            return None
        # The exponent is capped because a float power overflows long after the interval has reached its maximum.
        delay = self.initial_interval_ms * self.factor ** min(failures - 1, 64)
        return int(min(delay, self.max_interval_ms))

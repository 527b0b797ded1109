"""A rate that a client may not exceed."""

import trio


class Budget:
    """So many events in each interval (seconds)."""

    __slots__ = ("_end", "_interval", "_left", "_most")

    def __init__(self, most: int, interval: float) -> None:
        self._most = self._left = most
        self._interval = interval
        self._end = trio.current_time() + interval

    def spend(self) -> bool:
        """Count one event. False when the interval has had too many."""
        self._left -= 1
        if self._left < 0 and trio.current_time() > self._end:
            self._end = trio.current_time() + self._interval
            self._left = self._most - 1
        return self._left >= 0

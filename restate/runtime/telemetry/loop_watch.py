"""How the event loop fares: what every task in the process waits longer than it should."""

import trio

from restate.runtime.telemetry.metrics import ProcessMetrics

_INTERVAL_S = 0.25


class LoopWatch:
    """One small task that sleeps, and looks how late it is woken."""

    def __init__(self, metrics: ProcessMetrics) -> None:
        self._delay = metrics.loop_delay
        self._tasks = 0
        metrics.tasks.of(lambda: self._tasks)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            # Asked here, because only the loop's own thread may.
            self._tasks = trio.lowlevel.current_statistics().tasks_living
            due = trio.current_time() + _INTERVAL_S
            await trio.sleep_until(due)
            self._delay.observe(trio.current_time() - due)

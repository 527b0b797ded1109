"""What follows a failed attempt: wait and try again, pause, or fail the invocation; and the log line about it."""

import logging
import random

from restate.runtime.engine.records import AttemptEffect, Failed, Paused, Reported
from restate.runtime.invoker.effects import Effects
from restate.runtime.invoker.failure import AttemptFailure, LastFailure
from restate.runtime.invoker.route import Routes
from restate.runtime.invoker.run import Run
from restate.runtime.model.clock import Clock
from restate.runtime.model.result import Failure
from restate.runtime.model.retry import RetryPolicy
from restate.runtime.model.target import Generation
from restate.runtime.telemetry.metrics import UNREAD, InvokerMetrics

log = logging.getLogger("restate.invoker")

_LEAST_JITTER_MS = 3
_NO_FAILURE = '{"ty":"Paused"}'


class Retries:
    """Applies the retry policy of each handler."""

    def __init__(
        self,
        routes: Routes,
        effects: Effects,
        clock: Clock,
        metrics: InvokerMetrics = UNREAD.invoker,
        *,
        jitter: float = 0.3,
    ) -> None:
        """jitter: share of a delay that it may be longer by; classic invocations have none."""
        self._jitter = jitter
        self._metrics = metrics
        self._routes = routes
        self._effects = effects
        self._clock = clock

    async def again(self, run: Run, failure: AttemptFailure) -> bool:
        """Wait for the next try and return True; or propose how the invocation ends or pauses and return False.

        Does not wait when a pause is asked for, or as soon as it is.
        """
        if failure.counted:
            run.failures += 1
        run.retries += 1
        policy = (
            self._routes.retry_policy(run.record.target) if run.route is None else run.route.options.retry
        )
        delay_ms = self._delay_ms(run, failure, policy)
        self._metrics.tasks.add("failed", "false" if delay_ms is None else "true")
        if delay_ms is None:
            await self._give_up(run, failure, policy)
            return False
        if run.pausing:
            return True
        self._metrics.retries.add(run.record.target.service)
        _report(run, failure, f"retrying in {delay_ms} ms", logging.WARNING)
        await self._store(run, failure)
        run.next_retry_ms = self._clock.now_ms() + delay_ms
        with run.retry_now:
            await self._clock.sleep_until(run.next_retry_ms)
        run.next_retry_ms = None
        return True

    async def pause(self, run: Run, failure: AttemptFailure | None) -> None:
        """Propose the pause that an operator asked for. failure: of the last attempt, None if there was none yet."""
        run.tell("paused, as asked for")
        error = None if failure is None else Failure(failure.status, failure.message)
        detail = _NO_FAILURE if failure is None else LastFailure.of(failure).pause_detail()
        await self._effects.propose(AttemptEffect(run.id, run.token, Paused(error, True, detail)))

    async def _store(self, run: Run, failure: AttemptFailure) -> None:
        """Keep the failure as an event, once as long as it stays the same."""
        detail = LastFailure.of(failure).detail("TransientError")
        if detail != run.reported:
            run.reported = detail
            await self._effects.propose(AttemptEffect(run.id, run.token, Reported(detail)))

    def _delay_ms(self, run: Run, failure: AttemptFailure, policy: RetryPolicy) -> int | None:
        if failure.behavior != "retry":
            return None
        if failure.delay_ms is not None:
            return failure.delay_ms
        delay_ms = policy.delay_ms(max(1, run.failures))
        if delay_ms is None or run.record.target.generation is Generation.CLASSIC:
            return delay_ms
        return delay_ms + _LEAST_JITTER_MS + int(delay_ms * self._jitter * random.random())

    async def _give_up(self, run: Run, failure: AttemptFailure, policy: RetryPolicy) -> None:
        error = Failure(failure.status, failure.message)
        kill = failure.behavior == "fail" or (
            failure.behavior == "retry" and policy.on_max_attempts == "kill"
        )
        _report(run, failure, "failing the invocation" if kill else "pausing the invocation", logging.ERROR)
        effect = Failed(error) if kill else Paused(error, detail=LastFailure.of(failure).pause_detail())
        await self._effects.propose(AttemptEffect(run.id, run.token, effect))


def _report(run: Run, failure: AttemptFailure, consequence: str, level: int) -> None:
    """One line that says which invocation, where, why, and what to do."""
    related = f" at {failure.related}" if failure.related else ""
    log.log(
        level,
        "invocation error, %s: [%s] %s%s",
        consequence,
        failure.code,
        failure.message,
        related,
        extra={**run.log_fields(), "code": failure.code},
    )
    if failure.stacktrace:
        run.tell("stack trace:\n%s", failure.stacktrace)

"""What operators may know of an invocation in the hands of the invoker (sql.md §1, `sys_invocation_state`)."""

import attrs

from restate.runtime.invoker.failure import LastFailure
from restate.runtime.invoker.run import Run
from restate.runtime.model.ids import DeploymentId, InvocationId


@attrs.frozen
class AttemptStatus:
    """How the attempts of one invocation go. It is only kept in memory, and only until the next terminal effect.

    in_flight: an attempt runs now; else the invocation waits for the next one. retry_count: attempts begun since this
    server took the invocation up, 1 or more. last_start_ms: of the latest one. deployment: it went to; None if there
    was none for the service. server: what the SDK calls itself, None before it answers. next_retry_ms: while backing
    off. Times are milliseconds since 1970.
    """

    invocation: InvocationId
    in_flight: bool
    retry_count: int
    last_start_ms: int
    deployment: DeploymentId | None
    server: str | None
    next_retry_ms: int | None
    failure: LastFailure | None


def status_of(run: Run) -> AttemptStatus | None:
    """None while no attempt has begun."""
    if not run.attempts:
        return None
    return AttemptStatus(
        invocation=run.id,
        in_flight=run.in_flight,
        retry_count=run.attempts,
        last_start_ms=run.last_start_ms,
        deployment=None if run.route is None else run.route.deployment.id,
        server=run.server,
        next_retry_ms=run.next_retry_ms,
        failure=run.last_failure,
    )

"""The limits of queries and of the processes that run them."""

import attrs

from restate.runtime.query.worker_process import WorkerSettings


@attrs.frozen
class PoolSettings:
    """worker_limit: processes; each runs one query. queue_limit: queries that wait for one. Times are in seconds.
    timeout_s: how long a query may compute, its client's time not counted. take_timeout_s: how long a client may leave
    it waiting. idle_timeout_s: after which a worker without work ends. cancel_grace_s: for a query that nobody wants to
    end. longest_sql: characters of a statement. look_around_s: between two looks for what has had its time.
    queries_per_worker: after which another one takes its place, because the engine's memory grows a little with each.
    """

    worker: WorkerSettings
    worker_limit: int
    queue_limit: int
    timeout_s: float
    take_timeout_s: float
    idle_timeout_s: float
    cancel_grace_s: float = 0.25
    longest_sql: int = 1 << 20
    look_around_s: float = 1.0
    queries_per_worker: int = 1_000

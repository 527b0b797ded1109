"""Every metric of the server: its name, its labels, and what it tells.

metrics = Metrics()
metrics.invoker.enqueued.value += 1
metrics.ingress.requests.add("completed", "Greeter", "greet", "call")
metrics.storage.flush_seconds.observe(0.0004)

What the two generations of the original server measure has its names there, so that dashboards go on working; where the
two differ in their labels, a metric has all of them, empty when unused.
"""

from collections.abc import Iterator

from restate.runtime.telemetry.metrics_kinds import (
    FAST_S,
    MOST_LABEL_SETS,
    SIZES,
    WAITS_S,
    Counter,
    Counters,
    Histogram,
    Histograms,
    Metric,
    Reading,
)


class IngressMetrics:
    """Counted by ingress."""

    def __init__(self) -> None:
        self.requests = Counters(
            "restate_ingress_requests_total",
            "Requests: admitted, throttled (RPC) or rate-limited (HTTP) before their service is known; afterwards completed,"
            " request_error (the client's fault), ingress_error (the server's), invocation_error (the handler's answer).",
            ("status", "rpc_service", "rpc_method", "rpc_type"),
        )
        self.seconds = Histograms(
            "restate_ingress_request_duration_seconds",
            "Time from a request to its answer, by type: call, or send, which does not wait for the handler.",
            ("rpc_service", "rpc_method", "rpc_type"),
            WAITS_S,
        )
        self.in_progress = Reading("restate_ingress_requests_in_progress", "Requests that hold a permit.")
        self.limit = Reading("restate_ingress_concurrency_limit", "The setting ingress.concurrency_limit.")
        self.connections_created = Reading(
            "restate_ingress_http_connection_created_total",
            "Connections that the ingress has accepted.",
            grows=True,
        )
        self.connections_dropped = Reading(
            "restate_ingress_http_connection_dropped_total",
            "Connections of the ingress that have ended: success, closed (cut, or broken by the client), server-error.",
            ("status",),
            grows=True,
        )


class InvokerMetrics:
    """Counted by invoker."""

    def __init__(self) -> None:
        self.enqueued = Counter(
            "restate_invoker_enqueue_total",
            "Invocations given to the invoker, each time one has to make progress.",
        )
        self.tasks = Counters(
            "restate_invoker_invocation_tasks_total",
            "Attempts: started, completed, suspended, failed. transient: of the failed, whether another one follows.",
            ("status", "transient"),
        )
        self.classic_tasks = Reading(
            "restate_invoker_invocation_task_total",
            "Attempts, under the name that the classic generation has for them.",
            ("status",),
            grows=True,
        )
        self.classic_tasks.read = self._by_status
        self.slots_acquired = Counter(
            "restate_invoker_concurrency_slots_acquired_total",
            "Invocations that got one of the concurrency slots.",
        )
        self.slots_released = Counter(
            "restate_invoker_concurrency_slots_released_total", "Invocations that gave their slot back."
        )
        self.limit = Reading("restate_invoker_concurrency_limit", "The setting invoker.concurrency_limit.")
        self.waiting = Reading("restate_invoker_waiting", "Invocations that wait for a concurrency slot.")
        self.seconds = Histogram(
            "restate_invoker_task_duration_seconds",
            "Time of attempts, from start to end or suspension.",
            WAITS_S,
        )
        self.retries = Counters(
            "restate_invoker_retries_total", "Failed attempts that are tried again.", ("service",)
        )
        self.eager_state_truncated = Counter(
            "restate_invoker_eager_state_truncated_total",
            "Attempts that were sent a part of their state only, because all of it was too much.",
        )
        self.sent_bytes = Counter("restate_invoker_sent_bytes_total", "Bytes of bodies sent to deployments.")
        self.received_bytes = Counter(
            "restate_invoker_received_bytes_total", "Bytes of bodies received from deployments."
        )
        self.client_requests = Counters(
            "restate_invoker_client_requests_total",
            "Answers of deployments, by HTTP status.",
            ("status_code",),
        )
        self.start_delay = Histogram(
            "restate_invocation_start_delay_seconds",
            "Time from the acceptance of an invocation, or the time it was scheduled for, to its first attempt.",
            WAITS_S,
        )

    def _by_status(self) -> Iterator[tuple[tuple[str, ...], float]]:
        sums: dict[str, float] = {}
        for (status, _), value in self.tasks.items():
            sums[status] = sums.get(status, 0) + value
        return (((status,), value) for status, value in sums.items())


class PartitionMetrics:
    """Counted by the partition processor."""

    def __init__(self) -> None:
        self.applied = Counters(
            "restate_partition_apply_command_total", "Records applied by the engine, by kind.", ("command",)
        )
        self.timers_handled = Reading(
            "restate_partition_timer_due_handled_total", "Timers that came due.", grows=True
        )
        self.timers_handled.of(lambda: self.applied.values.get(("TimerFired",), 0))
        self.transactions_created = Reading(
            "restate_partition_storage_tx_created_total", "Writes to the store.", grows=True
        )
        self.transactions_committed = Reading(
            "restate_partition_storage_tx_committed_total",
            "Writes to the store that are on disk.",
            grows=True,
        )
        self.ended = Reading(
            "restate_invocations_ended_total",
            "Invocations that have ended, by outcome: succeeded, failed, cancelled, killed.",
            ("service", "outcome"),
            grows=True,
        )
        self.invocations = Reading(
            "restate_invocations",
            "Invocations by status; after a start it appears when those of the store have been counted.",
            ("status",),
        )
        self.queue_depth = Reading("restate_engine_queue_depth", "Records that wait for the engine.")
        self.queue_limit = Reading("restate_engine_queue_limit", "The setting engine.queue_limit.")
        self.timers_due = Reading("restate_timers_due", "Timers that should have fired by now.")
        self.timers_in_memory = Reading(
            "restate_timers_in_memory",
            "Timers in memory, at most engine.timers_in_memory; the others are on disk.",
        )
        self.clients_waiting = Reading(
            "restate_partition_clients_waiting", "Clients that wait for the outcome of an invocation."
        )


class StorageMetrics:
    """Counted by the committer, or read from RocksDB."""

    def __init__(self) -> None:
        self.batch_records = Histogram(
            "restate_commit_batch_records", "Records in one write to the store.", SIZES
        )
        self.flush_writes = Histogram(
            "restate_commit_flush_writes", "Writes made durable by one flush of the log.", SIZES
        )
        self.flush_seconds = Histogram(
            "restate_commit_flush_seconds", "Time of one flush of the log to the disk.", FAST_S
        )
        self.table_bytes = Reading("restate_rocksdb_table_size_bytes", "Size of a table's files.", ("table",))
        self.table_keys = Reading(
            "restate_rocksdb_table_keys", "Rows of a table, as RocksDB estimates.", ("table",)
        )
        self.memory_bytes = Reading(
            "restate_rocksdb_memory_bytes",
            "Memory of RocksDB: write_buffers, block_cache, table_readers.",
            ("part",),
        )
        self.pending_compaction_bytes = Reading(
            "restate_rocksdb_pending_compaction_bytes", "Bytes that compactions have yet to rewrite."
        )
        self.running = Reading(
            "restate_rocksdb_running_jobs", "Background jobs: compactions and flushes.", ("job",)
        )
        self.write_stopped = Reading(
            "restate_rocksdb_write_stopped",
            "1 while RocksDB takes no writes, because compactions do not keep up.",
        )
        self.delayed_write_rate = Reading(
            "restate_rocksdb_delayed_write_rate_bytes",
            "Bytes a second to which writes are slowed down; 0: they are not.",
        )
        self.background_errors = Reading(
            "restate_rocksdb_background_errors_total", "Failures of flushes and compactions.", grows=True
        )
        self.log_bytes = Reading("restate_rocksdb_log_size_bytes", "Size of the write-ahead log's files.")
        self.disk_free_bytes = Reading("restate_disk_free_bytes", "Free space where the data directory is.")


class ProcessMetrics:
    """Of the process and of what serves its ports."""

    def __init__(self) -> None:
        self.build = Reading("restate_build_info", "1, for its labels.", ("version", "python"))
        self.status = Reading(
            "restate_node_status", "1 for the status of the node, 0 for all others.", ("status",)
        )
        self.connections = Reading("restate_connections", "Open connections of clients.", ("port",))
        self.query_workers = Reading("restate_query_workers", "Processes for SQL: busy, idle.", ("state",))
        self.queries_waiting = Reading("restate_queries_waiting", "Queries that wait for a worker.")
        self.loop_delay = Histogram(
            "restate_event_loop_delay_seconds",
            "How much later than asked for a sleeping task went on: what everything in the process waits longer.",
            FAST_S,
        )
        self.tasks = Reading("restate_tasks", "Trio tasks that are alive.")


class Metrics:
    """One set for one server. label_set_limit: combinations of label values, per metric."""

    def __init__(self, label_set_limit: int = MOST_LABEL_SETS) -> None:
        self.label_set_limit = label_set_limit
        self.ingress = IngressMetrics()
        self.invoker = InvokerMetrics()
        self.partition = PartitionMetrics()
        self.storage = StorageMetrics()
        self.process = ProcessMetrics()
        self._groups = (self.ingress, self.invoker, self.partition, self.storage, self.process)
        for metric in self:
            if isinstance(metric, Counters | Histograms):
                metric.most = label_set_limit

    def __iter__(self) -> Iterator[Metric]:
        for group in self._groups:
            yield from vars(group).values()

    def size(self) -> int:
        """Lines of samples that are counted here, about; those that are only read are few."""
        lines = 0
        for metric in self:
            if isinstance(metric, Counters):
                lines += len(metric.values)
            elif isinstance(metric, Histograms):
                lines += len(metric.values) * len(metric.bounds)
        return lines


UNREAD = Metrics()
"""Where parts count that nobody asks, as in tests."""

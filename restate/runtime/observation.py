"""Where the metrics are read that nobody counts: the parts' own numbers, RocksDB's, the disk's.

Everything here may be called in another thread than that of the loop: what is read is a number or a copy.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from restate.runtime import __version__
from restate.runtime.config import Config
from restate.runtime.ingress.server import Ingress
from restate.runtime.invoker.supervisor import Supervisor
from restate.runtime.net.listener import Drain
from restate.runtime.node.node import Node, Status
from restate.runtime.partition.census import Census
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.timers import Timers
from restate.runtime.query.pool import Pool
from restate.runtime.storage.api import TABLES, Store
from restate.runtime.storage.commit import Committer
from restate.runtime.telemetry.metrics import Metrics

Samples = Iterator[tuple[tuple[str, ...], float]]

_MEMORY = {
    "write_buffers": "rocksdb.size-all-mem-tables",
    "table_readers": "rocksdb.estimate-table-readers-mem",
}


def observe_node(metrics: Metrics, node: Node, connections: Mapping[str, Callable[[], int]]) -> None:
    """connections: {port: how many there are}; ports may come later."""
    process = metrics.process
    process.build.read = lambda: (((__version__, sys.version.partition(" ")[0]), 1),)
    process.status.read = lambda: [((each.value,), each is node.status) for each in Status]
    process.connections.read = lambda: [((port,), count()) for port, count in list(connections.items())]


def observe_ingress(metrics: Metrics, config: Config, ingress: Ingress, drain: Drain) -> None:
    limit = config.ingress.concurrency_limit
    metrics.ingress.limit.of(lambda: limit)
    # A request over the limit takes a permit that there is not, for as long as it takes to refuse it.
    metrics.ingress.in_progress.of(lambda: min(limit, limit - ingress.permits))
    metrics.ingress.connections_created.of(lambda: drain.accepted)
    metrics.ingress.connections_dropped.read = lambda: [
        ((reason,), count) for reason, count in drain.ended.items()
    ]


def observe_storage(metrics: Metrics, store: Store, path: Path) -> None:
    """path: of the database."""
    storage = metrics.storage

    def by_table(name: str) -> Callable[[], Samples]:
        return lambda: (((table,), store.figure(name, table)) for table in TABLES)

    storage.table_bytes.read = by_table("rocksdb.live-sst-files-size")
    storage.table_keys.read = by_table("rocksdb.estimate-num-keys")

    def memory() -> Samples:
        # All tables share one cache; the other parts are those of each.
        yield ("block_cache",), store.figure("rocksdb.block-cache-usage", TABLES[0])
        for part, name in _MEMORY.items():
            yield (part,), sum(store.figure(name, table) for table in TABLES)

    storage.memory_bytes.read = memory
    storage.pending_compaction_bytes.of(
        lambda: sum(store.figure("rocksdb.estimate-pending-compaction-bytes", table) for table in TABLES)
    )
    storage.running.read = lambda: [
        ((job,), store.figure(f"rocksdb.num-running-{job}", TABLES[0])) for job in ("compactions", "flushes")
    ]
    storage.write_stopped.of(lambda: store.figure("rocksdb.is-write-stopped", TABLES[0]))
    storage.delayed_write_rate.of(lambda: store.figure("rocksdb.actual-delayed-write-rate", TABLES[0]))
    storage.background_errors.of(lambda: store.figure("rocksdb.background-errors", TABLES[0]))
    storage.log_bytes.read = _of_disk(lambda: _log_bytes(path))
    storage.disk_free_bytes.read = _of_disk(lambda: _free_bytes(path))


def observe_engine(
    metrics: Metrics,
    config: Config,
    *,
    partition: Partition,
    supervisor: Supervisor,
    timers: Timers,
    committer: Committer,
    census: Census,
    queries: Pool,
) -> None:
    engine, invoker, process = metrics.partition, metrics.invoker, metrics.process
    engine.invocations.read = census.numbers
    engine.queue_depth.of(partition.waiting)
    engine.queue_limit.of(lambda: config.engine.queue_limit)
    engine.timers_due.of(timers.overdue)
    engine.timers_in_memory.of(timers.waiting)
    engine.clients_waiting.of(partition.clients)
    engine.transactions_created.of(lambda: committer.last_written)
    engine.transactions_committed.of(lambda: committer.last_flushed)
    invoker.limit.of(lambda: config.invoker.concurrency_limit)
    invoker.waiting.of(supervisor.waiting)
    process.query_workers.read = lambda: [((state,), count) for state, count in queries.workers().items()]
    process.queries_waiting.of(queries.waiting)


def _of_disk(read: Callable[[], int]) -> Callable[[], Samples]:
    """Nothing while it cannot be read, as when no descriptor is left: all other metrics are wanted just then."""

    def samples() -> Samples:
        with suppress(OSError):
            yield (), read()

    return samples


def _log_bytes(path: Path) -> int:
    size = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.endswith(".log"):
                with suppress(FileNotFoundError):  # RocksDB deletes those that it needs no longer
                    size += entry.stat().st_size
    return size


def _free_bytes(path: Path) -> int:
    figures = os.statvfs(path)
    return figures.f_bavail * figures.f_frsize

"""The server: builds the parts, starts them in order, drains them in reverse (design §3).

    storage nursery        committer; RocksDB is closed after it
      node nursery         node-ctrl and its connections: the port answers from the start to the end
        engine nursery     partition loop, timers, connections to deployments
          work nursery     one task per client connection, one per running attempt
            accept         ingress, admin, postgres

A signal ends it from the inside: no new connections and requests, attempts are asked to suspend, clients whose
invocation does not run any more are told to come back, and what takes too long is cut. Nothing is lost by a cut: what
was accepted is on disk, and an attempt that was cut is made again at the next start.
"""

import importlib
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import trio

from restate.runtime.clock import SystemClock, SystemIds
from restate.runtime.config import Address, Config
from restate.runtime.config.apply import configure_log
from restate.runtime.config.origin import with_origin
from restate.runtime.errors import (
    ConfigError,
    RestateError,
    StorageDamaged,
    StorageFormatError,
    StorageLocked,
)
from restate.runtime.ingress.server import RPC_MODULE, Ingress
from restate.runtime.invoker.preconditions import Preconditions
from restate.runtime.invoker.retry import Retries
from restate.runtime.invoker.route import Routes
from restate.runtime.invoker.supervisor import Supervisor
from restate.runtime.invoker.task import AttemptTask
from restate.runtime.model.invocation import Status
from restate.runtime.net.client import Client
from restate.runtime.net.http import Handler
from restate.runtime.net.listener import Drain, Listener, serve
from restate.runtime.node.control import NodeControl
from restate.runtime.node.node import Node
from restate.runtime.observation import observe_engine, observe_ingress, observe_node, observe_storage
from restate.runtime.partition.actions import Performer
from restate.runtime.partition.census import Census
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.processor import Processor
from restate.runtime.partition.timers import Timers
from restate.runtime.ports import Ports, PortsFile, opened_ports
from restate.runtime.query.pool import Pool
from restate.runtime.schema.registry import Registry
from restate.runtime.security import Security
from restate.runtime.service_manager import ServiceManager
from restate.runtime.storage.api import StorageError, Store
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.precheck import check_files
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables
from restate.runtime.telemetry.loop_watch import LoopWatch
from restate.runtime.telemetry.metrics import Metrics
from restate.runtime.wiring import (
    check_directories,
    client_limits,
    client_proxy,
    client_trust,
    identity,
    ingress_url,
    listener_limits,
    live_attempt,
    option_defaults,
    pool_settings,
    postgres_options,
    rocks_options,
    tracer,
)

log = logging.getLogger("restate.app")

_LAST_LOOK_S = 0.2
"""For requests to node-ctrl that are in progress at the very end."""
_IDLE_END_S = 10.0
"""For idle connections to end after a grace period that was too short even for that."""
_LOOK_AGAIN_S = 0.05
"""How long a client may wait for being sent away after the attempt it waits for has suspended."""


class EndedAtOnce(RestateError):
    """A second signal came while the server drained."""


class NotDrained(RestateError):
    """The grace period was over before the drain was."""


async def run(config: Config, load: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT has been answered. load: read the configuration again, at SIGHUP.

    Raises EndedAtOnce after a second signal, and NotDrained when the drain took longer than the grace period.
    Raises PortInUse, ConfigError, StorageLocked, StorageFormatError, StorageDamaged or StorageError before anything is
    served, and StorageError, within groups, when the disk fails later.
    """
    # Whatever the configuration names is read before anything on disk is touched.
    server = _Server(config, load)
    with (
        trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals,
        opened_ports(config, os.environ) as ports,
        _opened(config) as store,
    ):
        # The lock on the database is ours now, and with it the ports file.
        ports_file = PortsFile(config.base_dir)
        ports_file.remove()
        try:
            await server.run(signals, ports, ports_file, store)
        finally:
            ports_file.remove()


@contextmanager
def _opened(config: Config) -> Iterator[Store]:
    """The store; after an error that tells more than a close which fails for the same reason."""
    store = _open(config)
    try:
        yield store
    except BaseException:
        with suppress(StorageError):
            store.close()
        raise
    store.close()


def _open(config: Config) -> Store:
    """Raises StorageLocked, StorageFormatError, StorageDamaged, and ConfigError for a place that cannot be used."""
    path = config.base_dir / "db"
    try:
        check_files(path)
        return RocksStore.open(path, rocks_options(config))
    except (StorageError, OSError) as error:
        if isinstance(error, StorageError) and error.code is not None:
            raise StorageDamaged(f"base_dir: {error}", code=error.code) from error
        raise ConfigError(f"base_dir: expected a directory that can be written: {error}") from error
    except (StorageLocked, StorageFormatError, StorageDamaged) as error:
        raise type(error)(f"base_dir: {error}", code=error.code) from error


class _Server:
    """One run of the server. Raises ConfigError when it is made."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        self._config = config
        self._load = load
        self._manager = ServiceManager(os.environ)
        self._clock = SystemClock()
        self._ids = SystemIds()
        self._client = Client(
            client_limits(config), ssl_context=client_trust(config), proxy=client_proxy(config)
        )
        self._identity = identity(config, self._clock)
        check_directories(config)
        self._defaults = option_defaults(config)
        self._security = Security.of(config)
        self._tracer, self._send_spans = tracer(config)
        self._postgres = postgres_options(config, self._security.tls.get("postgres"))
        self._metrics = Metrics(config.observability.metrics.label_set_limit)
        self._connections: dict[str, Callable[[], int]] = {}
        self._partition = Partition(queue_limit=config.engine.queue_limit)
        self._stopping = trio.Event()
        self._admin_ended = trio.Event()
        self._importing = trio.CapacityLimiter(1)

    async def run(
        self, signals: AsyncIterator[int], ports: Ports, ports_file: PortsFile, store: Store
    ) -> None:
        """Serve on bound ports and an open store."""
        self._ports = ports
        self._ports_file = ports_file
        self._store = store
        # What reads outside of the loop: an overlay of its own that stays empty.
        self._reader = Tables(store)
        self._security.warn_of_open_doors(Address(*ports.admin.address))
        async with trio.open_nursery() as storage:
            storage.start_soon(self._watch, signals)
            async with trio.open_nursery() as node:
                node_drain = Drain()
                await self._start_node_ctrl(node, node_drain)
                async with trio.open_nursery() as engine:
                    async with trio.open_nursery() as work:
                        supervisor = await self._start_engine(storage, engine, work)
                        drain = Drain()
                        await self._start_ports(engine, work, drain)
                        await self._stopping.wait()
                        drained = await self._drain_in_time(supervisor, drain)
                        work.cancel_scope.cancel()
                    engine.cancel_scope.cancel()
                node_drain.start()
                with trio.move_on_after(_LAST_LOOK_S):
                    await node_drain.finished.wait()
                node.cancel_scope.cancel()
            storage.cancel_scope.cancel()
        # A collector that is down must not hold up the end.
        with trio.move_on_after(self._config.observability.tracing.shutdown_timeout_ms / 1000):
            await trio.to_thread.run_sync(self._send_spans, abandon_on_cancel=True)
        if not drained:
            raise NotDrained(
                "shutdown_grace_period was over before the drain was; what was open was cut and goes on at the next start"
            )

    async def _watch(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGHUP:
                self._reload()
                continue
            name = signal.Signals(number).name
            if self._stopping.is_set():
                raise EndedAtOnce(
                    f"{name} came while draining; what is open was cut and goes on at the next start"
                )
            log.info("%s: draining, at most %g s", name, self._config.shutdown_grace_period_ms / 1000)
            self._manager.stopping()
            self._stopping.set()

    def _reload(self) -> None:
        """Take over what can change while we run: the log, and the certificates of the ports."""
        self._manager.reloading()
        refused = False
        for take_over in (self._reload_log, self._security.reload):
            try:
                take_over()
            except ConfigError as error:
                refused = True
                reason = with_origin(error.message, self._config)
                log.error(
                    "SIGHUP: what was before stays in force, because this cannot be used: %s",
                    reason,
                    extra={"code": error.code},
                )
        if not refused:
            log.info("SIGHUP: log settings and certificates were read again; other settings need a restart")
        self._manager.ready(self._status())

    def _reload_log(self) -> None:
        configure_log(self._load())

    def _status(self) -> str:
        return ", ".join(f"{name} {listener.port}" for name, listener in self._ports.by_name().items())

    async def _start_engine(
        self, storage: trio.Nursery, engine: trio.Nursery, work: trio.Nursery
    ) -> Supervisor:
        config, partition, reader = self._config, self._partition, self._reader
        client, metrics = self._client, self._metrics
        routes = Routes(lambda: partition.schema, self._defaults, protocol_v7=config.invoker.protocol_v7)
        task = AttemptTask(
            client=client,
            routes=routes,
            preconditions=Preconditions(lambda: partition.schema, self._ids, self._defaults),
            effects=partition,
            reader=reader,
            clock=self._clock,
            config=config.invoker,
            identity=self._identity,
            tracer=self._tracer,
            metrics=metrics.invoker,
        )
        supervisor = Supervisor(
            work,
            task,
            Retries(routes, partition, self._clock, metrics.invoker, jitter=config.retry_policy.jitter),
            partition,
            reader,
            concurrency_limit=config.invoker.concurrency_limit,
            metrics=metrics.invoker,
        )
        timers = Timers(partition, reader, self._clock, in_memory=config.engine.timers_in_memory)
        committer = Committer(
            self._store, Performer(partition, supervisor, timers, self._tracer), metrics.storage
        )
        tables = Tables(self._store)
        census = Census(reader, tables.invocations.changes)
        processor = Processor(
            partition,
            tables,
            committer,
            self._clock,
            batch_records=config.engine.batch_records,
            batch_bytes=config.engine.batch_bytes,
            metrics=metrics,
        )
        schema = Registry.load(reader.counters.get("schema_version"), reader.schema.scan())
        partition.begin(schema, reader.counters.get("boot"))
        await storage.start(committer.run)
        self._queries = Pool(
            pool_settings(config),
            live=lambda: map(live_attempt, supervisor.statuses()),
            durable=committer.barrier,
        )
        await engine.start(self._queries.run)
        await engine.start(client.run)
        await engine.start(processor.run)
        engine.start_soon(timers.run)
        engine.start_soon(census.run)
        observe_engine(
            metrics,
            config,
            partition=partition,
            supervisor=supervisor,
            timers=timers,
            committer=committer,
            census=census,
            queries=self._queries,
        )
        return supervisor

    async def _start_node_ctrl(self, nursery: trio.Nursery, drain: Drain) -> None:
        node = Node(self._partition, self._reader.counters.get("boot") + 1)
        self._connections["node_ctrl"] = lambda: drain.connections
        observe_node(self._metrics, node, self._connections)
        observe_storage(self._metrics, self._store, self._config.base_dir / "db")
        nursery.start_soon(LoopWatch(self._metrics.process).run)
        control = NodeControl(
            node,
            self._metrics,
            self._security.gates["node_ctrl"],
            request_size_limit=self._config.node_ctrl.request_size_limit,
        )
        await self._serve("node_ctrl", self._ports.node_ctrl, control, nursery, nursery, drain)

    async def _serve(
        self,
        name: str,
        listener: Listener,
        handler: Handler,
        accept: trio.Nursery,
        work: trio.Nursery,
        drain: Drain,
    ) -> None:
        """Serve one port by our own listener."""
        tls = self._security.tls.get(name)
        await accept.start(
            partial(
                serve,
                listener,
                handler,
                limits=listener_limits(self._config),
                name=name,
                nursery=work,
                drain=drain,
                tls=None if tls is None else tls.context,
            )
        )

    async def _start_ports(self, engine: trio.Nursery, work: trio.Nursery, drain: Drain) -> None:
        gates = self._security.gates
        self._ingress = ingress = Ingress(
            self._partition,
            self._config.ingress,
            self._clock,
            self._ids,
            self._defaults,
            gates["ingress"],
            self._tracer,
            self._metrics.ingress,
        )
        self._connections["ingress"] = lambda: drain.connections
        observe_ingress(self._metrics, self._config, ingress, drain)
        await self._serve("ingress", self._ports.ingress, ingress, engine, work, drain)
        self._partition.serve()
        self._ports_file.write(self._ports)
        self._manager.ready(self._status())
        engine.start_soon(self._manager.watch)
        for name, listener in self._ports.by_name().items():
            log.info("%s listening on %s", name, Address(*listener.address))
        engine.start_soon(self._admin)
        engine.start_soon(self._sql, drain)

    async def _admin(self) -> None:
        """The admin app is the slow part of the start: its imports must not delay the first invocation."""
        try:
            imported = await self._import(_import_admin)
            if imported is None:
                return
            server, discovery = imported
            await server.serve(
                self._ports.admin.socket,
                partition=self._partition,
                discovery=discovery.Discovery(self._client, self._config.discovery, self._identity),
                config=self._config,
                clock=self._clock,
                ids=self._ids,
                ingress_url=ingress_url(self._config, Address(*self._ports.ingress.address)),
                shutdown=self._stopping,
                defaults=self._defaults,
                queries=self._queries,
                gate=self._security.gates["admin"],
                tls=self._security.tls.get("admin"),
                is_live=self._is_live,
                record_of=self._reader.invocations.get,
                told=partial(self._connections.__setitem__, "admin"),
            )
        finally:
            self._admin_ended.set()

    async def _import(self, load: Callable[[], Any]) -> Any | None:
        """What `load` imports, in a thread and one after the other; None if the server is told to stop meanwhile."""
        imported = None
        async with trio.open_nursery() as nursery:

            async def give_up() -> None:
                await self._stopping.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(give_up)
            # An import that nobody waits for any more does no harm; waiting for it would hold up the end.
            imported = await trio.to_thread.run_sync(load, limiter=self._importing, abandon_on_cancel=True)
            nursery.cancel_scope.cancel()
        return None if self._stopping.is_set() else imported

    async def _sql(self, drain: Drain) -> None:
        """The Postgres port; no call waits for its imports either."""
        module = await self._import(partial(importlib.import_module, "restate.runtime.query.postgres"))
        if module is None:
            return
        port = module.PostgresPort(self._ports.postgres, self._queries, self._postgres)
        self._connections["postgres"] = lambda: port.connections
        await port.run(drain)

    def _is_live(self, service: str) -> bool:
        """Whether an invocation of the service has not ended."""
        return any(
            status is not Status.COMPLETED for _, status, _ in self._reader.invocations.of_service(service)
        )

    async def _drain_in_time(self, supervisor: Supervisor, drain: Drain) -> bool:
        """Drain within the grace period. Whether nothing is left to be cut."""
        with trio.move_on_after(self._config.shutdown_grace_period_ms / 1000):
            await self._drain(supervisor, drain)
            return True
        if _any_runs(supervisor) or self._ingress.busy or self._queries.workers()["busy"]:
            return False
        # Nothing was done here, and a period of no time at all is no reason to call that a failure.
        with trio.move_on_after(_IDLE_END_S):
            await drain.finished.wait()
            await self._admin_ended.wait()
            return True
        return False

    async def _drain(self, supervisor: Supervisor, drain: Drain) -> None:
        """Finish in good order what can be finished soon. Far below the grace period, which is the upper bound."""
        self._partition.refuse()
        drain.start()
        with trio.move_on_after(self._config.shutdown_attempts_s) as attempts:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_clients_away, supervisor)
                await supervisor.drain()
                nursery.cancel_scope.cancel()
        if attempts.cancelled_caught and _any_runs(supervisor):
            log.warning(
                "cutting attempts that did not suspend in time; they are made again at the next start"
            )
        await self._partition.settle()
        self._partition.send_away(self._partition.awaited())
        with trio.move_on_after(self._config.shutdown_clients_s) as clients:
            await drain.finished.wait()
            await self._admin_ended.wait()
        if clients.cancelled_caught:
            log.warning("cutting clients that did not take their answer in time")

    async def _send_clients_away(self, supervisor: Supervisor) -> None:
        """Answer, again and again, the clients whose invocation has no attempt that could still bring the outcome."""
        while True:
            # In this order: what has ended before `settle` was called has had its outcome given out after it.
            idle = {each for each in self._partition.awaited() if not supervisor.is_running(each)}
            await self._partition.settle()
            self._partition.send_away(idle)
            await trio.sleep(_LOOK_AGAIN_S)


def _any_runs(supervisor: Supervisor) -> bool:
    """Whether an attempt runs now."""
    return any(attempt.in_flight for attempt in supervisor.statuses())


def _import_admin() -> tuple[Any, Any]:
    """The server of the port, and discovery, which nothing else needs; before them what RPC clients need."""
    importlib.import_module(RPC_MODULE)
    return (
        importlib.import_module("restate.runtime.admin.server"),
        importlib.import_module("restate.runtime.discovery.handle"),
    )

"""The server: builds the parts, starts them in order, drains them in reverse (design §3).

    storage nursery        committer; RocksDB is closed after it
      engine nursery       partition loop, timers, connections to deployments
        work nursery       one task per client connection, one per running attempt
          accept           node-ctrl, ingress, admin, postgres

A signal ends it from the inside: no new connections and requests, attempts are asked to suspend, clients whose
invocation does not run any more are told to come back, and what takes too long is cut. Nothing is lost by a cut: what
was accepted is on disk, and an attempt that was cut is made again at the next start.
"""

import errno
import importlib
import json
import logging
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import trio

from restate.runtime.clock import SystemClock, SystemIds
from restate.runtime.config import Address, Config
from restate.runtime.errors import PortInUse, RestateError
from restate.runtime.ingress.server import Ingress
from restate.runtime.invoker.preconditions import Preconditions
from restate.runtime.invoker.retry import Retries
from restate.runtime.invoker.route import Routes
from restate.runtime.invoker.supervisor import Supervisor
from restate.runtime.invoker.task import AttemptTask
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Status
from restate.runtime.net.client import Client
from restate.runtime.net.listener import Drain, Listener, bind, serve
from restate.runtime.node.control import NodeControl
from restate.runtime.partition.actions import Performer
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.processor import Processor
from restate.runtime.partition.timers import Timers
from restate.runtime.query.postgres import PostgresPort
from restate.runtime.schema.registry import Registry
from restate.runtime.storage.api import StorageError, Store
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables
from restate.runtime.wiring import (
    client_limits,
    client_proxy,
    client_trust,
    identity,
    listener_limits,
    option_defaults,
    rocks_options,
)

log = logging.getLogger("restate.app")

PORTS_FILE = "ports.json"

_ATTEMPTS_SHARE = 1 / 6
"""Of the grace period: for attempts that do not suspend when asked, because they are busy or hang."""
_CLIENTS_SHARE = 1 / 20
"""Of the grace period: for clients to take their answers, once no new ones can come."""
_LOOK_AGAIN_S = 0.05
"""How long a client may wait for being sent away after the attempt it waits for has suspended."""


class EndedAtOnce(RestateError):
    """A second signal came while the server drained."""


@attrs.frozen
class Ports:
    """The four listening sockets."""

    node_ctrl: Listener
    ingress: Listener
    admin: Listener
    postgres: Listener

    def numbers(self) -> dict[str, int]:
        return {name: listener.port for name, listener in attrs.asdict(self, recurse=False).items()}


async def run(config: Config) -> None:
    """Serve until SIGTERM or SIGINT has been answered; a second one raises EndedAtOnce.

    Raises PortInUse, StorageLocked, StorageFormatError, StorageDamaged or StorageError before anything is served, and
    StorageError, within groups, when the disk fails later.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        ports = _bind(config)
        try:
            with _opened(config) as store:
                # The lock on the database is ours now, and with it the ports file.
                ports_file = config.base_dir / PORTS_FILE
                _remove(ports_file)
                try:
                    await _Server(config, ports, store).run(signals)
                finally:
                    _remove(ports_file)
        finally:
            for listener in attrs.astuple(ports, recurse=False):
                listener.close()


@contextmanager
def _opened(config: Config) -> Iterator[Store]:
    """The store; after an error that tells more than a close which fails for the same reason."""
    store = RocksStore.open(config.base_dir / "db", rocks_options(config))
    try:
        yield store
    except BaseException:
        with suppress(StorageError):
            store.close()
        raise
    store.close()


def _bind(config: Config) -> Ports:
    """All four ports, or none. Raises PortInUse."""
    listeners: list[Listener] = []
    addresses = {
        "node_ctrl": config.node_ctrl.bind_address,
        "ingress": config.ingress.bind_address,
        "admin": config.admin.bind_address,
        "postgres": config.postgres.bind_address,
    }
    for name, address in addresses.items():
        try:
            listeners.append(bind(address.ip, address.port))
        except OSError as error:
            for listener in listeners:
                listener.close()
            raise _bind_error(name, address, error) from error
    return Ports(*listeners)


def _bind_error(name: str, address: Address, error: OSError) -> PortInUse:
    reason = "it is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return PortInUse(f"{name}.bind_address: cannot listen on {address}: {reason}")


class _Server:
    """One run of the server on bound ports and an open store."""

    def __init__(self, config: Config, ports: Ports, store: Store) -> None:
        self._config = config
        self._ports = ports
        self._store = store
        self._clock = SystemClock()
        self._ids = SystemIds()
        self._client = Client(
            client_limits(config), ssl_context=client_trust(config), proxy=client_proxy(config)
        )
        self._identity = identity(config, self._clock)
        self._defaults = option_defaults(config)
        self._partition = Partition(queue_limit=config.engine.queue_limit)
        self._stopping = trio.Event()
        self._admin_ended = trio.Event()
        # What reads outside of the loop: an overlay of its own that stays empty.
        self._reader = Tables(store)

    async def run(self, signals: AsyncIterator[int]) -> None:
        async with trio.open_nursery() as storage:
            storage.start_soon(self._watch, signals)
            async with trio.open_nursery() as engine:
                async with trio.open_nursery() as work:
                    supervisor = await self._start_engine(storage, engine, work)
                    drain = Drain()
                    await self._start_ports(engine, work, drain)
                    await self._stopping.wait()
                    await self._drain(supervisor, drain)
                    work.cancel_scope.cancel()
                engine.cancel_scope.cancel()
            storage.cancel_scope.cancel()

    async def _watch(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            name = signal.Signals(number).name
            if self._stopping.is_set():
                raise EndedAtOnce(
                    f"{name} came while draining; what is open was cut and goes on at the next start"
                )
            log.info("%s: draining, at most %g s", name, self._config.shutdown_grace_period_ms / 1000)
            self._stopping.set()

    async def _start_engine(
        self, storage: trio.Nursery, engine: trio.Nursery, work: trio.Nursery
    ) -> Supervisor:
        config, partition, reader = self._config, self._partition, self._reader
        client = self._client
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
        )
        supervisor = Supervisor(
            work,
            task,
            Retries(routes, partition, self._clock),
            partition,
            reader,
            concurrency_limit=config.invoker.concurrency_limit,
        )
        timers = Timers(partition, reader, self._clock, in_memory=config.engine.timers_in_memory)
        committer = Committer(self._store, Performer(partition, supervisor, timers))
        processor = Processor(
            partition,
            Tables(self._store),
            committer,
            self._clock,
            batch_records=config.engine.batch_records,
            batch_bytes=config.engine.batch_bytes,
        )
        schema = Registry.load(reader.counters.get("schema_version"), reader.schema.scan())
        partition.begin(schema, reader.counters.get("boot"))
        await storage.start(committer.run)
        await engine.start(client.run)
        await engine.start(processor.run)
        engine.start_soon(timers.run)
        return supervisor

    async def _start_ports(self, engine: trio.Nursery, work: trio.Nursery, drain: Drain) -> None:
        limits = listener_limits(self._config)
        ingress = Ingress(self._partition, self._config.ingress, self._clock, self._ids, self._defaults)
        control = NodeControl(self._partition)
        for name, listener, handler in (
            ("node-ctrl", self._ports.node_ctrl, control),
            ("ingress", self._ports.ingress, ingress),
        ):
            await engine.start(
                partial(serve, listener, handler, limits=limits, name=name, nursery=work, drain=drain)
            )
        engine.start_soon(PostgresPort(self._ports.postgres).run, drain)
        self._partition.ready.set()
        _write_ports(self._config.base_dir / PORTS_FILE, self._ports.numbers())
        for name, listener in attrs.asdict(self._ports, recurse=False).items():
            host, port = listener.address
            log.info("%s listening on %s:%d", name, host, port)
        engine.start_soon(self._admin)

    async def _admin(self) -> None:
        """The admin app is the slow part of the start: its imports must not delay the first invocation."""
        try:
            server, discovery = await trio.to_thread.run_sync(_import_admin)
            if self._stopping.is_set():
                return
            await server.serve(
                self._ports.admin.socket,
                partition=self._partition,
                discovery=discovery.Discovery(self._client, self._config.discovery, self._identity),
                config=self._config,
                clock=self._clock,
                ids=self._ids,
                ingress_port=self._ports.ingress.port,
                shutdown=self._stopping,
                defaults=self._defaults,
                is_live=self._is_live,
                service_of=self._service_of,
            )
        finally:
            self._admin_ended.set()

    def _is_live(self, service: str) -> bool:
        """Whether an invocation of the service has not ended."""
        return any(
            status is not Status.COMPLETED for _, status, _ in self._reader.invocations.of_service(service)
        )

    def _service_of(self, invocation: InvocationId) -> str | None:
        """The service that an invocation calls."""
        record = self._reader.invocations.get(invocation)
        return None if record is None else record.target.service

    async def _drain(self, supervisor: Supervisor, drain: Drain) -> None:
        """Finish in good order what can be finished soon. Far below the grace period, which is the upper bound."""
        grace_s = self._config.shutdown_grace_period_ms / 1000
        self._partition.refuse()
        drain.start()
        with trio.move_on_after(grace_s * _ATTEMPTS_SHARE) as attempts:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._send_clients_away, supervisor)
                await supervisor.drain()
                nursery.cancel_scope.cancel()
        if attempts.cancelled_caught:
            log.warning(
                "cutting attempts that did not suspend in time; they are made again at the next start"
            )
        await self._partition.settle()
        self._partition.send_away(self._partition.awaited())
        with trio.move_on_after(grace_s * _CLIENTS_SHARE) as clients:
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


def _import_admin() -> tuple[Any, Any]:
    """The server of the port, and discovery, which nothing else needs."""
    return (
        importlib.import_module("restate.runtime.admin.server"),
        importlib.import_module("restate.runtime.discovery.handle"),
    )


def _write_ports(path: Path, numbers: dict[str, int]) -> None:
    """Whole or not at all: others poll for this file. Raises StorageError."""
    partial_path = path.with_suffix(".tmp")
    try:
        partial_path.write_text(json.dumps(numbers) + "\n")
        partial_path.replace(path)
    except OSError as error:
        raise StorageError(f"cannot write '{path}': {error}") from error


def _remove(ports_file: Path) -> None:
    """Raises StorageError."""
    try:
        ports_file.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot remove '{ports_file}': {error}") from error

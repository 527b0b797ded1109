"""Real query workers over a small database, without a server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from restate.runtime.model.ids import InvocationId, partition_key_of_key
from restate.runtime.model.invocation import IngressSource, InvocationRecord, Pin, Status
from restate.runtime.model.result import Success
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.query.live import LiveAttempt
from restate.runtime.query.pool import Pool
from restate.runtime.query.settings import PoolSettings
from restate.runtime.query.statement import Output, Parameter, SessionInfo, Statement
from restate.runtime.query.worker_process import WorkerSettings
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables

SESSION = SessionInfo("tester")
MIB = 1 << 20


def settings(folder: Path, **changes: Any) -> PoolSettings:
    """One worker, short times."""
    worker = WorkerSettings(
        database=folder / "db",
        home=folder / "query",
        memory_bytes=64 * MIB,
        address_space_bytes=1024 * MIB,
        start_timeout_s=30,
    )
    found = PoolSettings(
        worker=worker,
        worker_limit=1,
        queue_limit=2,
        timeout_s=20,
        take_timeout_s=60,
        idle_timeout_s=60,
        look_around_s=0.05,
    )
    return attrs.evolve(found, **changes)


class Bed:
    """A store that the test writes to, and a pool that reads it."""

    def __init__(self, store: RocksStore, pool: Pool) -> None:
        self.store = store
        self.tables = Tables(store)
        self.pool = pool
        self.live: list[LiveAttempt] = []
        self.flushes = 0

    def write(self) -> None:
        """Make what was put into `tables` visible, as the server does: written, perhaps not yet flushed."""
        self.store.write(self.tables.take_writes())

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        """All rows, by way of JSON."""
        return msgspec.json.decode(await self.data(sql, Output.JSON))["rows"]  # type: ignore[no-any-return]

    async def data(self, sql: str, output: Output, *parameters: Parameter) -> bytes:
        pieces = []
        async with self.pool.open(Statement(sql), parameters, output, False, SESSION) as query:
            while (rows := await query.next()) is not None:
                pieces.append(rows.data)
        return b"".join(pieces)

    def workers(self) -> set[int]:
        """Process ids."""
        return {worker.process._process.pid for worker in self.pool._workers._workers}


@asynccontextmanager
async def bed(folder: Path, **changes: Any) -> AsyncIterator[Bed]:
    store = RocksStore.open(folder / "db")
    try:
        async with trio.open_nursery() as nursery:

            async def durable() -> None:
                found.flushes += 1
                await trio.lowlevel.checkpoint()

            pool = Pool(settings(folder, **changes), live=lambda: found.live, durable=durable)
            found = Bed(store, pool)
            await nursery.start(pool.run)
            yield found
            nursery.cancel_scope.cancel()
    finally:
        store.close()


def invocation_id(number: int, key: str = "") -> InvocationId:
    return InvocationId(partition_key_of_key(key) + number.to_bytes(16, "big"))


def record(
    number: int = 0,
    status: Status = Status.COMPLETED,
    service: str = "Greeter",
    key: str | None = None,
    **fields: Any,
) -> InvocationRecord:
    kind = ServiceType.SERVICE if key is None else ServiceType.VIRTUAL_OBJECT
    handler_type = HandlerType.PLAIN if key is None else HandlerType.EXCLUSIVE
    found = InvocationRecord(
        status=status,
        target=Target(service, "greet", key, kind, handler_type),
        created_ms=1_795_000_000_000 + number,
        modified_ms=1_795_000_000_500 + number,
        pin=Pin("dp_10000000000000000000001", 6),
        incarnation=number + 1,
        source=IngressSource(),
        sinks=(),
        completion_retention_ms=86_400_000,
        journal_retention_ms=86_400_000,
        journal_length=3,
        commands=2,
        outcome=Success(b'"hi"') if status is Status.COMPLETED else None,
    )
    return msgspec.structs.replace(found, **fields)

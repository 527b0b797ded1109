"""A process over a RocksDB that ends itself at a chosen point: `python -m tests.faults.life DB POINT AT COUNT`.

COUNT clients call one object, each with an id of its own, in this life as in those before. On stdout there is one line
for each answer that a client got: the number of the client. Exit status 9: the point was passed for the AT-th time.
3: the disk refused, as it does from the start on if POINT is "disk full".
"""

import os
import resource
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from restate.runtime.engine.actions import Action, IngressReply, StartAttempt
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import AttemptEffect, Boot, Effect, End, Record
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSink
from restate.runtime.storage.api import Flush, StorageError, Write
from restate.runtime.storage.commit import Committer
from restate.runtime.storage.rocksdb import RocksStore
from restate.runtime.tables.api import Tables
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.engine.world import exclusive, invoke, name_of, pinned

FOR_EVER_MS = 10**12
FULL_AT_BYTES = 300_000


class Points:
    def __init__(self, kind: str, at: int) -> None:
        self._kind = kind
        self._at = at
        self._passed: Counter[str] = Counter()

    def passed(self, kind: str) -> None:
        self._passed[kind] += 1
        if kind == self._kind and self._passed[kind] == self._at:
            os._exit(9)


class PointedStore:
    """A RocksStore with points around what it does."""

    def __init__(self, store: RocksStore, points: Points) -> None:
        self._store = store
        self._points = points
        self.get = store.get
        self.close = store.close
        self.flush = store.flush

    def scan(self, table: str, start: bytes, end: bytes | None) -> Iterator[tuple[bytes, bytes]]:
        return self._store.scan(table, start, end)

    def figure(self, name: str, table: str) -> int:
        return self._store.figure(name, table)

    def write(self, writes: list[Write]) -> None:
        self._points.passed("before write")
        self._store.write(writes)
        self._points.passed("after write")

    @asynccontextmanager
    async def flusher(self) -> AsyncIterator[Flush]:
        async with self._store.flusher() as flush:

            async def pointed() -> None:
                self._points.passed("before flush")
                await flush()
                self._points.passed("after flush")

            yield pointed


class Life:
    """The engine, and handlers that set the object's number and answer. size: bytes of the value."""

    def __init__(self, store: PointedStore, points: Points, size: int) -> None:
        self._points = points
        self._size = size
        self._tables = Tables(store)
        self._machine = Machine()
        self._due: list[AttemptEffect] = []
        self.committer = Committer(store, self._perform)

    def apply(self, record: Record) -> None:
        actions = self._machine.apply(record, 1000, self._tables)
        self.committer.write(self._tables.take_writes(), actions)

    def _perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, IngressReply):
                os.write(1, b"%d\n" % action.request_id)
            elif isinstance(action, StartAttempt):
                self._due += self._attempt(action)
            self._points.passed("after action")

    def _attempt(self, action: StartAttempt) -> Iterator[AttemptEffect]:
        """What the journal has not got yet."""
        who = name_of(action.id).encode()
        effects: list[Effect] = [
            pinned(wire.set_state(MODERN, b"n", who.ljust(self._size))),
            wire.output(MODERN),
            End(),
        ]
        for effect in effects[action.record.commands - 1 :]:
            yield AttemptEffect(action.id, action.token, effect)

    async def work_off(self) -> None:
        """Until no attempt has anything to say."""
        await self.committer.barrier()
        while self._due:
            self.apply(self._due.pop(0))
            await self.committer.barrier()


async def main(path: Path, point: str, at: int, count: int) -> None:
    points = Points(point, at)
    rocks = RocksStore.open(path)
    points.passed("opened")
    if point == "disk full":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_AT_BYTES, FULL_AT_BYTES))
    life = Life(PointedStore(rocks, points), points, size=20_000 if point == "disk full" else 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(life.committer.run)
        points.passed("committer started")
        life.apply(Boot())
        points.passed("boot applied")
        await life.work_off()
        points.passed("recovered")
        for client in range(count):
            life.apply(
                invoke(
                    f"c{client}", exclusive(), sink=IngressSink(client), completion_retention_ms=FOR_EVER_MS
                )
            )
            if client % 3 == 2:
                # Now and then several wait in line.
                await life.work_off()
        await life.work_off()
        nursery.cancel_scope.cancel()
    rocks.close()


def client_id(client: int) -> InvocationId:
    """The invocation of a client."""
    return invoke(f"c{client}", exclusive()).id


def _is_of_disk(failure: BaseException) -> bool:
    if isinstance(failure, BaseExceptionGroup):
        return all(map(_is_of_disk, failure.exceptions))
    return isinstance(failure, StorageError)


if __name__ == "__main__":
    try:
        trio.run(main, Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    except BaseException as error:
        if not _is_of_disk(error):
            raise
        os._exit(3)

"""A server whose power fails at a chosen point, over and over, and the little SDK and client that must not notice.

A *life* is one process: `Rig` over what the last one left on disk. A point is passed whenever the server does something
that a crash could separate from what follows: writes, flushes, performs an action, proposes a record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio

from restate.runtime.engine.records import AttemptEffect, Record
from restate.runtime.partition.actions import Performer
from restate.runtime.partition.handle import Durable, Partition
from restate.runtime.storage.api import StorageError, Write
from restate.runtime.storage.memory import MemoryStore
from tests.engine import invariants
from tests.support import rig as rig_module
from tests.support.rig import Conversation, Rig

PATIENCE_S = 0.2
"""How long, in a handler, nothing must come before it suspends."""


class PowerCut(BaseException):
    """The process is gone at this point; nothing that it still does has an effect. The server must not handle it."""


@attrs.define
class Power:
    """Cuts at the `at`-th time that the point `kind` is passed; never if None. passed: {kind: how often so far}.

    error: raised there instead, an error that the server should end with.
    """

    kind: str | None = None
    at: int = 0
    off: bool = False
    passed: dict[str, int] = attrs.field(factory=dict)
    error: Exception | None = None

    def point(self, kind: str) -> None:
        if self.off:
            raise PowerCut
        self.passed[kind] = self.passed.get(kind, 0) + 1
        if kind == self.kind and self.passed[kind] == self.at:
            self.off = True
            raise self.error or PowerCut


class PoweredStore(MemoryStore):
    """A store that passes points."""

    power = Power()

    def write(self, writes: list[Write]) -> None:
        self.power.point("before write")
        super().write(writes)
        self.power.point("after write")

    def flush(self) -> None:
        self.power.point("before flush")
        super().flush()
        self.power.point("after flush")

    def after(self, keep: int) -> PoweredStore:
        """What the next process finds; `keep` of the unflushed writes survived, too."""
        survivor = PoweredStore()
        survivor.power = Power()
        for table, rows in self.crash(keep).dump().items():
            MemoryStore.write(survivor, [(table, key, value) for key, value in rows])
        MemoryStore.flush(survivor)
        return survivor


class PoweredPartition(Partition):
    """Passes a point on both sides of everything that is proposed, and before every answer to a client."""

    power = Power()

    async def propose(self, record: Record, durable: Durable | None = None) -> None:
        kind = "effect" if isinstance(record, AttemptEffect) else "timer"
        self.power.point(f"before {kind}")
        await super().propose(record, durable)
        self.power.point(f"after {kind}")

    def offer(self, record: Record | None, durable: Durable | None = None) -> None:
        self.power.point("before request")
        super().offer(record, durable)
        self.power.point("after request")

    def reply(self, action: Any) -> None:
        self.power.point("before reply")
        super().reply(action)

    def submitted(self, action: Any) -> None:
        self.power.point("before reply")
        super().submitted(action)


class Sdk:
    """A handler's context, as an SDK gives it: what is in the journal is replayed, the rest is written."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._commands: list[Any] = []
        self._results: dict[int, Any] = {}
        self.signals: dict[object, Any] = {}
        self.state: dict[bytes, bytes] = {}
        self.key = ""
        self.input = b""

    async def begin(self) -> None:
        start, first, *rest = await self._conversation.replay()
        self.key = start.message.key
        self.state = {entry.key: entry.value for entry in start.message.state_map}
        self.input = first.message.value.content
        for heard in rest:
            self._take(heard)

    def _take(self, heard: Any) -> None:
        if heard.name == "Signal":
            which = heard.message.WhichOneof("id")
            self.signals[getattr(heard.message, which)] = heard.message
        elif heard.name.endswith("Completion"):
            assert heard.message.completion_id not in self._results, "a completion comes once"
            self._results[heard.message.completion_id] = heard.message
        else:
            self._commands.append(heard)

    def command(self, name: str, **fields: Any) -> Any:
        """Write a command, or meet it in the journal, where it must be the same kind; the message as it is stored."""
        if self._commands:
            replayed = self._commands.pop(0)
            assert replayed.name == name, "a replay meets the commands that were written"
            return replayed.message
        self._conversation.say(name, **fields)
        return self._conversation.peer.expected(name, fields)

    @property
    def replaying(self) -> bool:
        return bool(self._commands)

    async def result(self, completion_id: int) -> Any:
        """Wait for a completion; suspends, thus ends, when it is long in coming."""
        while completion_id not in self._results:
            await self._hear(waiting_completions=[completion_id])
        return self._results[completion_id]

    async def signal(self, key: int | str) -> Any:
        while key not in self.signals:
            waiting: dict[str, Any] = (
                {"waiting_signals": [key]} if isinstance(key, int) else {"waiting_named_signals": [key]}
            )
            await self._hear(**waiting)
        return self.signals[key]

    async def _hear(self, **waiting: Any) -> None:
        with trio.move_on_after(PATIENCE_S):
            self._take(await self._conversation.hear())
            return
        self._conversation.say("Suspension", **waiting)
        self._conversation.close()
        raise Suspended

    async def run(self, completion_id: int, closure: Callable[[], bytes]) -> bytes:
        """A closure whose result is stored; run again if that did not happen."""
        self.command("Run", result_completion_id=completion_id)
        if completion_id not in self._results:
            self._conversation.say(
                "ProposeRunCompletion", result_completion_id=completion_id, value=closure()
            )
        value: bytes = (await self.result(completion_id)).value.content
        return value

    def output(self, value: bytes) -> None:
        self.command("Output", value={"content": value})
        self._conversation.say("End")
        self._conversation.close()


class Suspended(Exception):
    """The handler waits; it is called again when there is something for it."""


Handler = Callable[[Sdk], Awaitable[None]]


def as_script(handlers: dict[str, Handler]) -> Callable[[Conversation], Awaitable[None]]:
    """{path end: handler} as what the rig calls for every attempt."""

    async def script(conversation: Conversation) -> None:
        sdk = Sdk(conversation)
        await sdk.begin()
        with suppress(Suspended):
            await handlers[conversation.path.rpartition(b"/")[2].decode()](sdk)

    return script


@attrs.define
class Server:
    """One server in several lives. lives: how many have ended by a power cut. prepare: changes each life's rig."""

    handlers: dict[str, Handler]
    store: PoweredStore = attrs.field(factory=PoweredStore)
    power: Power = attrs.field(factory=Power)
    lives: int = 0
    prepare: Callable[[Rig], None] = lambda rig: None

    async def live(self, work: Callable[[Rig], Awaitable[None]], *, keep: int = 0) -> bool:
        """One life: start, do `work`, end. True if it came to its end; else the power failed, and the store is what a
        crash left: of the unflushed writes, `keep` survived.
        """
        self.store.power = self.power
        try:
            async with trio.open_nursery() as nursery:
                rig = Rig(nursery, as_script(self.handlers), store=self.store)
                partition = PoweredPartition(queue_limit=1000)
                partition.power = self.power
                rig.partition = partition
                self.prepare(rig)
                await rig.start()
                await work(rig)
                await partition.settle()
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as failures:
            # The committer refuses to go on after a write that failed.
            _, others = failures.split((PowerCut, StorageError))
            if others is not None:
                raise
            self.power.off = True
        if not self.power.off:
            invariants.check(self.store)
            return True
        self.lives += 1
        self.store = self.store.after(keep)
        invariants.check(self.store)
        self.power = Power()
        return False


class WatchedPerformer(Performer):
    """Passes a point after each action."""

    def __init__(self, partition: Partition, invoker: Any, timers: Any) -> None:
        super().__init__(partition, invoker, timers)
        assert isinstance(partition, PoweredPartition)
        self._power = partition.power

    def __call__(self, actions: Sequence[object]) -> None:
        for action in actions:
            super().__call__([action])
            self._power.point("after action")


def watch_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every server pass a point after each action."""
    monkeypatch.setattr(rig_module, "Performer", WatchedPerformer)

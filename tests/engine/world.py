"""A machine over a store, with everything a test needs to drive it and to look inside."""

from collections.abc import Callable

import attrs
import msgspec

from restate.runtime.engine.actions import Action, StartAttempt
from restate.runtime.engine.machine import Machine
from restate.runtime.engine.records import (
    AppendCommand,
    AttemptEffect,
    Boot,
    Effect,
    Invoke,
    ProposeRun,
    Record,
    TimerFired,
)
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSink, IngressSource, InvocationRecord, Pin, Sink
from restate.runtime.model.journal import JournalRow
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.storage.api import Store, Write
from restate.runtime.storage.memory import MemoryStore
from restate.runtime.tables.api import Tables

PIN = Pin("dp_1", 6)
CLIENT = IngressSink(1)


def invocation_id(name: str) -> InvocationId:
    """A readable id: 8 zero bytes, then the name, 16 bytes."""
    assert len(name) <= 16, "an id has 16 bytes after its partition key"
    return InvocationId(bytes(8) + name.encode().rjust(16, b"."))


def name_of(invocation: InvocationId) -> str:
    return invocation[8:].decode().lstrip(".")


def service(handler: str = "greet", name: str = "Greeter") -> Target:
    return Target(name, handler, None, ServiceType.SERVICE, HandlerType.PLAIN)


def exclusive(key: str = "k", handler: str = "add", name: str = "Counter") -> Target:
    return Target(name, handler, key, ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE)


def shared(key: str = "k", handler: str = "get", name: str = "Counter") -> Target:
    return Target(name, handler, key, ServiceType.VIRTUAL_OBJECT, HandlerType.SHARED)


def workflow(key: str = "k", name: str = "Flow") -> Target:
    return Target(name, "run", key, ServiceType.WORKFLOW, HandlerType.WORKFLOW)


def workflow_shared(key: str = "k", handler: str = "ask", name: str = "Flow") -> Target:
    return Target(name, handler, key, ServiceType.WORKFLOW, HandlerType.SHARED)


def unkeyed(key: str = "random", handler: str = "Greet", name: str = "org.Greeter") -> Target:
    return Target(name, handler, key, ServiceType.UNKEYED, HandlerType.PLAIN)


def keyed(key: str = "k", handler: str = "Add", name: str = "org.Counter") -> Target:
    return Target(name, handler, key, ServiceType.KEYED, HandlerType.EXCLUSIVE)


def singleton(handler: str = "Tick", name: str = "org.Clock") -> Target:
    return Target(name, handler, "", ServiceType.SINGLETON, HandlerType.EXCLUSIVE)


@attrs.define
class World:
    """now_ms: the clock the next record is applied at. token: {invocation: its latest attempt}. actions: all so far.

    written: called with the writes of each record before they are stored.
    """

    store: Store = attrs.field(factory=MemoryStore)
    now_ms: int = 1000
    machine: Machine = attrs.field(factory=Machine)
    tables: Tables = attrs.field(init=False)
    token: dict[InvocationId, int] = attrs.field(factory=dict)
    actions: list[Action] = attrs.field(factory=list)
    written: Callable[[list[Write]], None] = lambda writes: None

    def __attrs_post_init__(self) -> None:
        self.tables = Tables(self.store)

    def apply(self, *records: Record, keep_pending: bool = False) -> list[Action]:
        """Apply records, one write for all; the actions of all."""
        actions = []
        for record in records:
            actions += self.machine.apply(record, self.now_ms, self.tables)
        if not keep_pending:
            self.write()
        for action in actions:
            if isinstance(action, StartAttempt):
                self.token[action.id] = action.token
        self.actions += actions
        return actions

    def write(self) -> None:
        writes = self.tables.take_writes()
        self.written(writes)
        self.store.write(writes)

    def restart(self, store: Store | None = None) -> list[Action]:
        """A new process over what is stored."""
        if store is not None:
            self.store = store
        self.machine = Machine(self.machine._message_limit)
        self.tables = Tables(self.store)
        self.token.clear()
        return self.apply(Boot())

    def invoke(
        self, name: str, target: Target, *, sink: Sink | None = CLIENT, **fields: object
    ) -> list[Action]:
        return self.apply(invoke(name, target, sink=sink, **fields))

    def effect(
        self, name: str, *effects: Effect, token: int | None = None, keep_pending: bool = False
    ) -> list[Action]:
        """Reported by the current attempt unless another token is given."""
        invocation = invocation_id(name)
        current = self.token.get(invocation, 0) if token is None else token
        records = (AttemptEffect(invocation, current, effect) for effect in effects)
        return self.apply(*records, keep_pending=keep_pending)

    def fire(self, until_ms: int | None = None) -> list[Action]:
        """Let time pass to `until_ms`, or to the next timer, and fire what is due, in order."""
        actions = []
        while True:
            due = self.tables.timers.read(None, 1)
            if not due or (until_ms is not None and due[0][0].due_ms > until_ms):
                break
            self.now_ms = max(self.now_ms, due[0][0].due_ms)
            actions += self.apply(TimerFired(due[0][0]))
            assert self.tables.timers.get(due[0][0]) is None, (
                "a fired timer is gone, or it would fire for ever"
            )
            if until_ms is None:
                return actions
        if until_ms is not None:
            self.now_ms = max(self.now_ms, until_ms)
        return actions

    def record(self, name: str) -> InvocationRecord | None:
        return self.tables.invocations.get(invocation_id(name))

    def stored(self, name: str) -> InvocationRecord:
        record = self.record(name)
        assert record is not None, f"expected invocation {name} to exist"
        return record

    def journal(self, name: str) -> list[JournalRow]:
        record = self.stored(name)
        return self.tables.journal.read(invocation_id(name), 0, record.journal_length)


def invoke(name: str, target: Target, *, sink: Sink | None = None, **fields: object) -> Invoke:
    """An Invoke from outside with short defaults."""
    values: dict[str, object] = {
        "body": b"",
        "headers": (),
        "source": IngressSource(),
        "completion_retention_ms": 0,
        "journal_retention_ms": 0,
        **fields,
    }
    return Invoke(invocation_id(name), target, sink=sink, **values)  # type: ignore[arg-type]


def pinned(effect: AppendCommand | ProposeRun, pin: Pin = PIN) -> AppendCommand | ProposeRun:
    """The effect as the first one of an attempt on a chosen deployment."""
    return msgspec.structs.replace(effect, pin=pin)

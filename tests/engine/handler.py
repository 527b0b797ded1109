"""A handler and its SDK that may do anything the protocol allows, chosen by numbers."""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from restate.runtime.engine.records import (
    AppendCommand,
    Effect,
    End,
    Failed,
    Paused,
    Suspended,
)
from restate.runtime.journal.run import Run
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import Awaiting, Combinator, InvocationRecord
from restate.runtime.model.result import Failure, Outcome, Success
from restate.runtime.model.target import ServiceType, Target
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC
from tests.engine.invariants import Contents
from tests.engine.world import (
    PIN,
    exclusive,
    invocation_id,
    keyed,
    service,
    shared,
    singleton,
    unkeyed,
    workflow,
    workflow_shared,
)

TARGETS = (
    service(), exclusive(), exclusive(), exclusive("other"), shared(), keyed(), keyed(), unkeyed(), singleton(),
    workflow_shared(),
)  # fmt: skip
SHARED_IDS = (("idempotent", exclusive(), 500), ("classic", unkeyed(), 500), ("run", workflow(), 300))
"""Invocations that are called by several: (name, target, retention in ms)."""

MAX_INVOCATIONS = 14
T = TypeVar("T")


SIGNALS: tuple[int | str, ...] = (1, 17, 18, "go")
OUTCOMES: tuple[Outcome, ...] = (Success(b"yes"), Failure(7, "no"))


def new_name(names: list[str]) -> str:
    names.append(f"i{len(names)}")
    return names[-1]


class Chooser:
    """A number, taken apart into choices."""

    def __init__(self, number: int) -> None:
        self._number = number

    def below(self, count: int) -> int:
        self._number, choice = divmod(self._number, count)
        return choice

    def one(self, items: Sequence[T]) -> T:
        return items[self.below(len(items))]


class Handler:
    """What user code and its SDK may do next, given the journal so far."""

    def __init__(
        self, contents: Contents, invocation: InvocationId, choose: Chooser, names: list[str], now_ms: int
    ) -> None:
        """names: of all invocations so far; new callees are added."""
        self._choose = choose
        self._names_so_far = names
        self._now_ms = now_ms
        self._full = len(contents.records) >= MAX_INVOCATIONS
        self._record: InvocationRecord = contents.records[invocation]
        self._generation = self._record.target.generation
        self._commands = list(contents.commands(invocation))
        self._used = {used for _, command in self._commands for used in command.completion_ids}
        self._completed = contents.notified(invocation, signals=False)
        self._open = sorted(used for used in self._used if used not in self._completed)
        self._next_id = max(self._used, default=0) + 1

    def next_effect(self) -> Effect:
        """After an Output the handler mostly ends, as SDKs do."""
        if self._record.last_output is not None and self._choose.below(5):
            return End()
        steps = [
            self._output, self._sleep, self._call, self._send, self._complete_awakeable, self._suspend, self._suspend,
            self._give_up,
        ]  # fmt: skip
        if self._record.target.has_state:
            steps += [self._get, self._names]
        if self._record.target.writes_state:
            steps += [self._set, self._set, self._clear]
        if self._generation is CLASSIC:
            steps += [self._side_effect, self._awakeable]
        else:
            steps += [self._run, self._propose, self._send_signal, self._attach]
        if self._record.target.service_type is ServiceType.WORKFLOW:
            steps += [self._promise]
        effect = self._choose.one(steps)()
        if isinstance(effect, AppendCommand) and self._record.pin is None:
            effect = msgspec.structs.replace(effect, pin=PIN)
        return effect

    def _output(self) -> Effect:
        return wire.output(self._generation, self._choose.one(OUTCOMES))

    def _sleep(self) -> Effect:
        due_ms = self._now_ms + self._choose.below(100)
        return wire.sleep(self._generation, due_ms, self._next_id)

    def _callee(self) -> tuple[InvocationId, Target, int]:
        names = self._names_so_far
        if self._choose.below(3) == 1 or self._full:
            name, target, retention_ms = self._choose.one(SHARED_IDS)
            if name not in names:
                names.append(name)
        else:
            name, target, retention_ms = new_name(names), self._choose.one(TARGETS), 0
        return invocation_id(name), target, retention_ms

    def _call(self) -> Effect:
        callee, target, retention_ms = self._callee()
        ids = (self._next_id, self._next_id + 1)
        return wire.call(self._generation, callee, target, ids=ids, retention_ms=retention_ms)

    def _send(self) -> Effect:
        callee, target, _ = self._callee()
        at_ms = self._now_ms + self._choose.below(60) if self._choose.below(3) == 1 else 0
        return wire.send(self._generation, callee, target, completion_id=self._next_id, at_ms=at_ms)

    def _complete_awakeable(self) -> Effect:
        target = invocation_id(self._choose.one(self._names_so_far))
        prefix = self._choose.one(("sign", "prom"))
        index = 17 if prefix == "sign" else self._choose.below(6)
        return wire.complete_awakeable(self._generation, prefix, target, index, self._choose.one(OUTCOMES))

    def _suspend(self) -> Effect:
        if self._generation is CLASSIC:
            indexes = tuple(self._open) or (0,)
            return Suspended(Awaiting(Combinator.FIRST_COMPLETED, indexes))
        if not self._choose.below(3):
            return Suspended(Awaiting(Combinator.UNKNOWN, tuple(self._open), (1, 17), ("go",)))
        inner = Awaiting(self._choose.one(tuple(Combinator)), (*self._used,) or (1,), (17,))
        return Suspended(Awaiting(Combinator.FIRST_COMPLETED, (), (1,), (), (inner,)))

    def _give_up(self) -> Effect:
        if self._choose.below(2):
            return Failed(Failure(9, "failed"))
        return Paused(None, asked=self._choose.below(2) == 1)

    def _get(self) -> Effect:
        return wire.get_state(self._generation, b"n", self._next_id)

    def _names(self) -> Effect:
        return wire.state_keys(self._generation, self._next_id)

    def _set(self) -> Effect:
        name = self._choose.one((b"n", b"m"))
        return wire.set_state(self._generation, name, str(self._choose.below(50)).encode())

    def _clear(self) -> Effect:
        if self._choose.below(2):
            return wire.clear_state(self._generation, b"n")
        return wire.clear_all_state(self._generation)

    def _side_effect(self) -> Effect:
        return wire.side_effect(b"x")

    def _awakeable(self) -> Effect:
        return wire.awakeable()

    def _run(self) -> Effect:
        return wire.run(self._next_id)

    def _propose(self) -> Effect:
        waiting = [command for _, command in self._commands if isinstance(command, Run)]
        if not waiting:
            return self._run()
        return wire.propose(self._choose.one(waiting).completion_id, self._choose.one(OUTCOMES))

    def _send_signal(self) -> Effect:
        target = invocation_id(self._choose.one(self._names_so_far))
        return wire.send_signal(target, self._choose.one(SIGNALS))

    def _attach(self) -> Effect:
        target = invocation_id(self._choose.one(self._names_so_far))
        return self._choose.one((wire.attach, wire.get_output))(target, self._next_id)

    def _promise(self) -> Effect:
        name = self._choose.one(("p", "q"))
        match self._choose.below(3):
            case 0:
                return wire.get_promise(name, self._next_id)
            case 1:
                return wire.peek_promise(name, self._next_id)
        return wire.complete_promise(name, self._next_id, self._choose.one(OUTCOMES))

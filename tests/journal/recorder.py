"""A Context that writes down what a command asks for."""

from typing import Any

import attrs

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import Callee
from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import Outcome, Result
from restate.runtime.model.target import Generation

CALLEE = Callee(InvocationId(bytes(23) + b"c"), None)
SELF = InvocationId(bytes(23) + b"s")


@attrs.define
class Recorder:
    """asked: (verb, arguments) in order. state, promises: what reads find."""

    generation: Generation = Generation.MODERN
    command_index: int = 1
    callee: Callee = CALLEE
    state: dict[bytes, bytes] = attrs.field(factory=dict)
    promises: dict[str, PromiseRow] = attrs.field(factory=dict)
    asked: list[tuple[Any, ...]] = attrs.field(factory=list)

    def complete(self, completion_id: int, result: Result) -> None:
        self.asked.append(("complete", completion_id, result))

    def join_early_completion(self) -> None:
        self.asked.append(("join early completion",))

    def set_output(self, outcome: Outcome) -> None:
        self.asked.append(("set output", outcome))

    def sleep_until(self, due_ms: int, completion_id: int) -> None:
        self.asked.append(("sleep until", due_ms, completion_id))

    def call(
        self,
        parameter: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        callee_completion_id: int | None,
        result_completion_id: int | None,
        execution_time_ms: int | None = None,
    ) -> None:
        ids = (callee_completion_id, result_completion_id)
        self.asked.append(("call", parameter, headers, ids, execution_time_ms))

    def attach(self, completion_id: int, *, block: bool) -> None:
        self.asked.append(("attach", completion_id, block))

    def signal(self, target: InvocationId, key: int | str, result: Result) -> None:
        self.asked.append(("signal", target, key, result))

    def complete_awakeable(self, target: InvocationId, index: int, result: Outcome) -> None:
        self.asked.append(("complete awakeable", target, index, result))

    def get_state(self, name: bytes) -> bytes | None:
        return self.state.get(name)

    def state_names(self) -> tuple[bytes, ...]:
        return tuple(self.state)

    def set_state(self, name: bytes, value: bytes) -> None:
        self.state[name] = value

    def clear_state(self, name: bytes) -> None:
        self.state.pop(name, None)

    def clear_all_state(self) -> None:
        self.state.clear()

    def listener(self, completion_id: int) -> PromiseListener:
        return PromiseListener(SELF, 1, completion_id)

    def get_promise(self, name: str) -> PromiseRow | None:
        return self.promises.get(name)

    def put_promise(self, name: str, row: PromiseRow) -> None:
        self.promises[name] = row

    def respond(self, listener: PromiseListener, result: Outcome) -> None:
        self.asked.append(("respond", listener, result))

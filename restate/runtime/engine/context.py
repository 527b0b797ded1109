"""What a journal command can do, on top of a turn. Implements `restate.runtime.journal.catalog.Context`."""

import attrs

from restate.runtime.engine.actions import SetTimer
from restate.runtime.engine.records import Attach, CompleteAwakeable, Invoke, Respond, SendSignal
from restate.runtime.engine.turn import Draft, Turn, object_of
from restate.runtime.journal.catalog import completion_code
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import CallSink, ServiceSource
from restate.runtime.model.journal import CALLEE_ID_CODE, Callee, CommandRow
from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import CalleeId, Outcome, Result
from restate.runtime.model.target import Generation, ServiceType
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.model.trace import TraceContext, span_id_of


@attrs.define
class CommandContext:
    """One command of one draft while it is applied. The command's own row is already in the journal."""

    _turn: Turn
    _draft: Draft
    _row: CommandRow

    @property
    def generation(self) -> Generation:
        return self._draft.generation

    @property
    def command_index(self) -> int:
        return self._row.command_index

    @property
    def callee(self) -> Callee:
        assert self._row.callee is not None, "a call, send or attach is appended with its callee"
        return self._row.callee

    def complete(self, completion_id: int, result: Result) -> None:
        self._append(completion_code(self.generation, self._row.code), completion_id, result)

    def _append(self, code: int, completion_id: int, result: Result) -> None:
        # An SDK that uses an id twice gets one completion: a journal with two has no replay.
        if self._turn.tables.journal.notification_of(self._draft.id, False, completion_id) is None:
            self._turn.append_notification(self._draft, code, completion_id, result)

    def join_early_completion(self) -> None:
        index = self._row.command_index
        if self._turn.tables.journal.notification_of(self._draft.id, True, index) is not None:
            self._draft.grew = True

    def set_output(self, outcome: Outcome) -> None:
        self._draft.change(last_output=outcome)

    def sleep_until(self, due_ms: int, completion_id: int) -> None:
        key = TimerKey(due_ms, TimerKind.SLEEP, self._draft.id, completion_id)
        self._turn.tables.timers.put(key, self._draft.record.incarnation)
        self._draft.change(open_sleeps=self._draft.record.open_sleeps + 1)
        self._turn.actions.append(SetTimer(key))

    def call(
        self,
        parameter: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        callee_completion_id: int | None,
        result_completion_id: int | None,
        execution_time_ms: int | None = None,
    ) -> None:
        callee = self.callee
        assert callee.target is not None, "a call or send is appended with its callee's target"
        if callee_completion_id is not None:
            self._append(CALLEE_ID_CODE, callee_completion_id, CalleeId(callee.invocation))
        sink = None if result_completion_id is None else self._sink(result_completion_id)
        message = Invoke(
            callee.invocation,
            callee.target,
            parameter,
            headers,
            ServiceSource(self._draft.id, self._draft.record.target),
            sink,
            callee.completion_retention_ms,
            callee.journal_retention_ms,
            callee.idempotency_key,
            execution_time_ms,
            trace=self._trace(),
        )
        self._turn.send(message)

    def _trace(self) -> TraceContext | None:
        """Below the span of this invocation."""
        trace = self._draft.record.trace
        return None if trace is None else trace.below(span_id_of(self._draft.id))

    def attach(self, completion_id: int, *, block: bool) -> None:
        self._turn.send(Attach(self.callee.invocation, self._sink(completion_id), block))

    def _sink(self, completion_id: int) -> CallSink:
        return CallSink(self._draft.id, self._draft.record.incarnation, completion_id)

    def signal(self, target: InvocationId, key: int | str, result: Result) -> None:
        self._turn.send(SendSignal(target, key, result))

    def complete_awakeable(self, target: InvocationId, index: int, result: Outcome) -> None:
        self._turn.send(CompleteAwakeable(target, index, result))

    def get_state(self, name: bytes) -> bytes | None:
        if not self._draft.record.target.has_state:
            return None
        return self._turn.tables.state.get(*object_of(self._draft.record.target), name)

    def state_names(self) -> tuple[bytes, ...]:
        if not self._draft.record.target.has_state:
            return ()
        rows = self._turn.tables.state.all(*object_of(self._draft.record.target))
        return tuple(name for name, _ in rows)

    def set_state(self, name: bytes, value: bytes) -> None:
        if self._may_write:
            self._turn.tables.state.put(*object_of(self._draft.record.target), name, value)

    def clear_state(self, name: bytes) -> None:
        if self._may_write:
            self._turn.tables.state.delete(*object_of(self._draft.record.target), name)

    def clear_all_state(self) -> None:
        if self._may_write:
            self._turn.tables.state.clear(*object_of(self._draft.record.target))

    @property
    def _may_write(self) -> bool:
        """The invoker refuses such commands earlier; here the state of an object is safe from whoever did not."""
        target = self._draft.record.target
        return target.has_state and target.writes_state

    def listener(self, completion_id: int) -> PromiseListener:
        return PromiseListener(self._draft.id, self._draft.record.incarnation, completion_id)

    def get_promise(self, name: str) -> PromiseRow | None:
        return self._turn.tables.promises.get(*self._workflow, name)

    def put_promise(self, name: str, row: PromiseRow) -> None:
        self._turn.tables.promises.put(*self._workflow, name, row)

    @property
    def _workflow(self) -> tuple[bytes, str, str]:
        target = self._draft.record.target
        assert target.service_type is ServiceType.WORKFLOW, (
            "only workflows have promises; the invoker refuses others"
        )
        return object_of(target)

    def respond(self, listener: PromiseListener, result: Outcome) -> None:
        message = Respond(
            listener.invocation, listener.incarnation, listener.completion_id, self.generation, result
        )
        self._turn.send(message)

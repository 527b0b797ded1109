"""Tell those who wait for an invocation how it ended, or that it has not."""

from restate.runtime.engine.actions import IngressReply, SubmitReply
from restate.runtime.engine.records import Attach, Respond
from restate.runtime.engine.turn import Draft, Turn
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import CallSink, InvocationRecord, Sink, Status
from restate.runtime.model.result import VOID, Failure, Outcome, Void
from restate.runtime.model.target import Generation, Target

NOT_FOUND = Failure(404, "not found")


def answer(
    turn: Turn,
    invocation: InvocationId,
    target: Target,
    sink: Sink,
    outcome: Outcome,
    expiry_ms: int | None = None,
) -> None:
    """Give one waiter the outcome of `invocation`."""
    if isinstance(sink, CallSink):
        turn.send(Respond(sink.caller, sink.incarnation, sink.completion_id, target.generation, outcome))
    else:
        turn.actions.append(IngressReply(sink.request_id, invocation, target, outcome, expiry_ms))


def answer_stored(turn: Turn, draft: Draft, sink: Sink) -> None:
    """Give one waiter the outcome of a completed invocation."""
    record = draft.record
    assert record.outcome is not None, "a completed invocation has an outcome"
    answer(turn, draft.id, record.target, sink, record.outcome, expiry_ms(record))


def expiry_ms(record: InvocationRecord) -> int | None:
    """When a completed invocation will be forgotten."""
    if record.completed_ms is None:
        return None
    return record.completed_ms + record.completion_retention_ms


def submitted(turn: Turn, request_id: int | None, draft: Draft, *, is_new: bool) -> None:
    """Tell the client who sent the invocation that it is stored."""
    if request_id is not None:
        turn.actions.append(SubmitReply(request_id, draft.id, draft.record.execution_time_ms, is_new))


def add_sink(draft: Draft, sink: Sink | None) -> bool:
    """Let one more wait for the end; whether that is news. Sinks are a set."""
    if sink is None or sink in draft.record.sinks:
        return False
    draft.change(sinks=(*draft.record.sinks, sink))
    return True


def attach(turn: Turn, record: Attach) -> None:
    """Wait for an invocation that exists, or ask for its outcome."""
    draft = turn.load(record.id)
    if draft is None:
        _answer_unknown(turn, record)
    elif draft.record.status is Status.COMPLETED:
        answer_stored(turn, draft, record.sink)
    elif not record.block:
        _answer_not_ready(turn, draft, record.sink)
    elif add_sink(draft, record.sink):
        turn.save(draft)


def _answer_unknown(turn: Turn, record: Attach) -> None:
    if isinstance(record.sink, CallSink):
        _respond(turn, record.sink, NOT_FOUND)
    else:
        reply = IngressReply(record.sink.request_id, record.id, None, None, not_found=True)
        turn.actions.append(reply)


def _answer_not_ready(turn: Turn, draft: Draft, sink: Sink) -> None:
    if isinstance(sink, CallSink):
        _respond(turn, sink, VOID)
    else:
        turn.actions.append(IngressReply(sink.request_id, draft.id, draft.record.target, None))


def _respond(turn: Turn, sink: CallSink, result: Failure | Void) -> None:
    turn.send(Respond(sink.caller, sink.incarnation, sink.completion_id, Generation.MODERN, result))

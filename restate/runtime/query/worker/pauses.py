"""Why an invocation is paused. The invoker has forgotten it; the event of the pause tells."""

import msgspec

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.query.live import LiveFailure, failure_text
from restate.runtime.query.worker.world import World
from restate.runtime.tables import keys, rows


class _Failure(msgspec.Struct, frozen=True):
    """As `invoker.failure.LastFailure.detail` writes it."""

    error_code: int
    error_message: str
    error_stacktrace: str = ""
    restate_doc_error_code: str = ""
    related_command_index: int | None = None
    related_command_name: str | None = None
    related_command_type: str | None = None


class _Paused(msgspec.Struct, frozen=True):
    last_failure: _Failure | None = None


_decode = msgspec.json.Decoder(_Paused).decode


def pause_failure(world: World, invocation: bytes, record: InvocationRecord) -> LiveFailure | None:
    """The failure that led to the pause; None if an operator asked for it, and nothing had failed."""
    if record.events:
        raw = world.store.get(keys.EVENTS, keys.event_key(InvocationId(invocation), record.events - 1))
        event = None if raw is None else rows.EVENT.decode(raw)
        if event is not None and event.type == "Paused":
            failure = _decode(event.detail).last_failure
            return None if failure is None else _live(failure)
    error = record.pause_error
    return None if error is None else LiveFailure(failure_text(error.code, error.message), "")


def _live(failure: _Failure) -> LiveFailure:
    return LiveFailure(
        failure_text(failure.error_code, failure.error_message, failure.error_stacktrace),
        failure.restate_doc_error_code,
        failure.related_command_index,
        failure.related_command_name,
        failure.related_command_type,
    )

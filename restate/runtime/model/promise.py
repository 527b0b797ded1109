"""Durable promises of workflows, as stored."""

import msgspec

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.result import Outcome


class PromiseListener(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An invocation that awaits the promise. incarnation: as in CallSink."""

    invocation: InvocationId
    incarnation: int
    completion_id: int


class PromiseRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One promise. outcome: None until somebody completes it. listeners: who is told then; empty afterwards."""

    outcome: Outcome | None
    listeners: tuple[PromiseListener, ...] = ()

"""Performing actions: the one place where what the engine decided reaches the rest of the process."""

from collections.abc import Callable, Sequence
from typing import Any

from restate.runtime.engine.actions import (
    AbortAttempt,
    AckCommand,
    AdminReply,
    DrainLater,
    EndSpan,
    IngressReply,
    JournalGrew,
    PauseAttempt,
    PublishSchema,
    ResumeAttempt,
    SetTimer,
    StartAttempt,
    SubmitReply,
    UnsetTimer,
)
from restate.runtime.invoker.handle import Invoker
from restate.runtime.partition.handle import Partition
from restate.runtime.partition.timers import Timers
from restate.runtime.telemetry.tracing import NO_TRACER, Tracer


class Performer:
    """Dispatches actions to the invoker, the timers and the waiting clients. Called only for durable actions."""

    def __init__(
        self, partition: Partition, invoker: Invoker, timers: Timers, tracer: Tracer = NO_TRACER
    ) -> None:
        # {action type: what performs it}
        self._by_type: dict[type[object], Callable[[Any], None]] = {
            StartAttempt: invoker.start,
            AbortAttempt: invoker.abort,
            AckCommand: invoker.acknowledge,
            JournalGrew: invoker.grew,
            PauseAttempt: invoker.pause,
            ResumeAttempt: invoker.resume,
            SetTimer: timers.set,
            UnsetTimer: timers.unset,
            IngressReply: partition.reply,
            SubmitReply: partition.submitted,
            AdminReply: partition.operated,
            PublishSchema: partition.publish,
            DrainLater: partition.drain_later,
            EndSpan: lambda action: tracer.ended(action.id, action.record),
        }

    def __call__(self, actions: Sequence[object]) -> None:
        """Perform in order. Synchronous, so that the order of two writes' actions cannot mix."""
        for action in actions:
            self._by_type[type(action)](action)

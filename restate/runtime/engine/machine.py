"""The machine: record in, actions out. The only dispatch over records."""

from collections.abc import Callable
from typing import Any

import attrs

from restate.runtime.engine import outbox
from restate.runtime.engine.actions import Action, DrainLater
from restate.runtime.engine.attempts import Attempts
from restate.runtime.engine.lifecycle.answer import attach
from restate.runtime.engine.lifecycle.effect import attempt_effect
from restate.runtime.engine.lifecycle.invoke import invoke
from restate.runtime.engine.lifecycle.notify import complete_awakeable, respond
from restate.runtime.engine.lifecycle.operate import operate
from restate.runtime.engine.lifecycle.patch import patch_state
from restate.runtime.engine.lifecycle.pause import resume
from restate.runtime.engine.lifecycle.process import boot, change_schema
from restate.runtime.engine.lifecycle.restart import restart_as_new
from restate.runtime.engine.lifecycle.terminate import receive_signal, terminate
from restate.runtime.engine.lifecycle.timer import timer_fired
from restate.runtime.engine.records import (
    Attach,
    AttemptEffect,
    Boot,
    ChangeSchema,
    CompleteAwakeable,
    DrainOutbox,
    Invoke,
    Operate,
    PatchState,
    Record,
    Respond,
    RestartAsNew,
    Resume,
    SendSignal,
    Terminate,
    TimerFired,
)
from restate.runtime.engine.tally import Tally
from restate.runtime.engine.turn import Turn
from restate.runtime.tables.api import Tables

MESSAGE_LIMIT = 1024
"""How many messages are applied together with the record that caused them."""

_LAST_NOW = "last_now"


def _drain_outbox(turn: Turn, record: DrainOutbox) -> None:
    for message in outbox.take(turn.tables, record.count):
        _APPLY[type(message)](turn, message)


_APPLY: dict[type[Record], Callable[[Turn, Any], None]] = {
    Invoke: invoke,
    Attach: attach,
    AttemptEffect: attempt_effect,
    Respond: respond,
    SendSignal: receive_signal,
    CompleteAwakeable: complete_awakeable,
    TimerFired: timer_fired,
    Terminate: terminate,
    Operate: operate,
    Resume: resume,
    RestartAsNew: restart_as_new,
    PatchState: patch_state,
    DrainOutbox: _drain_outbox,
    ChangeSchema: change_schema,
    Boot: boot,
}


@attrs.define
class Machine:
    """One partition's state machine.

    It owns nothing durable. A new one over old tables knows of no attempt, until a Boot record starts them.
    """

    _message_limit: int = MESSAGE_LIMIT
    _attempts: Attempts = attrs.field(factory=Attempts)
    tally: Tally = attrs.field(factory=Tally)

    def apply(self, record: Record, now_ms: int, tables: Tables) -> list[Action]:
        """Apply one record. now_ms: epoch milliseconds; time never runs backwards inside, whatever the clock does.

        The writes are left pending in `tables`. The actions must be performed in order, and only once these writes
        are durable.
        """
        last_now_ms = tables.counters.get(_LAST_NOW)
        if now_ms > last_now_ms:
            tables.counters.set(_LAST_NOW, now_ms)
        else:
            now_ms = last_now_ms
        turn = Turn(now_ms, tables, self._attempts, tally=self.tally)
        backlog = not outbox.is_empty(tables)
        _APPLY[type(record)](turn, record)
        if turn.messages:
            self._deliver(turn)
        if not outbox.is_empty(tables) and (not backlog or isinstance(record, DrainOutbox)):
            turn.actions.append(DrainLater())
        return turn.actions

    def _deliver(self, turn: Turn) -> None:
        """Apply what the record has sent, and what that sends, in order; the rest goes to the outbox."""
        left = self._message_limit if outbox.is_empty(turn.tables) else 0
        while turn.messages and left:
            message = turn.messages.popleft()
            _APPLY[type(message)](turn, message)
            left -= 1
        outbox.put(turn.tables, turn.messages)

"""Every action of the engine reaches somebody, and in order."""

from typing import get_args
from unittest.mock import Mock

import pytest

from restate.runtime.engine.actions import Action, AdminOutcome, AdminReply, EndSpan, SetTimer, UnsetTimer
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.timer import TimerKey, TimerKind
from restate.runtime.partition.actions import Performer


@pytest.mark.parametrize("kind", [kind for kind in get_args(Action) if kind is not EndSpan])
def test_each_kind_of_action_is_performed(kind: type[object]) -> None:
    parts = [Mock(), Mock(), Mock()]
    action = object.__new__(kind)
    Performer(*parts)([action])
    calls = [call for part in parts for call in part.mock_calls]
    assert [call.args for call in calls] == [(action,)]


def test_the_end_of_a_span_reaches_the_tracer() -> None:
    tracer = Mock()
    record = Mock()
    Performer(Mock(), Mock(), Mock(), tracer)([EndSpan(InvocationId(bytes(24)), record)])
    tracer.ended.assert_called_once_with(InvocationId(bytes(24)), record)


def test_actions_are_performed_in_order() -> None:
    everybody = Mock()
    key = TimerKey(1, TimerKind.SLEEP, InvocationId(bytes(24)), 0)
    Performer(everybody, everybody, everybody)(
        [SetTimer(key), AdminReply(1, AdminOutcome.DONE), UnsetTimer(key)]
    )
    assert [call[0] for call in everybody.mock_calls] == ["set", "operated", "unset"]


def test_what_is_no_action_is_a_fault() -> None:
    with pytest.raises(KeyError):
        Performer(Mock(), Mock(), Mock())([object()])

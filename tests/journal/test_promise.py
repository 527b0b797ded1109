import pytest

from restate.runtime.journal.catalog import CommandDecodeError, decode
from restate.runtime.journal.promise import ALREADY_COMPLETED, CompletePromise, GetPromise, PeekPromise
from restate.runtime.model.promise import PromiseRow
from restate.runtime.model.result import VOID, Failure, Success
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.journal.recorder import Recorder

DONE = PromiseRow(Failure(7, "no"))


def test_getting_waits_for_an_open_promise() -> None:
    command = decode(MODERN, 0x0409, wire.get_promise("p", 4).raw, command_index=2)
    assert command == GetPromise("p", 4)
    context = Recorder()
    command.apply(context)
    decode(MODERN, 0x0409, wire.get_promise("p", 5).raw, command_index=2).apply(context)
    assert context.asked == []
    assert context.promises == {"p": PromiseRow(None, (context.listener(4), context.listener(5)))}


def test_getting_and_peeking_find_a_completed_promise() -> None:
    for effect, command in ((wire.get_promise("p", 4), GetPromise), (wire.peek_promise("p", 4), PeekPromise)):
        context = Recorder(promises={"p": DONE})
        found = decode(MODERN, effect.code, effect.raw, command_index=2)
        assert isinstance(found, command)
        assert found.completion_ids == (4,)
        found.apply(context)
        assert context.asked == [("complete", 4, Failure(7, "no"))]


def test_peeking_at_an_open_promise_finds_nothing_and_leaves_nothing() -> None:
    context = Recorder()
    decode(MODERN, 0x040A, wire.peek_promise("p", 4).raw, command_index=2).apply(context)
    assert context.asked == [("complete", 4, VOID)]
    assert context.promises == {}


def test_completing_tells_everybody_who_waits_and_works_once() -> None:
    context = Recorder()
    listener = context.listener(9)
    context.promises["p"] = PromiseRow(None, (listener,))
    command = decode(MODERN, 0x040B, wire.complete_promise("p", 4, Success(b"")).raw, command_index=2)
    assert command == CompletePromise("p", Success(b""), 4)
    command.apply(context)
    command.apply(context)
    assert context.asked == [
        ("respond", listener, Success(b"")),
        ("complete", 4, VOID),
        ("complete", 4, ALREADY_COMPLETED),
    ]
    assert context.promises == {"p": PromiseRow(Success(b""))}


def test_completing_with_a_failure_or_nothing() -> None:
    command = decode(MODERN, 0x040B, wire.complete_promise("p", 4, Failure(7, "no")).raw, command_index=2)
    assert command == CompletePromise("p", Failure(7, "no"), 4)
    with pytest.raises(CommandDecodeError, match="completion_value"):
        decode(MODERN, 0x040B, b"", command_index=2)

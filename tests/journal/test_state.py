from restate.runtime.journal.catalog import Custom, decode
from restate.runtime.journal.state import (
    ClearAllState,
    ClearState,
    GetEagerState,
    GetEagerStateKeys,
    GetLazyState,
    GetLazyStateKeys,
    SetState,
)
from restate.runtime.model.result import VOID, StateKeys, Success
from restate.runtime.model.target import Generation
from restate.runtime.pb import modern_pb2
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC, MODERN
from tests.journal.recorder import Recorder


def test_a_lazy_read_is_completed_at_once() -> None:
    effect = wire.get_state(MODERN, b"n", 7)
    command = decode(MODERN, effect.code, effect.raw, command_index=3)
    assert command == GetLazyState(b"n", 7)
    assert command.completion_ids == (7,)
    context = Recorder(state={b"n": b"5"})
    command.apply(context)
    context.state.clear()
    command.apply(context)
    assert context.asked == [("complete", 7, Success(b"5")), ("complete", 7, VOID)]


def test_a_classic_read_without_result_is_lazy_and_its_index_is_its_id() -> None:
    effect = wire.get_state(CLASSIC, b"\xff")
    assert decode(CLASSIC, effect.code, effect.raw, command_index=3) == GetLazyState(b"\xff", 3)


def test_an_eager_read_changes_nothing() -> None:
    for value in (b"5", b"", None):
        effect = wire.get_eager_state(MODERN, b"n", value)
        command = decode(MODERN, effect.code, effect.raw, command_index=3)
        assert command == GetEagerState(b"n", value)
        _does_nothing(command)
    effect = wire.get_eager_state(CLASSIC, b"n", b"5")
    assert decode(CLASSIC, effect.code, effect.raw, command_index=3, completed=True) == Custom(0x0800)


def _does_nothing(command: object) -> None:
    context = Recorder(state={b"n": b"5"})
    command.apply(context)  # type: ignore[attr-defined]
    assert (context.asked, context.state) == ([], {b"n": b"5"})


def test_names_are_listed_lazily_and_eagerly() -> None:
    for generation, completion_id in ((MODERN, 9), (CLASSIC, 3)):
        effect = wire.state_keys(generation, 9)
        command = decode(generation, effect.code, effect.raw, command_index=3)
        assert command == GetLazyStateKeys(completion_id)
        context = Recorder(state={b"a": b"", b"b": b""})
        command.apply(context)
        assert context.asked == [("complete", completion_id, StateKeys((b"a", b"b")))]
    raw = modern_pb2.GetEagerStateKeysCommand(value=modern_pb2.StateKeys(keys=[b"a"])).SerializeToString()
    eager = decode(MODERN, 0x0408, raw, command_index=3)
    assert eager == GetEagerStateKeys((b"a",))
    _does_nothing(eager)


def test_writes_change_the_state_and_need_no_completion() -> None:
    for generation in Generation:
        context = Recorder()
        for effect, expected in (
            (wire.set_state(generation, b"a", b"1"), SetState(b"a", b"1")),
            (wire.set_state(generation, b"b", b""), SetState(b"b", b"")),
            (wire.set_state(generation, b"c", b"3"), SetState(b"c", b"3")),
            (wire.clear_state(generation, b"a"), ClearState(b"a")),
        ):
            command = decode(generation, effect.code, effect.raw, command_index=3)
            assert command == expected
            assert command.completion_ids == ()
            command.apply(context)
        assert (context.asked, context.state) == ([], {b"b": b"", b"c": b"3"})
        effect = wire.clear_all_state(generation)
        command = decode(generation, effect.code, effect.raw, command_index=3)
        assert command == ClearAllState()
        command.apply(context)
        assert context.state == {}

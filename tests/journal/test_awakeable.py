import pytest

from restate.runtime.journal.awakeable import Awakeable, CompleteAwakeable
from restate.runtime.journal.catalog import CommandDecodeError, decode
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.result import Failure, Success
from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2, modern_pb2
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC, MODERN
from tests.journal.recorder import Recorder

TARGET = InvocationId(bytes(range(24)))


def test_a_classic_awakeable_looks_for_a_completion_that_came_first() -> None:
    command = decode(CLASSIC, 0x0C03, b"", command_index=2)
    assert command == Awakeable(2)
    assert command.completion_ids == (2,)
    context = Recorder(CLASSIC)
    command.apply(context)
    assert context.asked == [("join early completion",)]


@pytest.mark.parametrize("generation", list(Generation))
def test_completing_goes_to_a_signal_or_an_entry_by_the_kind_of_id(generation: Generation) -> None:
    context = Recorder(generation)
    for prefix, index in (("sign", 17), ("prom", 3)):
        effect = wire.complete_awakeable(generation, prefix, TARGET, index, Success(b""))
        command = decode(generation, effect.code, effect.raw, command_index=2)
        assert command == CompleteAwakeable(prefix, TARGET, index, Success(b""))
        assert command.completion_ids == ()
        command.apply(context)
    assert context.asked == [
        ("signal", TARGET, 17, Success(b"")),
        ("complete awakeable", TARGET, 3, Success(b"")),
    ]


@pytest.mark.parametrize(
    ("source", "prefix", "code", "arrives"),
    [
        (CLASSIC, "sign", 5, 404),
        (MODERN, "prom", 404, 5),
        (CLASSIC, "prom", 5, 5),
        (MODERN, "sign", 404, 404),
    ],
)
def test_a_failure_arrives_with_a_code_of_the_other_generation(
    source: Generation, prefix: str, code: int, arrives: int
) -> None:
    effect = wire.complete_awakeable(source, prefix, TARGET, 17, Failure(code, "no"))
    context = Recorder(source)
    decode(source, effect.code, effect.raw, command_index=2).apply(context)
    assert context.asked[0][-1] == Failure(arrives, "no")


@pytest.mark.parametrize("text", ["", "inv_1", "sign_1abc", "prom_1" + "A" * 37 + "!"])
def test_a_bad_id_is_an_error(text: str) -> None:
    modern = modern_pb2.CompleteAwakeableCommand(
        awakeable_id=text, value=modern_pb2.Value()
    ).SerializeToString()
    classic = classic_pb2.CompleteAwakeableEntry(id=text, value=b"").SerializeToString()
    for generation, code, raw in ((MODERN, 0x0414, modern), (CLASSIC, 0x0C04, classic)):
        with pytest.raises(CommandDecodeError, match="Invalid awakeable identifier"):
            decode(generation, code, raw, command_index=2)

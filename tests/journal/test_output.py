import pytest

from restate.runtime.journal.catalog import CommandDecodeError, decode
from restate.runtime.journal.output import Output
from restate.runtime.model.result import Failure, Outcome, Success
from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2, modern_pb2
from tests.journal.recorder import Recorder

MODERN, CLASSIC = Generation.MODERN, Generation.CLASSIC


@pytest.mark.parametrize(
    ("generation", "raw", "outcome"),
    [
        (MODERN, modern_pb2.OutputCommand(value=modern_pb2.Value(content=b"x")), Success(b"x")),
        (MODERN, modern_pb2.OutputCommand(value=modern_pb2.Value()), Success(b"")),
        (
            MODERN,
            modern_pb2.OutputCommand(
                failure=modern_pb2.Failure(
                    code=409, message="no", metadata=[modern_pb2.FailureMetadata(key="k", value="v")]
                )
            ),
            Failure(409, "no", (("k", "v"),)),
        ),
        (CLASSIC, classic_pb2.OutputStreamEntry(value=b""), Success(b"")),
        (
            CLASSIC,
            classic_pb2.OutputStreamEntry(failure=classic_pb2.Failure(code=6, message="no")),
            Failure(6, "no"),
        ),
    ],
)
def test_an_output_is_a_value_or_a_failure(
    generation: Generation, raw: modern_pb2.OutputCommand | classic_pb2.OutputStreamEntry, outcome: Outcome
) -> None:
    output = decode(generation, 0x0401, raw.SerializeToString(), command_index=3)
    assert output == Output(outcome)
    assert output.completion_ids == ()
    context = Recorder()
    output.apply(context)
    assert context.asked == [("set output", outcome)]


@pytest.mark.parametrize("generation", [MODERN, CLASSIC])
def test_an_output_without_either_is_an_error(generation: Generation) -> None:
    with pytest.raises(CommandDecodeError, match="expected value or failure"):
        decode(generation, 0x0401, b"", command_index=1)


def test_the_name_that_the_user_gave_is_kept() -> None:
    raw = modern_pb2.OutputCommand(value=modern_pb2.Value(), name="bye").SerializeToString()
    assert decode(MODERN, 0x0401, raw, command_index=1).name == "bye"

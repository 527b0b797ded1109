from restate.runtime.journal.catalog import decode
from restate.runtime.journal.run import Run
from tests.engine import commands as wire
from tests.engine.commands import MODERN
from tests.journal.recorder import Recorder


def test_a_run_only_marks_its_place() -> None:
    command = decode(MODERN, 0x0411, wire.run(4).raw, command_index=1)
    assert command == Run(4)
    assert command.completion_ids == (4,)
    context = Recorder()
    command.apply(context)
    assert context.asked == []

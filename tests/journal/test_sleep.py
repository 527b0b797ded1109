from restate.runtime.journal.catalog import decode
from restate.runtime.journal.sleep import Sleep
from tests.engine import commands as wire
from tests.engine.commands import CLASSIC, MODERN
from tests.journal.recorder import Recorder


def test_a_sleep_asks_for_a_timer_under_its_completion_id() -> None:
    for generation, completion_id in ((MODERN, 9), (CLASSIC, 3)):
        effect = wire.sleep(generation, 2**63, 9)
        command = decode(generation, effect.code, effect.raw, command_index=3)
        assert command == Sleep(2**63, completion_id)
        assert command.completion_ids == (completion_id,)
        context = Recorder()
        command.apply(context)
        assert context.asked == [("sleep until", 2**63, completion_id)]


def test_a_missing_time_means_now() -> None:
    assert decode(CLASSIC, 0x0C00, b"", command_index=2) == Sleep(0, 2)

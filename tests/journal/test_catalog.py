import pytest

from restate.runtime.journal import catalog
from restate.runtime.journal.catalog import (
    CommandDecodeError,
    Custom,
    NoCompletion,
    UnknownCommand,
    command,
    decode,
    is_command,
    kind_of,
    refusal,
    registered,
)
from restate.runtime.model.target import Generation
from tests.engine.world import exclusive, keyed, service, shared, unkeyed, workflow, workflow_shared

MODERN, CLASSIC = Generation.MODERN, Generation.CLASSIC


def test_every_command_of_the_specification_is_there() -> None:
    codes = {code for generation, code, _ in registered() if generation is MODERN}
    assert codes == set(range(0x0400, 0x040F)) | {0x0410, 0x0411, 0x0412, 0x0413, 0x0414}
    entries = {code for generation, code, _ in registered() if generation is CLASSIC}
    assert entries == {0x0400, 0x0401, *range(0x0800, 0x0805), *range(0x0C00, 0x0C05)}


def test_a_code_belongs_to_one_command() -> None:
    with pytest.raises(ValueError, match="one command per code"):

        @command(modern=0x0401)
        class Second(NoCompletion):
            @classmethod
            def from_modern(cls, raw: bytes) -> "Second":
                return cls()

    assert kind_of(MODERN, 0x0401) == "Output"


@pytest.mark.parametrize("code", [0xFC00, 0xFC01, 0xFC02, 0x0405, 0x1234])
def test_unknown_classic_codes_are_custom_entries(code: int) -> None:
    assert is_command(CLASSIC, code)
    assert decode(CLASSIC, code, b"anything \xff", command_index=1) == Custom(code)
    assert kind_of(CLASSIC, code) == "Custom"


@pytest.mark.parametrize(("generation", "code"), [(MODERN, 0x0003), (MODERN, 0xFC01), (CLASSIC, 0x0002)])
def test_control_messages_and_unknown_modern_codes_are_no_commands(generation: Generation, code: int) -> None:
    assert not is_command(generation, code)
    with pytest.raises(UnknownCommand, match=f"{code:#06x}"):
        decode(generation, code, b"", command_index=1)


def test_a_classic_entry_with_its_result_inside_is_only_stored() -> None:
    assert decode(CLASSIC, 0x0C01, b"\x0a\x01S\x72\x00", command_index=1, completed=True) == Custom(0x0C01)
    # It must be a message all the same: it is sent with every replay.
    with pytest.raises(CommandDecodeError, match="Call"):
        decode(CLASSIC, 0x0C01, b"\xff broken", command_index=1, completed=True)


def test_other_bytes_than_promised_are_an_error_that_names_the_command() -> None:
    for generation, code, kind in registered():
        with pytest.raises(CommandDecodeError, match=kind):
            decode(generation, code, b"\xff\xff\xff", command_index=1)


def test_state_commands_need_a_target_with_state() -> None:
    get, put = 0x0402, 0x0403
    assert refusal(MODERN, get, shared()) is None
    assert refusal(MODERN, put, exclusive()) is None
    assert refusal(MODERN, put, workflow()) is None
    assert (
        refusal(MODERN, put, shared())
        == "SetState expects an exclusive or workflow handler, got Counter/k/get"
    )
    assert refusal(MODERN, put, workflow_shared()) is not None
    assert "GetLazyState expects a virtual object" in (refusal(MODERN, get, service()) or "")


def test_promises_need_a_workflow() -> None:
    assert refusal(MODERN, 0x0409, workflow_shared()) is None
    assert refusal(MODERN, 0x0409, exclusive()) == "GetPromise expects a workflow handler, got Counter/k/add"


def test_classic_targets_may_use_everything() -> None:
    assert refusal(CLASSIC, 0x0801, unkeyed()) is None
    assert refusal(CLASSIC, 0x0801, keyed()) is None
    assert refusal(CLASSIC, 0xFC01, unkeyed()) is None


def test_completions_have_the_code_of_their_command() -> None:
    for generation, code, kind in registered():
        if generation is MODERN and kind not in {"OneWayCall"}:
            found = catalog.completion_code(generation, code)
            assert found in (0, code - 0x0400 + 0x8000), kind
    assert catalog.completion_code(CLASSIC, 0x0C00) == 0x800C

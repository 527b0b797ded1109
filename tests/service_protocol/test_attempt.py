"""What the service may not do, and what an attempt does about it."""

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.model.journal import CommandRow, JournalRow, NotificationRow
from restate.runtime.model.result import VOID
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.attempt import Attempt, AttemptError, Received
from restate.runtime.service_protocol.received import CommandReceived, EndReceived
from tests.service_protocol.conversation import input_row, start_info
from tests.support.sdk_peer import ACK, CLASSIC, MODERN, SdkPeer

CLASSIC_SDK = SdkPeer(Generation.CLASSIC)
MODERN_SDK = SdkPeer(Generation.MODERN)


def started(generation: Generation = Generation.MODERN, version: int = 6, limit: int = 1000) -> Attempt:
    attempt = Attempt(generation, version, message_size_limit=limit)
    attempt.start(start_info(), [input_row(generation)])
    return attempt


def frame(code: int, body: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack(">HHI", code, flags, len(body)) + body


def fault(attempt: Attempt, data: bytes) -> tuple[str, str]:
    with pytest.raises(AttemptError) as caught:
        attempt.receive(data)
    return caught.value.code, caught.value.message


def test_content_types_name_the_version() -> None:
    assert started(version=7).content_type == "application/vnd.restate.invocation.v7"
    assert started(Generation.CLASSIC).content_type == "application/restate"


@pytest.mark.parametrize(
    "name",
    ["Start", "CommandAck", "ProposeRunCompletionAck", "Input", "AwaitingOn"]
    + [name for name, (code, _) in MODERN.items() if 0x8000 <= code < 0xFBFF],
)
def test_messages_of_the_server_are_refused(name: str) -> None:
    assert fault(started(), MODERN_SDK.say(name, {})) == ("RT0012", f"received unexpected message: {name}")


def test_signals_from_a_service_are_refused() -> None:
    expected = ("RT0012", "received unexpected message: SignalNotification")
    assert fault(started(), MODERN_SDK.say("Signal", {})) == expected


@pytest.mark.parametrize("name", ["Start", "Completion", "EntryAck", "PollInputStream"])
def test_classic_messages_of_the_server_are_refused(name: str) -> None:
    attempt = started(Generation.CLASSIC)
    assert fault(attempt, CLASSIC_SDK.say(name, {})) == ("RT0012", f"received unexpected message: {name}")


@pytest.mark.parametrize(
    ("generation", "code"),
    [
        (Generation.MODERN, 0x0008),
        (Generation.MODERN, 0x040F),
        (Generation.MODERN, 0x80FF),
        (Generation.MODERN, 0xFC01),
        (Generation.MODERN, 0xFFFF),
        (Generation.CLASSIC, 0x0006),
        (Generation.CLASSIC, 0x03FF),
    ],
)
def test_unknown_codes_are_refused(generation: Generation, code: int) -> None:
    expected = ("RT0012", f"message encoding error: unknown message code {code:#06x}")
    assert fault(started(generation), frame(code)) == expected


@pytest.mark.parametrize("code", [0xFC00, 0xFC03, 0x8001, 0x0900])
def test_unknown_classic_codes_with_high_bits_are_opaque_entries(code: int) -> None:
    received = started(Generation.CLASSIC).receive(frame(code, b"\xff\xff", ACK))
    assert isinstance(received[0], CommandReceived)
    assert (received[0].code, received[0].raw, received[0].ack) == (code, b"\xff\xff", True)


@pytest.mark.parametrize(
    "name", ["Suspension", "Error", "ProposeRunCompletion", "AwaitingOn", "Output", "Call"]
)
def test_bodies_that_are_no_message_are_refused(name: str) -> None:
    code, text = fault(started(version=7), frame(MODERN[name][0], b"\x0a\xff"))
    assert code == "RT0012"
    assert text.startswith("message encoding error: ")


def test_classic_entries_that_are_no_message_name_their_place() -> None:
    code, text = fault(started(Generation.CLASSIC), frame(0x0C01, b"\x0a\xff"))
    assert code == "RT0006"
    assert text.startswith("Error when processing entry 1 of type Invoke: ")


@pytest.mark.parametrize(
    ("version", "fields"),
    [
        (5, {}),
        (6, {"awaiting_on": {"waiting_signals": [1]}}),
        (7, {}),
        (7, {"awaiting_on": {"combinator_type": 2, "nested_futures": [{"combinator_type": 1}]}}),
    ],
)
def test_a_suspension_on_nothing_is_refused(version: int, fields: dict[str, Any]) -> None:
    code, text = fault(started(version=version), MODERN_SDK.say("Suspension", fields))
    assert code == "RT0012"
    assert "expected a Suspension that names" in text


@pytest.mark.parametrize("indexes", [[], [0, 2]])
def test_a_classic_suspension_names_entries_that_exist(indexes: list[int]) -> None:
    attempt = started(Generation.CLASSIC)
    attempt.receive(CLASSIC_SDK.say("Awakeable", {}))
    code, text = fault(attempt, CLASSIC_SDK.say("Suspension", {"entry_indexes": indexes}))
    assert code == "RT0012"
    assert "expected a Suspension" in text


def test_a_proposal_without_a_result_is_refused() -> None:
    code, text = fault(started(), MODERN_SDK.say("ProposeRunCompletion", {"result_completion_id": 1}))
    assert code == "RT0012"
    assert "got neither" in text


def test_the_good_messages_before_a_bad_one_count() -> None:
    data = MODERN_SDK.say("SetState", {"key": b"k", "value": {"content": b"v"}}) + frame(0x0008)
    with pytest.raises(AttemptError) as caught:
        started().receive(data + MODERN_SDK.say("End", {}))
    assert [type(received) for received in caught.value.received] == [CommandReceived]


def test_a_message_over_the_limit_is_refused_and_those_before_it_count() -> None:
    data = MODERN_SDK.say("ClearAllState", {}) + frame(0x0401, bytes(1000))
    with pytest.raises(AttemptError) as caught:
        started(limit=1000).receive(data)
    assert caught.value.code == "RT0003"
    assert caught.value.message == "message encoding error: hit message size limit: 1000 >= 1000"
    assert len(caught.value.received) == 1


def test_nothing_counts_after_a_terminal_message() -> None:
    attempt = started()
    assert attempt.receive(MODERN_SDK.say("End", {}) + frame(0x0008) + b"\x00") == [EndReceived()]
    assert attempt.finished
    assert attempt.receive(frame(0x0000)) == []
    assert attempt.ack(1) == b""
    attempt.closed()


@pytest.mark.parametrize(("generation", "status"), [(Generation.MODERN, 500), (Generation.CLASSIC, 2)])
def test_a_stream_may_not_end_without_a_terminal_message(generation: Generation, status: int) -> None:
    attempt = started(generation)
    with pytest.raises(AttemptError) as caught:
        attempt.closed()
    assert (caught.value.code, caught.value.message) == ("RT0007", f"unknown (code {status})")


def test_a_stream_may_not_end_inside_a_message() -> None:
    attempt = started()
    attempt.receive(MODERN_SDK.say("End", {})[:5])
    with pytest.raises(AttemptError) as caught:
        attempt.closed()
    assert caught.value.code == "RT0012"
    assert caught.value.message.endswith("the stream ended inside a message: expected 8 bytes, got 5")


def test_command_indexes_continue_those_of_the_replay() -> None:
    attempt = Attempt(Generation.MODERN, 6, message_size_limit=1000)
    attempt.start(start_info(), [input_row(Generation.MODERN)])
    indexes = []
    for name in ("ClearAllState", "End"):
        for received in attempt.receive(MODERN_SDK.say(name, {})):
            if isinstance(received, CommandReceived):
                indexes.append(received.command_index)
    assert indexes == [1]


RUN = MODERN_SDK.say("Run", {"result_completion_id": 1})
PROPOSAL = MODERN_SDK.say("ProposeRunCompletion", {"result_completion_id": 1, "value": b"1"})
SLEEP = MODERN_SDK.say("Sleep", {"result_completion_id": 1})


@pytest.mark.parametrize(
    ("stream", "text"),
    [
        (PROPOSAL, "for a Run without a result, got completion id 1"),
        (SLEEP + PROPOSAL, "for a Run without a result, got completion id 1"),
        (RUN + PROPOSAL + PROPOSAL, "for a Run without a result, got completion id 1"),
        (RUN + SLEEP, "got 1 again, in Sleep"),
        (
            MODERN_SDK.say("Call", {"invocation_id_notification_idx": 3, "result_completion_id": 3}),
            "got 3 again, in Call",
        ),
        (MODERN_SDK.say("Sleep", {}) * 2, "got 0 again, in Sleep"),
        (
            SLEEP + MODERN_SDK.say("Suspension", {"waiting_completions": [1, 2], "waiting_signals": [1]}),
            "on completions of commands, got completion id 2",
        ),
    ],
)
def test_completions_belong_to_one_command(stream: bytes, text: str) -> None:
    code, message = fault(started(), stream)
    assert code == "RT0012"
    assert message.endswith(text)


def test_replayed_commands_and_results_count_as_well() -> None:
    run = CommandRow(MODERN["Run"][0], 1, 0, RUN[8:])
    sleep = CommandRow(MODERN["Sleep"][0], 2, 0, MODERN_SDK.say("Sleep", {"result_completion_id": 2})[8:])
    result = NotificationRow(0x8011, 1, 0, VOID)

    def replayed(*rows: JournalRow) -> Attempt:
        attempt = Attempt(Generation.MODERN, 6, message_size_limit=1000)
        attempt.start(start_info(), [input_row(Generation.MODERN), *rows])
        return attempt

    assert replayed(run).receive(PROPOSAL)
    assert fault(replayed(run, result), PROPOSAL)[0] == "RT0012"
    assert fault(replayed(run, sleep), SLEEP)[0] == "RT0012"
    assert replayed(run, sleep).receive(MODERN_SDK.say("Suspension", {"waiting_completions": [1, 2]}))


def test_sends_that_do_not_ask_for_the_callees_id_share_no_completion() -> None:
    send = MODERN_SDK.say("OneWayCall", {"service_name": "S", "handler_name": "h"})
    assert len(started().receive(send * 2)) == 2


def replayable(generation: Generation) -> bytes:
    """One of each message that a service may send without further conditions."""
    peer = SdkPeer(generation)
    if generation is Generation.MODERN:
        return (
            peer.say("GetEagerState", {"key": b"n", "void": {}})
            + peer.say("Sleep", {"wake_up_time": 5, "result_completion_id": 1}, ACK)
            + peer.say("Run", {"result_completion_id": 2})
            + peer.say("ProposeRunCompletion", {"result_completion_id": 2, "value": b"1"})
            + peer.say("Output", {"value": {"content": b"x"}})
            + peer.say("End", {})
        )
    return (
        peer.say("GetState", {"key": b"n"})
        + peer.say("SideEffect", {"value": b"1"}, ACK)
        + peer.say("OutputStream", {"value": b"x"})
        + peer.say("End", {})
    )


@pytest.mark.parametrize("generation", list(Generation))
def test_cuts_of_the_stream_make_no_difference(generation: Generation) -> None:
    stream = replayable(generation)
    whole = started(generation).receive(stream)
    for cut in range(len(stream)):
        attempt = started(generation)
        assert attempt.receive(stream[:cut]) + attempt.receive(stream[cut:]) == whole
    attempt = started(generation)
    single: list[Received] = []
    for position in range(len(stream)):
        single += attempt.receive(stream[position : position + 1])
    assert single == whole
    assert attempt.finished


CODES = st.sampled_from(
    [code for code, _ in (*MODERN.values(), *CLASSIC.values())] + [0x0008, 0x0900, 0xFC07, 0xFFFF]
)
FRAMED = st.builds(frame, CODES, st.binary(max_size=30), st.integers(0, 0xFFFF))


@pytest.mark.parametrize("generation", list(Generation))
@given(data=st.one_of(st.binary(max_size=60), st.lists(FRAMED, max_size=5).map(b"".join)))
def test_any_bytes_give_messages_or_an_attempt_error(generation: Generation, data: bytes) -> None:
    attempt = started(generation, version=7, limit=60)
    code = None
    try:
        attempt.receive(data)
        attempt.closed()
    except AttemptError as error:
        code = error.code
    assert attempt.finished if code is None else code in {"RT0003", "RT0006", "RT0007", "RT0012"}

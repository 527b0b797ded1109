"""Captured sequences of the Python SDK 1.3.0 and TypeScript SDK 1.17.2, played from both sides (service-protocol.md §7)."""

from typing import Any

import pytest

from restate.runtime.model.ids import format_invocation_id
from restate.runtime.model.invocation import Awaiting, Combinator
from restate.runtime.model.journal import NotificationRow
from restate.runtime.model.result import VOID, CalleeId, Failure, StateKeys, Success
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.received import (
    AttemptError,
    AwaitingOnReceived,
    EndReceived,
    ErrorReceived,
    SuspensionReceived,
)
from tests.service_protocol.conversation import ID, Conversation, Step, start_info
from tests.support.sdk_peer import ACK

INPUT: Step = (">", "Input", {"value": {"content": b'"in"'}})
OUTPUT: Step = ("<", "Output", {"value": {"content": b'"out"'}})
END: Step = ("<", "End", {})
START: Step = (">", "Start", {"known_entries": 1})


def again(known_entries: int) -> tuple[Step, ...]:
    return ("again",), (">", "Start", {"known_entries": known_entries}), INPUT


CALLEE_TEXT = format_invocation_id(ID)
SLEEP = {"wake_up_time": 6000, "result_completion_id": 1, "name": "nap"}

SEQUENCES: dict[str, list[Step]] = {
    "simple": [START, INPUT, OUTPUT, END],
    "state": [
        START,
        INPUT,
        ("<", "GetEagerState", {"key": b"n", "value": {"content": b"5"}}),
        ("<", "SetState", {"key": b"n", "value": {"content": b"11"}}),
        OUTPUT,
        END,
    ],
    "keys": [
        START,
        INPUT,
        ("<", "GetEagerStateKeys", {"value": {"keys": [b"n"]}}),
        ("<", "ClearState", {"key": b"n"}),
        ("<", "ClearAllState", {}),
        OUTPUT,
        END,
    ],
    "lazy state": [
        START,
        INPUT,
        ("<", "GetLazyState", {"key": b"n", "result_completion_id": 1}),
        ("=", 0x8002, 1, VOID),
        (">", "GetLazyStateCompletion", {"completion_id": 1, "void": {}}),
        ("<", "GetLazyState", {"key": b"m", "result_completion_id": 2}),
        ("=", 0x8002, 2, Success(b"")),
        (">", "GetLazyStateCompletion", {"completion_id": 2, "value": {"content": b""}}),
        ("<", "GetLazyStateKeys", {"result_completion_id": 3}),
        ("=", 0x8006, 3, StateKeys(())),
        (">", "GetLazyStateKeysCompletion", {"completion_id": 3, "state_keys": {}}),
        ("<", "GetLazyStateKeys", {"result_completion_id": 4}),
        ("=", 0x8006, 4, StateKeys((b"a", b"b"))),
        (">", "GetLazyStateKeysCompletion", {"completion_id": 4, "state_keys": {"keys": [b"a", b"b"]}}),
        OUTPUT,
        END,
    ],
    "two runs": [
        START,
        INPUT,
        ("<", "Run", {"result_completion_id": 1, "name": "r0"}),
        ("<", "ProposeRunCompletion", {"result_completion_id": 1, "value": b"1"}),
        (">", "RunCompletion", {"completion_id": 1, "value": {"content": b"1"}}),
        ("<", "Run", {"result_completion_id": 2, "name": "r1"}),
        ("<", "ProposeRunCompletion", {"result_completion_id": 2, "value": b""}, ACK),
        (">", "RunCompletion", {"completion_id": 2, "value": {}}),
        OUTPUT,
        END,
    ],
    "run that fails": [
        START,
        INPUT,
        ("<", "Run", {"result_completion_id": 1, "name": "bad"}),
        (
            "<",
            "ProposeRunCompletion",
            {"result_completion_id": 1, "failure": {"code": 422, "message": "bad"}},
        ),
        (">", "RunCompletion", {"completion_id": 1, "failure": {"code": 422, "message": "bad"}}),
        ("<", "Output", {"failure": {"code": 422, "message": "bad"}}),
        END,
    ],
    "sleep over a suspension": [
        START,
        INPUT,
        ("<", "Sleep", SLEEP),
        ("<", "Suspension", {"waiting_completions": [1], "waiting_signals": [1]}),
        ("=", 0x800C, 1, VOID),
        *again(3),
        (">", "Sleep", SLEEP),
        (">", "SleepCompletion", {"completion_id": 1, "void": {}}),
        OUTPUT,
        END,
    ],
    "call and sends": [
        START,
        INPUT,
        (
            "<",
            "Call",
            {
                "service_name": "P",
                "handler_name": "simple",
                "parameter": b"1",
                "headers": [{"key": "a", "value": "b"}],
                "invocation_id_notification_idx": 1,
                "result_completion_id": 2,
            },
        ),
        ("=", 0x800E, 1, CalleeId(ID)),
        (">", "CallInvocationIdCompletion", {"completion_id": 1, "invocation_id": CALLEE_TEXT}),
        ("=", 0x800D, 2, Success(b'"r"')),
        (">", "CallCompletion", {"completion_id": 2, "value": {"content": b'"r"'}}),
        ("<", "OneWayCall", {"service_name": "P", "handler_name": "s", "invocation_id_notification_idx": 3}),
        OUTPUT,
        END,
        # The stream has ended already: nothing more goes out.
        ("=", 0x800E, 3, CalleeId(ID)),
    ],
    "awakeable": [
        START,
        INPUT,
        ("<", "Run", {"result_completion_id": 1, "name": "announce"}),
        ("<", "ProposeRunCompletion", {"result_completion_id": 1, "value": b'"sign_1x"'}),
        (">", "RunCompletion", {"completion_id": 1, "value": {"content": b'"sign_1x"'}}),
        ("=", 0xFBFF, 17, Success(b"1")),
        (">", "Signal", {"idx": 17, "value": {"content": b"1"}}),
        ("=", 0xFBFF, "go", Success(b"2")),
        (">", "Signal", {"name": "go", "value": {"content": b"2"}}),
        OUTPUT,
        END,
    ],
    "awakeable rejected after a suspension": [
        START,
        INPUT,
        ("<", "Suspension", {"waiting_signals": [17, 1]}),
        ("=", 0xFBFF, 17, Failure(500, "nope")),
        *again(2),
        (">", "Signal", {"idx": 17, "failure": {"code": 500, "message": "nope"}}),
        ("<", "Output", {"failure": {"code": 500, "message": "nope"}}),
        END,
    ],
    "cancel of a call": [
        START,
        INPUT,
        ("<", "Call", {"service_name": "P", "invocation_id_notification_idx": 1, "result_completion_id": 2}),
        ("=", 0x800E, 1, CalleeId(ID)),
        (">", "CallInvocationIdCompletion", {"completion_id": 1, "invocation_id": CALLEE_TEXT}),
        ("=", 0xFBFF, 1, VOID),
        (">", "Signal", {"idx": 1, "void": {}}),
        ("<", "SendSignal", {"target_invocation_id": CALLEE_TEXT, "idx": 1, "void": {}}),
        ("<", "Output", {"failure": {"code": 409, "message": "cancelled"}}),
        END,
    ],
    "retry": [
        START,
        INPUT,
        ("<", "Run", {"result_completion_id": 1}),
        ("<", "ProposeRunCompletion", {"result_completion_id": 1, "value": b"1"}),
        (">", "RunCompletion", {"completion_id": 1, "value": {"content": b"1"}}),
        ("<", "Sleep", {"result_completion_id": 2}),
        ("=", 0x800C, 2, VOID),
        (">", "SleepCompletion", {"completion_id": 2, "void": {}}),
        ("<", "Error", {"code": 500, "message": "boom", "stacktrace": "at 1"}),
        *again(5),
        (">", "Run", {"result_completion_id": 1}),
        (">", "RunCompletion", {"completion_id": 1, "value": {"content": b"1"}}),
        (">", "Sleep", {"result_completion_id": 2}),
        (">", "SleepCompletion", {"completion_id": 2, "void": {}}),
        OUTPUT,
        END,
    ],
    "promises": [
        START,
        INPUT,
        ("<", "PeekPromise", {"key": "p1", "result_completion_id": 1}),
        ("=", 0x800A, 1, VOID),
        (">", "PeekPromiseCompletion", {"completion_id": 1, "void": {}}),
        (
            "<",
            "CompletePromise",
            {"key": "p1", "completion_value": {"content": b"y"}, "result_completion_id": 2},
        ),
        ("=", 0x800B, 2, Failure(409, "promise was already completed")),
        (
            ">",
            "CompletePromiseCompletion",
            {"completion_id": 2, "failure": {"code": 409, "message": "promise was already completed"}},
        ),
        ("<", "GetPromise", {"key": "p1", "result_completion_id": 3}),
        ("=", 0x8009, 3, Success(b"y")),
        (">", "GetPromiseCompletion", {"completion_id": 3, "value": {"content": b"y"}}),
        OUTPUT,
        END,
    ],
    "attach and output of others": [
        START,
        INPUT,
        ("<", "AttachInvocation", {"invocation_id": CALLEE_TEXT, "result_completion_id": 1}),
        ("=", 0x8012, 1, Failure(409, "Cancelled")),
        (
            ">",
            "AttachInvocationCompletion",
            {"completion_id": 1, "failure": {"code": 409, "message": "Cancelled"}},
        ),
        ("<", "GetInvocationOutput", {"invocation_id": CALLEE_TEXT, "result_completion_id": 2}),
        ("=", 0x8013, 2, VOID),
        (">", "GetInvocationOutputCompletion", {"completion_id": 2, "void": {}}),
        OUTPUT,
        END,
    ],
    "ack of a command": [
        START,
        INPUT,
        ("<", "SetState", {"key": b"n", "value": {"content": b"1"}}, ACK),
        (">", "CommandAck", {"command_index": 1}),
        ("<", "ClearState", {"key": b"n"}),
        ("<", "ClearAllState", {}, ACK),
        (">", "CommandAck", {"command_index": 3}),
        OUTPUT,
        END,
    ],
}


@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize("name", SEQUENCES)
def test_captured_sequences_of_the_versions_without_futures(name: str, version: int) -> None:
    Conversation(Generation.MODERN, version).run(SEQUENCES[name])


def test_state_and_key_travel_in_start() -> None:
    info = start_info(key="k1", state=((b"n", b"5"), (b"m", b"")), partial_state=True)
    conversation = Conversation(Generation.MODERN, 6, info)
    start = conversation.peer.heard[0].message
    assert [(entry.key, entry.value) for entry in start.state_map] == [(b"n", b"5"), (b"m", b"")]
    assert (start.key, start.partial_state, start.random_seed, start.id) == ("k1", True, 7, ID)


def test_the_seventh_version_acknowledges_a_run_and_replays_its_completion() -> None:
    conversation = Conversation(Generation.MODERN, 7)
    future = {"waiting_completions": [1], "waiting_signals": [1], "combinator_type": 1}
    conversation.run(
        [
            START,
            INPUT,
            ("<", "Run", {"result_completion_id": 1}),
            ("<", "ProposeRunCompletion", {"result_completion_id": 1, "value": b"1"}, ACK),
            (">", "ProposeRunCompletionAck", {"completion_id": 1}),
            ("<", "AwaitingOn", {"awaiting_on": future, "executing_side_effects": True}),
            ("<", "Suspension", {"awaiting_on": future}),
            *again(3),
            (">", "Run", {"result_completion_id": 1}),
            (">", "RunCompletion", {"completion_id": 1, "value": {"content": b"1"}}),
            OUTPUT,
            END,
        ]
    )
    awaiting = Awaiting(Combinator.FIRST_COMPLETED, (1,), (1,))
    assert AwaitingOnReceived(awaiting, True) in conversation.received
    assert SuspensionReceived(awaiting) in conversation.received


def test_an_attempt_that_asked_for_no_ack_gets_the_completion_of_an() -> None:
    conversation = Conversation(Generation.MODERN, 7)
    conversation.peer.heard.clear()
    conversation.store(NotificationRow(0x8011, 1, 0, Success(b"1"), acked=True))
    assert conversation.peer.heard.popleft().name == "RunCompletion"


def test_a_suspension_of_the_seventh_version_is_a_tree() -> None:
    conversation = Conversation(Generation.MODERN, 7)
    inner = {"waiting_completions": [1, 2], "waiting_named_signals": ["go"], "combinator_type": 4}
    tree = {"waiting_signals": [1], "nested_futures": [inner], "combinator_type": 1}
    sleeps = [("<", "Sleep", {"result_completion_id": number}) for number in (1, 2)]
    conversation.run([START, INPUT, *sleeps, ("<", "Suspension", {"awaiting_on": tree})])
    nested = Awaiting(Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED, (1, 2), (), ("go",))
    expected = Awaiting(Combinator.FIRST_COMPLETED, (), (1,), (), (nested,))
    assert conversation.received[-1] == SuspensionReceived(expected)


@pytest.mark.parametrize(("behavior", "expected"), [(0, "retry"), (1, "pause"), (2, "fail"), (9, "retry")])
def test_an_error_tells_what_to_do_next(behavior: int, expected: str) -> None:
    conversation = Conversation(Generation.MODERN, 7)
    error = {
        "code": 500,
        "message": "slow down",
        "stacktrace": "s",
        "related_command_index": 0,
        "related_command_name": "",
        "related_command_type": 0x0411,
        "next_retry_delay": 700,
        "behavior": behavior,
    }
    conversation.run([START, INPUT, ("<", "Error", error)])
    assert conversation.received == [ErrorReceived(500, "slow down", "s", 0, "", 0x0411, 700, expected)]  # type: ignore[arg-type]


def test_an_error_without_details_has_none() -> None:
    conversation = Conversation(Generation.MODERN, 5)
    conversation.run([START, INPUT, ("<", "Error", {"code": 571})])
    assert conversation.received == [ErrorReceived(571, "", "", None, None, None, None, "retry")]


def test_the_end_is_reported_after_the_output() -> None:
    conversation = Conversation(Generation.MODERN, 6)
    conversation.run(SEQUENCES["simple"])
    assert [type(received).__name__ for received in conversation.received] == [
        "CommandReceived",
        "EndReceived",
    ]
    assert conversation.received[-1] == EndReceived()


@pytest.mark.parametrize(("version", "metadata"), [(5, []), (6, [("k", "v")]), (7, [("k", "v")])])
def test_failure_metadata_starts_with_the_sixth_version(
    version: int, metadata: list[tuple[str, str]]
) -> None:
    conversation = Conversation(Generation.MODERN, version)
    conversation.peer.heard.clear()
    failure = {"code": 1, "message": "m", "metadata": [{"key": "k", "value": "v"}]}
    conversation.run(
        [
            ("=", 0x800C, 1, Failure(409, "m", (("k", "v"),))),
            (
                ">",
                "SleepCompletion",
                {
                    "completion_id": 1,
                    "failure": {
                        "code": 409,
                        "message": "m",
                        "metadata": [{"key": key, "value": value} for key, value in metadata],
                    },
                },
            ),
            ("<", "Run", {"result_completion_id": 2}),
            ("<", "ProposeRunCompletion", {"result_completion_id": 2, "failure": failure}),
            (
                ">",
                "RunCompletion",
                {"completion_id": 2, "failure": failure if metadata else {"code": 1, "message": "m"}},
            ),
            OUTPUT,
            END,
        ]
    )


def test_a_tree_too_deep_for_protobuf_is_refused() -> None:
    tree: dict[str, Any] = {"waiting_signals": [1]}
    for _ in range(200):
        tree = {"nested_futures": [tree], "combinator_type": 1}
    with pytest.raises(AttemptError) as caught:
        Conversation(Generation.MODERN, 7).run([START, INPUT, ("<", "Suspension", {"awaiting_on": tree})])
    assert caught.value.code == "RT0025"

"""Captured sequences of the TypeScript SDK 0.8.1, played from both sides (service-protocol.md §7.3)."""

from typing import Any

import pytest

from restate.runtime.journal import catalog
from restate.runtime.model.invocation import Awaiting, Combinator
from restate.runtime.model.journal import CommandRow, NotificationRow
from restate.runtime.model.result import VOID, CalleeId, Failure, StateKeys, Success
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.classic import COMPLETION_CODES
from restate.runtime.service_protocol.received import CommandReceived, ErrorReceived, SuspensionReceived
from tests.service_protocol.conversation import ID, Conversation, Step, start_info
from tests.support.sdk_peer import ACK, COMPLETED

INPUT: Step = (">", "PollInputStream", {"value": b'"in"'}, COMPLETED)
OUTPUT: Step = ("<", "OutputStream", {"value": b'"out"'})
END: Step = ("<", "End", {})
EFFECT: dict[str, Any] = {"value": b'"se"'}

SLEEP = 0x800C
CALL = 0x800D
STATE = 0x8002
KEYS = 0x8006
AWAKEABLE = 0xFBFF


def start(known_entries: int = 1) -> Step:
    return (">", "Start", {"known_entries": known_entries}, 0x0001)


def again(known_entries: int) -> tuple[Step, ...]:
    return ("again",), start(known_entries), INPUT


START = start()

SEQUENCES: dict[str, list[Step]] = {
    "simple": [START, INPUT, OUTPUT, END],
    "error": [START, INPUT, ("<", "OutputStream", {"failure": {"code": 6, "message": "bad thing"}}), END],
    "state": [
        START,
        INPUT,
        ("<", "GetState", {"key": b"n", "value": b"5"}, COMPLETED),
        ("<", "SetState", {"key": b"n", "value": b"11"}),
        ("<", "GetState", {"key": b"m", "empty": {}}, COMPLETED),
        ("<", "Error", {"code": 13}),
        *again(4),
        (">", "GetState", {"key": b"n", "value": b"5"}, COMPLETED),
        (">", "SetState", {"key": b"n", "value": b"11"}),
        (">", "GetState", {"key": b"m", "empty": {}}, COMPLETED),
        OUTPUT,
        END,
    ],
    "partial state": [
        START,
        INPUT,
        ("<", "GetState", {"key": b"n"}),
        ("=", STATE, 1, Success(b"11")),
        (">", "Completion", {"entry_index": 1, "value": b"11"}),
        ("<", "GetState", {"key": b"m"}),
        ("=", STATE, 2, VOID),
        (">", "Completion", {"entry_index": 2, "empty": {}}),
        ("<", "GetStateKeys", {}),
        ("=", KEYS, 3, StateKeys((b"n", b"m"))),
        (">", "Completion", {"entry_index": 3, "value": b"\x0a\x01n\x0a\x01m"}),
        ("<", "Error", {"code": 13}),
        *again(4),
        (">", "GetState", {"key": b"n", "value": b"11"}, COMPLETED),
        (">", "GetState", {"key": b"m", "empty": {}}, COMPLETED),
        (">", "GetStateKeys", {"value": {"keys": [b"n", b"m"]}}, COMPLETED),
        OUTPUT,
        END,
    ],
    "side effects": [
        START,
        INPUT,
        ("<", "SideEffect", EFFECT, ACK),
        (">", "EntryAck", {"entry_index": 1}),
        ("<", "SideEffect", {}, ACK),
        (">", "EntryAck", {"entry_index": 2}),
        ("<", "Error", {"code": 13, "message": "boom"}),
        *again(3),
        (">", "SideEffect", EFFECT),
        (">", "SideEffect", {}),
        OUTPUT,
        END,
    ],
    "sleep over a suspension": [
        START,
        INPUT,
        ("<", "Sleep", {"wake_up_time": 6}),
        ("<", "Suspension", {"entry_indexes": [1]}),
        ("=", SLEEP, 1, VOID),
        *again(2),
        (">", "Sleep", {"wake_up_time": 6, "empty": {}}, COMPLETED),
        OUTPUT,
        END,
    ],
    "sleep, live": [
        START,
        INPUT,
        ("<", "Sleep", {"wake_up_time": 6}),
        ("=", SLEEP, 1, VOID),
        (">", "Completion", {"entry_index": 1, "empty": {}}),
        OUTPUT,
        END,
    ],
    "calls": [
        START,
        INPUT,
        ("<", "Invoke", {"service_name": "Echo", "method_name": "hello", "parameter": b"p"}),
        ("=", 0x800E, 2**31 + 1, CalleeId(ID)),
        ("=", CALL, 1, Success(b"")),
        (">", "Completion", {"entry_index": 1, "value": b""}),
        ("<", "BackgroundInvoke", {"service_name": "Echo", "method_name": "hello", "invoke_time": 9}),
        ("=", 0x800E, 2**31 + 2, CalleeId(ID)),
        ("<", "Invoke", {"service_name": "Counter", "method_name": "add"}),
        ("=", CALL, 3, Failure(64, "killed")),
        # Killed is 64 inside only.
        (">", "Completion", {"entry_index": 3, "failure": {"code": 10, "message": "killed"}}),
        OUTPUT,
        END,
    ],
    "awakeable": [
        START,
        INPUT,
        ("<", "Awakeable", {}),
        ("<", "SideEffect", EFFECT, ACK),
        (">", "EntryAck", {"entry_index": 2}),
        ("=", AWAKEABLE, 1, Success(b"1")),
        (">", "Completion", {"entry_index": 1, "value": b"1"}),
        ("<", "CompleteAwakeable", {"id": "prom_1" + "A" * 38, "value": b"1"}),
        OUTPUT,
        END,
    ],
    "awakeable rejected after a suspension": [
        START,
        INPUT,
        ("<", "Awakeable", {}),
        ("<", "SideEffect", EFFECT),
        ("<", "Suspension", {"entry_indexes": [1, 2]}),
        ("=", AWAKEABLE, 1, Failure(2, "nope")),
        *again(3),
        (">", "Awakeable", {"failure": {"code": 2, "message": "nope"}}, COMPLETED),
        (">", "SideEffect", EFFECT),
        ("<", "OutputStream", {"failure": {"code": 2, "message": "nope"}}),
        END,
    ],
    "awakeable completed before its entry": [
        START,
        INPUT,
        ("=", AWAKEABLE, 2, Success(b"early")),
        ("=", AWAKEABLE, 2, Success(b"late")),
        ("<", "SideEffect", EFFECT),
        ("<", "Awakeable", {}),
        (">", "Completion", {"entry_index": 2, "value": b"early"}),
        ("=", AWAKEABLE, 2, Success(b"later")),
        ("<", "Error", {"code": 13}),
        *again(3),
        (">", "SideEffect", EFFECT),
        (">", "Awakeable", {"value": b"early"}, COMPLETED),
        OUTPUT,
        END,
    ],
    "awakeable completed between replay and entry": [
        START,
        INPUT,
        ("=", AWAKEABLE, 1, Success(b"early")),
        ("<", "Error", {"code": 13}),
        *again(1),
        ("<", "Awakeable", {}),
        (">", "Completion", {"entry_index": 1, "value": b"early"}),
        OUTPUT,
        END,
    ],
    "completion aimed at an entry that is no awakeable": [
        START,
        INPUT,
        ("=", AWAKEABLE, 1, Success(b"x")),
        ("=", AWAKEABLE, 2, Success(b"x")),
        ("<", "Sleep", {"wake_up_time": 6}),
        ("=", AWAKEABLE, 1, Success(b"x")),
        ("=", SLEEP, 1, VOID),
        (">", "Completion", {"entry_index": 1, "empty": {}}),
        ("<", "SetState", {"key": b"n"}),
        ("=", AWAKEABLE, 2, Success(b"x")),
        ("<", "Error", {"code": 13}),
        *again(3),
        (">", "Sleep", {"wake_up_time": 6, "empty": {}}, COMPLETED),
        (">", "SetState", {"key": b"n"}),
        OUTPUT,
        END,
    ],
    "cancel": [
        START,
        INPUT,
        ("<", "Sleep", {"wake_up_time": 6}),
        ("=", SLEEP, 1, Failure(1, "canceled")),
        (">", "Completion", {"entry_index": 1, "failure": {"code": 1, "message": "canceled"}}),
        ("<", "OutputStream", {"failure": {"code": 1, "message": "canceled"}}),
        END,
    ],
    "awakeable or timeout": [
        START,
        INPUT,
        ("<", "Awakeable", {}),
        ("<", "Sleep", {"wake_up_time": 6}),
        ("=", SLEEP, 2, VOID),
        (">", "Completion", {"entry_index": 2, "empty": {}}),
        ("<", "Combinator", {"combinator_id": 1, "journal_entries_order": [2]}, ACK),
        (">", "EntryAck", {"entry_index": 3}),
        OUTPUT,
        END,
    ],
    "two sleeps over a suspension": [
        START,
        INPUT,
        ("<", "Sleep", {"wake_up_time": 6}),
        ("<", "Sleep", {"wake_up_time": 7}),
        ("=", SLEEP, 2, VOID),
        (">", "Completion", {"entry_index": 2, "empty": {}}),
        ("<", "Suspension", {"entry_indexes": [1]}),
        ("=", SLEEP, 1, VOID),
        *again(3),
        (">", "Sleep", {"wake_up_time": 6, "empty": {}}, COMPLETED),
        (">", "Sleep", {"wake_up_time": 7, "empty": {}}, COMPLETED),
        ("<", "Combinator", {"combinator_id": 1, "journal_entries_order": [1, 2]}, ACK),
        (">", "EntryAck", {"entry_index": 3}),
        OUTPUT,
        END,
    ],
    "output kept": [
        START,
        INPUT,
        OUTPUT,
        ("<", "Error", {"code": 13}),
        *again(2),
        (">", "OutputStream", {"value": b'"out"'}),
        END,
    ],
}


@pytest.mark.parametrize("name", SEQUENCES)
def test_captured_sequences(name: str) -> None:
    Conversation(Generation.CLASSIC, 1).run(SEQUENCES[name])


def test_state_travels_in_start() -> None:
    conversation = Conversation(Generation.CLASSIC, 1, start_info(key="k", state=((b"n", b"5"),)))
    start_message = conversation.peer.heard[0].message
    assert [(entry.key, entry.value) for entry in start_message.state_map] == [(b"n", b"5")]
    assert (start_message.id, start_message.debug_id, start_message.partial_state) == (ID, "inv_1x", False)


def test_a_replayed_entry_keeps_its_bytes_and_gets_its_result_appended() -> None:
    conversation = Conversation(Generation.CLASSIC, 1)
    # Field 3 before field 1, and a field nobody knows: as no encoder of ours would write it.
    raw = b"\x1a\x01p\x0a\x01S\xf8\x07\x05"
    rows = [*conversation.rows, CommandRow(0x0C01, 1, 0, raw), NotificationRow(0x800D, 1, 0, Success(b""))]
    data = conversation.attempt.start(start_info(), rows)
    assert data.endswith(b"\x0c\x01\x00\x01" + (len(raw) + 2).to_bytes(4, "big") + raw + b"\x72\x00")


def test_an_entry_that_came_completed_gets_no_second_result() -> None:
    conversation = Conversation(Generation.CLASSIC, 1)
    raw = b"\x0a\x01k\x72\x01v"
    rows = [
        *conversation.rows,
        CommandRow(0x0800, 1, 0, raw, completed=True),
        NotificationRow(0x8002, 1, 0, VOID),
    ]
    assert conversation.attempt.start(start_info(), rows).endswith(b"\x00\x00\x00\x06" + raw)
    assert conversation.attempt.notify([NotificationRow(0x8002, 1, 0, VOID)]) == b""


def test_flags_of_entries_are_reported() -> None:
    conversation = Conversation(Generation.CLASSIC, 1)
    conversation.run(
        [
            START,
            INPUT,
            ("<", "GetState", {"key": b"k", "empty": {}}, COMPLETED),
            ("<", "SideEffect", EFFECT, ACK),
            (">", "EntryAck", {"entry_index": 2}),
            # Only completable entries have a result; the flag means nothing on others.
            ("<", "OutputStream", {"value": b""}, COMPLETED),
            END,
        ]
    )
    commands = [received for received in conversation.received if isinstance(received, CommandReceived)]
    assert [(one.command_index, one.ack, one.completed) for one in commands] == [
        (1, False, True),
        (2, True, False),
        (3, False, False),
    ]
    assert isinstance(commands[0].command, catalog.Custom)
    assert not isinstance(commands[2].command, catalog.Custom)


def test_a_suspension_waits_for_any_of_its_entries() -> None:
    conversation = Conversation(Generation.CLASSIC, 1)
    conversation.run([START, INPUT, ("<", "Awakeable", {}), ("<", "Suspension", {"entry_indexes": [1, 0]})])
    assert conversation.received[-1] == SuspensionReceived(Awaiting(Combinator.FIRST_COMPLETED, (1, 0)))


@pytest.mark.parametrize(("code", "expected"), [(13, 13), (16, 16), (17, 2), (32, 32), (33, 33), (500, 2)])
def test_error_codes_outside_of_grpc_read_as_unknown(code: int, expected: int) -> None:
    conversation = Conversation(Generation.CLASSIC, 1)
    conversation.run([START, INPUT, ("<", "Error", {"code": code, "message": "m", "description": "d"})])
    assert conversation.received == [ErrorReceived(expected, "m", "d")]


def test_completion_codes_are_those_of_the_catalog() -> None:
    for code, completion in COMPLETION_CODES.items():
        if completion != AWAKEABLE:
            assert catalog.completion_code(Generation.CLASSIC, code) == completion

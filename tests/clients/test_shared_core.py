"""An Attempt against the protocol machine of today's SDKs, byte by byte, without HTTP between them."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from restate.runtime.model.ids import format_awakeable_id, format_invocation_id
from restate.runtime.model.invocation import Awaiting, Combinator
from restate.runtime.model.journal import CommandRow, JournalRow, NotificationRow
from restate.runtime.model.result import VOID, CalleeId, Failure, Success
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.attempt import Attempt, StartInfo
from restate.runtime.service_protocol.received import (
    CommandReceived,
    EndReceived,
    ErrorReceived,
    Received,
    RunProposed,
    SuspensionReceived,
)
from tests.service_protocol.conversation import ID, input_row
from tests.support.environments import python_sdk

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = Path(__file__).parent.parent / "support" / "services" / "core.py"
INFO = StartInfo(ID, format_invocation_id(ID), "k", ((b"n", b"5"),), False, 0, 0, 77)


def _bytes(value: bytes) -> dict[str, str]:
    return {"bytes": base64.b64encode(value).decode()}


class Core:
    """The SDK's machine in a process of its own; attributes are its methods."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: self._call(method, arguments)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        encoded = [_bytes(argument) if isinstance(argument, bytes) else argument for argument in arguments]
        self._process.stdin.write(json.dumps([method, encoded]) + "\n")
        self._process.stdin.flush()
        (answer,) = json.loads(self._process.stdout.readline())
        if isinstance(answer, dict):
            assert "error" not in answer, answer
            if "bytes" in answer:
                return base64.b64decode(answer["bytes"])
        return answer


@pytest.fixture
def core() -> Iterator[Core]:
    python = python_sdk()
    with subprocess.Popen(
        [python, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Core(process)
        assert process.stdin is not None
        process.stdin.close()


class Stream:
    """Journal, Attempt and machine; what the machine writes is stored and told back at once."""

    def __init__(self, core: Core, version: int, rows: list[JournalRow]) -> None:
        self.core = core
        self.rows = rows
        self.attempt = Attempt(Generation.MODERN, version, message_size_limit=1 << 20)
        core.new([("content-type", self.attempt.content_type)])
        status, headers = core.get_response_head()
        assert (status, dict(headers)["content-type"]) == (200, self.attempt.content_type)
        # Single bytes, as the worst a network can do.
        for byte in self.attempt.start(INFO, rows):
            core.notify_input(bytes([byte]))
        self._cursor = len(rows)
        assert core.is_ready_to_execute()
        self.input = core.sys_input()

    def take(self) -> list[Received]:
        """What the machine has written since the last time."""
        received = self.attempt.receive(self.core.take_output())
        for message in received:
            match message:
                case CommandReceived():
                    assert not message.ack
                    self.rows.append(CommandRow(message.code, message.command_index, 0, message.raw))
                case RunProposed():
                    self.store(0x8011, message.completion_id, message.result, acked=message.ack)
        return received

    def store(self, code: int, key: int | str, result: Any, *, acked: bool = False) -> None:
        self.rows.append(NotificationRow(code, key, 0, result, acked))
        told = self.attempt.notify(self.rows[self._cursor :])
        if told:
            self.core.notify_input(told)
        self._cursor = len(self.rows)

    def outcome(self, handle: int) -> Any:
        """The result of a handle that must be complete."""
        progress = self.core.do_progress({"wait_for": [handle]})
        assert progress == {"kind": "DoProgressAnyCompleted"}
        return self.core.take_notification(handle)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_the_machine_understands_what_it_is_sent_live_and_in_replay(core: Core, version: int) -> None:
    rows: list[JournalRow] = [input_row(Generation.MODERN)]
    stream = Stream(core, version, rows)
    assert base64.b64decode(stream.input["input_buffer"]["bytes"]) == b'"in"'
    assert (stream.input["invocation_id"], stream.input["key"]) == (INFO.debug_id, "k")
    if version >= 6:
        assert stream.input["random_seed"] == INFO.random_seed
    _first_part(core, stream, live=True)

    # Half-closed by us while it waits: it suspends.
    late_sleep = core.sys_sleep(1000, "late")
    stream.take()
    core.notify_input_closed()
    assert core.do_progress({"wait_for": [late_sleep]}) == {"kind": "Suspended"}
    *_, last = stream.take()
    assert isinstance(last, SuspensionReceived)
    assert last.awaiting.combinator is Combinator.FIRST_COMPLETED
    assert _signals(last.awaiting) == {1}
    (late,) = _completions(last.awaiting)
    stream.store(0x800C, late, VOID)

    stream = Stream(core, version, rows)
    _first_part(core, stream, live=False)
    assert stream.outcome(core.sys_sleep(1000, "late")) is None
    core.sys_write_output_success(b"done")
    core.sys_end()
    *_, output, end = stream.take()
    assert isinstance(output, CommandReceived)
    assert end == EndReceived()
    stream.attempt.closed()


def _first_part(core: Core, stream: Stream, *, live: bool) -> None:
    """State, a run, and five kinds of waiting, completed in another order than they were begun."""
    assert stream.outcome(core.sys_get_state("n")) == b"5"
    core.sys_set_state("n", b"6")
    core.sys_clear_state("m")
    run = core.sys_run("step")["handle"]
    if live:
        assert core.do_progress({"wait_for": [run]})["kind"] == "DoProgressExecuteRun"
        core.propose_run_completion_success(run, b"ran")
        stream.take()
    assert stream.outcome(run) == b"ran"

    sleep = core.sys_sleep(1000, "nap")
    call = core.sys_call("S", "h", b"p")
    awakeable_id, awakeable = core.sys_awakeable()
    assert awakeable_id == format_awakeable_id("sign", ID, 17)
    signal = core.sys_signal("go")
    if live:
        slept, called = [one.command for one in stream.take() if isinstance(one, CommandReceived)]
        stream.store(0xFBFF, 17, Success(b"woken"))
        stream.store(0x800E, called.completion_ids[0], CalleeId(ID))
        stream.store(0xFBFF, "go", Failure(500, "no"))
        stream.store(0x800D, called.completion_ids[1], Failure(409, "called"))
        stream.store(0x800C, slept.completion_ids[0], VOID)
    assert stream.outcome(awakeable) == b"woken"
    failure = stream.outcome(signal)
    assert (failure["kind"], failure["code"], failure["message"]) == ("Failure", 500, "no")
    assert stream.outcome(call["invocation_id_handle"]) == INFO.debug_id
    assert stream.outcome(call["result_handle"])["code"] == 409
    assert stream.outcome(sleep) is None


def _signals(awaiting: Awaiting) -> set[int]:
    return set(awaiting.signals).union(*map(_signals, awaiting.nested))


def _completions(awaiting: Awaiting) -> set[int]:
    return set(awaiting.completions).union(*map(_completions, awaiting.nested))


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_cancel_reaches_the_machine(core: Core, version: int) -> None:
    stream = Stream(core, version, [input_row(Generation.MODERN)])
    sleep = core.sys_sleep(1000, "nap")
    stream.take()
    stream.store(0xFBFF, 1, VOID)
    assert core.do_progress({"wait_for": [sleep]}) == {"kind": "DoProgressCancelSignalReceived"}


@pytest.mark.parametrize("version", [5, 6, 7])
def test_an_error_of_the_handler_is_an_error_of_the_attempt(core: Core, version: int) -> None:
    stream = Stream(core, version, [input_row(Generation.MODERN)])
    core.sys_set_state("n", b"1")
    core.notify_error("boom", "at line 1")
    *_, error = stream.take()
    assert isinstance(error, ErrorReceived)
    assert (error.code, error.message, error.stacktrace, error.behavior) == (
        500,
        "boom",
        "at line 1",
        "retry",
    )


def test_another_path_than_the_journal_is_a_mismatch(core: Core) -> None:
    raw = b""
    stream = Stream(core, 6, [input_row(Generation.MODERN), CommandRow(0x0405, 1, 0, raw)])
    with pytest.raises(AssertionError):
        core.sys_set_state("n", b"1")
    (error,) = stream.take()
    assert isinstance(error, ErrorReceived)
    assert error.code == 570


@pytest.mark.parametrize("version", [5, 6, 7])
def test_lazy_state_and_promises(core: Core, version: int) -> None:
    stream = Stream(core, version, [input_row(Generation.MODERN)])
    keys = core.sys_get_state_keys()
    promise = core.sys_get_promise("p")
    peek = core.sys_peek_promise("p")
    complete = core.sys_complete_promise_success("p", b"v")
    commands = [message.command for message in stream.take() if isinstance(message, CommandReceived)]
    ids = [one.completion_ids[0] for one in commands if one.completion_ids]
    assert stream.outcome(keys) == ["n"]
    got, peeked, completed = ids[-3:]
    stream.store(0x8009, got, Success(b""))
    stream.store(0x800A, peeked, VOID)
    stream.store(0x800B, completed, Failure(409, "promise was already completed"))
    assert stream.outcome(promise) == b""
    assert stream.outcome(peek) is None
    assert stream.outcome(complete)["code"] == 409

"""Messages of the classic generation, protocol version 1 (service-protocol.md §3)."""

from collections.abc import Sequence

from restate.runtime.journal.catalog import Command
from restate.runtime.journal.input import INPUT_CODE
from restate.runtime.model.codes import CLASSIC_JOURNAL_MISMATCH, CLASSIC_PROTOCOL_VIOLATION, convert
from restate.runtime.model.invocation import Awaiting, Combinator
from restate.runtime.model.journal import (
    CLASSIC_CALLEE_ID_BASE,
    SIGNAL_CODE,
    CommandRow,
    JournalRow,
    NotificationRow,
)
from restate.runtime.model.result import Failure, Result, StateKeys, Success, Void
from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2 as pb
from restate.runtime.service_protocol.framing import COMPLETED, encode_frame
from restate.runtime.service_protocol.received import (
    AttemptError,
    EndReceived,
    ErrorReceived,
    Received,
    SuspensionReceived,
    encoding_error,
    parse,
    refusal,
)
from restate.runtime.service_protocol.start import StartInfo

START = 0x0000
COMPLETION = 0x0001
SUSPENSION = 0x0002
ERROR = 0x0003
ENTRY_ACK = 0x0004
END = 0x0005

VERSION = 1
"""In the flags of Start; the only one."""

NOT_FOR_US = {START: "Start", COMPLETION: "Completion", ENTRY_ACK: "EntryAck", INPUT_CODE: "PollInputStream"}
"""Messages that only the server sends."""

ENTRY_NAMES = {
    0x0401: "OutputStream",
    0x0800: "GetState",
    0x0801: "SetState",
    0x0802: "ClearState",
    0x0803: "ClearAllState",
    0x0804: "GetStateKeys",
    0x0C00: "Sleep",
    0x0C01: "Invoke",
    0x0C02: "BackgroundInvoke",
    0x0C03: "Awakeable",
    0x0C04: "CompleteAwakeable",
}

COMPLETION_CODES = {0x0800: 0x8002, 0x0804: 0x8006, 0x0C00: 0x800C, 0x0C01: 0x800D, 0x0C03: SIGNAL_CODE}
"""{completable entry: the code of its completion in the journal}; see journal/awakeable.py for the last."""

_END = EndReceived()


class Classic:
    """The classic side of an attempt; joins completions with the entries they belong to.

    Invariant: `_passed` commands have gone by the cursor; `_open` holds those that still want a completion, and `_early`
    the completions whose command has not gone by.
    """

    content_type = "application/restate"
    completable = frozenset(COMPLETION_CODES)

    def __init__(self) -> None:
        self._passed = 0
        self._open: dict[int, int] = {}
        self._early: dict[int, list[NotificationRow]] = {}

    def start(self, info: StartInfo, rows: Sequence[JournalRow]) -> bytes:
        """Start and the replay: the commands in order, each with its completion if one is among `rows`."""
        results = self._pass(rows)
        message = pb.Start(
            id=info.id,
            debug_id=info.debug_id,
            known_entries=self._passed,
            state_map=[pb.StateEntry(key=key, value=value) for key, value in info.state],
            partial_state=info.partial_state,
        )
        frames = [encode_frame(START, message.SerializeToString(), VERSION)]
        joined = dict(results)
        frames += [
            _encode_entry(row, joined.get(row.command_index)) for row in rows if isinstance(row, CommandRow)
        ]
        return b"".join(frames)

    def notify(self, rows: Sequence[JournalRow]) -> bytes:
        """A Completion for each entry that `rows` complete; an early one waits here until its command goes by."""
        return b"".join(
            encode_frame(
                COMPLETION, pb.Completion(entry_index=index).SerializeToString() + encode_result(result)
            )
            for index, result in self._pass(rows)
        )

    def ack(self, command_index: int) -> bytes:
        return encode_frame(ENTRY_ACK, pb.EntryAck(entry_index=command_index).SerializeToString())

    def admit(self, command: Command) -> None:
        """Any order will do: completions are addressed by the entry's index."""

    def decode(self, code: int, flags: int, body: bytes, commands: int) -> Received:
        """One message that is not an entry. commands: number of entries so far. Raises AttemptError."""
        if code == END:
            return _END
        if code == SUSPENSION:
            return decode_suspension(body, commands)
        if code == ERROR:
            return decode_error(body)
        raise refusal(code, NOT_FOR_US)

    def command_fault(self, code: int, command_index: int, error: ValueError) -> AttemptError:
        name = ENTRY_NAMES.get(code, f"{code:#06x}")
        return AttemptError("RT0006", f"Error when processing entry {command_index} of type {name}: {error}")

    def _pass(self, rows: Sequence[JournalRow]) -> list[tuple[int, Result]]:
        """Move the cursor over `rows`; the (command index, result) pairs that can be told now, in order."""
        told = []
        for row in rows:
            if isinstance(row, NotificationRow):
                if not isinstance(row.key, int) or row.key >= CLASSIC_CALLEE_ID_BASE:
                    continue
                if row.key >= self._passed:
                    self._early.setdefault(row.key, []).append(row)
                elif self._open.get(row.key) == row.code:
                    del self._open[row.key]
                    told.append((row.key, row.result))
                continue
            index = row.command_index
            self._passed = index + 1
            wanted = None if row.completed else COMPLETION_CODES.get(row.code)
            early = [found.result for found in self._early.pop(index, ()) if found.code == wanted]
            if early:
                told.append((index, early[0]))
            elif wanted is not None:
                self._open[index] = wanted
        return told


def _encode_entry(row: CommandRow, result: Result | None) -> bytes:
    """Replay form. A result is appended to the bytes of the service, never merged by decoding: it compares them."""
    if result is not None:
        return encode_frame(row.code, row.raw + encode_result(result), COMPLETED)
    completed = row.completed or row.code == INPUT_CODE
    return encode_frame(row.code, row.raw, COMPLETED if completed else 0)


def encode_result(result: Result) -> bytes:
    """Field 13, 14 or 15, which every completable entry and Completion share; an empty value is written out."""
    match result:
        case Void():
            message = pb.Completion(empty=pb.Empty())
        case Success(value):
            message = pb.Completion(value=value)
        case StateKeys(keys):
            message = pb.Completion(value=pb.StateKeys(keys=keys).SerializeToString())
        case Failure(code, text):
            status = convert(code, Generation.CLASSIC, Generation.CLASSIC)
            message = pb.Completion(failure=pb.Failure(code=status, message=text))
        case _:
            raise AssertionError(f"a classic entry has no such result: {result}")
    return bytes(message.SerializeToString())


def decode_suspension(body: bytes, commands: int) -> SuspensionReceived:
    """Raises AttemptError unless it names at least one entry, and only such that exist."""
    message = pb.Suspension()
    parse(message, body, "Suspension")
    indexes = tuple(message.entry_indexes)
    if not indexes:
        raise encoding_error("expected a Suspension that names an entry to wait for, got none")
    if max(indexes) >= commands:
        raise encoding_error(
            f"expected a Suspension on entries 0 to {commands - 1}, got entry {max(indexes)}, which does not exist"
        )
    return SuspensionReceived(Awaiting(Combinator.FIRST_COMPLETED, indexes))


def decode_error(body: bytes) -> ErrorReceived:
    """Raises AttemptError. Codes above those of gRPC read as 2 UNKNOWN, but for the two of the protocol itself."""
    message = pb.Error()
    parse(message, body, "Error")
    code = message.code
    if code > 16 and code not in (CLASSIC_JOURNAL_MISMATCH, CLASSIC_PROTOCOL_VIOLATION):
        code = 2
    return ErrorReceived(code, message.message, message.description)

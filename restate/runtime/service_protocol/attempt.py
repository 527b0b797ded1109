"""One attempt of one invocation: the state machine between journal rows and the bytes of one stream."""

from collections.abc import Sequence
from typing import Protocol

from restate.runtime.journal import catalog
from restate.runtime.journal.catalog import Command
from restate.runtime.journal.input import INPUT_CODE
from restate.runtime.model.journal import CommandRow, JournalRow
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.classic import Classic
from restate.runtime.service_protocol.framing import COMPLETED, REQUIRES_ACK, FrameDecoder
from restate.runtime.service_protocol.modern import Modern
from restate.runtime.service_protocol.received import (
    AttemptError,
    CommandReceived,
    Received,
    Terminal,
    encoding_error,
)
from restate.runtime.service_protocol.start import StartInfo

__all__ = ["Attempt", "AttemptError", "Received", "StartInfo"]


class Dialect(Protocol):
    """What differs between the generations."""

    @property
    def content_type(self) -> str: ...

    @property
    def completable(self) -> frozenset[int]:
        """Codes of commands that may carry the flag COMPLETED."""
        ...

    def start(self, info: StartInfo, rows: Sequence[JournalRow]) -> bytes: ...

    def notify(self, rows: Sequence[JournalRow]) -> bytes: ...

    def ack(self, command_index: int) -> bytes: ...

    def admit(self, command: Command) -> None:
        """Refuse a command that does not fit those before it. Raises AttemptError."""

    def decode(self, code: int, flags: int, body: bytes, commands: int) -> Received: ...

    def command_fault(self, code: int, command_index: int, error: ValueError) -> AttemptError: ...


class Attempt:
    """Call `start` once, then the others in any order.

    version: of the protocol, 5 to 7; classic knows only one and ignores it. message_size_limit: bytes of a message body
    from the service; larger ones fail the attempt.
    """

    finished: bool
    """A terminal message (Suspension, Error, End) has been received; what follows is ignored, and nothing is sent."""

    def __init__(self, generation: Generation, version: int, *, message_size_limit: int) -> None:
        self._dialect: Dialect = Modern(version) if generation is Generation.MODERN else Classic()
        self._generation = generation
        self._decoder = FrameDecoder(message_size_limit)
        self._commands = 0
        self.finished = False

    @property
    def content_type(self) -> str:
        """Of the request and, exactly, of the answer."""
        return self._dialect.content_type

    def start(self, info: StartInfo, rows: Sequence[JournalRow]) -> bytes:
        """What goes out first: Start and the replay of `rows`, the journal so far. The cursor stands behind them."""
        self._commands = sum(isinstance(row, CommandRow) for row in rows)
        return self._dialect.start(info, rows)

    def notify(self, rows: Sequence[JournalRow]) -> bytes:
        """What to send for the rows that follow the cursor, the service's own commands among them; may be nothing."""
        return b"" if self.finished else self._dialect.notify(rows)

    def ack(self, command_index: int) -> bytes:
        """Tell the service that a command whose `ack` was set is durable."""
        return b"" if self.finished else self._dialect.ack(command_index)

    def receive(self, chunk: bytes) -> list[Received]:
        """What the service has said, in order. Raises AttemptError, which holds what came before the fault."""
        received: list[Received] = []
        if self.finished:
            return received
        try:
            for code, flags, body in self._decoder.feed(chunk):
                message = self._decode(code, flags, body)
                received.append(message)
                if isinstance(message, Terminal):
                    self.finished = True
                    return received
            self._decoder.check()
        except AttemptError as error:
            error.received = tuple(received)
            raise
        return received

    def closed(self) -> None:
        """The service has ended its side. Raises AttemptError unless a terminal message came before."""
        if self.finished:
            return
        missing = self._decoder.missing
        if missing is not None:
            raise encoding_error(
                f"the stream ended inside a message: expected {missing[1]} bytes, got {missing[0]}"
            )
        status = 500 if self._generation is Generation.MODERN else 2
        raise AttemptError("RT0007", f"unknown (code {status})")

    def _decode(self, code: int, flags: int, body: bytes) -> Received:
        # Input is a command too, but one that the server writes.
        if code != INPUT_CODE and catalog.is_command(self._generation, code):
            return self._decode_command(code, flags, body)
        return self._dialect.decode(code, flags, body, self._commands)

    def _decode_command(self, code: int, flags: int, body: bytes) -> CommandReceived:
        index = self._commands
        completed = bool(flags & COMPLETED) and code in self._dialect.completable
        try:
            command = catalog.decode(self._generation, code, body, command_index=index, completed=completed)
        except ValueError as error:
            raise self._dialect.command_fault(code, index, error) from error
        self._dialect.admit(command)
        self._commands += 1
        return CommandReceived(code, body, bool(flags & REQUIRES_ACK), completed, index, command)

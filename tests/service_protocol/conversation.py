"""Runs a table of messages through an Attempt and an SDK peer, with a journal between them."""

from collections.abc import Sequence
from typing import Any

from restate.runtime.journal.input import encode_input
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import CommandRow, JournalRow, NotificationRow
from restate.runtime.model.target import Generation
from restate.runtime.service_protocol.attempt import Attempt, Received, StartInfo
from restate.runtime.service_protocol.received import CommandReceived, RunProposed
from tests.support.sdk_peer import SdkPeer

ID = InvocationId(bytes(range(24)))

Step = tuple[Any, ...]
"""("<", name, fields, flags=0)  the service says it
(">", name, fields, flags=0)  the service has heard it next (of Start: only the given fields)
("=", code, key, result)      a notification is stored
("again",)                    the next attempt starts"""


def start_info(
    *, key: str | None = None, state: Sequence[tuple[bytes, bytes]] = (), partial_state: bool = False
) -> StartInfo:
    return StartInfo(ID, "inv_1x", key, state, partial_state, 0, 0, 7)


def input_row(generation: Generation, body: bytes = b'"in"') -> CommandRow:
    return CommandRow(0x0400, 0, 0, encode_input(generation, body, ()))


class Conversation:
    """rows: the journal. received: everything the service's side has said, over all attempts."""

    def __init__(self, generation: Generation, version: int, info: StartInfo | None = None) -> None:
        self._generation = generation
        self._version = version
        self._info = info or start_info()
        self.rows: list[JournalRow] = [input_row(generation)]
        self.received: list[Received] = []
        self._cursor = 0
        self._begin()

    def run(self, steps: Sequence[Step]) -> None:
        """Raises AssertionError at the first step that goes differently; nothing may be left unheard."""
        for number, step in enumerate(steps):
            where = f"step {number}: {step}"
            match step:
                case ("<", name, fields, *flags):
                    self._say(name, fields, flags[0] if flags else 0)
                case (">", name, fields, *flags):
                    self._expect(name, fields, flags[0] if flags else 0, where)
                case ("=", code, key, result):
                    self.store(NotificationRow(code, key, 0, result))
                case ("again",):
                    self._end()
                    self._begin()
                case _:
                    raise AssertionError(f"no such step: {where}")
        self._end()

    def store(self, row: JournalRow) -> None:
        self.rows.append(row)
        self.peer.hear(self.attempt.notify(self.rows[self._cursor :]))
        self._cursor = len(self.rows)

    def _begin(self) -> None:
        self.attempt = Attempt(self._generation, self._version, message_size_limit=1 << 20)
        self.peer = SdkPeer(self._generation)
        self.peer.hear(self.attempt.start(self._info, self.rows))
        self._cursor = len(self.rows)

    def _end(self) -> None:
        assert self.attempt.finished
        self.attempt.closed()
        assert not self.peer.heard

    def _say(self, name: str, fields: dict[str, Any], flags: int) -> None:
        for received in self.attempt.receive(self.peer.say(name, fields, flags)):
            self.received.append(received)
            match received:
                case CommandReceived():
                    self.store(
                        CommandRow(received.code, received.command_index, 0, received.raw, received.completed)
                    )
                    if received.ack:
                        self.peer.hear(self.attempt.ack(received.command_index))
                case RunProposed():
                    self.store(
                        NotificationRow(
                            0x8011, received.completion_id, 0, received.result, acked=received.ack
                        )
                    )

    def _expect(self, name: str, fields: dict[str, Any], flags: int, where: str) -> None:
        assert self.peer.heard, where
        heard = self.peer.heard.popleft()
        assert (heard.name, heard.flags) == (name, flags), where
        if name == "Start":
            assert {field: getattr(heard.message, field) for field in fields} == fields, where
        else:
            assert heard.message == self.peer.expected(name, fields), where

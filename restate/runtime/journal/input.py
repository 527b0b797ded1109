"""Input: row 0 of every journal, written by the server when the invocation is created; an SDK never sends it."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, NoCompletion, command
from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2, modern_pb2

INPUT_CODE = 0x0400
"""The same in both generations."""


@command(modern=INPUT_CODE, classic=INPUT_CODE)
@attrs.frozen
class Input(NoCompletion):
    """What the handler is called with. headers: ((name, value), ...), modern only."""

    value: bytes
    headers: tuple[tuple[str, str], ...] = ()
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.InputCommand.FromString(raw)
        headers = tuple((header.key, header.value) for header in message.headers)
        return cls(message.value.content, headers, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        return cls(classic_pb2.PollInputStreamEntry.FromString(raw).value)

    def apply(self, context: Context) -> None:
        """Nothing: it is there to be replayed."""


def encode_input(generation: Generation, body: bytes, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Wire bytes of an Input. An empty body is written as a present, empty value: SDKs insist on it."""
    if generation is Generation.CLASSIC:
        return classic_pb2.PollInputStreamEntry(value=body).SerializeToString()
    message = modern_pb2.InputCommand(value=modern_pb2.Value(content=body))
    for name, value in headers:
        message.headers.add(key=name, value=value)
    return message.SerializeToString()

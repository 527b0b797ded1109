"""Awakeables: promises that anybody who knows their id completes.

Modern ones are signals from 17 up and need no command. Classic ones are entries, named by their index, and may be
completed before the entry is stored. Their completion is a notification with the code of a signal and the entry index
as number: a kind of its own, so that an early one never passes for the result of another entry at that index.
"""

from typing import Self

import attrs

from restate.runtime.journal.catalog import BadReference, Context, NoCompletion, command
from restate.runtime.journal.results import classic_outcome, modern_outcome
from restate.runtime.model.codes import convert
from restate.runtime.model.ids import IdError, InvocationId, parse_awakeable_id
from restate.runtime.model.result import Failure, Outcome
from restate.runtime.model.target import Generation
from restate.runtime.pb import classic_pb2, modern_pb2

CLASSIC_AWAKEABLE = 0x0C03


@command(classic=CLASSIC_AWAKEABLE)
@attrs.frozen
class Awakeable:
    """A classic awakeable waits from here on; it may already be complete."""

    completion_id: int
    name: str = ""

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        classic_pb2.AwakeableEntry.FromString(raw)
        return cls(command_index)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        context.join_early_completion()


@command(modern=0x0414, classic=0x0C04)
@attrs.frozen
class CompleteAwakeable(NoCompletion):
    """Complete an awakeable of either generation.

    prefix: `sign` or `prom`, which tells the generation of the target. index: signal number or entry index.
    """

    prefix: str
    target: InvocationId
    index: int
    result: Outcome
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.CompleteAwakeableCommand.FromString(raw)
        result = modern_outcome(message, message.WhichOneof("result"))
        return cls(*_parse(message.awakeable_id), result, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        message = classic_pb2.CompleteAwakeableEntry.FromString(raw)
        return cls(*_parse(message.id), classic_outcome(message))

    def apply(self, context: Context) -> None:
        generation = Generation.MODERN if self.prefix == "sign" else Generation.CLASSIC
        result = self.result
        if isinstance(result, Failure):
            code = convert(result.code, context.generation, generation)
            result = Failure(code, result.message, result.metadata)
        if generation is Generation.MODERN:
            context.signal(self.target, self.index, result)
        else:
            context.complete_awakeable(self.target, self.index, result)


def _parse(text: str) -> tuple[str, InvocationId, int]:
    try:
        return parse_awakeable_id(text)
    except IdError as error:
        raise BadReference(f"Invalid awakeable identifier: {error}") from error

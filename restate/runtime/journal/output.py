"""Output: how the handler has ended. It takes effect at the end of the attempt, and the last one counts."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, NoCompletion, command
from restate.runtime.journal.results import classic_outcome, modern_outcome
from restate.runtime.model.result import Outcome
from restate.runtime.pb import classic_pb2, modern_pb2


@command(modern=0x0401, classic=0x0401)
@attrs.frozen
class Output(NoCompletion):
    """The handler's return value or terminal error."""

    outcome: Outcome
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.OutputCommand.FromString(raw)
        return cls(modern_outcome(message, message.WhichOneof("result")), message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        return cls(classic_outcome(classic_pb2.OutputStreamEntry.FromString(raw)))

    def apply(self, context: Context) -> None:
        context.set_output(self.outcome)

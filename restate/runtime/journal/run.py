"""Run: a closure of the handler whose result must be stored before it is used.

The command marks the place; the SDK runs the closure and proposes the result, which becomes the completion.
"""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, command
from restate.runtime.pb import modern_pb2

RUN_COMPLETION = 0x8011


@command(modern=0x0411, completion=RUN_COMPLETION)
@attrs.frozen
class Run:
    """Classic side effects are custom entries instead: their result is inside and their bytes are the SDK's own."""

    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.RunCommand.FromString(raw)
        return cls(message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        """Nothing yet: the result comes as a proposal."""

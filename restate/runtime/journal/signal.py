"""SendSignal: tell another invocation something, by number or by name. Number 1 cancels."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import BadReference, Context, NoCompletion, command
from restate.runtime.journal.results import missing, modern_signal_result
from restate.runtime.model.ids import IdError, InvocationId, parse_invocation_id
from restate.runtime.model.result import Result
from restate.runtime.pb import modern_pb2


@command(modern=0x0410)
@attrs.frozen
class SendSignal(NoCompletion):
    """Sent once; the same signal again is another signal."""

    target: InvocationId
    key: int | str
    result: Result
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.SendSignalCommand.FromString(raw)
        field = message.WhichOneof("signal_id")
        if field is None:
            raise missing("idx or name", message)
        key = message.idx if field == "idx" else message.name
        target = parse_target(message.target_invocation_id)
        return cls(target, key, modern_signal_result(message), message.entry_name)

    def apply(self, context: Context) -> None:
        context.signal(self.target, self.key, self.result)


def parse_target(text: str) -> InvocationId:
    """The invocation a command names. Raises BadReference."""
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise BadReference(f"expected an invocation id, got '{text[:60]}': {error}") from error

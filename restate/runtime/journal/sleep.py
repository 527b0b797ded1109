"""Sleep: wake the invocation at a point in time, however long that is and whatever restarts in between."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, command
from restate.runtime.pb import classic_pb2, modern_pb2

SLEEP_COMPLETION = 0x800C


@command(modern=0x040C, classic=0x0C00, completion=SLEEP_COMPLETION)
@attrs.frozen
class Sleep:
    """wake_up_time_ms: epoch milliseconds; a time in the past means now."""

    wake_up_time_ms: int
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.SleepCommand.FromString(raw)
        return cls(message.wake_up_time, message.result_completion_id, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        return cls(classic_pb2.SleepEntry.FromString(raw).wake_up_time, command_index)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        context.sleep_until(self.wake_up_time_ms, self.completion_id)

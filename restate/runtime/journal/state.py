"""State of a virtual object, workflow or keyed service: read, set, clear, list the names.

Reads are *eager* when the SDK answered them from the state it was sent with Start (the result is in the command, and
nothing is left to do), else *lazy* and completed at once. Classic calls them completed and not completed.
"""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Access, Context, NoCompletion, command
from restate.runtime.model.result import VOID, StateKeys, Success
from restate.runtime.pb import classic_pb2, modern_pb2


@command(modern=0x0402, classic=0x0800, completion=0x8002, access=Access.READS_STATE)
@attrs.frozen
class GetLazyState:
    """Read one value; completed with Void if there is none."""

    key: bytes
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetLazyStateCommand.FromString(raw)
        return cls(message.key, message.result_completion_id, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        return cls(classic_pb2.GetStateEntry.FromString(raw).key, command_index)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        value = context.get_state(self.key)
        context.complete(self.completion_id, VOID if value is None else Success(value))


@command(modern=0x0406, classic=0x0804, completion=0x8006, access=Access.READS_STATE)
@attrs.frozen
class GetLazyStateKeys:
    """List the names of all values."""

    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetLazyStateKeysCommand.FromString(raw)
        return cls(message.result_completion_id, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        classic_pb2.GetStateKeysEntry.FromString(raw)
        return cls(command_index)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        context.complete(self.completion_id, StateKeys(context.state_names()))


@command(modern=0x0407, access=Access.READS_STATE)
@attrs.frozen
class GetEagerState(NoCompletion):
    """A read that the SDK has answered itself. value: what it found."""

    key: bytes
    value: bytes | None
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetEagerStateCommand.FromString(raw)
        value = message.value.content if message.HasField("value") else None
        return cls(message.key, value, message.name)

    def apply(self, context: Context) -> None:
        """Nothing: the result is inside."""


@command(modern=0x0408, access=Access.READS_STATE)
@attrs.frozen
class GetEagerStateKeys(NoCompletion):
    """A list of names that the SDK has made itself."""

    keys: tuple[bytes, ...]
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetEagerStateKeysCommand.FromString(raw)
        return cls(tuple(message.value.keys), message.name)

    def apply(self, context: Context) -> None:
        """Nothing: the result is inside."""


@command(modern=0x0403, classic=0x0801, access=Access.WRITES_STATE)
@attrs.frozen
class SetState(NoCompletion):
    """Set one value."""

    key: bytes
    value: bytes
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.SetStateCommand.FromString(raw)
        return cls(message.key, message.value.content, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        message = classic_pb2.SetStateEntry.FromString(raw)
        return cls(message.key, message.value)

    def apply(self, context: Context) -> None:
        context.set_state(self.key, self.value)


@command(modern=0x0404, classic=0x0802, access=Access.WRITES_STATE)
@attrs.frozen
class ClearState(NoCompletion):
    """Remove one value."""

    key: bytes
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.ClearStateCommand.FromString(raw)
        return cls(message.key, message.name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        return cls(classic_pb2.ClearStateEntry.FromString(raw).key)

    def apply(self, context: Context) -> None:
        context.clear_state(self.key)


@command(modern=0x0405, classic=0x0803, access=Access.WRITES_STATE)
@attrs.frozen
class ClearAllState(NoCompletion):
    """Remove all values."""

    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        return cls(modern_pb2.ClearAllStateCommand.FromString(raw).name)

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        classic_pb2.ClearAllStateEntry.FromString(raw)
        return cls()

    def apply(self, context: Context) -> None:
        context.clear_all_state()

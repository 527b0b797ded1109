"""Promises of a workflow: named, completed once, read by any of its handlers, before, during and after the run."""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Access, Context, command
from restate.runtime.journal.results import missing, modern_failure
from restate.runtime.model.promise import PromiseRow
from restate.runtime.model.result import VOID, Failure, Outcome, Success
from restate.runtime.pb import modern_pb2

OPEN = PromiseRow(None)
ALREADY_COMPLETED = Failure(409, "promise was already completed")


@command(modern=0x0409, completion=0x8009, access=Access.PROMISES)
@attrs.frozen
class GetPromise:
    """Wait for the promise."""

    key: str
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.GetPromiseCommand.FromString(raw)
        return cls(message.key, message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        row = context.get_promise(self.key) or OPEN
        if row.outcome is not None:
            context.complete(self.completion_id, row.outcome)
            return
        listeners = (*row.listeners, context.listener(self.completion_id))
        context.put_promise(self.key, PromiseRow(None, listeners))


@command(modern=0x040A, completion=0x800A, access=Access.PROMISES)
@attrs.frozen
class PeekPromise:
    """Look at the promise; completed with Void while it is open."""

    key: str
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.PeekPromiseCommand.FromString(raw)
        return cls(message.key, message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        row = context.get_promise(self.key)
        result = None if row is None else row.outcome
        context.complete(self.completion_id, VOID if result is None else result)


@command(modern=0x040B, completion=0x800B, access=Access.PROMISES)
@attrs.frozen
class CompletePromise:
    """Complete the promise and tell everybody who waits for it. The first result stays."""

    key: str
    result: Outcome
    completion_id: int
    name: str = ""

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.CompletePromiseCommand.FromString(raw)
        return cls(message.key, _completion(message), message.result_completion_id, message.name)

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return (self.completion_id,)

    def apply(self, context: Context) -> None:
        row = context.get_promise(self.key) or OPEN
        if row.outcome is not None:
            context.complete(self.completion_id, ALREADY_COMPLETED)
            return
        context.put_promise(self.key, PromiseRow(self.result))
        for listener in row.listeners:
            context.respond(listener, self.result)
        context.complete(self.completion_id, VOID)


def _completion(message: modern_pb2.CompletePromiseCommand) -> Outcome:
    field = message.WhichOneof("completion")
    if field == "completion_value":
        return Success(message.completion_value.content)
    if field == "completion_failure":
        return modern_failure(message.completion_failure)
    raise missing("completion_value or completion_failure", message)

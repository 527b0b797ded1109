"""Calls to other handlers: with an answer (Call) and without (OneWayCall).

The callee's id is chosen before the command reaches the engine and stored with it, so a replay meets the same callee.
Classic callers name no key: it is inside the parameter, where the contract of the service says.
"""

from typing import Self

import attrs

from restate.runtime.journal.catalog import Context, command
from restate.runtime.pb import classic_pb2, modern_pb2


@command(modern=0x040D, classic=0x0C01, completion=0x800D)
@attrs.frozen
class Call:
    """Call a handler and wait for its outcome.

    key: "" for services as for objects with an empty key; None in the classic generation.
    callee_completion_id: gets the callee's id at once; None (on the wire 0) if the caller does not ask for it. Classic
    callers cannot.
    needs_flow_control: it names a scope or a limit key.
    """

    service: str
    handler: str
    key: str | None
    parameter: bytes
    headers: tuple[tuple[str, str], ...]
    idempotency_key: str | None
    callee_completion_id: int | None
    result_completion_id: int
    name: str = ""
    needs_flow_control: bool = False

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.CallCommand.FromString(raw)
        return cls(
            message.service_name,
            message.handler_name,
            message.key,
            message.parameter,
            tuple((header.key, header.value) for header in message.headers),
            message.idempotency_key if message.HasField("idempotency_key") else None,
            message.invocation_id_notification_idx or None,
            message.result_completion_id,
            message.name,
            _needs_flow_control(message),
        )

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        message = classic_pb2.InvokeEntry.FromString(raw)
        return cls(
            message.service_name, message.method_name, None, message.parameter, (), None, None, command_index
        )

    @property
    def completion_ids(self) -> tuple[int, ...]:
        if self.callee_completion_id is None:
            return (self.result_completion_id,)
        return (self.callee_completion_id, self.result_completion_id)

    def apply(self, context: Context) -> None:
        context.call(
            self.parameter,
            self.headers,
            callee_completion_id=self.callee_completion_id,
            result_completion_id=self.result_completion_id,
        )


@command(modern=0x040E, classic=0x0C02, completion=0x800E)
@attrs.frozen
class OneWayCall:
    """Call a handler and go on. invoke_time_ms: epoch milliseconds to wait for, 0 for now. The rest as in Call."""

    service: str
    handler: str
    key: str | None
    parameter: bytes
    headers: tuple[tuple[str, str], ...]
    idempotency_key: str | None
    callee_completion_id: int | None
    invoke_time_ms: int
    name: str = ""
    needs_flow_control: bool = False

    @classmethod
    def from_modern(cls, raw: bytes) -> Self:
        message = modern_pb2.OneWayCallCommand.FromString(raw)
        return cls(
            message.service_name,
            message.handler_name,
            message.key,
            message.parameter,
            tuple((header.key, header.value) for header in message.headers),
            message.idempotency_key if message.HasField("idempotency_key") else None,
            message.invocation_id_notification_idx or None,
            message.invoke_time,
            message.name,
            _needs_flow_control(message),
        )

    @classmethod
    def from_classic(cls, raw: bytes, command_index: int) -> Self:
        message = classic_pb2.BackgroundInvokeEntry.FromString(raw)
        return cls(
            message.service_name,
            message.method_name,
            None,
            message.parameter,
            (),
            None,
            None,
            message.invoke_time,
        )

    @property
    def completion_ids(self) -> tuple[int, ...]:
        return () if self.callee_completion_id is None else (self.callee_completion_id,)

    def apply(self, context: Context) -> None:
        context.call(
            self.parameter,
            self.headers,
            callee_completion_id=self.callee_completion_id,
            result_completion_id=None,
            execution_time_ms=self.invoke_time_ms or None,
        )


def _needs_flow_control(message: modern_pb2.CallCommand | modern_pb2.OneWayCallCommand) -> bool:
    return message.HasField("scope") or message.HasField("limit_key")

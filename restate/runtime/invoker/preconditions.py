"""Commands that the server refuses to store: the attempt fails and is retried (service-protocol.md §4.4, settled #19).

Also the place where a call gets its callee: the id that every replay will meet again.
"""

from collections.abc import Callable

from restate.runtime.engine.records import AppendCommand
from restate.runtime.invoker.failure import AttemptFailure
from restate.runtime.journal import catalog
from restate.runtime.journal.attach import (
    AttachInvocation,
    AttachTarget,
    GetInvocationOutput,
    IdempotentRequest,
    WorkflowRun,
)
from restate.runtime.journal.call import Call, OneWayCall
from restate.runtime.model.clock import IdSource
from restate.runtime.model.journal import Callee
from restate.runtime.model.target import Generation, Target
from restate.runtime.schema.addressing import (
    AddressError,
    AddressFault,
    address,
    idempotent_id,
    workflow_run_id,
)
from restate.runtime.schema.messages import KeyExtractionError
from restate.runtime.schema.options import Defaults
from restate.runtime.schema.registry import Registry
from restate.runtime.service_protocol.received import CommandReceived

_NO_FLOW_CONTROL = "scopes and limit keys need flow control, which this server does not have"
_UNKNOWN = (AddressFault.UNKNOWN_SERVICE, AddressFault.UNKNOWN_HANDLER)


class Preconditions:
    """Turns a received command into the effect to propose, or into the failure of the attempt."""

    def __init__(self, schema: Callable[[], Registry], ids: IdSource, defaults: Defaults) -> None:
        self._schema = schema
        self._ids = ids
        self._defaults = defaults

    def admit(self, received: CommandReceived, target: Target) -> AppendCommand:
        """Raises AttemptFailure RT0017 or RT0018 (classic: RT0006)."""
        refusal = catalog.refusal(target.generation, received.code, target)
        if refusal is not None:
            raise _refused(received, target.generation, refusal)
        return AppendCommand(
            code=received.code,
            raw=received.raw,
            ack=received.ack,
            completed=received.completed,
            callee=self._callee(received, target.generation),
        )

    def _callee(self, received: CommandReceived, generation: Generation) -> Callee | None:
        command = received.command
        try:
            if isinstance(command, Call | OneWayCall):
                if command.needs_flow_control:
                    raise _refused(received, generation, _NO_FLOW_CONTROL)
                return self._called(command, self._schema())
            if isinstance(command, AttachInvocation | GetInvocationOutput):
                return _attached(command.target)
        except AddressError as error:
            raise _refused(received, generation, str(error), unknown=error.fault in _UNKNOWN) from error
        except KeyExtractionError as error:
            raise _refused(received, generation, str(error)) from error
        return None

    def _called(self, command: Call | OneWayCall, registry: Registry) -> Callee:
        key = command.key
        method = registry.classic_method(command.service, command.handler)
        if method is not None:
            # A classic callee's key is a field of the request message, whoever calls.
            key = method.key_of(command.parameter)
        return address(
            registry,
            command.service,
            command.handler,
            key,
            idempotency_key=command.idempotency_key,
            ids=self._ids,
            defaults=self._defaults,
        )


def _attached(target: AttachTarget) -> Callee:
    match target:
        case IdempotentRequest(service, key, handler, idempotency_key):
            return Callee(idempotent_id(service, key, handler, idempotency_key), None)
        case WorkflowRun(service, key):
            return Callee(workflow_run_id(service, key), None)
        case _:
            return Callee(target, None)


def _refused(
    received: CommandReceived, generation: Generation, reason: str, *, unknown: bool = False
) -> AttemptFailure:
    kind = catalog.kind_of(generation, received.code)
    index = received.command_index
    if generation is Generation.CLASSIC:
        return AttemptFailure(
            code="RT0006", message=f"Error when processing entry {index} of type {kind}: {reason}"
        )
    name = f', name "{received.command.name}"' if received.command.name else ""
    return AttemptFailure(
        code="RT0018" if unknown else "RT0017",
        message=f"cannot process command {kind} (command index {index}{name}) because of a failed precondition: {reason}",
    )

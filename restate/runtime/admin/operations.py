"""What operators do with invocations, by name, and how what becomes of it is told (admin.md §4.5)."""

import logging
from collections.abc import Awaitable, Callable

import attrs

from restate.runtime.admin.errors import Refusal
from restate.runtime.admin.parts import Parts
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import Move, TerminateKind
from restate.runtime.model.ids import (
    DeploymentId,
    IdError,
    InvocationId,
    format_invocation_id,
    parse_deployment_id,
    parse_invocation_id,
)
from restate.runtime.model.invocation import InvocationRecord

log = logging.getLogger("restate.admin")

_NOT_FOUND = (404, "The requested invocation '{id}' does not exist")
_ENDED = (409, "The invocation '{id}' was already completed.")
_NOT_ENDED = (409, "The invocation '{id}' is not yet completed.")
_FIXED = (
    409,
    "The invocation '{id}' is still running or the deployment id is not pinned yet, deployment id cannot be changed.",
)
_INCOMPATIBLE = (
    400,
    "The invocation '{id}' is pinned to a service protocol version that the given deployment does not speak.",
)
_REFUSALS: dict[str, dict[AdminOutcome, tuple[int, str]]] = {
    "cancel": {AdminOutcome.ALREADY_COMPLETED: _ENDED},
    "kill": {AdminOutcome.ALREADY_COMPLETED: _ENDED},
    "purge": {AdminOutcome.NOT_COMPLETED: _NOT_ENDED},
    "purge-journal": {AdminOutcome.NOT_COMPLETED: _NOT_ENDED},
    "pause": {
        AdminOutcome.NOT_RUNNING: (409, "The invocation '{id}' is not running, cannot be paused."),
    },
    "resume": {
        AdminOutcome.NOT_STARTED: (
            425,
            "The invocation '{id}' is either inboxed or scheduled, cannot be resumed.",
        ),
        AdminOutcome.ALREADY_COMPLETED: (409, "The invocation '{id}' is completed, cannot be resumed."),
        AdminOutcome.DEPLOYMENT_FIXED: _FIXED,
        AdminOutcome.DEPLOYMENT_UNKNOWN: (
            400,
            "The given deployment was not found when trying to resume the invocation '{id}'.",
        ),
        AdminOutcome.DEPLOYMENT_INCOMPATIBLE: _INCOMPATIBLE,
    },
    "restart-as-new": {
        AdminOutcome.NOT_STARTED: (
            425,
            "The invocation '{id}' cannot be restarted because it's not running yet.",
        ),
        AdminOutcome.NOT_COMPLETED: (409, "The invocation '{id}' is still running."),
        AdminOutcome.UNSUPPORTED: (
            422,
            "The invocation '{id}' cannot be restarted: workflows run once for each key, and from a place in the journal"
            " only what speaks service protocol version 6 or newer goes on.",
        ),
        AdminOutcome.JOURNAL_GONE: (
            410,
            "The invocation '{id}' cannot be restarted: its journal, and with it the input, was purged or not retained.",
        ),
        AdminOutcome.JOURNAL_INCOMPLETE: (
            400,
            "The journal of the invocation '{id}' does not reach to the given index, or has commands up to it that were"
            " never completed.",
        ),
        AdminOutcome.DEPLOYMENT_FIXED: _FIXED,
        AdminOutcome.DEPLOYMENT_UNKNOWN: (
            400,
            "The given deployment was not found when trying to restart the invocation '{id}'.",
        ),
        AdminOutcome.DEPLOYMENT_INCOMPATIBLE: _INCOMPATIBLE,
    },
}
"""{operation: {outcome: status and text}}, except for `_NOT_FOUND`, which every operation has."""

NAMES = frozenset(_REFUSALS)
_ACCEPTED = (AdminOutcome.DONE, AdminOutcome.ACCEPTED)


def refusal_statuses(name: str) -> set[int]:
    """Those that the operation may be refused with."""
    return {_NOT_FOUND[0], 400, *(status for status, _ in _REFUSALS[name].values())}


@attrs.frozen
class Options:
    """deployment: `keep`, `latest` or an id; resume and restart. last_index: of the journal rows that are kept; restart."""

    deployment: str = "keep"
    last_index: int = 0


@attrs.frozen
class Done:
    """accepted: it will be done as soon as the handler lets it. new_id: of a restarted invocation."""

    accepted: bool
    new_id: InvocationId | None = None


class Operations:
    """Performs operations on single invocations."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def perform(self, name: str, invocation: InvocationId, options: Options = Options()) -> Done:
        """name: one of NAMES. Raises Refusal, Overloaded."""
        # Before it may be gone.
        record = self._parts.record_of(invocation)
        done = await self._carry_out(name, invocation, options)
        log.info("%s, asked for on the admin port", name, extra=_log_fields(invocation, record, done))
        return done

    async def _carry_out(self, name: str, invocation: InvocationId, options: Options) -> Done:
        if name == "restart-as-new":
            return await self._restart(invocation, options)
        partition = self._parts.partition
        simple: dict[str, Callable[[], Awaitable[AdminOutcome]]] = {
            "cancel": lambda: partition.terminate(invocation, TerminateKind.CANCEL),
            "kill": lambda: partition.terminate(invocation, TerminateKind.KILL),
            "purge": lambda: partition.purge(invocation),
            "purge-journal": lambda: partition.purge_journal(invocation),
            "pause": lambda: partition.pause(invocation),
            "resume": lambda: partition.resume(invocation, self._move(options.deployment, invocation)),
        }
        return _done(name, invocation, await simple[name]())

    async def _restart(self, invocation: InvocationId, options: Options) -> Done:
        new_id = InvocationId(invocation[:8] + self._parts.ids.ulid())
        move = self._move(options.deployment, invocation)
        outcome = await self._parts.partition.restart_as_new(invocation, new_id, options.last_index, move)
        return attrs.evolve(_done("restart-as-new", invocation, outcome), new_id=new_id)

    def _move(self, deployment: str, invocation: InvocationId) -> Move | None:
        if deployment == "keep":
            return None
        registry = self._parts.partition.schema
        latest = deployment == "latest"
        if latest:
            record = self._parts.record_of(invocation)
            found = None if record is None else registry.deployment_of(record.target.service)
        else:
            found = registry.deployments.get(DeploymentId(deployment))
        if found is None:
            return Move(None, latest)
        return Move(found.id, latest, found.min_protocol_version, found.max_protocol_version)


def _log_fields(
    invocation: InvocationId, record: InvocationRecord | None, done: Done
) -> dict[str, str | None]:
    fields: dict[str, str | None] = {"invocation": format_invocation_id(invocation)}
    if record is not None:
        fields["service"], fields["handler"] = record.target.service, record.target.handler
        fields["deployment"] = None if record.pin is None else record.pin.deployment_id
    fields["new_invocation"] = None if done.new_id is None else format_invocation_id(done.new_id)
    return fields


def _done(name: str, invocation: InvocationId, outcome: AdminOutcome) -> Done:
    """Raises Refusal."""
    if outcome in _ACCEPTED:
        return Done(outcome is AdminOutcome.ACCEPTED)
    status, text = _NOT_FOUND if outcome is AdminOutcome.NOT_FOUND else _REFUSALS[name][outcome]
    raise Refusal(status, text.format(id=format_invocation_id(invocation)))


def read_invocation_id(text: str) -> InvocationId:
    """Raises Refusal 400."""
    try:
        return parse_invocation_id(text)
    except IdError as error:
        raise Refusal(400, f"The request field 'invocation_id' is invalid. Reason: {error}") from None


def read_deployment(text: str, where: str) -> str:
    """`keep`, `latest`, also capitalised, or an id. where: named in the error. Raises Refusal 400."""
    if text.lower() in ("keep", "latest"):
        return text.lower()
    try:
        return parse_deployment_id(text)
    except IdError as error:
        raise Refusal(400, f"The {where} 'deployment' is invalid. Reason: {error}") from None

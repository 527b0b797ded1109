"""The columns of `sys_invocation_state`, and the source of its rows: what the invoker has in memory."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.query.live import LiveAttempt, LiveFailure
from restate.runtime.query.worker import tables
from restate.runtime.query.worker.chunks import RowChunk
from restate.runtime.query.worker.scan import Chunk, Wanted
from restate.runtime.query.worker.world import World
from restate.runtime.tables import keys, rows


def _of_failure(getter: Callable[[LiveFailure], Any]) -> Callable[[LiveAttempt], Any]:
    return lambda attempt: None if attempt.failure is None else getter(attempt.failure)


FAILURE_COLUMNS: Mapping[str, Callable[[LiveFailure], Any]] = {
    "last_failure": lambda failure: failure.text,
    "last_failure_error_code": lambda failure: failure.code or None,
    "last_failure_related_command_index": lambda failure: failure.command_index,
    "last_failure_related_command_name": lambda failure: failure.command_name,
    "last_failure_related_command_type": lambda failure: failure.command_type,
}
LIVE_COLUMNS: Mapping[str, Callable[[LiveAttempt], Any]] = {
    "in_flight": lambda attempt: attempt.in_flight,
    "retry_count": lambda attempt: attempt.retry_count,
    "last_start_at": lambda attempt: attempt.last_start_ms,
    "last_attempt_deployment_id": lambda attempt: attempt.deployment,
    "last_attempt_server": lambda attempt: attempt.server,
    "next_retry_at": lambda attempt: attempt.next_retry_ms,
    **{name: _of_failure(getter) for name, getter in FAILURE_COLUMNS.items()},
}
"""Shared with `sys_invocation`. The related *entry* is that of protocols up to 3, whose SDKs do not tell it."""


class LiveAttempts:
    """The source."""

    schema = tables.BY_NAME["sys_invocation_state"].schema

    def __init__(self, world: World) -> None:
        self._world = world
        self._getters: Mapping[str, Callable[[LiveAttempt], Any]] = {
            **LIVE_COLUMNS,
            "partition_key": lambda attempt: int.from_bytes(attempt.invocation[:8], "big"),
            "id": lambda attempt: format_invocation_id(InvocationId(attempt.invocation)),
            "last_error_code": LIVE_COLUMNS["last_failure_error_code"],
            "service": lambda attempt: self._target(attempt)[0],
            "service_key": lambda attempt: self._target(attempt)[1],
        }

    def chunks(self, wanted: Wanted, sizes: Iterator[int]) -> Iterator[Chunk]:
        attempts = sorted(self._world.live.values(), key=lambda attempt: attempt.invocation)
        yield RowChunk(self.schema, self._getters, attempts)

    def _target(self, attempt: LiveAttempt) -> tuple[str | None, str | None]:
        """Service and key; unknown if the invocation is newer than the stored rows."""
        raw = self._world.store.get(keys.INV, attempt.invocation)
        if raw is None:
            return None, None
        target = rows.INVOCATION.decode(raw).target
        key = target.key
        return target.service, format_invocation_id(InvocationId(attempt.invocation)) if key is None else key

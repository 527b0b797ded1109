"""The invoker's side of the channel to the partition; `app` gives it, so that the invoker never imports the partition."""

from typing import Protocol

from restate.runtime.engine.records import Record


class Effects(Protocol):
    """Where attempts report to."""

    async def propose(self, record: Record) -> None:
        """Queue a record, waiting for room."""
        ...

    async def settle(self) -> None:
        """Return once everything proposed before is applied and on disk."""
        ...

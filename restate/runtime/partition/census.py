"""How many invocations there are in each status: those of the store at the start, and what has changed since."""

from collections.abc import Iterator, Mapping
from itertools import islice

import trio

from restate.runtime.model.invocation import Status
from restate.runtime.tables.api import Tables

_FIRST_PAUSE_S = 0.5
"""What was running when the server ended goes on first."""
_AT_ONCE = 500
"""Rows between two checkpoints, about a millisecond."""
_PAUSE_S = 0.005
"""After each of these: nobody waits for the census, and everybody else for the loop."""


class Census:
    """Counts the store once, in the background: afterwards nothing need be read to know the numbers."""

    def __init__(self, reader: Tables, changes: Mapping[Status, int]) -> None:
        """Before the first record is applied. changes: what the writer has added since then, by status."""
        # The scan shows the rows as they are now.
        self._rows = reader.invocations.statuses()
        self._changes = changes
        self._stored: dict[Status, int] | None = None

    async def run(self) -> None:
        """Returns when everything has been counted. Raises StorageError."""
        await trio.sleep(_FIRST_PAUSE_S)
        counts = dict.fromkeys(Status, 0)
        while rows := list(islice(self._rows, _AT_ONCE)):
            for status in rows:
                counts[status] += 1
            await trio.sleep(_PAUSE_S)
        self._stored = counts

    def numbers(self) -> Iterator[tuple[tuple[str], float]]:
        """((status,), invocations); empty until everything has been counted."""
        if self._stored is not None:
            for status, stored in self._stored.items():
                yield (status.name.lower(),), stored + self._changes[status]

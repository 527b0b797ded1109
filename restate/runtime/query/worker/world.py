"""What one query sees: the rows of the last catch-up, what the invoker had then, and whether it has been cancelled."""

from collections.abc import Sequence
from functools import cached_property

import attrs

from restate.runtime.query.live import LiveAttempt
from restate.runtime.schema.registry import Registry
from restate.runtime.storage.secondary import Secondary
from restate.runtime.tables.api import Tables


class Cancelled(Exception):
    """Nobody wants the rows any more."""


@attrs.define(slots=False)
class World:
    """Of one worker; `begin` makes it that of the next query."""

    store: Secondary
    live: dict[bytes, LiveAttempt] = attrs.field(factory=dict)
    number: int = 0
    cancelled: int = 0
    """The last query that was cancelled. Set by another thread."""

    def begin(self, number: int) -> None:
        """Catch up, and forget the query before. Raises StorageError."""
        self.number = number
        self.live = {}
        self.__dict__.pop("registry", None)
        self.store.catch_up()

    def show(self, live: Sequence[LiveAttempt]) -> None:
        self.live = {attempt.invocation: attempt for attempt in live}

    def check(self) -> None:
        """Raises Cancelled; called between chunks of rows."""
        if self.cancelled >= self.number:
            raise Cancelled

    @cached_property
    def registry(self) -> Registry:
        """The stored schema. Raises StorageError, SchemaFormatError, StorageFormatError."""
        return Registry.load(0, Tables(self.store).schema.scan())

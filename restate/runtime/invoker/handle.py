"""What the partition asks of the invoker. All calls are synchronous and only made for what is on disk."""

from typing import Protocol

from restate.runtime.engine.actions import (
    AbortAttempt,
    AckCommand,
    JournalGrew,
    PauseAttempt,
    ResumeAttempt,
    StartAttempt,
)


class Invoker(Protocol):
    """Runs attempts of invocations."""

    def start(self, action: StartAttempt) -> None:
        """Begin the attempt as soon as the concurrency limit lets it."""
        ...

    def abort(self, action: AbortAttempt) -> None:
        """End whatever runs or waits for this invocation; unknown ids are ignored."""
        ...

    def acknowledge(self, action: AckCommand) -> None:
        """Pass an ack on to the SDK, if that attempt still runs."""
        ...

    def grew(self, action: JournalGrew) -> None:
        """Show the attempt the journal up to a length, if that attempt still runs."""
        ...

    def pause(self, action: PauseAttempt) -> None:
        """Ask the SDK to suspend; instead of trying again, propose that the invocation is paused."""
        ...

    def resume(self, action: ResumeAttempt) -> None:
        """Forget `pause`; an attempt that waits for its next try begins now."""
        ...

"""The invoker's memory of one invocation that should make progress: from StartAttempt to its terminal effect."""

import logging

import attrs
import trio

from restate.runtime.invoker.failure import LastFailure
from restate.runtime.invoker.route import Route
from restate.runtime.model.ids import InvocationId, format_invocation_id
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.net.client import Exchange
from restate.runtime.service_protocol.attempt import Attempt

log = logging.getLogger("restate.invoker")


@attrs.define(eq=False)
class Stream:
    """The open stream of the current attempt.

    cursor: journal rows before it have been sent. idle: the scope whose deadline is the inactivity timeout.
    sending: a task works off what is to be sent. closed: the request is ended, nothing can be sent any more.
    """

    attempt: Attempt
    exchange: Exchange
    cursor: int
    inactivity_timeout_s: float
    idle: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    sending: bool = False
    closed: bool = False

    def touch(self) -> None:
        """A message passed, in either direction: the inactivity timer starts anew."""
        self.idle.deadline = trio.current_time() + self.inactivity_timeout_s

    async def end_request(self) -> None:
        """Half-close: in this protocol it asks the SDK to suspend, or to finish its answer."""
        if not self.closed:
            self.closed = True
            await self.exchange.end()


@attrs.define(eq=False)
class Run:
    """One invocation in the hands of the invoker.

    token: current until the terminal effect. visible: rows of the journal that are on disk and may be shown.
    failures: failed attempts in a row that count for the retry policy. retries: failed attempts since the last stored
    entry, which the SDK is told. has_output: the journal holds an Output. pinned: an append has carried the pin.
    route: where the last attempt went, None before the first. pausing: an operator asked for a pause. retry_now: the
    scope of the wait for the next try; cancelling it ends the wait, also ahead of time. attempts, in_flight,
    last_start_ms, server, next_retry_ms, last_failure: only to be looked at, see `invoker.status`.
    """

    id: InvocationId
    token: int
    record: InvocationRecord
    visible: int
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    retry_now: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    stream: Stream | None = None
    acks: list[int] = attrs.field(factory=list)
    failures: int = 0
    retries: int = 0
    last_stored_ms: int = 0
    has_output: bool = False
    route: Route | None = None
    pinned: bool = False
    holds_slot: bool = False
    aborted: bool = False
    pausing: bool = False
    attempts: int = 0
    in_flight: bool = False
    last_start_ms: int = 0
    server: str | None = None
    next_retry_ms: int | None = None
    last_failure: LastFailure | None = None
    reported: str = ""
    """The last failure that was stored as an event; the same one again is not."""

    def begin(self, now_ms: int) -> None:
        """The next attempt begins; it may go elsewhere than the one before."""
        self.route = None
        self.server = None
        self.attempts += 1
        self.in_flight = True
        self.last_start_ms = now_ms

    def log_fields(self) -> dict[str, str | None]:
        """What every line about it carries."""
        return {
            "invocation": format_invocation_id(self.id),
            "service": self.record.target.service,
            "handler": self.record.target.handler,
            "deployment": None if self.route is None else self.route.deployment.id,
        }

    def tell(self, message: str, *values: object) -> None:
        """A line for those who look closely, which costs nothing for all others. values: as for `logging`."""
        if log.isEnabledFor(logging.DEBUG):
            log.debug(message, *values, extra=self.log_fields())

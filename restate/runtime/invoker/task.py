"""One attempt: open a stream, replay the journal, turn what the SDK writes into effects, until it ends.

The order inside an attempt (service-protocol.md §5.2): read record, journal and state; send Start and the replay; then
read. What the SDK may learn later (completions, acks) is sent by the supervisor while this task reads.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import trio

from restate.runtime.config import Invoker as InvokerConfig
from restate.runtime.engine.records import AppendCommand, AttemptEffect, Effect, End, ProposeRun, Suspended
from restate.runtime.invoker import failure as failures
from restate.runtime.invoker.effects import Effects
from restate.runtime.invoker.failure import AttemptFailure
from restate.runtime.invoker.preconditions import Preconditions
from restate.runtime.invoker.route import Route, Routes, request_headers
from restate.runtime.invoker.run import Run, Stream
from restate.runtime.journal.output import Output
from restate.runtime.model.clock import Clock
from restate.runtime.model.duration import format_duration
from restate.runtime.model.ids import (
    classic_partition_key,
    format_invocation_id,
    partition_key_of_key,
    random_seed_of,
)
from restate.runtime.model.invocation import Pin
from restate.runtime.model.target import Generation, HandlerType, Target
from restate.runtime.net.client import Client, ClientError, Exchange
from restate.runtime.service_protocol.attempt import Attempt, AttemptError, StartInfo
from restate.runtime.service_protocol.identity import Identity
from restate.runtime.service_protocol.received import (
    AwaitingOnReceived,
    CommandReceived,
    EndReceived,
    ErrorReceived,
    Received,
    RunProposed,
    SuspensionReceived,
)
from restate.runtime.tables.api import Tables
from restate.runtime.telemetry.metrics import UNREAD, InvokerMetrics
from restate.runtime.telemetry.tracing import NO_TRACER, Tracer

log = logging.getLogger("restate.invoker")

T = TypeVar("T")


class AttemptTask:
    """Runs attempts; holds what all of them share."""

    def __init__(
        self,
        *,
        client: Client,
        routes: Routes,
        preconditions: Preconditions,
        effects: Effects,
        reader: Tables,
        clock: Clock,
        config: InvokerConfig,
        identity: Identity,
        tracer: Tracer = NO_TRACER,
        metrics: InvokerMetrics = UNREAD.invoker,
    ) -> None:
        self._tracer = tracer
        self._metrics = metrics
        self._client = client
        self._routes = routes
        self._preconditions = preconditions
        self._effects = effects
        self._reader = reader
        self._clock = clock
        self._config = config
        self._identity = identity

    async def attempt(self, run: Run, *, ended: Callable[[Run], None], opened: Callable[[Run], None]) -> None:
        """Run one attempt up to its terminal effect, then read the rest of the stream. Raises AttemptFailure.

        ended: called when the terminal effect is proposed. opened: called when notifications can be sent.
        """
        span = self._tracer.attempt(run.id, run.record)
        if span is None:
            await self._attempt(run, [], ended, opened)
            return
        failure = None
        try:
            await self._attempt(run, span.context.headers(), ended, opened)
        except BaseException as error:
            failure = str(error) if isinstance(error, Exception) else "cut by the server"
            raise
        finally:
            span.end(failure, None if run.route is None else run.route.deployment.id)

    async def _attempt(
        self,
        run: Run,
        trace_headers: list[tuple[bytes, bytes]],
        ended: Callable[[Run], None],
        opened: Callable[[Run], None],
    ) -> None:
        run.begin(self._clock.now_ms())
        if run.attempts == 1 and run.record.journal_length == 1:
            self._metrics.start_delay.observe(_delay_ms(run) / 1000)
        route = run.route = self._routes.choose(run.record)
        run.has_output = run.record.last_output is not None
        attempt = Attempt(
            run.record.target.generation, route.version, message_size_limit=self._config.message_size_limit
        )
        run.tell("attempt %d, with %d journal entries", run.attempts, run.record.journal_length)
        first = await self._first_bytes(run, route, attempt)
        inactivity_ms = route.options.inactivity_timeout_ms
        one_shot = not route.bidirectional or inactivity_ms == 0
        try:
            headers = request_headers(
                route.deployment, run.id, run.record, attempt.content_type, self._identity, trace_headers
            )
            exchange = await self._open(route, headers, first, end=one_shot)
            del first  # it may be long, and so may the attempt
            async with exchange:
                stream = Stream(
                    attempt, exchange, run.record.journal_length, inactivity_ms / 1000, closed=one_shot
                )
                run.stream = stream
                opened(run)
                await self._converse(run, stream, route)
                ended(run)
                await self._drain(stream)
        except ClientError as error:
            raise failures.from_client(error, route.deployment.uri) from error
        except AttemptError as error:
            raise failures.from_protocol(error) from error

    async def _first_bytes(self, run: Run, route: Route, attempt: Attempt) -> bytes:
        """Start and replay, from one consistent read; nothing in it may be lost by a crash (settled.md #2)."""
        record = run.record
        target = record.target
        if target.has_state and target.handler_type is HandlerType.SHARED:
            state, partial = self._state(target, lazy=route.options.enable_lazy_state)
            await self._effects.settle()
        else:
            state, partial = self._state(target, lazy=route.options.enable_lazy_state)
        rows = self._reader.journal.read(run.id, 0, record.journal_length)
        modern = target.generation is Generation.MODERN
        info = StartInfo(
            id=run.id,
            debug_id=format_invocation_id(run.id),
            key=target.key if modern else None,
            state=state,
            partial_state=partial,
            retry_count=run.retries,
            # The machine's clock may have been set back meanwhile.
            since_last_entry_ms=max(0, self._clock.now_ms() - max(run.last_stored_ms, record.modified_ms)),
            random_seed=random_seed_of(run.id) if record.random_seed is None else record.random_seed,
        )
        return attempt.start(info, rows)

    def _state(self, target: Target, *, lazy: bool) -> tuple[list[tuple[bytes, bytes]], bool]:
        """The eager state, and whether it is incomplete: the SDK then asks for what is missing."""
        if not target.has_state or target.key is None:
            return [], target.generation is Generation.MODERN
        if lazy:
            return [], True
        modern = target.generation is Generation.MODERN
        partition_key = (
            partition_key_of_key(target.key) if modern else classic_partition_key(target.key.encode())
        )
        room = self._config.eager_state_limit_bytes
        state: list[tuple[bytes, bytes]] = []
        for name, value in self._reader.state.all(partition_key, target.service, target.key):
            room -= len(name) + len(value)
            if room < 0:
                self._metrics.eager_state_truncated.value += 1
                return state, True
            state.append((name, value))
        return state, False

    async def _open(
        self, route: Route, headers: list[tuple[bytes, bytes]], first: bytes, *, end: bool
    ) -> Exchange:
        self._metrics.sent_bytes.value += len(first)
        return await self._client.open(
            route.deployment.uri,
            "POST",
            route.path,
            headers,
            body=first,
            end=end,
            http_version="1.1" if route.deployment.http_version == "HTTP/1.1" else "2",
        )

    async def _converse(self, run: Run, stream: Stream, route: Route) -> None:
        """Read until a terminal effect is proposed."""
        head = await self._within_timeouts(route, stream, stream.exchange.response)
        self._metrics.client_requests.add(str(head.status))
        run.server = failures.server_of(head)
        failures.check_head(head, stream.attempt.content_type, now_ms=self._clock.now_ms())
        while True:
            chunk = stream.exchange.receive_nowait()
            if chunk is None:
                chunk = await self._within_timeouts(route, stream, stream.exchange.receive)
            if not chunk:
                stream.attempt.closed()
            self._metrics.received_bytes.value += len(chunk)
            stream.touch()
            if await self._take_all(run, stream, route, chunk):
                return

    async def _within_timeouts(self, route: Route, stream: Stream, wait: Callable[[], Awaitable[T]]) -> T:
        """Wait for the service: first for the inactivity timeout, then, with the request ended, for the abort timeout.

        Raises AttemptFailure RT0001 when both have passed. The scopes enclose the wait alone, so that no effect is
        lost between reading and proposing it.
        """
        if not stream.closed:
            with trio.CancelScope() as stream.idle:
                stream.touch()
                return await wait()
            await stream.end_request()
        abort_ms = route.options.abort_timeout_ms
        with trio.move_on_after(abort_ms / 1000):
            return await wait()
        raise AttemptFailure(
            code="RT0001",
            message=f"the invocation stream was closed after the 'abort timeout' ({format_duration(abort_ms)}) fired.",
        )

    async def _take_all(self, run: Run, stream: Stream, route: Route, chunk: bytes) -> bool:
        """Propose all messages in a chunk; True after a terminal one. What came before a broken message counts."""
        broken: AttemptError | None = None
        try:
            messages: Sequence[Received] = stream.attempt.receive(chunk)
        except AttemptError as error:
            messages, broken = error.received, error
        for received in messages:
            if await self._take(run, stream, route, received):
                return True
        if broken is not None:
            raise broken
        return False

    async def _take(self, run: Run, stream: Stream, route: Route, received: Received) -> bool:
        """Propose the effect of one message; True if it was the last of the attempt. Raises AttemptFailure."""
        effect: Effect
        match received:
            case CommandReceived():
                if len(received.raw) >= self._config.message_size_warning:
                    _warn_of_size(run, received)
                effect = self._preconditions.admit(received, run.record.target)
                run.has_output = run.has_output or isinstance(received.command, Output)
            case RunProposed(completion_id, result, ack):
                effect = ProposeRun(completion_id, result, ack)
            case SuspensionReceived(awaiting):
                effect = Suspended(awaiting)
            case EndReceived():
                if not run.has_output:
                    raise AttemptFailure(
                        code="RT0012",
                        message="expected an Output before End, got none; the SDK ended without a result",
                    )
                effect = End()
            case ErrorReceived():
                await stream.end_request()
                await self._drain(stream)
                raise failures.from_error(received)
            case AwaitingOnReceived():
                return False
        await self._propose(run, route, effect)
        if not isinstance(effect, Suspended | End):
            return False
        ended = isinstance(effect, End)
        run.tell("the handler has ended" if ended else "suspended")
        self._metrics.tasks.add("completed" if ended else "suspended", "")
        return True

    async def _propose(self, run: Run, route: Route, effect: Effect) -> None:
        if not isinstance(effect, Suspended | End):
            run.retries = 0
            run.last_stored_ms = self._clock.now_ms()
            if not run.pinned:
                run.pinned = True
                effect = _pinned(effect, Pin(route.deployment.id, route.version))
        await self._effects.propose(AttemptEffect(run.id, run.token, effect))

    async def _drain(self, stream: Stream) -> None:
        """End the request, which lets the SDK end its answer, and read that to its end; a reset follows if it lasts."""
        with trio.move_on_after(self._config.drain_timeout_ms / 1000):
            try:
                await stream.end_request()
                while await stream.exchange.receive():
                    pass
            except ClientError:
                # The invocation's outcome is settled; how the connection ends changes nothing any more.
                return


def _delay_ms(run: Run) -> int:
    """How long the invocation has waited for this first attempt. 0 when the clock was set back meanwhile."""
    record = run.record
    return max(0, run.last_start_ms - max(record.created_ms, record.execution_time_ms or 0))


def _pinned(effect: Effect, pin: Pin) -> Effect:
    """The first append of an invocation carries where it stays from now on (settled.md #16)."""
    assert isinstance(effect, AppendCommand | ProposeRun)
    return msgspec.structs.replace(effect, pin=pin)


def _warn_of_size(run: Run, received: CommandReceived) -> None:
    log.warning(
        "command %d has %d bytes, close to invoker.message_size_limit; it is sent again with every replay",
        received.command_index,
        len(received.raw),
        extra=run.log_fields(),
    )

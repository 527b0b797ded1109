"""How other parts reach the partition: propose records, and wait for what becomes of them.

Nothing returns before the change it reports is on disk. A caller who is cancelled stops waiting; the record, once
accepted, is carried out all the same.
"""

import itertools
from collections.abc import Callable, Container
from typing import Generic, TypeVar

import trio

from restate.runtime.engine.actions import (
    AdminOutcome,
    AdminReply,
    DrainLater,
    IngressReply,
    PublishSchema,
    SubmitReply,
)
from restate.runtime.engine.records import (
    Attach,
    ChangeSchema,
    CompleteAwakeable,
    Invoke,
    Move,
    Operate,
    Operation,
    PatchState,
    Record,
    RestartAsNew,
    Resume,
    SendSignal,
    Terminate,
    TerminateKind,
)
from restate.runtime.errors import GrpcStatus, RestateError
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import IngressSink, IngressSource, Source
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Result
from restate.runtime.model.trace import TraceContext
from restate.runtime.schema.registry import Registry

T = TypeVar("T")
Durable = Callable[[], None]
"""Called once the record's writes are on disk."""


class Overloaded(RestateError):
    """The queue of the partition is full; nothing was accepted, so trying again is safe."""

    def __init__(self, message: str) -> None:
        super().__init__(message, http_status=503, grpc_status=GrpcStatus.RESOURCE_EXHAUSTED)


class ShuttingDown(RestateError):
    """The server stops. The message tells whether the request was accepted: then it is on disk and goes on."""

    def __init__(self, message: str) -> None:
        super().__init__(message, http_status=503, grpc_status=GrpcStatus.UNAVAILABLE)


class _Waiter(Generic[T]):
    """One value that arrives once, or never when the server stops. invocation: whose outcome it is, if it is one."""

    __slots__ = ("_event", "_value", "invocation")

    def __init__(self, invocation: InvocationId | None = None) -> None:
        self.invocation = invocation
        self._event = trio.Event()
        self._value: T | None = None

    def give(self, value: T) -> None:
        self._value = value
        self._event.set()

    def send_away(self) -> None:
        """Nothing will arrive. What has arrived already is still taken."""
        self._event.set()

    async def take(self) -> T:
        await self._event.wait()
        if self._value is None:
            raise ShuttingDown("the server is shutting down; the invocation goes on when it is started again")
        return self._value


class Partition:
    """The handle. One per process; `Processor` is the other end of its channel."""

    def __init__(self, *, queue_limit: int) -> None:
        self.send_channel, self.receive_channel = trio.open_memory_channel[
            tuple[Record | None, Durable | None]
        ](queue_limit)
        self.schema = Registry.EMPTY
        self.ready = trio.Event()
        self.changed = trio.Event()
        """Set, and replaced by a new one, whenever `schema`, `ready` or `refusing` has changed. Take it before you look."""
        self.refusing = False
        """The server stops: clients are not served any more."""
        self.outbox_waits = False
        """Messages overflowed into the outbox; the processor works them off between batches."""
        self._request_ids = itertools.count(1)
        # {request id: waiter}; removed by the caller that waits, whether it was answered or cancelled.
        self._replies: dict[int, _Waiter[IngressReply]] = {}
        self._submits: dict[int, _Waiter[SubmitReply]] = {}
        self._outcomes: dict[int, _Waiter[AdminOutcome]] = {}

    def begin(self, schema: Registry, boots: int) -> None:
        """Take over from the last process. boots: how often the store has been opened before.

        Records still name the requests of clients that died with that process. Numbers must not come again: the answer
        to one of those would go to a client that asked for something else.
        """
        self.schema = schema
        self._request_ids = itertools.count((boots << 40) + 1)

    def serve(self) -> None:
        """Requests that wait for the start go on."""
        self.ready.set()
        self._tell_of_change()

    def waiting(self) -> int:
        """How many records wait for the processor."""
        return self.receive_channel.statistics().current_buffer_used

    def clients(self) -> int:
        """How many clients wait for the outcome of an invocation."""
        return len(self._replies)

    # -- proposing -----------------------------------------------------------------------------------------------

    async def propose(self, record: Record, durable: Durable | None = None) -> None:
        """Queue a record, waiting for room: for parts that must not lose it (attempts, timers)."""
        try:
            # Not a checkpoint when there is room, which is nearly always: it is on the path of every command.
            self.send_channel.send_nowait((record, durable))
        except trio.WouldBlock:
            await self.send_channel.send((record, durable))

    def offer(self, record: Record | None, durable: Durable | None = None) -> None:
        """Queue a record or refuse at once: for clients. Raises Overloaded or ShuttingDown."""
        if self.refusing:
            raise ShuttingDown("the server is shutting down; send the request again when it is started again")
        try:
            self.send_channel.send_nowait((record, durable))
        except trio.WouldBlock:
            raise Overloaded("the server has more requests waiting than it accepts; retry later") from None

    async def settle(self) -> None:
        """Return once everything proposed before is applied and on disk."""
        done = trio.Event()
        await self.send_channel.send((None, done.set))
        await done.wait()

    async def _ask(
        self, waiters: dict[int, _Waiter[T]], waiter: _Waiter[T], record_of: Callable[[int], Record]
    ) -> T:
        """Offer the record that carries a new request id, and wait for the answer to that id."""
        request_id = next(self._request_ids)
        waiters[request_id] = waiter
        try:
            self.offer(record_of(request_id))
            return await waiter.take()
        finally:
            del waiters[request_id]

    async def _offer_durably(self, record: Record) -> None:
        done = trio.Event()
        self.offer(record, done.set)
        await done.wait()

    # -- invocations ---------------------------------------------------------------------------------------------

    async def call(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        source: Source | None = None,
        trace: TraceContext | None = None,
    ) -> IngressReply:
        """Start or join the invocation and wait for its outcome, however long. Raises Overloaded."""
        request_id = next(self._request_ids)
        waiter = self._replies[request_id] = _Waiter(callee.invocation)
        try:
            self.offer(_invoke(callee, body, headers, source, trace, sink=IngressSink(request_id)))
            del body  # it is in the journal soon, and may be long
            return await waiter.take()
        finally:
            del self._replies[request_id]

    async def send(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        source: Source | None = None,
        execution_time_ms: int | None = None,
        trace: TraceContext | None = None,
    ) -> SubmitReply:
        """Start or join the invocation; return once that is durable. Raises Overloaded."""
        return await self._ask(
            self._submits,
            _Waiter(),
            lambda request_id: _invoke(
                callee,
                body,
                headers,
                source,
                trace,
                submit_request=request_id,
                execution_time_ms=execution_time_ms,
            ),
        )

    async def attach(self, invocation: InvocationId, *, block: bool) -> IngressReply:
        """The outcome of an invocation; `block` waits for it. Raises Overloaded."""
        return await self._ask(
            self._replies,
            _Waiter(invocation),
            lambda request_id: Attach(invocation, IngressSink(request_id), block),
        )

    async def signal(self, invocation: InvocationId, key: int | str, result: Result) -> None:
        """Signal an invocation; return once that is durable, even if there is none. Raises Overloaded."""
        await self._offer_durably(SendSignal(invocation, key, result))

    async def complete_awakeable(self, invocation: InvocationId, index: int, result: Result) -> None:
        """Complete a classic awakeable; return once that is durable. Raises Overloaded."""
        await self._offer_durably(CompleteAwakeable(invocation, index, result))

    # -- operators -----------------------------------------------------------------------------------------------

    async def terminate(self, invocation: InvocationId, kind: TerminateKind) -> AdminOutcome:
        """Cancel or kill. Raises Overloaded."""
        return await self._outcome(lambda request_id: Terminate(invocation, kind, request_id))

    async def purge(self, invocation: InvocationId) -> AdminOutcome:
        """Forget a completed invocation. Raises Overloaded."""
        return await self._operate(invocation, Operation.PURGE)

    async def purge_journal(self, invocation: InvocationId) -> AdminOutcome:
        """Forget how a completed invocation got to its outcome. Raises Overloaded."""
        return await self._operate(invocation, Operation.PURGE_JOURNAL)

    async def pause(self, invocation: InvocationId) -> AdminOutcome:
        """ACCEPTED: as soon as the handler waits. Raises Overloaded."""
        return await self._operate(invocation, Operation.PAUSE)

    async def resume(self, invocation: InvocationId, move: Move | None = None) -> AdminOutcome:
        """Let it go on, or try again now. Raises Overloaded."""
        return await self._outcome(lambda request_id: Resume(invocation, move, request_id))

    async def restart_as_new(
        self, invocation: InvocationId, new_id: InvocationId, last_index: int = 0, move: Move | None = None
    ) -> AdminOutcome:
        """Run a completed invocation again, as `new_id`. Raises Overloaded."""
        return await self._outcome(
            lambda request_id: RestartAsNew(invocation, new_id, last_index, move, request_id)
        )

    async def patch_state(self, patch: PatchState) -> None:
        """Return once the patch is durable: applied, or in the inbox. Raises Overloaded."""
        await self._offer_durably(patch)

    async def _operate(self, invocation: InvocationId, operation: Operation) -> AdminOutcome:
        return await self._outcome(lambda request_id: Operate(invocation, operation, request_id))

    async def _outcome(self, record_of: Callable[[int], Record]) -> AdminOutcome:
        return await self._ask(self._outcomes, _Waiter(), record_of)

    async def change_schema(
        self, expected_version: int, rows: tuple[tuple[bytes, bytes | None], ...]
    ) -> bool:
        """Store schema rows; False if somebody else changed the schema first. Raises Overloaded.

        When it returns True the new registry has been published in `schema`.
        """
        outcome = await self._outcome(lambda request_id: ChangeSchema(expected_version, rows, request_id))
        return outcome is AdminOutcome.DONE

    # -- the end -------------------------------------------------------------------------------------------------

    def refuse(self) -> None:
        """Accept nothing more from clients. Attempts, timers and what was accepted before go on."""
        self.refusing = True
        self._tell_of_change()

    def awaited(self) -> set[InvocationId]:
        """The invocations whose outcome a client waits for."""
        return {waiter.invocation for waiter in self._replies.values() if waiter.invocation is not None}

    def send_away(self, invocations: Container[InvocationId]) -> None:
        """Tell the clients that wait for the outcome of these invocations that it will not come from this process.

        Call `settle` before: then the invocations are on disk, and an outcome that is there has been given out.
        """
        for waiter in self._replies.values():
            if waiter.invocation in invocations:
                waiter.send_away()

    # -- the processor's side ------------------------------------------------------------------------------------

    def drain_later(self, action: DrainLater) -> None:
        """Have the processor work off the outbox. Called on the Trio thread, must not wait for room in the queue."""
        self.outbox_waits = True
        try:
            self.send_channel.send_nowait((None, None))
        except trio.WouldBlock:
            # The queue is full, so the processor is awake and comes by.
            return

    def reply(self, action: IngressReply) -> None:
        """Wake the client that waits. One who has left misses nothing: the outcome stays as long as it is retained."""
        waiter = self._replies.get(action.request_id)
        if waiter is not None:
            waiter.give(action)

    def submitted(self, action: SubmitReply) -> None:
        waiter = self._submits.get(action.request_id)
        if waiter is not None:
            waiter.give(action)

    def operated(self, action: AdminReply) -> None:
        waiter = self._outcomes.get(action.request_id)
        if waiter is not None:
            waiter.give(action.outcome)

    def publish(self, action: PublishSchema) -> None:
        """Show the changed schema to everybody, now that it is durable."""
        self.schema = self.schema.changed(action.version, action.rows)
        self._tell_of_change()

    def _tell_of_change(self) -> None:
        changed, self.changed = self.changed, trio.Event()
        changed.set()


def _invoke(
    callee: Callee,
    body: bytes,
    headers: tuple[tuple[str, str], ...],
    source: Source | None,
    trace: TraceContext | None,
    *,
    sink: IngressSink | None = None,
    submit_request: int | None = None,
    execution_time_ms: int | None = None,
) -> Invoke:
    assert callee.target is not None
    return Invoke(
        id=callee.invocation,
        target=callee.target,
        body=body,
        headers=headers,
        source=source if source is not None else IngressSource(),
        sink=sink,
        completion_retention_ms=callee.completion_retention_ms,
        journal_retention_ms=callee.journal_retention_ms,
        idempotency_key=callee.idempotency_key,
        execution_time_ms=execution_time_ms,
        submit_request=submit_request,
        trace=trace,
    )

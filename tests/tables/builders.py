"""Strategies and small values for the tests of the tables."""

from hypothesis import strategies as st

from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import (
    Awaiting,
    CallSink,
    Combinator,
    IngressSink,
    IngressSource,
    InvocationRecord,
    Pin,
    RestartSource,
    ServiceSource,
    Status,
    SubscriptionSource,
)
from restate.runtime.model.journal import SIGNAL_CODE, Callee, CommandRow, NotificationRow
from restate.runtime.model.promise import PromiseListener, PromiseRow
from restate.runtime.model.result import VOID, CalleeId, Failure, StateKeys, Success, Void
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.model.timer import TimerKey, TimerKind

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
blobs = st.binary(max_size=8)
u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
times = st.integers(0, 2**63 - 1)
ids = st.binary(min_size=24, max_size=24).map(InvocationId)

targets = st.builds(
    Target, texts, texts, st.none() | texts, st.sampled_from(ServiceType), st.sampled_from(HandlerType)
)
voids = st.just(Void())
successes = st.builds(Success, blobs)
failures = st.builds(
    Failure, st.integers(0, 65535), texts, st.lists(st.tuples(texts, texts), max_size=2).map(tuple)
)
outcomes = successes | failures
results = (
    voids | outcomes | st.builds(StateKeys, st.lists(blobs, max_size=3).map(tuple)) | st.builds(CalleeId, ids)
)
sources = st.one_of(
    st.just(IngressSource()),
    st.builds(ServiceSource, ids, targets),
    st.builds(RestartSource, ids),
    st.builds(SubscriptionSource, texts),
)
sinks = st.builds(IngressSink, u64) | st.builds(CallSink, ids, u64, u32)
awaitings = st.recursive(
    st.builds(Awaiting, st.sampled_from(Combinator), st.lists(u32, max_size=2).map(tuple)),
    lambda inner: st.builds(
        Awaiting,
        st.sampled_from(Combinator),
        st.lists(u32, max_size=2).map(tuple),
        st.lists(u32, max_size=2).map(tuple),
        st.lists(texts, max_size=2).map(tuple),
        st.lists(inner, max_size=2).map(tuple),
    ),
    max_leaves=4,
)
records = st.builds(
    InvocationRecord,
    status=st.sampled_from(Status),
    target=targets,
    created_ms=times,
    modified_ms=times,
    pin=st.none() | st.builds(Pin, texts, u32),
    incarnation=u64,
    source=sources,
    sinks=st.lists(sinks, max_size=2).map(tuple),
    completion_retention_ms=times,
    journal_retention_ms=times,
    idempotency_key=st.none() | texts,
    execution_time_ms=st.none() | times,
    journal_length=u32,
    awaiting=st.none() | awaitings,
    outcome=st.none() | outcomes,
    random_seed=st.none() | u64,
)
callees = st.builds(Callee, ids, st.none() | targets)
command_rows = st.builds(CommandRow, u32, u32, times, blobs, st.booleans(), st.none() | callees)
notification_rows = st.builds(NotificationRow, u32, u32 | texts, times, results, st.booleans())
journal_rows = command_rows | notification_rows
listeners = st.builds(PromiseListener, ids, u64, u32)
promise_rows = st.builds(PromiseRow, st.none() | outcomes, st.lists(listeners, max_size=2).map(tuple))
timers = st.builds(TimerKey, u64, st.sampled_from(TimerKind), ids, u32)

PARTITION_KEY = b"\x00\x01\x02\x03\x04\x05\x06\x07"
ID = InvocationId(bytes(range(24)))
OTHER_ID = InvocationId(bytes(range(1, 25)))
TARGET = Target("Counter", "add", "key", ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE)


def record(
    status: Status = Status.INVOKED, *, incarnation: int = 1, target: Target = TARGET, modified_ms: int = 10
) -> InvocationRecord:
    return InvocationRecord(
        status=status,
        target=target,
        created_ms=10,
        modified_ms=modified_ms,
        pin=None,
        incarnation=incarnation,
        source=IngressSource(),
        sinks=(),
        completion_retention_ms=0,
        journal_retention_ms=0,
    )


def command(raw: bytes = b"raw", index: int = 0, code: int = 0x0400) -> CommandRow:
    return CommandRow(code, index, 5, raw)


def completion(
    key: int, result: Void | Success | Failure | StateKeys | CalleeId = VOID, code: int = 0x800C
) -> NotificationRow:
    return NotificationRow(code, key, 5, result)


def signal(key: int | str, result: Void | Success | Failure = VOID) -> NotificationRow:
    return NotificationRow(SIGNAL_CODE, key, 5, result)

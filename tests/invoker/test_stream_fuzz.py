"""A service that breaks the protocol in every way hurts its own invocation alone.

First a table: each violation, the code its attempt fails with. Then hypothesis makes streams of valid messages, broken
ones and bytes; whatever they are, the engine's invariants hold, others are served, and the invocation is somewhere.
STREAM_FUZZ_EXAMPLES says how many streams are tried for each version.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import attrs
import pytest
import trio
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from restate.runtime.config import Invoker, RetrySettings
from restate.runtime.engine.actions import IngressReply
from restate.runtime.engine.records import TerminateKind
from restate.runtime.model.ids import InvocationId, format_awakeable_id, format_invocation_id
from restate.runtime.model.invocation import Status
from restate.runtime.model.result import Success
from restate.runtime.net.client import StreamReset
from tests.engine import invariants
from tests.support.clock import EPOCH_MS
from tests.support.rig import Conversation, Rig
from tests.support.sdk_peer import ACK, CLASSIC, COMPLETED, MODERN

EXAMPLES = int(os.environ.get("STREAM_FUZZ_EXAMPLES", "60"))
SIZE_LIMIT = 4096
CLASSIC_VERSION = 1

Step = tuple[Any, ...]
"""("say", name, fields, flags)   one message; "$self" and "$awakeable" in it stand for ids of the invocation
("frame", code, flags, body)   a frame of whatever is inside
("head", code, length)         a header alone
("cut", step, bytes)           the beginning of a step
("flip", step, place, mask)    a step with one byte changed
("raw", bytes)
("settle",)                    let the server work off what it has"""

Target = tuple[str, str, str | None]


@attrs.frozen
class Attempt:
    """What the service does in one attempt. ending: close the answer, leave it open, or break the connection."""

    steps: tuple[Step, ...]
    ending: str = "close"


@attrs.frozen
class Case:
    """version: CLASSIC_VERSION or 5 to 7. After the attempts the service behaves well."""

    version: int
    target: Target
    attempts: tuple[Attempt, ...]
    on_max_attempts: Any = "pause"


@attrs.define
class Result:
    """record_status: before anything else was done to the invocation; None when it has gone."""

    replies: list[IngressReply] = attrs.field(factory=list)
    status: Status | None = None
    attempts: int = 0
    logged: list[logging.LogRecord] = attrs.field(factory=list)
    heard: list[str] = attrs.field(factory=list)

    @property
    def codes(self) -> list[str]:
        """Of the attempts that failed."""
        return [record.code for record in self.logged if hasattr(record, "code")]


class Service:
    """The script of all services: the invocation under test misbehaves, everybody else is answered."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.invocation = InvocationId(bytes(24))
        self.begun = 0
        self.heard: list[str] = []

    async def serve(self, sdk: Conversation) -> None:
        start = await sdk.hear()
        for _ in range(start.message.known_entries):
            await sdk.hear()
        attempt = self.begun
        if start.message.id == self.invocation:
            self.begun += 1
            if attempt < len(self.case.attempts):
                await self._misbehave(sdk, self.case.attempts[attempt])
                return
        output = {"value": b"ok"} if sdk.peer.classic else {"value": {"content": b"ok"}}
        sdk.say("OutputStream" if sdk.peer.classic else "Output", **output)
        sdk.say("End")
        sdk.close()

    async def _misbehave(self, sdk: Conversation, attempt: Attempt) -> None:
        for step in attempt.steps:
            if step == ("settle",):
                await trio.sleep(0.01)
            else:
                sdk.send(self._bytes(sdk, step))
        if attempt.ending == "close":
            sdk.close()
        elif attempt.ending == "break":
            sdk.break_off(StreamReset("broken by the test", error_code=2))
        await trio.sleep(0.1)
        self.heard += [heard.name for heard in sdk.peer.heard]

    def _bytes(self, sdk: Conversation, step: Step) -> bytes:
        match step:
            case ("say", name, fields, flags):
                return sdk.peer.say(name, self._named(fields), flags)
            case ("frame", code, flags, body):
                return frame(code, flags, body)
            case ("head", code, length):
                return frame(code, 0, b"")[:4] + int(length).to_bytes(4, "big")
            case ("cut", inner, count):
                return self._bytes(sdk, inner)[:count]
            case ("flip", inner, place, mask):
                data = bytearray(self._bytes(sdk, inner))
                data[place % len(data)] ^= mask
                return bytes(data)
            case ("raw", data):
                return bytes(data)
        raise AssertionError(step)

    def _named(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._named(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._named(item) for item in value]
        if value == "$self":
            return format_invocation_id(self.invocation)
        if value == "$awakeable":
            prefix: Any = "prom" if self.case.version == CLASSIC_VERSION else "sign"
            return format_awakeable_id(prefix, self.invocation, 17)
        return value


def frame(code: int, flags: int, body: bytes) -> bytes:
    return code.to_bytes(2, "big") + flags.to_bytes(2, "big") + len(body).to_bytes(4, "big") + body


def run(case: Case) -> Result:
    """Play a case in virtual time and check what must hold after every one."""
    result = Result()
    with _log(result.logged):
        trio.run(_play, case, result, clock=MockClock(autojump_threshold=0))
    crashes = [record for record in result.logged if record.exc_info]
    assert not crashes, [logging.Formatter().format(record) for record in crashes]
    return result


@contextmanager
def _log(records: list[logging.LogRecord]) -> Iterator[None]:
    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger = logging.getLogger("restate")
    handler, level = Keep(logging.DEBUG), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def _play(case: Case, result: Result) -> None:
    service = Service(case)
    async with trio.open_nursery() as nursery:
        rig = Rig(
            nursery,
            service.serve,
            invoker=Invoker(inactivity_timeout_ms=1000, abort_timeout_ms=1000, message_size_limit=SIZE_LIMIT),
            retry_policy=RetrySettings(
                initial_interval_ms=100, max_attempts=4, on_max_attempts=case.on_max_attempts
            ),
            version=max(case.version, 5),
        )
        await rig.start()
        await rig.register_classic()
        assert await _is_healthy(rig)
        tasks = len(nursery.child_tasks)

        callee = rig.callee(*case.target)
        service.invocation = callee.invocation

        async def client() -> None:
            body = b"\x0a\x01k" if case.target[0] == "Keyed" else b"in"
            result.replies.append(await rig.partition.call(callee, body, ()))

        nursery.start_soon(client)
        await trio.sleep(0.005)
        assert await _is_healthy(rig)
        await trio.sleep(60)
        await rig.partition.settle()
        record = rig.reader.invocations.get(callee.invocation)
        result.status = None if record is None else record.status
        result.attempts = service.begun
        result.heard = service.heard
        _assert_not_lost(rig, callee.invocation, result)
        invariants.check(rig.store)

        # Whatever it is in, it can be killed, and leaves nothing behind.
        with trio.fail_after(30):
            await rig.partition.terminate(callee.invocation, TerminateKind.KILL)
            while not result.replies:  # noqa: ASYNC110 -- virtual time
                await trio.sleep(0.1)
        await trio.sleep(30)
        assert await _is_healthy(rig)
        invariants.check(rig.store)
        assert len(nursery.child_tasks) == tasks, nursery.child_tasks
        nursery.cancel_scope.cancel()


async def _is_healthy(rig: Rig) -> bool:
    with trio.fail_after(10):
        modern = await rig.call("Greeter", "other", b"")
        classic = await rig.call("Plain", "m", b"")
    await trio.sleep(6)
    return modern.outcome == classic.outcome == Success(b"ok")


def _assert_not_lost(rig: Rig, invocation: InvocationId, result: Result) -> None:
    if result.replies:
        assert result.status in (None, Status.COMPLETED)
        return
    assert result.status in (Status.INVOKED, Status.SUSPENDED, Status.PAUSED)
    assert rig.supervisor.is_running(invocation) == (result.status is Status.INVOKED)


# -- the table -------------------------------------------------------------------------------------------------------

GREETER: Target = ("Greeter", "greet", None)
COUNTER: Target = ("Counter", "add", "k")
SHARED: Target = ("Counter", "get", "k")
SIGNUP: Target = ("Signup", "run", "w")
PLAIN: Target = ("Plain", "m", None)
KEYED: Target = ("Keyed", "m", "k")


def say(name: str, flags: int = 0, **fields: Any) -> Step:
    return ("say", name, fields, flags)


OUTPUT = say("Output", value={"content": b"ok"})
END = say("End")
RUN = say("Run", result_completion_id=1)
RESULT = say("ProposeRunCompletion", result_completion_id=1, value=b"1")
SLEEP = say("Sleep", result_completion_id=1, wake_up_time=EPOCH_MS + 3_600_000)


def tree(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {"waiting_signals": [1]}
    for _ in range(levels - 1):
        made = {"nested_futures": [made], "combinator_type": 1}
    return made


MODERN_VIOLATIONS: list[tuple[str, Target, list[Step], str]] = [
    ("start", GREETER, [say("Start")], "RT0012"),
    ("input", GREETER, [say("Input")], "RT0012"),
    ("command ack", GREETER, [say("CommandAck")], "RT0012"),
    ("a completion", GREETER, [SLEEP, say("SleepCompletion", completion_id=1, void={})], "RT0012"),
    ("a signal", GREETER, [say("Signal", idx=17, void={})], "RT0012"),
    ("unknown message", GREETER, [("frame", 0x0999, 0, b"")], "RT0012"),
    ("custom message", GREETER, [("frame", 0xFC01, 0, b"")], "RT0012"),
    ("body of random bytes", GREETER, [("frame", 0x040C, 0, b"\xff\xff\xff")], "RT0012"),
    ("random bytes", GREETER, [("raw", b"GET / HTTP/1.1\r\n")], "RT0003"),
    ("oversized", GREETER, [("head", 0x0401, SIZE_LIMIT)], "RT0003"),
    ("truncated header", GREETER, [RUN, ("cut", OUTPUT, 5)], "RT0012"),
    ("truncated body", GREETER, [RUN, ("cut", OUTPUT, 9)], "RT0012"),
    ("nothing", GREETER, [], "RT0007"),
    ("no end", GREETER, [RUN, RESULT], "RT0007"),
    ("end without output", GREETER, [END], "RT0012"),
    ("end after a command only", GREETER, [RUN, RESULT, ("settle",), END], "RT0012"),
    ("output of nothing", GREETER, [say("Output"), END], "RT0012"),
    ("result without run", GREETER, [RESULT], "RT0012"),
    ("result of a sleep", GREETER, [SLEEP, RESULT], "RT0012"),
    ("result twice", GREETER, [RUN, RESULT, ("settle",), RESULT], "RT0012"),
    ("result of nothing", GREETER, [RUN, say("ProposeRunCompletion", result_completion_id=1)], "RT0012"),
    ("completion id twice", GREETER, [RUN, RESULT, ("settle",), SLEEP], "RT0012"),
    ("suspension on nothing", GREETER, [say("Suspension")], "RT0012"),
    ("set state in a service", GREETER, [say("SetState", key=b"n", value={"content": b"1"})], "RT0017"),
    ("get state in a service", GREETER, [say("GetLazyState", key=b"n", result_completion_id=1)], "RT0017"),
    ("set state in a shared handler", SHARED, [say("SetState", key=b"n", value={})], "RT0017"),
    ("clear all state in a shared handler", SHARED, [say("ClearAllState")], "RT0017"),
    ("promise in an object", COUNTER, [say("GetPromise", key="p", result_completion_id=1)], "RT0017"),
    (
        "signal to nobody",
        COUNTER,
        [say("SendSignal", target_invocation_id="nobody", idx=1, void={})],
        "RT0017",
    ),
    ("awakeable of nobody", SIGNUP, [say("CompleteAwakeable", awakeable_id="sign_1x", value={})], "RT0017"),
    (
        "call with a scope",
        GREETER,
        [say("Call", service_name="Greeter", handler_name="greet", scope="t")],
        "RT0017",
    ),
    (
        "send with a limit key",
        GREETER,
        [say("OneWayCall", service_name="Greeter", handler_name="greet", limit_key="l")],
        "RT0017",
    ),
    ("call of an unknown service", GREETER, [say("Call", service_name="Nope", handler_name="x")], "RT0018"),
    (
        "call of an unknown handler",
        GREETER,
        [say("Call", service_name="Greeter", handler_name="nope", result_completion_id=1)],
        "RT0018",
    ),
    (
        "call of an object without key",
        GREETER,
        [
            say(
                "Call",
                service_name="Greeter",
                handler_name="greet",
                key="k",
                invocation_id_notification_idx=1,
                result_completion_id=2,
            )
        ],
        "RT0017",
    ),
    ("error", GREETER, [say("Error", code=500, message="boom")], "RT0007"),
    ("journal mismatch", GREETER, [say("Error", code=570, message="boom")], "RT0016"),
]

CLASSIC_END = say("End")
CLASSIC_VIOLATIONS: list[tuple[str, Target, list[Step], str]] = [
    ("start", PLAIN, [say("Start")], "RT0012"),
    ("input", PLAIN, [say("PollInputStream")], "RT0012"),
    ("completion", PLAIN, [say("Completion", entry_index=1)], "RT0012"),
    ("unknown message", PLAIN, [("frame", 0x0006, 0, b"")], "RT0012"),
    ("body of random bytes", KEYED, [("frame", 0x0C00, 0, b"\xff\xff\xff")], "RT0006"),
    ("random bytes", PLAIN, [("raw", b"GET / HTTP/1.1\r\n")], "RT0003"),
    ("oversized", PLAIN, [("head", 0x0401, 2**32 - 1)], "RT0003"),
    ("truncated", PLAIN, [("cut", say("OutputStream", value=b"1"), 9)], "RT0012"),
    ("nothing", PLAIN, [], "RT0007"),
    ("end without output", PLAIN, [END], "RT0012"),
    ("output of nothing", PLAIN, [say("OutputStream"), END], "RT0006"),
    ("suspension on nothing", KEYED, [say("Suspension")], "RT0012"),
    ("suspension on an unknown entry", KEYED, [say("Suspension", entry_indexes=[1])], "RT0012"),
    ("awakeable of nobody", PLAIN, [say("CompleteAwakeable", id="prom_1x", value=b"")], "RT0006"),
    ("call of an unknown service", PLAIN, [say("Invoke", service_name="Nope", method_name="m")], "RT0006"),
    (
        "call without a readable key",
        PLAIN,
        [say("Invoke", service_name="Keyed", method_name="m", parameter=b"\x0a\xff")],
        "RT0006",
    ),
    ("error", PLAIN, [say("Error", code=13, message="boom")], "RT0007"),
    ("journal mismatch", PLAIN, [say("Error", code=32, message="boom")], "RT0016"),
]

TABLE = [(version, *row) for version in (5, 6, 7) for row in MODERN_VIOLATIONS] + [
    (CLASSIC_VERSION, *row) for row in CLASSIC_VIOLATIONS
]


@pytest.mark.parametrize(
    ("version", "name", "target", "steps", "code"), TABLE, ids=[f"v{row[0]}-{row[1]}" for row in TABLE]
)
def test_a_violation_fails_the_attempt_with_its_code_and_the_next_one_succeeds(
    version: int, name: str, target: Target, steps: list[Step], code: str
) -> None:
    result = run(Case(version, target, (Attempt(tuple(steps)),)))
    assert result.codes == [code]
    assert result.attempts == 2
    assert [reply.outcome for reply in result.replies] == [Success(b"ok")]


@pytest.mark.parametrize("version", [5, 6])
@pytest.mark.parametrize("name", ["AwaitingOn", "ProposeRunCompletionAck"])
def test_messages_of_the_seventh_version_are_violations_before_it(version: int, name: str) -> None:
    assert run(Case(version, GREETER, (Attempt((say(name),)),))).codes == ["RT0012"]


@pytest.mark.parametrize("version", [5, 6, 7, CLASSIC_VERSION])
@pytest.mark.parametrize(("on_max_attempts", "status"), [("pause", Status.PAUSED), ("kill", None)])
def test_a_service_that_never_learns_is_given_up_by_policy(
    version: int, on_max_attempts: str, status: Status | None
) -> None:
    target = PLAIN if version == CLASSIC_VERSION else GREETER
    case = Case(version, target, (Attempt((("raw", b"x" * 9),)),) * 9, on_max_attempts)
    result = run(case)
    assert result.codes == ["RT0003"] * 4
    assert result.attempts == 4
    assert result.status in (status, Status.COMPLETED if status is None else status)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_a_suspension_on_a_completion_that_no_command_asks_for_is_a_violation(version: int) -> None:
    awaited: dict[str, Any] = {"waiting_completions": [1, 2], "waiting_signals": [1]}
    suspension = say("Suspension", awaiting_on=awaited) if version == 7 else say("Suspension", **awaited)
    assert run(Case(version, GREETER, (Attempt((SLEEP, suspension)),))).codes == ["RT0012"]


def test_an_await_tree_of_a_hundred_levels_is_kept_and_a_deeper_one_pauses() -> None:
    kept = run(Case(7, GREETER, (Attempt((RUN, say("Suspension", awaiting_on=tree(100)))),)))
    assert (kept.codes, kept.status) == ([], Status.SUSPENDED)
    for levels in (101, 150):
        deep = run(Case(7, GREETER, (Attempt((RUN, say("Suspension", awaiting_on=tree(levels)))),)))
        assert (deep.codes, deep.status) == (["RT0025"], Status.PAUSED)


@pytest.mark.parametrize("version", [5, 6, 7])
def test_of_two_outputs_the_last_counts_and_what_follows_the_end_is_ignored(version: int) -> None:
    last = say("Output", value={"content": b"last"})
    for after in (OUTPUT, say("Start"), ("raw", b"\xff" * 20), ("head", 0x0401, 2**32 - 1)):
        result = run(Case(version, GREETER, (Attempt((OUTPUT, last, END, after)),)))
        assert result.codes == []
        assert [reply.outcome for reply in result.replies] == [Success(b"last")]


@pytest.mark.parametrize("version", [5, 6, 7])
def test_every_command_is_acknowledged_that_asks_for_it(version: int) -> None:
    steps = (say("Run", ACK, result_completion_id=1), ("settle",), ("say", *RESULT[1:3], ACK), ("settle",))
    result = run(Case(version, GREETER, (Attempt(steps),)))
    assert result.heard == ["CommandAck", "ProposeRunCompletionAck" if version == 7 else "RunCompletion"]


# -- random streams --------------------------------------------------------------------------------------------------

_NUMBERS = {
    "wake_up_time": (0, 1, EPOCH_MS + 50, EPOCH_MS + 10_000, 2**63, 2**64 - 1),
    "invoke_time": (0, 1, EPOCH_MS + 50, EPOCH_MS + 10_000, 2**63, 2**64 - 1),
    "next_retry_delay": (0, 1, 500, 2**64 - 1),
    "code": (0, 1, 13, 16, 32, 409, 500, 570, 2**32 - 1),
    "idx": (0, 1, 2, 17, 2**32 - 1),
    "waiting_signals": (1, 17, 18),
}
_TEXTS = {
    "service_name": ("Greeter", "Counter", "Signup", "Plain", "Keyed", "Nope", ""),
    "handler_name": ("greet", "add", "get", "run", "approve", "m", "nope", ""),
    "method_name": ("m", "greet", "add", "nope", ""),
    "workflow_name": ("Signup", "Counter", "Nope"),
    "invocation_id": ("$self", "inv_1", "", "inv_10000000000000000000000000000001"),
    "target_invocation_id": ("$self", "nobody"),
    "awakeable_id": ("$awakeable", "sign_1", "prom_1", ""),
    "id": ("$awakeable", "sign_1", "prom_1", ""),
}
_SMALL = st.integers(0, 12) | st.sampled_from((2**31 - 1, 2**31, 2**32 - 1))
_BYTES = st.sampled_from((b"", b"n", b"m", b"\xff", b"\x0a\x01k", b"\x0a\xff")) | st.binary(max_size=20)


def _field(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    one: st.SearchStrategy[Any]
    if depth > 2 and field.name == "nested_futures":
        return st.just([])
    if field.message_type is not None:
        one = _fields(field.message_type, depth + 1)
    elif field.type == FieldDescriptor.TYPE_STRING:
        one = st.sampled_from(_TEXTS.get(field.name, ("", "k", "w", "ключ")))
    elif field.type == FieldDescriptor.TYPE_BYTES:
        one = _BYTES
    elif field.type == FieldDescriptor.TYPE_BOOL:
        one = st.booleans()
    elif field.enum_type is not None:
        one = st.integers(0, 5)
    elif field.name in _NUMBERS:
        one = st.sampled_from(_NUMBERS[field.name])
    elif field.type == FieldDescriptor.TYPE_INT32:
        one = st.integers(-1, 20)
    else:
        one = _SMALL
    if not field.is_repeated:
        return one
    return st.lists(one, max_size=3)


@cache
def _fields(message: Descriptor, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Anything that the message may hold; of a oneof, mostly one member."""
    plain = {field.name: _field(field, depth) for field in message.fields if field.containing_oneof is None}
    parts = [st.fixed_dictionaries(plain)]
    for oneof in message.oneofs:
        members = [st.fixed_dictionaries({field.name: _field(field, depth)}) for field in oneof.fields]
        parts.append(st.one_of(*members) | st.just({}))
    return st.tuples(*parts).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )


def _message(classic: bool) -> st.SearchStrategy[Step]:
    messages = CLASSIC if classic else MODERN
    flags = st.sampled_from((0, 0, 0, ACK, ACK, COMPLETED, 0xFFFF))

    def made(name: str) -> st.SearchStrategy[Step]:
        return st.tuples(st.just("say"), st.just(name), _fields(messages[name][1].DESCRIPTOR), flags)

    from_server = ("Start", "CommandAck", "Input", "PollInputStream", "Completion", "EntryAck", "Signal")
    usual = [name for name in messages if name not in from_server and not name.endswith("Completion")]
    return st.sampled_from(usual).flatmap(made) | st.sampled_from(sorted(messages)).flatmap(made)


def _steps(version: int) -> st.SearchStrategy[tuple[Step, ...]]:
    classic = version == CLASSIC_VERSION
    message = _message(classic)
    good: list[Step] = [
        say("Sleep", wake_up_time=EPOCH_MS + 100)
        if classic
        else say("Sleep", wake_up_time=EPOCH_MS + 100, result_completion_id=1),
        say("SideEffect", ACK, value=b"1") if classic else RUN,
        say("Awakeable") if classic else RESULT,
        say("OutputStream", value=b"1") if classic else OUTPUT,
        END,
        say("Suspension", entry_indexes=[1]) if classic else say("Suspension", waiting_completions=[1]),
        say("Suspension", awaiting_on={"waiting_completions": [1], "combinator_type": 1})
        if version == 7
        else ("settle",),
    ]
    broken = st.one_of(
        st.tuples(st.just("cut"), message, st.integers(1, 40)),
        st.tuples(st.just("flip"), message, st.integers(0, 200), st.integers(1, 255)),
        st.tuples(st.just("frame"), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=20)),
        st.tuples(
            st.just("head"), st.just(0x0401), st.sampled_from((8, SIZE_LIMIT - 1, SIZE_LIMIT, 2**32 - 1))
        ),
        st.tuples(st.just("raw"), st.binary(min_size=1, max_size=30)),
    )
    usual: st.SearchStrategy[Step] = st.sampled_from(good) | message | message | st.just(("settle",))
    return st.tuples(st.lists(usual, max_size=8), st.lists(broken | usual, max_size=4)).map(
        lambda parts: (*parts[0], *parts[1])
    )


def _cases(version: int) -> st.SearchStrategy[Case]:
    targets = (PLAIN, KEYED) if version == CLASSIC_VERSION else (GREETER, COUNTER, SHARED, SIGNUP)
    attempt = st.builds(Attempt, _steps(version), st.sampled_from(("close", "close", "open", "break")))
    return st.builds(
        Case,
        st.just(version),
        st.sampled_from(targets),
        st.lists(attempt, min_size=1, max_size=5).map(tuple),
        st.sampled_from(("pause", "kill")),
    )


@pytest.mark.parametrize("version", [5, 6, 7, CLASSIC_VERSION])
def test_any_stream_leaves_the_invocation_somewhere_and_everybody_else_alone(version: int) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(_cases(version))
    def check(case: Case) -> None:
        run(case)

    check()

"""The fault points F1 to F22 of engine.md §10: the process stops there, starts again, and the work comes to its end.

Afterwards the invariants hold, what was acknowledged is there, and every external effect has happened at least once.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from restate.runtime.engine.records import AttemptEffect, End
from restate.runtime.engine.turn import object_of
from restate.runtime.model.result import Success
from restate.runtime.model.target import HandlerType, ServiceType, Target
from restate.runtime.net.client import StreamReset
from restate.runtime.storage.api import StorageError
from restate.runtime.tables.api import Tables
from tests.faults.power import PATIENCE_S, Power, PowerCut, Sdk, Server, Suspended, watch_actions
from tests.support.clock import TrioClock
from tests.support.rig import Conversation, Rig

CLIENTS = 3
OBJECT = Target("Counter", "add", "k", ServiceType.VIRTUAL_OBJECT, HandlerType.EXCLUSIVE)


@attrs.define
class Books:
    """What the world outside knows. effects: how often each happened. replies: {client: its answer}. sent: clients whose
    send was acknowledged.
    """

    effects: Counter[str] = attrs.field(factory=Counter)
    replies: dict[str, object] = attrs.field(factory=dict)
    sent: set[str] = attrs.field(factory=set)
    replays: int = 0
    power: Power = attrs.field(factory=Power)

    def handlers(self) -> dict[str, Callable[[Sdk], Awaitable[None]]]:
        return {"add": self.add, "greet": self.greet, "other": self.other}

    async def add(self, sdk: Sdk) -> None:
        """Raise the object's number; with a closure, a call, a send and a sleep on the way."""
        self.replays += sdk.replaying
        who = sdk.input.decode()
        before = int(sdk.state.get(b"n", b"0"))
        number = int(sdk.command("SetState", key=b"n", value={"content": b"%d" % (before + 1)}).value.content)
        await sdk.run(1, lambda: self._effect(f"charge {who}"))
        sdk.command(
            "Call",
            service_name="Greeter",
            handler_name="greet",
            parameter=sdk.input,
            invocation_id_notification_idx=2,
            result_completion_id=3,
        )
        greeting = (await sdk.result(3)).value.content
        sdk.command(
            "OneWayCall",
            service_name="Greeter",
            handler_name="other",
            parameter=sdk.input,
            invocation_id_notification_idx=4,
        )
        sdk.command("Sleep", wake_up_time=now_ms() + 1000, result_completion_id=5)
        await sdk.result(5)
        sdk.output(b"%s %d" % (greeting, number))

    async def greet(self, sdk: Sdk) -> None:
        sdk.output(await sdk.run(1, lambda: self._effect(f"greet {sdk.input.decode()}", b"hi " + sdk.input)))

    async def other(self, sdk: Sdk) -> None:
        await sdk.run(1, lambda: self._effect(f"other {sdk.input.decode()}"))
        sdk.output(b"")

    def _effect(self, name: str, value: bytes = b"ok") -> bytes:
        self.effects[name] += 1
        self.power.point("after closure")
        return value

    async def work(self, rig: Rig) -> None:
        """Clients that ask again, with the same idempotency key, until they have an answer."""
        async with trio.open_nursery() as clients:
            for number in range(CLIENTS):
                clients.start_soon(self._call, rig, f"c{number}")
            clients.start_soon(self._send, rig, "s")
        # What nobody waits for ends, too.
        await trio.sleep(30)

    async def _call(self, rig: Rig, who: str) -> None:
        callee = rig.callee("Counter", "add", "k", who)
        reply = await rig.partition.call(callee, who.encode(), ())
        assert self.replies.setdefault(who, reply.outcome) == reply.outcome, "all get the same answer"

    async def _send(self, rig: Rig, who: str) -> None:
        callee = rig.callee("Greeter", "other", idempotency_key=who)
        reply = await rig.partition.send(callee, who.encode(), ())
        assert not (reply.is_new and who in self.sent), "what was acknowledged is there"
        self.sent.add(who)

    def settle(self, server: Server) -> None:
        """Everything happened, and nothing of the state twice."""
        numbers = set()
        for number in range(CLIENTS):
            outcome = self.replies[f"c{number}"]
            assert isinstance(outcome, Success)
            greeting, _, counted = outcome.value.rpartition(b" ")
            assert greeting == b"hi c%d" % number
            numbers.add(int(counted))
        assert numbers == set(range(1, CLIENTS + 1))
        assert Tables(server.store).state.get(*object_of(OBJECT), b"n") == b"%d" % CLIENTS
        expected = {f"{kind} c{number}" for kind in ("charge", "greet", "other") for number in range(CLIENTS)}
        assert set(self.effects) == expected | {"other s"}


def now_ms() -> int:
    return 1_700_000_000_000 + round(trio.current_time() * 1000)


async def cut_everywhere(kind: str, *, keep: int = 0, least: int = 10) -> Counter[str]:
    """Cut at each passing of a point; after each the work is finished. The effects of all runs together."""
    effects: Counter[str] = Counter()
    for at in itertools.count(1):
        books = Books()
        server = Server(books.handlers())
        server.power = books.power = Power(kind, at)
        if await server.live(books.work, keep=keep):
            books.settle(server)
            assert at > least, f"expected to pass '{kind}' more often than {at - 1} times"
            return effects
        books.power = server.power
        assert await server.live(books.work)
        books.settle(server)
        effects += books.effects
    raise AssertionError("not reached")


async def test_F1_before_the_write(autojump_clock: MockClock) -> None:
    await cut_everywhere("before write")


@pytest.mark.parametrize("keep", [0, 1, 1000])
async def test_F2_after_the_write_and_before_it_is_on_disk(autojump_clock: MockClock, keep: int) -> None:
    await cut_everywhere("before flush", keep=keep)


async def test_F3_on_disk_and_before_the_actions(autojump_clock: MockClock) -> None:
    await cut_everywhere("after flush")


async def test_F4_after_each_action(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    watch_actions(monkeypatch)
    await cut_everywhere("after action", least=40)


@pytest.mark.parametrize("point", ["before request", "after request"])
async def test_F5_between_accepting_a_request_and_storing_it(autojump_clock: MockClock, point: str) -> None:
    await cut_everywhere(point, least=4)


async def test_F6_on_disk_and_before_the_client_is_told(autojump_clock: MockClock) -> None:
    await cut_everywhere("before reply", least=3)


@pytest.mark.parametrize("point", ["before effect", "after effect"])
async def test_F7_around_every_append_the_first_of_which_pins(autojump_clock: MockClock, point: str) -> None:
    await cut_everywhere(point, least=40)


class BadStream:
    """Lets one message of an SDK go wrong, the `at`-th of all that are said."""

    def __init__(self, how: str, at: int) -> None:
        self._how = how
        self._at = at
        self.said = 0
        self.happened = False

    def say(self, conversation: Conversation, name: str, flags: int = 0, **fields: object) -> None:
        self.said += 1
        if self.said != self._at or (self._how == "no output" and name != "Output"):
            conversation.send(conversation.peer.say(name, fields, flags))
            return
        self.happened = True
        data = conversation.peer.say(name, fields, flags)
        match self._how:
            case "dropped after it":
                conversation.send(data)
            case "half of it":
                conversation.send(data[: len(data) // 2 + 1])
            case "ended after it":
                conversation.send(data)
                conversation.close()
                raise Suspended
            case "no output":
                return
        conversation.break_off(StreamReset("reset by the peer", error_code=2))
        raise Suspended


@pytest.mark.parametrize("how", ["dropped after it", "half of it", "ended after it", "no output"])
async def test_F8_a_stream_that_ends_at_any_message(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    faults = 0
    for at in itertools.count(1):
        bad = BadStream(how, at)
        monkeypatch.setattr(Conversation, "say", lambda *args, bad=bad, **fields: bad.say(*args, **fields))
        books = Books()
        server = Server(books.handlers())
        assert await server.live(books.work)
        books.settle(server)
        faults += bad.happened
        if bad.said < at:
            break
    assert faults >= (7 if how == "no output" else 40)


async def test_F9_after_a_closure_has_run(autojump_clock: MockClock) -> None:
    """Before the proposal arrived; F7 and F3 stop after it was stored and before its ack."""
    effects = await cut_everywhere("after closure", least=9)
    assert max(effects.values()) > effects.total() / len(effects), (
        "a closure without a stored result runs again"
    )


async def test_F11_a_notification_between_the_read_of_the_journal_and_the_open_stream(
    autojump_clock: MockClock,
) -> None:
    reading, go_on = trio.Event(), trio.Event()

    async def greet(sdk: Sdk) -> None:
        sdk.output((await sdk.signal("go")).value.content)

    def hold_open(rig: Rig) -> None:
        opened = rig.client.open

        async def slowly(*args: Any, **options: Any) -> Any:
            reading.set()
            await go_on.wait()
            return await opened(*args, **options)

        rig.client.open = slowly  # type: ignore[method-assign]

    async def work(rig: Rig) -> None:
        callee = rig.callee("Greeter", "greet")
        await rig.partition.send(callee, b"", ())
        await reading.wait()
        await rig.partition.signal(callee.invocation, "go", Success(b"gone"))
        go_on.set()
        with trio.fail_after(PATIENCE_S / 2):
            assert (await rig.partition.attach(callee.invocation, block=True)).outcome == Success(b"gone")

    assert await Server({"greet": greet}, prepare=hold_open).live(work)


@pytest.mark.parametrize("down_ms", [0, 9_000, 10_000, 60_000])
@pytest.mark.parametrize("step_ms", [0, -3_600_000, 3_600_000])
async def test_F12_a_sleep_over_a_restart_with_a_clock_that_jumps(
    autojump_clock: MockClock, down_ms: int, step_ms: int
) -> None:
    woken: list[int] = []
    clock = JumpingClock()
    start_ms = clock.now_ms()

    async def greet(sdk: Sdk) -> None:
        due_ms = sdk.command(
            "Sleep", wake_up_time=clock.now_ms() + 10_000, result_completion_id=1
        ).wake_up_time
        await sdk.result(1)
        woken.append(clock.now_ms())
        sdk.output(b"%d" % due_ms)

    def set_clock(rig: Rig) -> None:
        rig.clock = clock

    async def begin(rig: Rig) -> None:
        callee = rig.callee("Greeter", "greet", idempotency_key="i")
        await rig.partition.send(callee, b"", ())
        await trio.sleep(1)
        raise PowerCut

    async def finish(rig: Rig) -> None:
        callee = rig.callee("Greeter", "greet", idempotency_key="i")
        reply = await rig.partition.attach(callee.invocation, block=True)
        assert reply.outcome == Success(b"%d" % (start_ms + 10_000))

    server = Server({"greet": greet}, prepare=set_clock)
    assert not await server.live(begin)
    await trio.sleep(down_ms / 1000)
    clock.step_ms = step_ms
    assert await server.live(finish)
    # Never early by the clock as it was at any time.
    assert len(woken) == 1
    assert woken[0] >= start_ms + 10_000


async def test_F21_the_abort_of_an_old_attempt_leaves_its_successor_alone(autojump_clock: MockClock) -> None:
    """An old attempt that speaks late is told to stop, by its token."""
    attempts = 0

    async def greet(sdk: Sdk) -> None:
        nonlocal attempts
        attempts += 1
        sdk.output((await sdk.signal("go")).value.content)

    async def work(rig: Rig) -> None:
        callee = rig.callee("Greeter", "greet")
        await rig.partition.send(callee, b"", ())
        await trio.sleep(PATIENCE_S / 2)
        await rig.partition.propose(AttemptEffect(callee.invocation, 0, End()))
        await trio.sleep(PATIENCE_S / 4)
        await rig.partition.signal(callee.invocation, "go", Success(b"gone"))
        with trio.fail_after(PATIENCE_S / 4):
            assert (await rig.partition.attach(callee.invocation, block=True)).outcome == Success(b"gone")

    assert await Server({"greet": greet}).live(work)
    assert attempts == 1


class JumpingClock(TrioClock):
    """step_ms: how far the machine's clock is from where it was."""

    step_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.step_ms


async def test_F19_inside_the_start_again_and_again(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch_actions(monkeypatch)
    starts = 0
    for at, kind in itertools.product(
        (6, 14, 22), ("before write", "before flush", "after flush", "after action")
    ):
        books = Books()
        server = Server(books.handlers())
        server.power = books.power = Power("after write", at)
        assert not await server.live(books.work, keep=1)
        for passing in (1, 1, 2, 3, 1):
            server.power = books.power = Power(kind, passing)
            starts += not await server.live(books.work)
        books.power = server.power = Power()
        assert await server.live(books.work)
        books.settle(server)
    assert starts > 40


@pytest.mark.parametrize("point", ["before write", "before flush"])
async def test_F20_an_error_of_the_disk_ends_the_process_and_acknowledges_nothing(
    autojump_clock: MockClock, point: str
) -> None:
    for at in (3, 9, 15, 21):
        books = Books()
        server = Server(books.handlers())
        server.power = books.power = Power(point, at, error=StorageError("no space left on device"))
        assert not await server.live(books.work)
        books.power = server.power
        assert await server.live(books.work)
        books.settle(server)

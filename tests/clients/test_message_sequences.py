"""What crosses the wire between the server and each SDK, message by message (service-protocol §7).

`>` is the server, `<` the SDK; messages by type. Where an order is up to chance, the sides are compared one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.wire_proxy import Exchange, WireProxy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.programs import ServiceProgram

_SETTINGS = attrs.evolve(INACTIVITY, inactivity_timeout="1s")
"""So that no pause of a busy machine suspends what answers at once: each message is compared."""


@attrs.frozen
class Wire:
    """A bed whose service is reached through the recording proxy."""

    program: ServiceProgram
    caller: Caller
    proxy: WireProxy

    def wait_for(self, name: str) -> str:
        """What a handler writes under this name."""
        return eventually(lambda: self.program.read(name), what=name)

    def exchanges(self, path: str, after: int = 0, *, count: int) -> list[Exchange]:
        """The exchanges for a path from number `after` on, once that many have ended; AssertionError on more."""

        def ended() -> list[Exchange] | None:
            found = self.proxy.exchanges(path)[after:]
            return found if len(found) >= count and not any(one.open_sides for one in found) else None

        found = eventually(ended, what=f"{count} exchanges of {path} to end")
        assert len(found) == count, [one.events for one in found]
        return found

    def seen(self, path: str) -> int:
        return len(self.proxy.exchanges(path))


def messages(text: str) -> list[str]:
    """`> 0000 0400 < 0401 0003` → one event per message."""
    side, events = "", []
    for word in text.split():
        if word in "<>":
            side = word
        else:
            events.append(f"{side} {word}")
    return events


def assert_messages(exchanges: Sequence[Exchange], *expected: str) -> None:
    assert [one.messages() for one in exchanges] == [messages(text) for text in expected]


def half_closes_before_suspension(exchange: Exchange) -> bool:
    return exchange.events[-3:] == [">|", "< 0001", "<|"]


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.TYPESCRIPT], ids=lambda sdk: sdk.value)
def modern(
    request: pytest.FixtureRequest, server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Wire]:
    yield from _wire(request.param, server_kind, tmp_path_factory)


@pytest.fixture(scope="module")
def classic(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    yield from _wire(Sdk.CLASSIC, server_kind, tmp_path_factory)


def _wire(sdk: Sdk, server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp(f"wire-{server_kind}-{sdk.value}")
    program = start_program(sdk, folder / "bed")
    try:
        server = make_server(server_kind, folder, _SETTINGS)
        try:
            with WireProxy(program.port) as proxy, Caller(server) as caller:
                caller.register(proxy.uri)
                yield Wire(program, caller, proxy)
        finally:
            server.stop()
    finally:
        program.stop()


def test_modern_call(modern: Wire) -> None:
    modern.caller.call("Greeter/greet", "joe").ok()
    (exchange,) = modern.exchanges("Greeter/greet", count=1)
    # The SDK ends its side only after the server has closed the other.
    assert exchange.events == ["> 0000", "> 0400", "< 0401", "< 0003", ">|", "<|"]
    assert exchange.invocation_id.startswith("inv_1")
    assert exchange.headers["content-type"] == "application/vnd.restate.invocation.v6"


def test_modern_eager_state(modern: Wire) -> None:
    for _ in range(2):
        modern.caller.call("Counter/k1/add", 1).ok()
    both = modern.exchanges("Counter/add", count=2)
    assert_messages(both, *["> 0000 0400 < 0407 0403 0401 0003"] * 2)
    # The first call's Start has no state, the second one's carries what the first set.
    state_key = b"\x0a\x01n"
    assert [state_key in one.bodies[0] for one in both] == [False, True]


def test_modern_state_operations(modern: Wire) -> None:
    modern.caller.call("Store/s/mixed").ok()
    assert_messages(
        modern.exchanges("Store/mixed", count=1),
        "> 0000 0400 < 0407 0403 0403 0407 0408 0404 0407 0405 0408 0401 0003",
    )


def test_modern_lazy_state(modern: Wire) -> None:
    modern.caller.call("LazyStore/s/mixed").ok()
    assert_messages(
        modern.exchanges("LazyStore/mixed", count=1),
        "> 0000 0400 < 0402 > 8002 < 0403 0403 0407 0406 > 8006 < 0404 0407 0405 0408 0401 0003",
    )


def test_modern_runs(modern: Wire) -> None:
    modern.caller.call("Steps/runTwice", "x").ok()
    assert_messages(
        modern.exchanges("Steps/runTwice", count=1),
        "> 0000 0400 < 0411 0005 > 8011 < 0411 0005 > 8011 < 0401 0003",
    )


def test_modern_run_failure(modern: Wire) -> None:
    assert modern.caller.call("Steps/runFails", "bad step").status == 422
    assert_messages(modern.exchanges("Steps/runFails", count=1), "> 0000 0400 < 0411 0005 > 8011 < 0401 0003")


def test_modern_sleep_suspends_without_an_open_stream_and_replays(modern: Wire) -> None:
    sent = modern.caller.send("Steps/sleep", {"name": "wire", "ms": 3000})
    first, *_ = modern.exchanges("Steps/sleep", count=1)
    assert modern.proxy.open_streams() == 0
    assert modern.caller.output(sent).status == 470
    assert modern.caller.attach(sent).ok() == 2
    both = modern.exchanges("Steps/sleep", count=2)
    assert_messages(both, "> 0000 0400 < 040C 0001", "> 0000 0400 040C 800C < 0401 0003")
    assert half_closes_before_suspension(first)
    assert both[0].bodies[2] == both[1].bodies[2], "a replayed command is sent with the bytes received"


def test_modern_run_longer_than_the_inactivity_timeout(modern: Wire) -> None:
    modern.caller.call("Steps/longRun", {"ms": 2000}).ok()
    both = modern.exchanges("Steps/longRun", count=2)
    assert both[0].events == ["> 0000", "> 0400", "< 0411", ">|", "< 0005", "< 0001", "<|"]
    assert both[1].messages() == messages("> 0000 0400 0411 8011 < 0401 0003")


def test_modern_call_to_a_service(modern: Wire) -> None:
    modern.caller.call("Steps/tree", 2).ok()
    assert_messages(
        modern.exchanges("Steps/tree", count=2),
        "> 0000 0400 < 040D > 800E 800D < 0401 0003",
        "> 0000 0400 < 0401 0003",
    )


def test_modern_one_way_calls(modern: Wire) -> None:
    modern.caller.call("Steps/sends", {"key": "w", "count": 2, "delay_ms": 1}).ok()
    (exchange,) = modern.exchanges("Steps/sends", count=1)
    assert exchange.types("<") == ["040E", "040E", "0401", "0003"]


def test_modern_awakeable_resolved_while_suspended(modern: Wire) -> None:
    seen = modern.seen("Steps/awaits")
    sent = modern.caller.send("Steps/awaits", "late")
    awakeable_id = modern.wait_for("late.awakeable")
    modern.exchanges("Steps/awaits", seen, count=1)
    modern.caller.resolve(awakeable_id, "v")
    assert modern.caller.attach(sent).ok() == "v"
    both = modern.exchanges("Steps/awaits", seen, count=2)
    assert_messages(both, "> 0000 0400 < 0411 0005 > 8011 < 0001", "> 0000 0400 0411 8011 FBFF < 0401 0003")
    assert half_closes_before_suspension(both[0])


def test_modern_awakeable_resolved_while_running(modern: Wire) -> None:
    seen = modern.seen("Steps/awaits")
    sent = modern.caller.send("Steps/awaits", "soon")
    modern.caller.resolve(modern.wait_for("soon.awakeable"), "v")
    assert modern.caller.attach(sent).ok() == "v"
    (exchange,) = modern.exchanges("Steps/awaits", seen, count=1)
    # The resolution races with the end of the run that announced the id.
    assert sorted(exchange.types(">")) == ["0000", "0400", "8011", "FBFF"]
    assert exchange.types("<") == ["0411", "0005", "0401", "0003"]


def test_modern_completion_by_a_handler(modern: Wire) -> None:
    sent = modern.caller.send("Steps/awaits", "byHandler")
    modern.caller.call("Steps/resolves", {"id": modern.wait_for("byHandler.awakeable"), "value": 1}).ok()
    assert_messages(modern.exchanges("Steps/resolves", count=1), "> 0000 0400 < 0414 0401 0003")
    assert modern.caller.attach(sent).ok() == 1


def test_modern_cancel_of_a_running_invocation(modern: Wire) -> None:
    seen = modern.seen("Steps/stuck")
    sent = modern.caller.send("Steps/stuck", {"name": "c1", "depth": 1})
    modern.wait_for("c1.stuck.1")
    eventually(lambda: "< 040C" in modern.proxy.exchanges("Steps/stuck")[-1].events, what="the sleep")
    modern.caller.cancel(sent)
    assert_messages(modern.exchanges("Steps/stuck", seen, count=1), "> 0000 0400 < 040C > FBFF < 0401 0003")


def test_modern_cancel_of_a_suspended_invocation(modern: Wire) -> None:
    seen = modern.seen("Steps/stuck")
    sent = modern.caller.send("Steps/stuck", {"name": "c2", "depth": 1})
    modern.exchanges("Steps/stuck", seen, count=1)
    modern.caller.cancel(sent)
    assert_messages(
        modern.exchanges("Steps/stuck", seen, count=2),
        "> 0000 0400 < 040C 0001",
        "> 0000 0400 040C FBFF < 0401 0003",
    )


def test_modern_cancel_reaches_the_child_through_the_sdk(modern: Wire) -> None:
    seen = modern.seen("Steps/stuck")
    sent = modern.caller.send("Steps/stuck", {"name": "c3", "depth": 2})
    modern.wait_for("c3.stuck.1")
    eventually(lambda: "< 040C" in modern.proxy.exchanges("Steps/stuck")[-1].events, what="the sleep")
    modern.caller.cancel(sent)
    assert_messages(
        modern.exchanges("Steps/stuck", seen, count=2),
        "> 0000 0400 < 040D > 800E FBFF < 0410 0401 0003",
        "> 0000 0400 < 040C > FBFF < 0401 0003",
    )


def test_modern_kill_resets_the_stream(modern: Wire) -> None:
    seen = modern.seen("Steps/stuck")
    sent = modern.caller.send("Steps/stuck", {"name": "killed", "depth": 1})
    modern.wait_for("killed.stuck.1")
    eventually(lambda: "< 040C" in modern.proxy.exchanges("Steps/stuck")[-1].events, what="the sleep")
    modern.caller.kill(sent)
    (exchange,) = modern.exchanges("Steps/stuck", seen, count=1)
    assert exchange.events[:4] == ["> 0000", "> 0400", "< 040C", "x>"]
    # What the service sends before it has seen the reset is answered by another one, as HTTP/2 wants it.
    assert set(exchange.events[4:]) <= {"x>"}


def test_modern_retries_replay_the_journal(modern: Wire) -> None:
    modern.caller.call("Steps/flaky", {"name": "wire", "failures": 2}).ok()
    assert_messages(
        modern.exchanges("Steps/flaky", count=3),
        "> 0000 0400 < 0411 0005 > 8011 < 0002",
        "> 0000 0400 0411 8011 < 0002",
        "> 0000 0400 0411 8011 < 0401 0003",
    )


def test_modern_terminal_error(modern: Wire) -> None:
    assert modern.caller.call("Steps/terminal", {"code": 409, "message": "no way"}).status == 409
    assert_messages(modern.exchanges("Steps/terminal", count=1), "> 0000 0400 < 0401 0003")


def test_modern_workflow_promise(modern: Wire) -> None:
    sent = modern.caller.send("Signup/ada/run", "ada")
    eventually(lambda: modern.seen("Signup/run") == 1, what="the workflow to start")
    modern.caller.call("Signup/ada/approve", "yes").ok()
    modern.caller.attach(sent).ok()
    assert_messages(modern.exchanges("Signup/approve", count=1), "> 0000 0400 < 040B > 800B < 0401 0003")
    assert_messages(modern.exchanges("Signup/run", count=1), "> 0000 0400 < 0409 > 8009 < 0401 0003")


def test_classic_call(classic: Wire) -> None:
    classic.caller.call("greeter/greet", {"request": "joe"}).ok()
    (exchange,) = classic.exchanges("greeter/greet", count=1)
    assert exchange.messages() == messages("> 0000 0400 < 0401 0005")
    assert exchange.headers["content-type"] == "application/restate"


def test_classic_state(classic: Wire) -> None:
    for _ in range(2):
        classic.caller.call("counter/add", {"key": "k1", "request": 1}).ok()
    assert_messages(classic.exchanges("counter/add", count=2), *["> 0000 0400 < 0800 0801 0401 0005"] * 2)


def test_classic_side_effects(classic: Wire) -> None:
    classic.caller.call("steps/runTwice", {"request": "x"}).ok()
    assert_messages(
        classic.exchanges("steps/runTwice", count=1),
        "> 0000 0400 < FC01 > 0004 < FC01 > 0004 < 0401 0005",
    )


def test_classic_sleep_suspends_without_an_open_stream_and_replays(classic: Wire) -> None:
    body = {"service": "steps", "method": "sleep", "argument": {"request": {"name": "wire", "ms": 3000}}}
    classic.caller.call("dev.restate.Ingress/Invoke", body).ok()
    classic.exchanges("steps/sleep", count=1)
    assert classic.proxy.open_streams() == 0
    eventually(lambda: classic.seen("steps/sleep") == 2, what="the resumption")
    assert_messages(
        classic.exchanges("steps/sleep", count=2),
        "> 0000 0400 < 0C00 0002",
        "> 0000 0400 0C00 < 0401 0005",
    )


def test_classic_call_to_a_service(classic: Wire) -> None:
    classic.caller.call("steps/tree", {"request": 2}).ok()
    assert_messages(
        classic.exchanges("steps/tree", count=2),
        "> 0000 0400 < 0C01 > 0001 < 0401 0005",
        "> 0000 0400 < 0401 0005",
    )


def test_classic_background_calls(classic: Wire) -> None:
    classic.caller.call("steps/sends", {"request": {"key": "w", "count": 2, "delay_ms": 1}}).ok()
    (exchange,) = classic.exchanges("steps/sends", count=1)
    assert exchange.types("<") == ["0C02", "0C02", "0401", "0005"]


def test_classic_retries_replay_the_journal(classic: Wire) -> None:
    classic.caller.call("steps/flaky", {"request": {"name": "wire", "failures": 2}}).ok()
    assert_messages(
        classic.exchanges("steps/flaky", count=3),
        "> 0000 0400 < FC01 > 0004 < 0003",
        "> 0000 0400 FC01 < 0003",
        "> 0000 0400 FC01 < 0401 0005",
    )


def test_classic_terminal_error(classic: Wire) -> None:
    assert classic.caller.call("steps/terminal", {"request": {"code": 6, "message": "no"}}).status == 409
    assert_messages(classic.exchanges("steps/terminal", count=1), "> 0000 0400 < 0401 0005")


def test_classic_timeout_of_an_awakeable(classic: Wire) -> None:
    classic.caller.call("steps/timesOut", {"request": 100}).ok()
    assert_messages(
        classic.exchanges("steps/timesOut", count=1),
        "> 0000 0400 < 0C03 0C00 > 0001 < FC02 > 0004 < 0401 0005",
    )

"""Scenarios of one handler alone: answers, runs, sleeps, awakeables, futures."""

from tests.clients.differential.catalog import scenario
from tests.clients.differential.play import Play

PLAIN = "Plain/play"


@scenario(replayed=True)
def simple_call(play: Play) -> None:
    play.call("call", PLAIN, [["value", "hello"]])


@scenario()
def no_steps(play: Play) -> None:
    play.call("call", PLAIN, [])


@scenario()
def empty_payload(play: Play) -> None:
    play.call("call", "Plain/raw", b"")


@scenario()
def binary_payload(play: Play) -> None:
    play.call("call", "Plain/raw", bytes(range(256)), headers={"content-type": "application/octet-stream"})


@scenario()
def large_payload(play: Play) -> None:
    play.call("in", PLAIN, [["value", len("y" * 300_000)], ["try", ["value", "y" * 300_000]]])
    play.call("out", PLAIN, [["text", 2_000_000]])


@scenario()
def bad_input(play: Play) -> None:
    """What is no JSON is refused by the SDK with a terminal error."""
    play.call("call", PLAIN, b"{no json")


@scenario()
def header_pass_through(play: Play) -> None:
    play.call("call", PLAIN, [["header", "x-own"], ["header", "x-none"]], headers={"x-own": "mine"})


@scenario()
def one_way_call(play: Play) -> None:
    play.send("send", PLAIN, [["value", 1]])
    play.attach("attach", "send")
    play.output("output", "send")


@scenario()
def output_before_the_end(play: Play) -> None:
    play.send("send", PLAIN, [["awakeable", play.key]])
    play.file(play.key)
    play.output("before", "send")
    play.resolve("resolve", play.key, "now")
    play.attach("attach", "send")
    play.output("after", "send")


@scenario(replayed=True)
def terminal_error(play: Play) -> None:
    play.call("call", PLAIN, [["run", "one", 1], ["fail", 409, "no way"]])


@scenario()
def terminal_error_codes(play: Play) -> None:
    for code in (400, 404, 418, 429, 500, 503, 599):
        play.call(f"code {code}", PLAIN, [["fail", code, f"number {code}"]])


@scenario()
def terminal_error_with_metadata(play: Play) -> None:
    play.call("call", PLAIN, [["failWith", 422, "look inside", {"reason": "none"}]])


@scenario(replayed=True)
def two_runs(play: Play) -> None:
    play.call("call", PLAIN, [["run", "first", {"a": 1}], ["run", "second", [2]], ["run", "third", None]])


@scenario(replayed=True)
def run_that_fails(play: Play) -> None:
    play.call("uncaught", PLAIN, [["runFails", "bad", 422, "bad step"]])
    play.call("caught", PLAIN, [["try", ["runFails", "bad", 422, "bad step"]], ["run", "good", 1]])


@scenario()
def run_that_is_retried(play: Play) -> None:
    play.call("call", PLAIN, [["runFlaky", "flaky", 2], ["run", "after", "done"]])


@scenario()
def run_that_is_given_up(play: Play) -> None:
    play.call("call", PLAIN, [["try", ["runFlaky", "flaky", 9, 3]]])


@scenario()
def run_longer_than_the_inactivity_timeout(play: Play) -> None:
    play.call("call", PLAIN, [["runSlow", "slow", 900], ["run", "after", 1]])


@scenario()
def error_then_success(play: Play) -> None:
    """The run's result survives the attempts that fail after it."""
    play.call("call", PLAIN, [["run", "once", 1], ["boom", 2], ["run", "after", 2]])


@scenario(replayed=True)
def short_sleep(play: Play) -> None:
    play.call("call", PLAIN, [["sleep", 30], ["value", "slept"]])


@scenario()
def sleep_over_a_suspension(play: Play) -> None:
    play.send("send", PLAIN, [["run", "before", 1], ["sleep", 1500], ["run", "after", 2]])
    play.until("send", "suspended")
    play.attach("attach", "send")


@scenario(replayed=True)
def two_sleeps_at_once(play: Play) -> None:
    play.call(
        "call", PLAIN, [["begin", "a", ["sleep", 40]], ["begin", "b", ["sleep", 250]], ["all", "a", "b"]]
    )


@scenario()
def random_numbers_are_the_same_after_a_suspension(play: Play) -> None:
    play.call("call", PLAIN, [["random"]])


@scenario(replayed=True)
def awakeable_resolved_at_once(play: Play) -> None:
    play.send("send", PLAIN, [["awakeable", play.key], ["value", "after"]])
    play.resolve("resolve", play.key, {"is": "resolved"})
    play.attach("attach", "send")


@scenario()
def awakeable_resolved_after_suspension(play: Play) -> None:
    play.send("send", PLAIN, [["run", "r", 1], ["awakeable", play.key], ["run", "s", 2]])
    play.until("send", "suspended")
    play.resolve("resolve", play.key, "late")
    play.attach("attach", "send")


@scenario()
def awakeable_rejected_at_once(play: Play) -> None:
    play.send("send", PLAIN, [["try", ["awakeable", play.key]]])
    play.reject("reject", play.key, "nope")
    play.attach("attach", "send")


@scenario()
def awakeable_rejected_after_suspension(play: Play) -> None:
    play.send("send", PLAIN, [["awakeable", play.key]])
    play.until("send", "suspended")
    play.reject("reject", play.key, "nope")
    play.attach("attach", "send")


@scenario()
def awakeable_resolved_before_it_is_awaited(play: Play) -> None:
    play.send(
        "send",
        PLAIN,
        [
            ["begin", "a", ["awakeable", play.key]],
            ["runUntil", "slow", f"{play.key}.go"],
            ["await", "a"],
        ],
    )
    play.until_entry("send", "Command: Run")
    play.resolve("resolve", play.key, "early")
    play.until_entry("send", "Notification: Signal")
    play.go_on(f"{play.key}.go")
    play.attach("attach", "send")


@scenario()
def awakeable_resolved_twice(play: Play) -> None:
    play.send("send", PLAIN, [["awakeable", play.key], ["runUntil", "slow", f"{play.key}.go"]])
    play.resolve("first", play.key, 1)
    play.until_entry("send", "Command: Run")
    play.resolve("second", play.key, 2)
    play.until_entry("send", "Notification: Signal", count=2)
    play.go_on(f"{play.key}.go")
    play.attach("attach", "send")


@scenario()
def awakeable_resolved_after_the_end(play: Play) -> None:
    play.call("call", PLAIN, [["begin", "a", ["awakeable", play.key]], ["value", "did not wait"]])
    play.resolve("resolve", play.key, 1)


@scenario()
def awakeable_with_an_empty_value(play: Play) -> None:
    play.send("send", PLAIN, [["awakeable", play.key]])
    play.resolve("resolve", play.key, None)
    play.attach("attach", "send")


@scenario()
def two_awakeables_in_reverse_order(play: Play) -> None:
    first, second = f"{play.key}.1", f"{play.key}.2"
    play.send(
        "send",
        PLAIN,
        [["begin", "a", ["awakeable", first]], ["begin", "b", ["awakeable", second]], ["all", "a", "b"]],
    )
    play.file(first)
    play.resolve("second", second, 2)
    play.until("send", "suspended")
    play.resolve("first", first, 1)
    play.attach("attach", "send")


@scenario()
def awakeable_resolved_by_a_handler(play: Play) -> None:
    play.send("waits", PLAIN, [["awakeable", play.key]])
    play.file(play.key)
    play.call("resolver", PLAIN, [["resolve", f"@{play.key}", {"by": "handler"}], ["run", "after", 1]])
    play.attach("attach", "waits")


@scenario()
def awakeable_rejected_by_a_handler(play: Play) -> None:
    play.send("waits", PLAIN, [["awakeable", play.key]])
    play.until("waits", "suspended")
    play.call("rejecter", PLAIN, [["reject", f"@{play.key}", "by a handler"]])
    play.attach("attach", "waits")


@scenario(replayed=True)
def race_that_a_sleep_wins(play: Play) -> None:
    play.call(
        "call",
        PLAIN,
        [["begin", "a", ["awakeable", play.key]], ["begin", "s", ["sleep", 50]], ["race", "a", "s"]],
    )


@scenario()
def race_that_an_awakeable_wins_over_a_suspension(play: Play) -> None:
    play.send(
        "send",
        PLAIN,
        [["begin", "a", ["awakeable", play.key]], ["begin", "s", ["sleep", 60_000]], ["race", "s", "a"]],
    )
    play.until("send", "suspended")
    play.resolve("resolve", play.key, 1)
    play.attach("attach", "send")


@scenario()
def signal_by_name(play: Play) -> None:
    play.send("waits", PLAIN, [["mark", play.key], ["signal", "go"], ["run", "after", 1]])
    play.file(play.key)
    play.call("signals", PLAIN, [["resolveSignal", f"@{play.key}", "go", "gone"]])
    play.attach("attach", "waits")


@scenario()
def signal_by_name_after_suspension(play: Play) -> None:
    play.send("waits", PLAIN, [["mark", play.key], ["try", ["signal", "go"]]])
    play.until("waits", "suspended")
    play.call("signals", PLAIN, [["rejectSignal", f"@{play.key}", "go", "stop"]])
    play.attach("attach", "waits")


@scenario()
def signal_sent_twice_before_it_is_awaited(play: Play) -> None:
    """Both are kept."""
    play.send("waits", PLAIN, [["mark", play.key], ["runUntil", "slow", f"{play.key}.go"], ["signal", "go"]])
    play.file(play.key)
    play.until_entry("waits", "Command: Run")
    play.call(
        "signals",
        PLAIN,
        [["resolveSignal", f"@{play.key}", "go", 1], ["resolveSignal", f"@{play.key}", "go", 2]],
    )
    play.until_entry("waits", "Notification: Signal", count=2)
    play.go_on(f"{play.key}.go")
    play.attach("attach", "waits")

"""Scenarios of several invocations: calls, sends, trees, idempotency, attach."""

from tests.clients.differential.catalog import scenario
from tests.clients.differential.play import Play, Steps

PLAIN = "Plain/play"


def called(script: Steps, **options: object) -> list[object]:
    return ["call", "Plain", "play", None, script, options]


@scenario(replayed=True)
def call_of_a_service(play: Play) -> None:
    play.call("call", PLAIN, [called([["value", 1]]), ["run", "after", 2]])


@scenario()
def call_over_a_suspension(play: Play) -> None:
    play.send("send", PLAIN, [called([["sleep", 1500], ["value", "from below"]]), ["run", "after", 1]])
    play.until("send", "suspended")
    play.attach("attach", "send")


@scenario(replayed=True)
def call_tree(play: Play) -> None:
    leaf = called([["value", "leaf"]])
    play.call("call", PLAIN, [called([called([leaf, leaf])]), called([leaf])])


@scenario(replayed=True)
def failure_of_a_child(play: Play) -> None:
    play.call("uncaught", PLAIN, [called([called([["fail", 418, "the leaf failed"]])])])
    play.call("caught", PLAIN, [["try", called([["fail", 418, "the leaf failed"]])], ["run", "after", 1]])


@scenario()
def failure_of_a_child_with_metadata(play: Play) -> None:
    play.call("call", PLAIN, [called([["failWith", 418, "the leaf failed", {"leaf": "green"}]])])


@scenario()
def concurrent_calls(play: Play) -> None:
    play.send(
        "send",
        PLAIN,
        [
            ["begin", "slow", called([["until", play.key], ["value", "slow"]])],
            ["begin", "quick", called([["value", "quick"]])],
            ["all", "slow", "quick"],
        ],
    )
    play.until_entry("send", "Notification: Call")
    play.go_on(play.key)
    play.attach("attach", "send")


@scenario()
def race_of_calls(play: Play) -> None:
    play.call(
        "call",
        PLAIN,
        [
            ["begin", "slow", called([["sleep", 1500], ["value", "slow"]])],
            ["begin", "quick", called([["value", "quick"]])],
            ["race", "slow", "quick"],
        ],
    )


@scenario()
def sends_to_an_object_keep_their_order(play: Play) -> None:
    sends = [["send", "Object", "play", play.key, [["set", "n", n]]] for n in range(4)]
    play.call("call", PLAIN, [*sends, ["call", "Object", "play", play.key, [["get", "n"]]]])
    play.watch("Object")


@scenario()
def delayed_send_from_a_handler(play: Play) -> None:
    play.call(
        "call",
        PLAIN,
        [["send", "Object", "play", play.key, [["set", "n", 1]], {"delay": 400, "id_to": play.key}]],
    )
    play.follow("sent", play.key)
    play.until("sent", "completed")
    play.watch("Object")


@scenario()
def delayed_send_from_outside(play: Play) -> None:
    play.send("send", PLAIN, [["value", "late"]], delay=2500)
    play.until("send", "scheduled")
    play.output("before", "send")
    play.attach("attach", "send")


@scenario()
def delayed_send_stays_scheduled(play: Play) -> None:
    play.leaves = {"scheduled"}
    play.call("call", PLAIN, [["send", "Plain", "play", None, [], {"delay": 3_600_000, "id_to": play.key}]])
    play.follow("sent", play.key)
    play.until("sent", "scheduled")


@scenario()
def headers_between_handlers(play: Play) -> None:
    play.call("call", PLAIN, [called([["header", "x-own"]], headers={"x-own": "passed on"})])
    play.call("send", PLAIN, [["send", "Plain", "play", None, [], {"headers": {"x-a": "1", "x-b": "2"}}]])


@scenario()
def call_of_an_unknown_handler_is_refused(play: Play) -> None:
    """The attempt fails before the command is stored, until the attempts are used up."""
    play.leaves = {"paused"}
    play.send("send", "Pausing/play", [["run", "before", 1], ["call", "Plain", "nowhere", None, []]])
    play.until("send", "paused")


@scenario()
def call_without_a_key_is_one_with_an_empty_key(play: Play) -> None:
    play.call("call", PLAIN, [["call", "Object", "play", None, [["key"]]]])


@scenario()
def state_of_a_service_is_refused(play: Play) -> None:
    play.leaves = {"paused"}
    play.send("send", "Pausing/play", [["run", "before", 1], ["set", "a", 1]])
    play.until("send", "paused")


@scenario()
def idempotency_key_in_flight(play: Play) -> None:
    script = [["awakeable", play.key], ["value", "done"]]
    play.send("first", PLAIN, script, idempotency=play.key)
    play.file(play.key)
    play.send("second", PLAIN, script, idempotency=play.key)
    play.begin("third", PLAIN, script, idempotency=play.key)
    play.resolve("resolve", play.key, 1)
    play.answer("third")


@scenario()
def idempotency_key_of_a_completed_invocation(play: Play) -> None:
    play.call("first", PLAIN, [["value", 1]], idempotency=play.key)
    play.call("second", PLAIN, [["value", 2]], idempotency=play.key)
    play.send("third", PLAIN, [["value", 3]], idempotency=play.key)


@scenario()
def idempotency_key_of_a_failed_invocation(play: Play) -> None:
    play.call("first", PLAIN, [["fail", 422, "first"]], idempotency=play.key)
    play.call("second", PLAIN, [["value", 2]], idempotency=play.key)


@scenario()
def idempotency_key_of_an_object(play: Play) -> None:
    play.call("one", f"Object/{play.key}.1/play", [["set", "n", 1]], idempotency=play.key)
    play.call("again", f"Object/{play.key}.1/play", [["set", "n", 2]], idempotency=play.key)
    play.call("other key", f"Object/{play.key}.2/play", [["set", "n", 3]], idempotency=play.key)
    play.watch("Object", f"{play.key}.1")
    play.watch("Object", f"{play.key}.2")


@scenario()
def idempotency_key_is_attached_to(play: Play) -> None:
    play.call("first", PLAIN, [["value", 1]], idempotency=play.key)
    play.fetch("attach", f"restate/attach/Plain/play/{play.key}")
    play.fetch("output", f"restate/output/Plain/play/{play.key}")


@scenario()
def idempotent_calls_between_handlers(play: Play) -> None:
    once = {"idempotency": play.key}
    play.call(
        "call",
        PLAIN,
        [
            ["call", "Object", "play", play.key, [["set", "n", 1], ["value", "first"]], once],
            ["call", "Object", "play", play.key, [["set", "n", 2], ["value", "second"]], once],
            ["send", "Object", "play", play.key, [["set", "n", 3]], once],
        ],
    )
    play.watch("Object")


@scenario()
def idempotent_call_joins_one_in_flight(play: Play) -> None:
    once = {"idempotency": play.key}
    slow = [["awakeable", play.key], ["value", "both"]]
    play.send("one", PLAIN, [called(slow, **once)])
    play.file(play.key)
    play.send("other", PLAIN, [called(slow, **once)])
    play.until("other", "suspended")
    play.resolve("resolve", play.key, 1)
    play.attach("one's", "one")
    play.attach("other's", "other")


@scenario()
def attach_from_a_handler(play: Play) -> None:
    play.send("target", PLAIN, [["mark", play.key], ["awakeable", f"{play.key}.go"], ["value", "attached"]])
    play.file(play.key)
    play.send("attacher", PLAIN, [["attach", f"@{play.key}"]])
    play.until("attacher", "suspended")
    play.resolve("resolve", f"{play.key}.go", 1)
    play.attach("result", "attacher")


@scenario()
def attach_from_a_handler_to_a_completed_one(play: Play) -> None:
    play.call("target", PLAIN, [["mark", play.key], ["fail", 409, "as it ended"]])
    play.call("attacher", PLAIN, [["try", ["attach", f"@{play.key}"]]])


@scenario()
def attach_from_a_handler_to_nothing(play: Play) -> None:
    play.call("attacher", PLAIN, [["try", ["attach", "inv_10000000000001SZwviYzes2mjOamuMJWw"]]])


@scenario()
def nothing_is_kept_without_retention(play: Play) -> None:
    play.call("call", "Forgetful/play", [["run", "r", 1]])
    play.output("output", "call")

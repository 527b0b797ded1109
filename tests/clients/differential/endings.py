"""Scenarios of cancellation, kill, and of attempts that are used up."""

from tests.clients.differential.catalog import scenario
from tests.clients.differential.play import Play

PLAIN = "Plain/play"
HOUR = 3_600_000


@scenario()
def cancel_a_running_one(play: Play) -> None:
    play.send("target", PLAIN, [["awakeable", play.key]])
    play.file(play.key)
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")


@scenario()
def cancel_a_sleeping_one_after_suspension(play: Play) -> None:
    play.send("target", PLAIN, [["run", "r", 1], ["sleep", HOUR]])
    play.until("target", "suspended")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")


@scenario(replayed=True)
def cancel_is_caught(play: Play) -> None:
    """The handler goes on after it."""
    play.send("target", PLAIN, [["try", ["sleep", HOUR]], ["run", "clean up", 1], ["sleep", 20]])
    play.until("target", "suspended")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")


@scenario()
def cancel_twice(play: Play) -> None:
    play.send("target", PLAIN, [["try", ["sleep", HOUR]], ["run", "between", 1], ["sleep", HOUR]])
    play.until("target", "suspended")
    play.operate("first", "cancel", on="target")
    play.until_entry("target", "Command: Sleep", count=2)
    play.operate("second", "cancel", on="target")
    play.attach("result", "target")


@scenario()
def cancel_that_is_not_awaited(play: Play) -> None:
    """It stays in the journal of a handler that does not wait again."""
    play.send("target", PLAIN, [["mark", play.key], ["until", f"{play.key}.go"], ["value", "finished"]])
    play.file(play.key)
    play.operate("cancel", "cancel", on="target")
    play.until_entry("target", "Notification: Signal")
    play.go_on(f"{play.key}.go")
    play.attach("result", "target")


@scenario()
def cancel_between_two_waits(play: Play) -> None:
    play.send("target", PLAIN, [["runUntil", "slow", play.key], ["sleep", HOUR]])
    play.until_entry("target", "Command: Run")
    play.operate("cancel", "cancel", on="target")
    play.until_entry("target", "Notification: Signal")
    play.go_on(play.key)
    play.attach("result", "target")


@scenario()
def cancel_one_in_the_inbox(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("holder", path, [["awakeable", play.key], ["set", "n", 1]])
    play.file(play.key)
    play.send("target", path, [["set", "n", 2]])
    play.begin("waits", path, [["set", "n", 3]], idempotency=play.key)
    play.until("target", "pending")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")
    play.resolve("resolve", play.key, 1)
    play.answer("waits")
    play.watch("Object")


@scenario()
def cancel_a_scheduled_one(play: Play) -> None:
    play.send("target", PLAIN, [], delay=HOUR)
    play.until("target", "scheduled")
    play.operate("cancel", "cancel", on="target")
    play.until("target", "gone")
    play.attach("result", "target")


@scenario()
def cancel_a_caller(play: Play) -> None:
    """Its call is cancelled with it, what it has sent is not."""
    send = ["send", "Plain", "play", None, [["sleep", 1500]], {"id_to": f"{play.key}.sent"}]
    call = ["call", "Plain", "play", None, [["awakeable", play.key]]]
    play.send("target", PLAIN, [send, call])
    play.file(play.key)
    play.until("target", "suspended")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")
    play.follow("sent", f"{play.key}.sent")


@scenario()
def cancel_a_caller_of_an_inboxed_one(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("holder", path, [["awakeable", play.key]])
    play.file(play.key)
    play.send("target", PLAIN, [["call", "Object", "play", play.key, [["set", "n", 1]]], ["value", "never"]])
    play.until("target", "suspended")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")
    play.resolve("resolve", play.key, 1)
    play.watch("Object")


@scenario()
def cancel_a_completed_one(play: Play) -> None:
    play.call("target", PLAIN, [["value", 1]])
    play.operate("cancel", "cancel", on="target")
    play.operate("kill", "kill", on="target")


@scenario()
def cancel_a_backing_off_one(play: Play) -> None:
    """It takes effect at the next wait of an attempt that gets there."""
    play.send("target", PLAIN, [["mark", play.key], ["boomUntil", f"{play.key}.go"], ["sleep", HOUR]])
    play.file(play.key)
    play.operate("cancel", "cancel", on="target")
    play.until_entry("target", "Notification: Signal")
    play.go_on(f"{play.key}.go")
    play.attach("result", "target")


@scenario()
def cancel_from_a_handler(play: Play) -> None:
    play.send("target", PLAIN, [["mark", play.key], ["sleep", HOUR]])
    play.until_entry("target", "Command: Sleep")
    play.call("canceller", PLAIN, [["cancel", f"@{play.key}"], ["run", "after", 1]])
    play.attach("result", "target")


@scenario()
def cancel_of_a_call_by_its_caller(play: Play) -> None:
    file = f"{play.key}.callee"
    play.send(
        "caller",
        PLAIN,
        [
            ["begin", "c", ["call", "Plain", "play", None, [["sleep", HOUR]]]],
            ["callee", "c", file],
            ["runUntil", "until it sleeps", f"{play.key}.go"],
            ["cancel", f"@{file}"],
            ["try", ["await", "c"]],
        ],
    )
    play.follow("callee", file)
    play.until_entry("callee", "Command: Sleep")
    play.go_on(f"{play.key}.go")
    play.attach("result", "caller")


@scenario()
def cancel_of_a_delayed_send_by_its_sender(play: Play) -> None:
    file = f"{play.key}.callee"
    play.call(
        "sender",
        PLAIN,
        [["send", "Plain", "play", None, [], {"delay": HOUR, "id_to": file}], ["cancel", f"@{file}"]],
    )
    play.follow("sent", file)
    play.until("sent", "gone")


@scenario()
def cancel_a_workflow(play: Play) -> None:
    play.send("run", f"Flow/{play.key}/run", [["set", "n", 1], ["promise", "p"]])
    play.until("run", "suspended")
    play.operate("cancel", "cancel", on="run")
    play.attach("result", "run")
    play.call("again", f"Flow/{play.key}/run", [])
    play.watch("Flow")


@scenario()
def kill_a_running_one(play: Play) -> None:
    play.send("target", PLAIN, [["run", "r", 1], ["awakeable", play.key]])
    play.file(play.key)
    play.operate("kill", "kill", on="target")
    play.attach("result", "target")
    play.resolve("resolve", play.key, 1)


@scenario()
def kill_a_suspended_one(play: Play) -> None:
    play.send("target", PLAIN, [["try", ["sleep", HOUR]], ["run", "never", 1]])
    play.until("target", "suspended")
    play.operate("kill", "kill", on="target")
    play.attach("result", "target")


@scenario()
def kill_a_tree(play: Play) -> None:
    send = ["send", "Plain", "play", None, [["sleep", HOUR]], {"id_to": f"{play.key}.sent"}]
    leaf = ["call", "Plain", "play", None, [["awakeable", play.key]]]
    play.send("target", PLAIN, [send, ["call", "Plain", "play", None, [leaf]]])
    play.file(play.key)
    play.follow("sent", f"{play.key}.sent")
    play.until("sent", "suspended")
    play.until("target", "suspended")
    play.operate("kill", "kill", on="target")
    play.attach("result", "target")


@scenario()
def kill_a_child(play: Play) -> None:
    child = ["call", "Plain", "play", None, [["mark", play.key], ["sleep", HOUR]]]
    play.send("parent", PLAIN, [["try", child], ["run", "after", 1]])
    play.follow("child", play.key)
    play.until_entry("child", "Command: Sleep")
    play.operate("kill", "kill", on="child")
    play.attach("result", "parent")


@scenario()
def kill_the_holder_of_a_key(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("holder", path, [["set", "n", 1], ["awakeable", play.key]])
    play.file(play.key)
    play.until_entry("holder", "Command: SetState")
    play.send("next", path, [["get", "n"], ["set", "n", 2]])
    play.until("next", "pending")
    play.operate("kill", "kill", on="holder")
    play.attach("result", "next")
    play.watch("Object")


@scenario()
def kill_one_in_the_inbox(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("holder", path, [["awakeable", play.key]])
    play.file(play.key)
    play.send("target", path, [["set", "n", 2]])
    play.until("target", "pending")
    play.operate("kill", "kill", on="target")
    play.until("target", "gone")
    play.resolve("resolve", play.key, 1)
    play.watch("Object")


@scenario()
def kill_a_scheduled_one(play: Play) -> None:
    play.send("target", PLAIN, [], delay=HOUR)
    play.operate("kill", "kill", on="target")
    play.until("target", "gone")


@scenario()
def kill_a_workflow(play: Play) -> None:
    play.send("run", f"Flow/{play.key}/run", [["set", "n", 1], ["promise", "p"]])
    play.until("run", "suspended")
    play.operate("kill", "kill", on="run")
    play.attach("result", "run")
    play.call("again", f"Flow/{play.key}/run", [])
    play.call("look", f"Flow/{play.key}/look", [["get", "n"], ["peek", "p"]])
    play.watch("Flow")


@scenario()
def kill_an_idempotent_one(play: Play) -> None:
    play.send("target", PLAIN, [["sleep", HOUR]], idempotency=play.key)
    play.until("target", "suspended")
    play.operate("kill", "kill", on="target")
    play.call("again", PLAIN, [["value", "not this"]], idempotency=play.key)


@scenario()
def attempts_used_up_pause(play: Play) -> None:
    play.leaves = {"paused"}
    play.send("target", "Pausing/play", [["run", "r", 1], ["boom", 9]])
    play.until("target", "paused")
    play.output("output", "target")


@scenario()
def attempts_used_up_kill(play: Play) -> None:
    play.call("target", "Killing/play", [["run", "r", 1], ["boom", 9]])
    play.output("output", "target")


@scenario()
def attempts_used_up_by_a_child(play: Play) -> None:
    play.call(
        "parent", PLAIN, [["try", ["call", "Killing", "play", None, [["boom", 9]]]], ["run", "after", 1]]
    )


@scenario()
def attempts_used_up_kill_the_children(play: Play) -> None:
    child = ["send", "Plain", "play", None, [["sleep", HOUR]], {"id_to": play.key}]
    play.leaves = {"suspended"}
    play.call("target", "Killing/play", [child, ["boom", 9]])
    play.follow("child", play.key)


@scenario()
def paused_and_cancelled(play: Play) -> None:
    """A cancel makes it run again; its next attempts are used up as well."""
    play.leaves = {"paused"}
    play.send("target", "Pausing/play", [["boom", 2], ["sleep", HOUR]])
    play.until("target", "paused")
    play.operate("cancel", "cancel", on="target")
    play.attach("result", "target")


@scenario()
def paused_and_killed(play: Play) -> None:
    play.send("target", "Pausing/play", [["run", "r", 1], ["boom", 9]])
    play.until("target", "paused")
    play.operate("kill", "kill", on="target")
    play.attach("result", "target")


@scenario()
def paused_and_resolved(play: Play) -> None:
    """A completion is kept, and does not wake it."""
    play.leaves = {"paused"}
    play.send(
        "target", "Pausing/play", [["begin", "a", ["awakeable", play.key]], ["boom", 9], ["await", "a"]]
    )
    play.until("target", "paused")
    play.resolve("resolve", play.key, 1)
    play.until_entry("target", "Notification: Signal")


@scenario()
def paused_holder_of_a_key(play: Play) -> None:
    play.leaves = {"paused", "pending"}
    path = f"PausingObject/{play.key}/play"
    play.send("holder", path, [["set", "n", 1], ["boom", 9]])
    play.until("holder", "paused")
    play.send("next", path, [["set", "n", 2]])
    play.until("next", "pending")
    play.watch("PausingObject")

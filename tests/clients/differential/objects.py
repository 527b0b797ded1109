"""Scenarios of virtual objects and workflows: state, locks, promises."""

from tests.clients.differential.catalog import scenario
from tests.clients.differential.play import Play

MIXED = [
    ["get", "a"],
    ["set", "a", 1],
    ["set", "b", "zwei"],
    ["get", "a"],
    ["keys"],
    ["clear", "a"],
    ["get", "a"],
    ["keys"],
    ["set", "c", None],
    ["set", "d", {"deep": [1, 2]}],
]


@scenario(replayed=True)
def state_sent_with_the_start(play: Play) -> None:
    play.call("first", f"Object/{play.key}/play", MIXED)
    play.call("second", f"Object/{play.key}/play", [["keys"], ["get", "a"], ["get", "b"], ["get", "d"]])
    play.watch("Object")


@scenario(replayed=True)
def state_read_lazily(play: Play) -> None:
    play.call("first", f"Lazy/{play.key}/play", MIXED)
    play.call("second", f"Lazy/{play.key}/play", [["keys"], ["get", "a"], ["get", "b"], ["get", "d"]])
    play.watch("Lazy")


@scenario()
def state_cleared(play: Play) -> None:
    play.call("set", f"Object/{play.key}/play", [["set", "a", 1], ["set", "b", 2]])
    play.call("clear", f"Object/{play.key}/play", [["clearAll"], ["get", "a"], ["keys"], ["set", "c", 3]])
    play.watch("Object")


@scenario()
def lazy_state_cleared(play: Play) -> None:
    play.call("set", f"Lazy/{play.key}/play", [["set", "a", 1], ["set", "b", 2]])
    play.call("clear", f"Lazy/{play.key}/play", [["clearAll"], ["get", "a"], ["keys"], ["set", "c", 3]])
    play.watch("Lazy")


@scenario()
def state_over_a_suspension(play: Play) -> None:
    play.call(
        "call",
        f"Object/{play.key}/play",
        [["set", "n", 1], ["sleep", 1200], ["get", "n"], ["keys"], ["set", "n", 2], ["get", "m"]],
    )
    play.watch("Object")


@scenario()
def lazy_state_over_a_suspension(play: Play) -> None:
    play.call("before", f"Lazy/{play.key}/play", [["set", "m", "kept"]])
    play.call(
        "call",
        f"Lazy/{play.key}/play",
        [["get", "m"], ["sleep", 1200], ["get", "n"], ["get", "m"], ["keys"], ["set", "n", 2]],
    )
    play.watch("Lazy")


@scenario()
def state_is_kept_when_the_handler_fails(play: Play) -> None:
    play.call("call", f"Object/{play.key}/play", [["set", "n", 1], ["fail", 409, "set, then failed"]])
    play.watch("Object")


@scenario()
def state_after_a_retry(play: Play) -> None:
    play.call("call", f"Object/{play.key}/play", [["get", "n"], ["set", "n", 1], ["boom", 1], ["get", "n"]])
    play.watch("Object")


@scenario()
def keys_in_all_languages(play: Play) -> None:
    for label, path, key in (
        ("accents", "h%C3%A9llo%20w%C3%B6rld", "héllo wörld"),
        ("emoji", "%F0%9F%8E%88", "🎈"),
        ("slash", "a%2Fb", "a/b"),
        ("empty", "", ""),
    ):
        play.call(label, f"Object/{path}/play", [["key"], ["set", "clé ✓", key]])
        play.watch("Object", key)


@scenario()
def shared_handler(play: Play) -> None:
    """It reads what is stored while an exclusive one runs."""
    path = f"Object/{play.key}"
    play.send("exclusive", f"{path}/play", [["set", "n", 1], ["awakeable", play.key], ["set", "n", 2]])
    play.file(play.key)
    play.until_entry("exclusive", "Command: SetState")
    play.call("during", f"{path}/look", [["get", "n"], ["keys"], ["key"]])
    play.resolve("resolve", play.key, 1)
    play.attach("end", "exclusive")
    play.call("after", f"{path}/look", [["get", "n"]])


@scenario()
def shared_handler_may_not_write(play: Play) -> None:
    play.leaves = {"paused"}
    play.send("send", f"PausingObject/{play.key}/look", [["run", "before", 1], ["set", "n", 1]])
    play.until("send", "paused")
    play.watch("PausingObject")


@scenario()
def one_key_is_served_in_order(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("first", path, [["awakeable", play.key], ["set", "n", 1]])
    play.file(play.key)
    play.send("second", path, [["get", "n"], ["set", "n", 2]])
    play.send("third", path, [["get", "n"], ["set", "n", 3]])
    play.until("second", "pending")
    play.until("third", "pending")
    play.output("output", "second")
    play.resolve("resolve", play.key, 1)
    play.attach("last", "third")
    play.watch("Object")


@scenario()
def keys_are_independent(play: Play) -> None:
    play.send("waits", f"Object/{play.key}.1/play", [["awakeable", play.key]])
    play.file(play.key)
    play.call("other", f"Object/{play.key}.2/play", [["value", "does not wait"]])
    play.resolve("resolve", play.key, 1)


@scenario()
def scheduled_for_a_locked_key(play: Play) -> None:
    path = f"Object/{play.key}/play"
    play.send("holder", path, [["awakeable", play.key], ["set", "n", "holder"]])
    play.file(play.key)
    play.send("late", path, [["get", "n"]], delay=300)
    play.until("late", "pending")
    play.resolve("resolve", play.key, 1)
    play.attach("end", "late")


@scenario()
def object_calls_another(play: Play) -> None:
    inner = ["call", "Object", "play", f"{play.key}.inner", [["set", "n", 1], ["get", "n"]]]
    play.call("call", f"Object/{play.key}/play", [["set", "m", 1], inner, ["get", "m"]])
    play.watch("Object")
    play.watch("Object", f"{play.key}.inner")


@scenario(replayed=True)
def workflow_runs_once(play: Play) -> None:
    play.call("run", f"Flow/{play.key}/run", [["set", "n", 1], ["key"], ["get", "n"]])
    play.call("again", f"Flow/{play.key}/run", [["value", "not this"]])
    play.send("sent again", f"Flow/{play.key}/run", [["value", "not this"]])
    play.fetch("attach", f"restate/workflow/Flow/{play.key}/attach")
    play.fetch("output", f"restate/workflow/Flow/{play.key}/output")
    play.call("look", f"Flow/{play.key}/look", [["get", "n"]])
    play.watch("Flow")


@scenario()
def workflow_that_is_not_there(play: Play) -> None:
    play.fetch("attach", f"restate/workflow/Flow/{play.key}/attach")
    play.fetch("output", f"restate/workflow/Flow/{play.key}/output")
    play.call("look", f"Flow/{play.key}/look", [["get", "n"], ["keys"]])


@scenario()
def workflow_that_fails(play: Play) -> None:
    play.call("run", f"Flow/{play.key}/run", [["set", "n", 1], ["fail", 422, "no flow"]])
    play.call("again", f"Flow/{play.key}/run", [])
    play.fetch("attach", f"restate/workflow/Flow/{play.key}/attach")
    play.watch("Flow")


@scenario(replayed=True)
def promise_completed_by_a_shared_handler(play: Play) -> None:
    path = f"Flow/{play.key}"
    play.send("run", f"{path}/run", [["mark", play.key], ["promise", "p"], ["run", "after", 1]])
    play.file(play.key)
    play.until_entry("run", "Command: GetPromise")
    play.fetch("output before", f"restate/workflow/Flow/{play.key}/output")
    play.call("fulfil", f"{path}/look", [["peek", "p"], ["fulfil", "p", {"yes": 1}], ["peek", "p"]])
    play.fetch("attach", f"restate/workflow/Flow/{play.key}/attach")
    play.call("again", f"{path}/look", [["try", ["fulfil", "p", 2]], ["promise", "p"]])


@scenario()
def promise_completed_after_suspension(play: Play) -> None:
    path = f"Flow/{play.key}"
    play.send("run", f"{path}/run", [["promise", "p"]])
    play.until("run", "suspended")
    play.call("fulfil", f"{path}/look", [["fulfil", "p", "late"]])
    play.attach("attach", "run")


@scenario()
def promise_rejected(play: Play) -> None:
    path = f"Flow/{play.key}"
    play.send("run", f"{path}/run", [["try", ["promise", "p"]], ["promise", "p"]])
    play.until("run", "suspended")
    play.call("refuse", f"{path}/look", [["refuse", "p", "refused"], ["try", ["peek", "p"]]])
    play.attach("attach", "run")


@scenario()
def promise_completed_before_the_run(play: Play) -> None:
    path = f"Flow/{play.key}"
    play.call("fulfil", f"{path}/look", [["fulfil", "p", 1]])
    play.call("run", f"{path}/run", [["promise", "p"], ["peek", "p"], ["peek", "other"]])


@scenario()
def promise_with_several_listeners(play: Play) -> None:
    path = f"Flow/{play.key}"
    play.send("run", f"{path}/run", [["promise", "p"]])
    play.send("listener", f"{path}/look", [["promise", "p"]])
    play.until("run", "suspended")
    play.until("listener", "suspended")
    play.call("fulfil", f"{path}/look", [["fulfil", "p", "to all"]])
    play.attach("run's", "run")
    play.attach("listener's", "listener")


@scenario()
def promise_of_the_run_itself(play: Play) -> None:
    play.call("run", f"Flow/{play.key}/run", [["fulfil", "p", 1], ["promise", "p"], ["peek", "p"]])


@scenario()
def workflow_called_by_handlers(play: Play) -> None:
    run = ["call", "Flow", "run", play.key, [["value", "ran"]]]
    play.call("caller", "Plain/play", [run, ["try", run], ["send", "Flow", "run", play.key, []]])


@scenario()
def promise_in_an_object_is_refused(play: Play) -> None:
    """Only TypeScript lets a handler of another kind ask for one."""
    play.leaves = {"paused"}
    play.send("send", f"PausingObject/{play.key}/play", [["run", "before", 1], ["promise", "p"]])
    play.until("send", "paused")

"""What happens between the steps of a command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.caller import eventually

if TYPE_CHECKING:
    from tests.clients.command_line.scene import Scene


def fill(scene: Scene) -> None:
    """One invocation in each status, named by it; `v1` is registered."""
    scene.name_deployments()
    scene.send("scheduled", "Greeter/greet/send?delay=1h", "later")
    scene.send("completed", "Greeter/greet/send", "you")
    scene.send("failed", "Steps/refuses/send", "you")
    scene.send("running", "Cart/held/hold/send", 600)
    scene.wait_for("running", "running")
    scene.send("pending", "Cart/held/add/send", 1)
    scene.send("stateful", "Cart/a/add/send", 5)
    scene.send("backing off", "Steps/fails/send", "one")
    scene.send("to pause", "Steps/fails/send", "two")
    scene.send("suspended", "Steps/sleeps/send", 3600)
    scene.send("waiting", "Steps/waits/send", "me")
    scene.send("caller", "Steps/calls/send", "child")
    scene.wait_for("caller", "suspended")
    scene.send("workflow", "Signup/wf/run/send", "me")
    for name in ("completed", "failed", "stateful"):
        scene.wait_for(name, "completed")
    for name in ("backing off", "to pause"):
        scene.wait_for(name, "backing-off")
    for name in ("suspended", "waiting", "caller", "workflow"):
        scene.wait_for(name, "suspended")
    scene.wait_for_rows("SELECT id FROM sys_invocation WHERE status = 'suspended'", 5)
    found = {}
    for row in scene.rows("SELECT id, target FROM sys_invocation WHERE invoked_by_id IS NOT NULL"):
        found["called" if row["target"] == "Steps/waits" else "sent"] = row["id"]
    # They came before the workflow.
    workflow = scene.names.pop("workflow")
    scene.names |= {"sent": found["sent"], "called": found["called"], "workflow": workflow}
    scene.wait_for("called", "suspended")
    _check_order(scene)


def _check_order(scene: Scene) -> None:
    """Lists are compared in their order, which is that of creation. It has been seen to differ, once, from the order in
    which invocations were sent; then what was seen is of no use."""
    rows = scene.rows("SELECT id FROM sys_invocation ORDER BY created_at")
    names = {value: name for name, value in scene.names.items()}
    created = [names[row["id"]] for row in rows]
    assert created == [name for name in scene.names if name in created], f"created in the order {created}"


def end_all(scene: Scene) -> None:
    """Kill what has not ended, and what starts because of that."""

    def kill() -> bool:
        rows = scene.rows("SELECT id FROM sys_invocation WHERE status != 'completed'")
        for row in rows:
            scene.caller.kill(row["id"])
        return not rows

    eventually(kill, what="the end of all invocations")


def upgrade(scene: Scene) -> None:
    """A sleeping invocation on `v1`, and a second program, `v2`, that is not registered yet."""
    end_all(scene)
    scene.send("pinned", "Steps/waits/send", "pinned")
    scene.send("failing", "Steps/fails/send", "rescued")
    scene.wait_for("pinned", "suspended")
    scene.wait_for("failing", "backing-off")
    program = scene.start_program("v2")
    (program.bed / "allowed").touch()

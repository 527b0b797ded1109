# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""The test bed's services on the Python SDK (1.x); `modern.mjs` offers the same ones on TypeScript.

Run by `tests.support.programs` inside the SDK's own environment. Settings come from the environment:

    BED_DIR        folder for what tests read back: awakeable ids, marks, logs
    BED_PORT       port to listen on at 127.0.0.1; 0 picks one
    BED_PROTOCOL   bidi (default) or request_response

The program prints `{"port": N}` on one line once it listens.
"""

import asyncio
import os
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from serving import serve

import restate

BED = Path(os.environ["BED_DIR"])

# How often a handler was entered, by a name the test chose. Kept in memory on purpose: it counts attempts,
# which durable state cannot.
attempts: Counter[str] = Counter()
attempt_times: dict[str, list[float]] = {}


def write(name: str, text: str) -> None:
    """Write a file in one step, so that a polling test never reads half of it."""
    draft = BED / f".{name}.{os.getpid()}"
    draft.write_text(text)
    draft.replace(BED / name)


def append(name: str, line: str) -> None:
    with (BED / name).open("a") as file:
        file.write(line + "\n")


def ms(count: float) -> timedelta:
    return timedelta(milliseconds=count)


greeter = restate.Service("Greeter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


steps = restate.Service("Steps")


@steps.handler("runTwice")
async def run_twice(ctx: restate.Context, name: str) -> list[int]:
    """Two runs and a wait; the counts show how often each run was really executed."""

    def execute(step: str) -> int:
        attempts[f"{name}/{step}"] += 1
        return attempts[f"{name}/{step}"]

    first = await ctx.run_typed("r0", execute, step="r0")
    second = await ctx.run_typed("r1", execute, step="r1")
    return [first, second]


@steps.handler("runFails")
async def run_fails(ctx: restate.Context, message: str) -> str:
    def fail() -> None:
        raise restate.TerminalError(message, 422)

    await ctx.run_typed("bad", fail)
    return "unreachable"


@steps.handler("sleep")
async def sleep(ctx: restate.Context, request: dict) -> int:
    """Sleep, then tell how many attempts it took: 2 when the invocation suspended once."""
    attempts[request["name"]] += 1
    write(f"{request['name']}.sleeping", ctx.request().id)
    await ctx.sleep(ms(request["ms"]))
    return attempts[request["name"]]


@steps.handler("longRun")
async def long_run(ctx: restate.Context, request: dict) -> str:
    async def work() -> str:
        await asyncio.sleep(request["ms"] / 1000)
        return "worked"

    return await ctx.run_typed("work", work)


@steps.handler("flaky")
async def flaky(ctx: restate.Context, request: dict) -> list[float]:
    """Fail `failures` times after one durable step, then answer when each attempt began (epoch ms)."""
    name = request["name"]
    attempt_times.setdefault(name, []).append(time.time() * 1000)

    def step() -> int:
        attempts[f"{name}/step"] += 1
        return attempts[f"{name}/step"]

    ran = await ctx.run_typed("step", step)
    if ran != 1:
        raise restate.TerminalError(f"the step ran {ran} times")
    if len(attempt_times[name]) <= request["failures"]:
        raise RuntimeError(f"boom {len(attempt_times[name])}")
    return attempt_times[name]


@steps.handler("allowed")
async def allowed(ctx: restate.Context, name: str) -> str:
    """Fail for ever where the bed has no file `<name>.allowed`; else answer where it ran. One step comes before."""
    await ctx.run_typed("step", lambda: attempts.update([f"{name}/step"]))
    write(f"{name}.tried", "")
    if not (BED / f"{name}.allowed").exists():
        raise RuntimeError("not allowed here")
    return BED.name


@steps.handler("terminal")
async def terminal(ctx: restate.Context, request: dict) -> None:
    raise restate.TerminalError(request["message"], request["code"])


@steps.handler("tree")
async def tree(ctx: restate.Context, depth: int) -> dict:
    child = await ctx.service_call(tree, arg=depth - 1) if depth > 1 else None
    return {"depth": depth, "child": child}


@steps.handler("treeFails")
async def tree_fails(ctx: restate.Context, depth: int) -> None:
    if depth <= 1:
        raise restate.TerminalError("the leaf failed", 418)
    await ctx.service_call(tree_fails, arg=depth - 1)


@steps.handler("awaits")
async def awaits(ctx: restate.Context, name: str) -> object:
    """Announce an awakeable's id in a file, then wait for it."""
    awakeable_id, value = ctx.awakeable()
    await ctx.run_typed("announce", lambda: write(f"{name}.awakeable", awakeable_id))
    return await value


@steps.handler("waits")
async def waits(ctx: restate.Context, name: str) -> object:
    """Like `awaits`, without a step: the id is announced at each attempt."""
    awakeable_id, value = ctx.awakeable()
    append("waits.ids", awakeable_id)
    return await value


@steps.handler("resolves")
async def resolves(ctx: restate.Context, request: dict) -> None:
    ctx.resolve_awakeable(request["id"], request["value"])


@steps.handler("rejects")
async def rejects(ctx: restate.Context, request: dict) -> None:
    ctx.reject_awakeable(request["id"], request["reason"])


@steps.handler("sends")
async def sends(ctx: restate.Context, request: dict) -> int:
    """`count` one-way calls of Counter/add, each by 1, after `delay_ms` if given."""
    delay = ms(request["delay_ms"]) if request.get("delay_ms") else None
    for _ in range(request["count"]):
        ctx.object_send(add, key=request["key"], arg=1, send_delay=delay)
    return request["count"]


@steps.handler("stuck")
async def stuck(ctx: restate.Context, request: dict) -> None:
    """Sleep for an hour, `depth` calls down; leave a mark at each level that saw the cancellation."""
    name, depth = request["name"], request["depth"]
    write(f"{name}.stuck.{depth}", ctx.request().id)
    try:
        if depth > 1:
            await ctx.service_call(stuck, arg={"name": name, "depth": depth - 1})
        else:
            await ctx.sleep(timedelta(hours=1))
    except restate.TerminalError as error:
        write(f"{name}.cancelled.{depth}", str(error.status_code))
        raise


@steps.handler("witnessed")
async def witnessed(ctx: restate.Context, request: dict) -> dict:
    """One of each step; every execution of a run leaves a line. Adds 1 and 10 to the counter `name`."""
    name = request["name"]

    async def effect(step: str, value: object) -> object:
        def leave_a_line() -> object:
            append(f"{name}.effects", step)
            return value

        return await ctx.run_typed(step, leave_a_line)

    first = await effect("first", 1)
    await ctx.sleep(ms(request["ms"]))
    total = await ctx.object_call(add, key=name, arg=first)
    ctx.object_send(add, key=name, arg=10)
    awakeable_id, value = ctx.awakeable()
    write(f"{name}.awakeable", await effect("announce", awakeable_id))
    answer = await value
    return {"total": total % 10, "answer": answer, "last": await effect("last", 100)}


@steps.handler("flow")
async def flow(ctx: restate.Context, request: dict) -> dict:
    """All the steps at once: the kill -9 test's workload. Adds exactly 4 to the counter `key`.

    The first `failures` attempts fail after the sleep.
    """
    key, name = request["key"], request["name"]
    attempts[name] += 1
    stamp = await ctx.run_typed("stamp", lambda: time.time_ns())
    await ctx.sleep(ms(request["ms"]))
    if attempts[name] <= request.get("failures", 0):
        raise RuntimeError(f"boom {attempts[name]}")
    await ctx.object_call(add, key=key, arg=1)
    ctx.object_send(add, key=key, arg=1)
    ctx.object_send(add, key=key, arg=1, send_delay=ms(request["ms"]))
    awakeable_id, value = ctx.awakeable()
    await ctx.run_typed("announce", lambda: append("flow.ids", awakeable_id))
    answer = await value
    await ctx.object_call(slow_add, key=key, arg={"n": 1, "ms": request["ms"]})
    child = await ctx.service_call(tree, arg=2)
    return {"name": name, "stamped": stamp > 0, "answer": answer, "depth": child["depth"]}


counter = restate.VirtualObject("Counter")


@counter.handler()
async def add(ctx: restate.ObjectContext, n: int) -> int:
    total = (await ctx.get("n", type_hint=int) or 0) + n
    ctx.set("n", total)
    return total


@counter.handler("slowAdd")
async def slow_add(ctx: restate.ObjectContext, request: dict) -> int:
    """Read, sleep, write: two of these at one time would lose an increment."""
    before = await ctx.get("n", type_hint=int) or 0
    await ctx.sleep(ms(request["ms"]))
    ctx.set("n", before + request["n"])
    return before + request["n"]


@counter.handler("guarded")
async def guarded(ctx: restate.ObjectContext, request: dict) -> None:
    """Log entry and exit of the critical section under this key."""
    append(f"guarded.{ctx.key()}", f"enter {request['name']}")
    await asyncio.sleep(request["ms"] / 1000)
    append(f"guarded.{ctx.key()}", f"exit {request['name']}")


@counter.handler("failsAfterSet")
async def fails_after_set(ctx: restate.ObjectContext, n: int) -> None:
    ctx.set("n", n)
    raise restate.TerminalError("set, then failed", 409)


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("n", type_hint=int) or 0


def state_object(name: str, *, lazy: bool) -> restate.VirtualObject:
    """An object that offers each state operation as a handler, with state sent eagerly or read lazily."""
    store = restate.VirtualObject(name, enable_lazy_state=lazy)

    @store.handler("set")
    async def set_(ctx: restate.ObjectContext, request: dict) -> None:
        ctx.set(request["name"], request["value"])

    @store.handler("get")
    async def get_(ctx: restate.ObjectContext, name: str) -> object:
        return await ctx.get(name)

    @store.handler("clear")
    async def clear(ctx: restate.ObjectContext, name: str) -> None:
        ctx.clear(name)

    @store.handler("clearAll")
    async def clear_all(ctx: restate.ObjectContext) -> None:
        ctx.clear_all()

    @store.handler("keys")
    async def keys(ctx: restate.ObjectContext) -> list[str]:
        return sorted(await ctx.state_keys())

    @store.handler("mixed")
    async def mixed(ctx: restate.ObjectContext) -> list[object]:
        """All operations in one run, reading its own writes."""
        before = await ctx.get("a")
        ctx.set("a", 1)
        ctx.set("b", 2)
        after = await ctx.get("a")
        both = sorted(await ctx.state_keys())
        ctx.clear("a")
        cleared = await ctx.get("a")
        ctx.clear_all()
        none = await ctx.state_keys()
        return [before, after, both, cleared, none]

    return store


signup = restate.Workflow("Signup")


@signup.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    return f"{name} {await ctx.promise('approval', type_hint=str).value()}"


@signup.handler("approve")
async def approve(ctx: restate.WorkflowSharedContext, verdict: str) -> None:
    await ctx.promise("approval", type_hint=str).resolve(verdict)


app = restate.app(
    [
        greeter,
        steps,
        counter,
        state_object("Store", lazy=False),
        state_object("LazyStore", lazy=True),
        signup,
    ],
    protocol=os.environ.get("BED_PROTOCOL", "bidi"),
)

serve(app)

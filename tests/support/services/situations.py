# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Handlers that bring invocations into every situation that SQL shows, and one that uses every kind of command.

Run by `tests.support.programs`, as `modern.py` is; settings as there.
"""

import asyncio
import os
from datetime import timedelta

from serving import serve

import restate

look = restate.Service("Look")
lock = restate.VirtualObject("Lock")
lazy = restate.VirtualObject("Lazy", enable_lazy_state=True)
flow = restate.Workflow("Flow")


@look.handler("completes")
async def completes(ctx: restate.Context, name: str) -> str:
    return f"done {name}"


@look.handler("fails")
async def fails(ctx: restate.Context, name: str) -> None:
    raise restate.TerminalError(f"final {name}", 409)


@look.handler("backsOff")
async def backs_off(ctx: restate.Context, name: str) -> None:
    async def step() -> None:
        raise RuntimeError(f"boom {name}")

    await ctx.run_typed("badstep", step)


@look.handler("runs")
async def runs(ctx: restate.Context, seconds: int) -> None:
    await asyncio.sleep(seconds)


@look.handler("sleeps")
async def sleeps(ctx: restate.Context, hours: int) -> None:
    await ctx.sleep(timedelta(hours=hours), name="nap")


@look.handler("calls")
async def calls(ctx: restate.Context, hours: int) -> None:
    await ctx.service_call(sleeps, arg=hours)


@look.handler("awaits")
async def awaits(ctx: restate.Context, name: str) -> None:
    _, value = ctx.awakeable()
    await value


@lock.handler("hold")
async def hold(ctx: restate.ObjectContext, seconds: int) -> None:
    ctx.set("held", seconds)
    await asyncio.sleep(seconds)


@lock.handler("everything")
async def everything(ctx: restate.ObjectContext, name: str) -> str:
    """Every kind of command that this SDK has, in an order that never changes."""
    await ctx.get("first")
    ctx.set("first", {"a": 1})
    await ctx.get("first")
    await ctx.state_keys()
    ctx.clear("first")
    ctx.clear_all()
    ctx.set("kept", name)
    await ctx.run_typed("step", lambda: f"ran {name}")
    try:
        await ctx.run_typed("failing step", _fail)
    except restate.TerminalError:
        ctx.set("failed", True)
    await ctx.sleep(timedelta(milliseconds=1), name="nap")
    await ctx.service_call(completes, arg=name)
    handle = ctx.service_send(completes, arg=name, send_delay=timedelta(milliseconds=1))
    child = await handle.invocation_id()
    await ctx.attach_invocation(child)
    awakeable_id, value = ctx.awakeable()
    ctx.resolve_awakeable(awakeable_id, f"woken {name}")
    await value
    ctx.reject_awakeable(awakeable_id, "too late")
    ctx.cancel_invocation(child)
    try:
        await ctx.service_call(fails, arg=name)
    except restate.TerminalError:
        ctx.set("called", True)
    await ctx.object_call(read, key="k 2", arg="first")
    ctx.object_send(write, key="k 2", arg="first", idempotency_key=f"once {name}", headers={"x-from": name})
    ctx.workflow_send(run, key=f"{name}-flow", arg=name)
    await ctx.workflow_call(approve, key=f"{name}-flow", arg="granted")
    return f"did everything for {name}"


def _fail() -> None:
    raise restate.TerminalError("no step", 418)


@lazy.handler("read", kind="shared")
async def read(ctx: restate.ObjectSharedContext, name: str) -> object:
    await ctx.state_keys()
    return await ctx.get(name)


@lazy.handler("write")
async def write(ctx: restate.ObjectContext, name: str) -> None:
    ctx.set(name, "written")
    await ctx.get(name)
    ctx.set(name, await ctx.get("other"))


@flow.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    ctx.set("stage", name)
    return await ctx.promise("approval", type_hint=str).value()


@flow.handler("look")
async def look_at(ctx: restate.WorkflowSharedContext) -> object:
    return await ctx.promise("approval", type_hint=str).peek()


@flow.handler("approve")
async def approve(ctx: restate.WorkflowSharedContext, verdict: str) -> None:
    await ctx.promise("approval", type_hint=str).resolve(verdict)


@flow.handler("refuse")
async def refuse(ctx: restate.WorkflowSharedContext, reason: str) -> None:
    await ctx.promise("refused", type_hint=str).reject(reason, 403)


app = restate.app([look, lock, lazy, flow], protocol=os.environ.get("BED_PROTOCOL", "bidi"))

serve(app)

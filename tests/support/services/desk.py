# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Few services that bring an invocation into each status, for tests of command lines. Started like `modern.py`, which
describes the settings.
"""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

from serving import serve

import restate

BED = Path(os.environ["BED_DIR"])

greeter = restate.Service("Greeter", metadata={"team": "desk"})


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return f"Hello {name}"


steps = restate.Service("Steps")


@steps.handler()
async def fails(ctx: restate.Context, name: str) -> str:
    """Fail until the bed has a file `allowed`."""
    await ctx.run_typed("step", lambda: name)
    if not (BED / "allowed").exists():
        raise RuntimeError("not allowed here")
    return BED.name


@steps.handler()
async def waits(ctx: restate.Context, name: str) -> str:
    _, value = ctx.awakeable(type_hint=str)
    await ctx.run_typed("announce", lambda: None)
    return await value


@steps.handler()
async def sleeps(ctx: restate.Context, seconds: int) -> str:
    await ctx.sleep(timedelta(seconds=seconds))
    return "slept"


@steps.handler()
async def refuses(ctx: restate.Context, name: str) -> str:
    raise restate.TerminalError("it is refused", 418)


@steps.handler()
async def calls(ctx: restate.Context, name: str) -> str:
    sent = ctx.service_send(greet, name, send_delay=timedelta(hours=1))
    # The two are listed by when they were made.
    await sent.invocation_id()
    await asyncio.sleep(0.02)
    return await ctx.service_call(waits, name)


cart = restate.VirtualObject("Cart")


@cart.handler()
async def add(ctx: restate.ObjectContext, n: int) -> int:
    total = (await ctx.get("n", type_hint=int) or 0) + n
    ctx.set("n", total)
    return total


@cart.handler()
async def hold(ctx: restate.ObjectContext, seconds: int) -> None:
    """Keep the key and the attempt busy."""
    await asyncio.sleep(seconds)


@cart.handler(kind="shared")
async def total(ctx: restate.ObjectSharedContext) -> int:
    return await ctx.get("n", type_hint=int) or 0


signup = restate.Workflow("Signup")


@signup.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str:
    ctx.set("name", name)
    return await ctx.promise("approval", type_hint=str).value()


@signup.handler()
async def approve(ctx: restate.WorkflowSharedContext, verdict: str) -> None:
    await ctx.promise("approval", type_hint=str).resolve(verdict)


app = restate.app([greeter, steps, cart, signup], protocol=os.environ.get("BED_PROTOCOL", "bidi"))

serve(app)

# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services that run on every Python SDK of interest, old and new; `versions.mjs` offers the same ones on TypeScript.

Started like `modern.py`, which describes the settings. What only today's SDK has is looked up when a handler is called.
"""

import os
from datetime import timedelta
from pathlib import Path

from serving import serve

import restate

BED = Path(os.environ["BED_DIR"])
attempts: dict[str, int] = {}


def count(name: str) -> int:
    attempts[name] = attempts.get(name, 0) + 1
    return attempts[name]


def write(name: str, text: str) -> None:
    """Write a file in one step, so that a polling test never reads half of it."""
    draft = BED / f".{name}.{os.getpid()}"
    draft.write_text(text)
    draft.replace(BED / name)


def ms(value: float) -> timedelta:
    return timedelta(milliseconds=value)


echo_service = restate.Service("Echo")


@echo_service.handler()
async def echo(ctx: restate.Context, value: str) -> str:
    return value


flow = restate.VirtualObject("Flow")


@flow.handler("go")
async def go(ctx: restate.ObjectContext, sleep_ms: int) -> dict:
    """Run, state, sleep, call, awakeable; the counts show what was executed again."""
    key = ctx.key()
    ran = await ctx.run("ran", lambda: count(f"{key}/ran"))
    n = (await ctx.get("n") or 0) + 1
    ctx.set("n", n)
    await ctx.sleep(ms(sleep_ms))
    echoed = await ctx.service_call(echo, arg=f"echo {key}")
    awakeable_id, answer = ctx.awakeable()
    await ctx.run("announce", lambda: write(f"{key}.awakeable", awakeable_id))
    return {"ran": ran, "n": n, "echoed": echoed, "answer": await answer}


trees = restate.Service("Trees")


@trees.handler("all")
async def both(ctx: restate.Context, sleeps_ms: list) -> int:
    """Wait for all of the sleeps; how many attempts that took."""
    name = ctx.request().id
    count(name)
    await restate.gather(*[ctx.sleep(ms(value)) for value in sleeps_ms])
    return attempts[name]


@trees.handler("race")
async def race(ctx: restate.Context, sleep_ms: int) -> str:
    """An awakeable against a sleep: which one won."""
    awakeable_id, answer = ctx.awakeable()
    await ctx.run("announce", lambda: write("race.awakeable", awakeable_id))
    won = await restate.select(answer=answer, timeout=ctx.sleep(ms(sleep_ms)))
    return won[0]


@trees.handler("slowDown")
async def slow_down(ctx: restate.Context, request: dict) -> int:
    """Ask for a delay of its own until the last try; how many attempts that took."""
    tries = count(request["name"])
    if tries < request["tries"]:
        raise restate.exceptions.RetryableError("slow down", 429, ms(request["delay_ms"]))
    return tries


@trees.handler("fails")
async def fails(ctx: restate.Context) -> None:
    raise restate.TerminalError("with details", 418, {"reason": "teapot"})


app = restate.app([echo_service, flow, trees])

serve(app)

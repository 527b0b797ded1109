"""Two services on the Python SDK, to try the server with. Needs restate-sdk and hypercorn: python demo_service.py PORT."""

import asyncio
import sys
from datetime import timedelta
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

import restate

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    """Greets, and counts how often that name was greeted."""
    times = await ctx.object_call(add, key=name, arg=1)
    return f"Hello {name}, for the {times}. time!"


@greeter.handler("greetLater")
async def greet_later(ctx: restate.Context, name: str) -> str:
    """Sleeps ten seconds first. Kill the server meanwhile and start it again: the greeting still comes, on time."""
    await ctx.sleep(timedelta(seconds=10))
    return await ctx.service_call(greet, arg=name)


@counter.handler()
async def add(ctx: restate.ObjectContext, amount: int) -> int:
    """Adds to the counter of this key; calls of one key run one after the other."""
    total = (await ctx.get("total", type_hint=int) or 0) + amount
    ctx.set("total", total)
    return total


@counter.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> int:
    """The counter of this key."""
    return await ctx.get("total", type_hint=int) or 0


services = restate.app([greeter, counter])


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The services behind an answer to the web server's start and stop events: without it, SIGTERM hangs."""
    if scope["type"] != "lifespan":
        await services(scope, receive, send)
        return
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


def main() -> None:
    """Serve on the loopback interface until a signal comes."""
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()

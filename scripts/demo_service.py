"""Two services on the Python SDK, to try the server with. Needs restate-sdk and hypercorn: python demo_service.py PORT."""

import asyncio
import sys
from datetime import timedelta

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


app = restate.app([greeter, counter])


def main() -> None:
    """Serve on the loopback interface until Ctrl-C (the SDK takes SIGTERM for itself, and goes on)."""
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.loglevel = "ERROR"
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()

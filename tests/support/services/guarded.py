# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services that let nobody in without a signature, on the Python SDK (1.x).

Run by `tests.support.programs` as `modern.py` is. In BED_DIR it looks for `identity.txt`: the public key
(publickeyv1_...) of the server that may call; without it anybody may.
"""

import asyncio
import json
import os
import socket
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

import restate

IDENTITY = Path(os.environ["BED_DIR"]) / "identity.txt"

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str:
    return await ctx.run_typed("greet", lambda: f"Hello {name}")


@counter.handler()
async def add(ctx: restate.ObjectContext, n: int) -> int:
    total = (await ctx.get("n", type_hint=int) or 0) + n
    ctx.set("n", total)
    return total


app = restate.app([greeter, counter], identity_keys=[IDENTITY.read_text()] if IDENTITY.exists() else None)


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("BED_PORT", "0"))))
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await serve(app, config)


asyncio.run(main())

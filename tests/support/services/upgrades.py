# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""A service in several versions on the Python SDK; `upgrades.mjs` offers the same ones on TypeScript.

Started like `modern.py`, which describes the settings. The file `version` in BED_DIR names the version.
"""

import asyncio
import json
import os
import signal
import socket
from datetime import timedelta
from pathlib import Path

from hypercorn.asyncio import serve
from hypercorn.config import Config

import restate

VERSION = (Path(os.environ["BED_DIR"]) / "version").read_text()
versioned = restate.VirtualObject("versioned")


@versioned.handler()
async def answers(ctx: restate.ObjectContext, sleep_ms: int) -> list:
    """Which version answered before and after a sleep."""
    before = await ctx.run("version", lambda: VERSION)
    await ctx.sleep(timedelta(milliseconds=sleep_ms))
    return [before, VERSION]


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("BED_PORT", "0"))), backlog=512)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = 0.1
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await serve(restate.app([versioned]), config, shutdown_trigger=stop.wait)


asyncio.run(main())

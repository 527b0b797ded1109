# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services on the Python SDK under names that are no identifiers; two of them become the same one.

Started like `modern.py`, which describes the settings.
"""

import asyncio
import json
import os
import signal
import socket

from hypercorn.asyncio import serve
from hypercorn.config import Config

import restate


def greeter(name: str) -> restate.Service:
    made = restate.Service(name)

    @made.handler()
    async def greet(ctx: restate.Context, whom: str) -> str:
        return f"{name}: {whom}"

    return made


NAMES = ("my-app.greeter-service", "a-b_c", "a_b-c", "plain_name", "plain-name")
app = restate.app([greeter(name) for name in NAMES], protocol=os.environ.get("BED_PROTOCOL", "bidi"))


async def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("BED_PORT", "0"))), backlog=512)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = 0.1
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await serve(app, config, shutdown_trigger=stop.wait)


asyncio.run(main())

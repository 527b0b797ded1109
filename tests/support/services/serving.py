"""Serves a program of the test bed: how the programs on the Python SDK end.

Settings come from the environment: BED_PORT, the port to listen on at 127.0.0.1; 0 picks one. The port is printed as JSON.
"""

import asyncio
import json
import os
import signal
import socket
from typing import Any

import hypercorn.asyncio
from hypercorn.config import Config


def serve(app: Any) -> None:
    """app: of the SDK. Asked to end at SIGTERM, it gives a tenth of a second to what is in progress; the SDK may go on."""
    asyncio.run(_serve(app))


async def _serve(app: Any) -> None:
    listener = socket.create_server(("127.0.0.1", int(os.environ.get("BED_PORT", "0"))), backlog=512)
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.graceful_timeout = 0.1
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    await hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait)

# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""A service in several versions on the Python SDK; `upgrades.mjs` offers the same ones on TypeScript.

Started like `modern.py`, which describes the settings. The file `version` in BED_DIR names the version.
"""

import os
from datetime import timedelta
from pathlib import Path

from serving import serve

import restate

VERSION = (Path(os.environ["BED_DIR"]) / "version").read_text()
versioned = restate.VirtualObject("versioned")


@versioned.handler()
async def answers(ctx: restate.ObjectContext, sleep_ms: int) -> list:
    """Which version answered before and after a sleep."""
    before = await ctx.run("version", lambda: VERSION)
    await ctx.sleep(timedelta(milliseconds=sleep_ms))
    return [before, VERSION]


serve(restate.app([versioned]))

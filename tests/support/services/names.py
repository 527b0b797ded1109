# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services on the Python SDK under names that are no identifiers; two of them become the same one.

Started like `modern.py`, which describes the settings.
"""

import os

from serving import serve

import restate


def greeter(name: str) -> restate.Service:
    made = restate.Service(name)

    @made.handler()
    async def greet(ctx: restate.Context, whom: str) -> str:
        return f"{name}: {whom}"

    return made


NAMES = ("my-app.greeter-service", "a-b_c", "a_b-c", "plain_name", "plain-name")
app = restate.app([greeter(name) for name in NAMES], protocol=os.environ.get("BED_PROTOCOL", "bidi"))

serve(app)

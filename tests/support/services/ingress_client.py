# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""The Python SDK's client of the ingress: ingress_client.py URL; prints one JSON object."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from datetime import timedelta

import restate
from restate.client_types import HttpError, RestateClient

JSON = {"content-type": "application/json"}

greeter = restate.Service("Greeter")
counter = restate.VirtualObject("Counter")
steps = restate.Service("Steps")
signup = restate.Workflow("Signup")


@greeter.handler()
async def greet(ctx: restate.Context, name: str) -> str: ...


@counter.handler()
async def add(ctx: restate.ObjectContext, n: int) -> int: ...


@steps.handler()
async def terminal(ctx: restate.Context, request: dict) -> None: ...


@signup.main()
async def run(ctx: restate.WorkflowContext, name: str) -> str: ...


@signup.handler()
async def approve(ctx: restate.WorkflowSharedContext, verdict: str) -> None: ...


async def failure(call: Awaitable[object]) -> dict[str, object]:
    try:
        return {"result": await call}
    except HttpError as error:
        return {"status": error.status_code, "text": error.body}


async def main() -> None:
    async with restate.create_client(sys.argv[1]) as client:
        sent = await client.object_send(add, key="py-sent", arg=7, idempotency_key="py-sent")
        submitted = await client.workflow_send(run, key="py", arg="Eve")
        await client.workflow_call(approve, key="py", arg="welcome")
        report = {
            "greeting": await client.service_call(greet, arg="Bob ☺"),
            "counted": [await client.object_call(add, key="py", arg=n) for n in (2, 3)],
            "once": [await client.object_call(add, key="py", arg=10, idempotency_key="py") for _ in range(2)],
            "generic": json.loads(await client.generic_call("Greeter", "greet", b'"Ann"', headers=JSON)),
            "refused": await failure(client.service_call(terminal, arg={"message": "no ☺", "code": 418})),
            "unknown": await failure(client.generic_call("Nope", "greet", b'"x"', headers=JSON)),
            "sent": sent.invocation_id,
            "submitted": submitted.invocation_id,
            "delayed": await failure(delayed(client)),
            "scoped": await failure(client.scope("s").service_call(greet, arg="x")),
        }
    print(json.dumps(report))


async def delayed(client: RestateClient) -> str:
    """With a delay, which this client writes as a bare number of milliseconds."""
    sent = await client.service_send(greet, arg="x", send_delay=timedelta(milliseconds=300))
    return sent.invocation_id


asyncio.run(main())

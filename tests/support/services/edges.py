# mypy: ignore-errors
# (restate-sdk lives in an environment of its own, so a type checker of this project cannot see it.)
"""Services on the Python SDK with every kind of input rule, visibility and outcome an ingress has to tell apart.

Started like `modern.py`, which describes the settings.
"""

import os
from datetime import timedelta

from serving import serve

import restate
from restate.serde import BytesSerde

RAW = BytesSerde()

edge = restate.Service("Edge")


@edge.handler()
async def echo(ctx: restate.Context, value: object) -> object:
    return value


@edge.handler()
async def nothing(ctx: restate.Context) -> str:
    return "nothing"


@edge.handler("raw", accept="*/*", content_type="application/octet-stream", input_serde=RAW, output_serde=RAW)
async def raw(ctx: restate.Context, body: bytes) -> bytes:
    return body


@edge.handler("text", accept="text/*", content_type="text/plain", input_serde=RAW, output_serde=RAW)
async def text(ctx: restate.Context, body: bytes) -> bytes:
    return body


@edge.handler(
    "xml", accept="application/xml", content_type="application/xml", input_serde=RAW, output_serde=RAW
)
async def xml(ctx: restate.Context, body: bytes) -> bytes:
    return body


@edge.handler("headers", accept="*/*", input_serde=RAW)
async def headers(ctx: restate.Context, body: bytes) -> list:
    return sorted([name, value] for name, value in ctx.request().headers.items())


@edge.handler()
async def fails(ctx: restate.Context, request: dict) -> None:
    raise restate.TerminalError(request["message"], request["code"], request.get("metadata"))


@edge.handler()
async def sleeps(ctx: restate.Context, ms: int) -> str:
    await ctx.sleep(timedelta(milliseconds=ms))
    return "slept"


@edge.handler("hidden", ingress_private=True)
async def hidden(ctx: restate.Context, value: object) -> object:
    return value


@edge.handler("send")
async def send(ctx: restate.Context, value: object) -> str:
    return f"sent {value}"


@edge.handler()
async def awaits(ctx: restate.Context, name: str) -> str:
    """Answer what an awakeable is completed with; its id is put on the board under `name`."""
    awakeable_id, value = ctx.awakeable(serde=RAW)
    ctx.object_send(put, key=name, arg=awakeable_id)
    return (await value).decode()


board = restate.VirtualObject("Board")


@board.handler()
async def put(ctx: restate.ObjectContext, value: str) -> None:
    ctx.set("value", value)


@board.handler(kind="shared")
async def get(ctx: restate.ObjectSharedContext) -> object:
    return await ctx.get("value")


@board.handler(kind="shared")
async def key(ctx: restate.ObjectSharedContext) -> str:
    return ctx.key()


@board.handler("send")
async def board_send(ctx: restate.ObjectContext, value: object) -> str:
    return f"{ctx.key()} sent {value}"


@board.handler("scream")
async def scream(ctx: restate.ObjectContext) -> None:
    raise restate.TerminalError("aah", 418)


secret = restate.Service("Secret", ingress_private=True)


@secret.handler()
async def tell(ctx: restate.Context) -> str:
    return "never"


flow = restate.Workflow("Flow")


@flow.main()
async def run(ctx: restate.WorkflowContext, value: object) -> object:
    return value


@flow.handler()
async def peek(ctx: restate.WorkflowSharedContext) -> str:
    return ctx.key()


long_flow = restate.Workflow("LongFlow")


@long_flow.main("run")
async def long_run(ctx: restate.WorkflowContext) -> str:
    return await ctx.promise("end", type_hint=str).value()


app = restate.app([edge, board, secret, flow, long_flow], protocol=os.environ.get("BED_PROTOCOL", "bidi"))

serve(app)

"""A server for `h2spec`: our listener before a handler that reads the request and answers with a short body.

Many cases send the head of a request, break a rule with a later frame of the same stream and want an error: an answer
to the head alone would be right as well, but overtakes that frame on a busy machine.

`python -m tests.support.h2spec_server` prints its port and serves until it is ended.
"""

from __future__ import annotations

from functools import partial

import trio

from restate.runtime.net.http import Request, Response
from restate.runtime.net.listener import bind, serve


async def answer(request: Request, response: Response) -> None:
    while await request.read():
        pass
    await response.send(200, [(b"content-type", b"text/plain")], b"Hello, this is the body of an answer.\n")


async def main() -> None:
    listener = bind("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, listener, answer, nursery=nursery))
        print(listener.port, flush=True)


if __name__ == "__main__":
    trio.run(main)

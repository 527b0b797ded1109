"""The listener and the ingress in a process of their own, on a partition that answers at once: ingress_alone.py [echo]

Prints {"port": N} and serves until it is killed. Calls are answered with `done` as JSON or as a message, or with `echo`
by their own body. There are the services of `tests.ingress.registries`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from restate.runtime.clock import SystemClock, SystemIds  # noqa: E402
from restate.runtime.config import Ingress as IngressConfig  # noqa: E402
from restate.runtime.engine.actions import IngressReply  # noqa: E402
from restate.runtime.ingress.server import Ingress  # noqa: E402
from restate.runtime.main import return_large_blocks  # noqa: E402
from restate.runtime.model.result import Success  # noqa: E402
from restate.runtime.model.target import Generation  # noqa: E402
from restate.runtime.net.listener import bind, serve  # noqa: E402
from restate.runtime.pb.synth_pb2 import RpcResponse  # noqa: E402
from restate.runtime.schema.options import DEFAULTS  # noqa: E402
from tests.ingress.registries import classic, modern  # noqa: E402
from tests.schema.builders import registry  # noqa: E402

if TYPE_CHECKING:
    from restate.runtime.model.journal import Callee
    from restate.runtime.schema.registry import Registry

DONE = b'"done"'


class AtOnce:
    """A partition whose calls are complete as soon as they are made."""

    def __init__(self, schema: Registry, *, echo: bool) -> None:
        self.schema = schema
        self.ready = trio.Event()
        self.ready.set()
        self._echo = echo
        message = RpcResponse(response={"string_value": "done"}).SerializeToString()
        self._done = {Generation.MODERN: Success(DONE), Generation.CLASSIC: Success(message)}

    async def call(
        self, callee: Callee, body: bytes, headers: tuple[tuple[str, str], ...], **_: object
    ) -> IngressReply:
        await trio.lowlevel.checkpoint()
        assert callee.target is not None
        outcome = Success(body) if self._echo else self._done[callee.target.generation]
        return IngressReply(1, callee.invocation, callee.target, outcome, None)


async def main() -> None:
    partition: Any = AtOnce(registry(modern(), classic()), echo="echo" in sys.argv)
    ingress = Ingress(partition, IngressConfig(), SystemClock(), SystemIds(), DEFAULTS)
    listener = bind("127.0.0.1", 0)
    print(json.dumps({"port": listener.port}), flush=True)
    async with trio.open_nursery() as nursery:
        await serve(listener, ingress, nursery=nursery)


if __name__ == "__main__":
    return_large_blocks()
    trio.run(main)

"""A partition that answers as a test wrote down, and requests and responses without a connection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import trio

from restate.runtime.config import Ingress as IngressConfig
from restate.runtime.engine.actions import IngressReply, SubmitReply
from restate.runtime.ingress.server import Ingress
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.journal import Callee
from restate.runtime.model.result import Outcome, Result, Success
from restate.runtime.model.trace import TraceContext
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.schema.options import DEFAULTS
from restate.runtime.schema.registry import Registry
from restate.runtime.telemetry.metrics import IngressMetrics
from tests.support.clock import EPOCH_MS, CountingIds

AN_ID = InvocationId(bytes(range(24)))


@attrs.define(eq=False)
class FakePartition:
    """The methods of `partition.handle.Partition` that an ingress uses. asked: what was asked, in order."""

    schema: Registry
    outcome: Outcome = attrs.Factory(lambda: Success(b'"done"'))
    reply: IngressReply | None = None  # to calls and attaches, instead of one with `outcome`
    expiry_ms: int | None = None
    is_new: bool = True
    error: Exception | None = None
    never: bool = False  # calls do not come back
    asked: list[tuple[Any, ...]] = attrs.Factory(list)
    traces: list[TraceContext | None] = attrs.Factory(list)  # of calls and sends
    ready: trio.Event = attrs.Factory(trio.Event)
    changed: trio.Event = attrs.Factory(trio.Event)
    refusing: bool = False

    def __attrs_post_init__(self) -> None:
        self.ready.set()

    async def _come(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error

    async def call(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        trace: TraceContext | None = None,
    ) -> IngressReply:
        self.traces.append(trace)
        self.asked.append(("call", callee, body, dict(headers)))
        await self._come()
        if self.never:
            await trio.sleep_forever()
        return self.reply or IngressReply(1, callee.invocation, callee.target, self.outcome, self.expiry_ms)

    async def send(
        self,
        callee: Callee,
        body: bytes,
        headers: tuple[tuple[str, str], ...],
        *,
        execution_time_ms: int | None = None,
        trace: TraceContext | None = None,
    ) -> SubmitReply:
        self.traces.append(trace)
        self.asked.append(("send", callee, body, execution_time_ms))
        await self._come()
        return SubmitReply(1, callee.invocation, execution_time_ms, self.is_new)

    async def attach(self, invocation: InvocationId, *, block: bool) -> IngressReply:
        self.asked.append(("attach", invocation, block))
        await self._come()
        return self.reply or IngressReply(1, invocation, None, self.outcome, self.expiry_ms)

    async def signal(self, invocation: InvocationId, key: int | str, result: Result) -> None:
        self.asked.append(("signal", invocation, key, result))
        await self._come()

    async def complete_awakeable(self, invocation: InvocationId, index: int, result: Result) -> None:
        self.asked.append(("complete_awakeable", invocation, index, result))
        await self._come()


class Answer(Response):
    """What the handler has sent. written: rings with every piece of a body."""

    status: int
    headers: Headers

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.trailers: Headers = []
        self.written = trio.Event()

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        await self.start(status, headers)
        self.pieces.append(body)
        self.finished = True

    async def start(self, status: int, headers: Headers) -> None:
        await trio.lowlevel.checkpoint()
        assert not self.started
        self.started = True
        self.status, self.headers = status, headers

    async def write(self, data: bytes) -> None:
        await trio.lowlevel.checkpoint()
        assert self.started
        assert not self.finished
        self.pieces.append(data)
        self.written.set()
        self.written = trio.Event()

    async def finish(self, trailers: Headers | None = None) -> None:
        await trio.lowlevel.checkpoint()
        assert self.started
        assert not self.finished
        self.finished = True
        self.trailers = trailers or []

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name.encode()]
        assert len(found) <= 1
        return found[0].decode() if found else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class StandingClock:
    """It is always EPOCH_MS."""

    def now_ms(self) -> int:
        return EPOCH_MS

    async def sleep_until(self, due_ms: int) -> None:
        raise NotImplementedError


class Port:
    """An ingress over a fake partition."""

    def __init__(self, schema: Registry, **config: Any) -> None:
        self.partition = FakePartition(schema)
        settings = IngressConfig(**config)
        self.metrics = IngressMetrics()
        self.ingress = Ingress(
            self.partition,  # type: ignore[arg-type]
            settings,
            StandingClock(),
            CountingIds(),
            DEFAULTS,
            metrics=self.metrics,
        )

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes | Sequence[bytes] | None = None,
        answer: Answer | None = None,
        /,
        *,
        http_version: str = "1.1",
        **headers: str,
    ) -> Answer:
        """Header names with `_` for `-`. body: a sequence of pieces comes without a declared length.

        answer: to be filled, for a test that looks at it before it is complete.
        """
        named = [
            (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()
        ]
        declared = len(body) if isinstance(body, bytes) else None
        pieces = [body] if isinstance(body, bytes) else list(body or ())
        request = Request(
            method,
            target.encode("latin-1"),
            named,
            http_version,
            ("127.0.0.1", 1),
            content_length=declared,
            pending=[piece for piece in pieces if piece],
            arrived=True,
        )
        answer = answer or Answer()
        await self.ingress(request, answer)
        assert answer.finished
        return answer

    async def json(self, target: str, body: str = "{}", **headers: str) -> Answer:
        """POST of JSON."""
        return await self.ask("POST", target, body.encode(), content_type="application/json", **headers)

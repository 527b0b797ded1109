"""A partition that stores schema rows at once, a discovery that answers from a table, and an application over both."""

from collections.abc import Callable, Sequence
from typing import Any

import trio
from quart_trio import QuartTrio

from restate.runtime import config
from restate.runtime.admin.app import build
from restate.runtime.admin.parts import Parts, QueryPool
from restate.runtime.discovery.serdes import SerdeRequest
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import Move, PatchState, TerminateKind
from restate.runtime.errors import DeploymentError
from restate.runtime.model.ids import DeploymentId, InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.target import Generation
from restate.runtime.schema.deployment import Deployment, Service
from restate.runtime.schema.options import DEFAULTS, Defaults
from restate.runtime.schema.registration import Announcement
from restate.runtime.schema.registry import Registry

NOW_MS = 1_795_402_334_882


class FakePartition:
    """conflicts: how many of the next changes are refused because somebody else was faster."""

    def __init__(self) -> None:
        self.schema = Registry.EMPTY
        self.ready = trio.Event()
        self.ready.set()
        self.conflicts = 0
        self.outcome = AdminOutcome.DONE
        self.terminated: list[tuple[InvocationId, TerminateKind]] = []
        self.operated: list[tuple[object, ...]] = []
        self.patched: list[PatchState] = []

    async def change_schema(
        self, expected_version: int, rows: tuple[tuple[bytes, bytes | None], ...]
    ) -> bool:
        await trio.lowlevel.checkpoint()
        if self.conflicts:
            self.conflicts -= 1
            self.schema = self.schema.changed(self.schema.version + 1, ())
        if expected_version != self.schema.version:
            return False
        self.schema = self.schema.changed(expected_version + 1, rows)
        return True

    async def terminate(self, invocation: InvocationId, kind: TerminateKind) -> AdminOutcome:
        await trio.lowlevel.checkpoint()
        self.terminated.append((invocation, kind))
        return self.outcome

    async def purge(self, invocation: InvocationId) -> AdminOutcome:
        return await self._operate("purge", invocation)

    async def purge_journal(self, invocation: InvocationId) -> AdminOutcome:
        return await self._operate("purge-journal", invocation)

    async def pause(self, invocation: InvocationId) -> AdminOutcome:
        return await self._operate("pause", invocation)

    async def resume(self, invocation: InvocationId, move: Move | None = None) -> AdminOutcome:
        return await self._operate("resume", invocation, move)

    async def restart_as_new(
        self, invocation: InvocationId, new_id: InvocationId, last_index: int = 0, move: Move | None = None
    ) -> AdminOutcome:
        return await self._operate("restart-as-new", invocation, new_id, last_index, move)

    async def patch_state(self, patch: PatchState) -> None:
        await trio.lowlevel.checkpoint()
        self.patched.append(patch)

    async def _operate(self, *operation: object) -> AdminOutcome:
        await trio.lowlevel.checkpoint()
        self.operated.append(operation)
        return self.outcome


class FakeDiscovery:
    """answers: {uri: announcement}; asked: (uri, headers, use_http_11) of every question; converted: what serializers got."""

    def __init__(self) -> None:
        self.answers: dict[str, Announcement] = {}
        self.asked: list[tuple[str, tuple[tuple[str, str], ...], bool]] = []
        self.converted: list[tuple[DeploymentId, SerdeRequest]] = []

    async def discover(
        self, uri: str, headers: Sequence[tuple[str, str]] = (), *, use_http_11: bool = False
    ) -> Announcement:
        await trio.lowlevel.checkpoint()
        self.asked.append((uri, tuple(headers), use_http_11))
        if uri not in self.answers:
            raise DeploymentError(f"the deployment at {uri} cannot be reached", code="META0003")
        return self.answers[uri]

    async def convert(self, deployment: Deployment, request: SerdeRequest) -> bytes:
        await trio.lowlevel.checkpoint()
        self.converted.append((deployment.id, request))
        return b"converted"


class FixedClock:
    def now_ms(self) -> int:
        return NOW_MS

    async def sleep_until(self, due_ms: int) -> None:
        raise AssertionError("admin does not wait")


class CountingIds:
    def __init__(self) -> None:
        self._count = 0

    def ulid(self) -> bytes:
        self._count += 1
        return self._count.to_bytes(16, "big")

    def bucket(self, count: int) -> int:
        return 0

    def uuid7_text(self) -> str:
        raise AssertionError("admin makes no invocations")


def announce(*services: Service, generation: Generation | None = None, **fields: Any) -> Announcement:
    """An announcement of its services' generation; modern without services."""
    if generation is None:
        generation = services[0].type.generation if services else Generation.MODERN
    low, high = (5, 7) if generation is Generation.MODERN else (1, 1)
    known: dict[str, Any] = {
        "protocol_type": "BidiStream",
        "http_version": "HTTP/2.0",
        "min_protocol_version": low,
        "max_protocol_version": high,
    }
    return Announcement(generation, services=services, **(known | fields))


class Admin:
    """One application with its fakes, and short ways to call it. records: what is stored of invocations."""

    def __init__(
        self,
        *,
        settings: config.Admin | None = None,
        is_live: Callable[[str], bool] | None = None,
        defaults: Defaults = DEFAULTS,
        queries: QueryPool | None = None,
    ) -> None:
        self.partition = FakePartition()
        self.discovery = FakeDiscovery()
        self.records: dict[InvocationId, InvocationRecord] = {}
        self.parts = Parts(
            self.partition,
            self.discovery,
            settings or config.Admin(),
            FixedClock(),
            CountingIds(),
            defaults,
            is_live or (lambda _service: False),
            self.records.get,
            "http://127.0.0.1:8080/",
            queries=queries,
        )
        self.app: QuartTrio = build(self.parts)
        self.client = self.app.test_client()

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.call("GET", path)

    async def register(self, uri: str, *, prefix: str = "", **fields: object) -> tuple[int, Any]:
        return await self.call("POST", f"{prefix}/deployments", {"uri": uri, **fields})

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON body, None when it is empty."""
        response = await self.respond(method, path, body)
        raw = await response.get_data()
        return response.status_code, await response.get_json() if raw else None

    async def respond(self, method: str, path: str, body: object = None) -> Any:
        arguments: dict[str, Any] = {} if body is None else {"json": body}
        # The test client would give the decoded path for this one, too.
        as_sent = {"raw_path": path.partition("?")[0].encode()}
        return await self.client.open(path, method=method, scope_base=as_sent, **arguments)

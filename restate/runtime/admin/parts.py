"""What the routes work with."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import attrs
import trio

from restate.runtime import config
from restate.runtime.discovery.serdes import SerdeRequest
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import Move, PatchState, TerminateKind
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.query.statement import Output, Parameter, SessionInfo, Statement
from restate.runtime.query.worker_query import Query
from restate.runtime.schema.deployment import Deployment
from restate.runtime.schema.options import Defaults
from restate.runtime.schema.registration import Announcement
from restate.runtime.schema.registry import Registry


class PartitionHandle(Protocol):
    """The side of `partition.handle.Partition` that admin sees."""

    schema: Registry
    ready: trio.Event

    async def change_schema(
        self, expected_version: int, rows: tuple[tuple[bytes, bytes | None], ...]
    ) -> bool: ...

    async def terminate(self, invocation: InvocationId, kind: TerminateKind) -> AdminOutcome: ...

    async def purge(self, invocation: InvocationId) -> AdminOutcome: ...

    async def purge_journal(self, invocation: InvocationId) -> AdminOutcome: ...

    async def pause(self, invocation: InvocationId) -> AdminOutcome: ...

    async def resume(self, invocation: InvocationId, move: Move | None = None) -> AdminOutcome: ...

    async def restart_as_new(
        self, invocation: InvocationId, new_id: InvocationId, last_index: int = 0, move: Move | None = None
    ) -> AdminOutcome: ...

    async def patch_state(self, patch: PatchState) -> None: ...


class DiscoveryHandle(Protocol):
    """The side of `discovery.handle.Discovery` that admin sees."""

    async def discover(
        self, uri: str, headers: Sequence[tuple[str, str]] = (), *, use_http_11: bool = False
    ) -> Announcement: ...

    async def convert(self, deployment: Deployment, request: SerdeRequest) -> bytes: ...


class QueryPool(Protocol):
    """The side of `query.pool.Pool` that admin sees."""

    def open(
        self,
        statement: Statement,
        parameters: Sequence[Parameter],
        output: Output,
        binary_columns: Sequence[bool] | bool,
        session: SessionInfo,
    ) -> AbstractAsyncContextManager[Query]: ...


@attrs.frozen
class Parts:
    """Handles and settings. is_live: whether a service has an invocation that has not ended. record_of: what is
    stored of an invocation, None if there is no such one. ingress_url: for clients. kafka_clusters: of the configuration.
    """

    partition: PartitionHandle
    discovery: DiscoveryHandle
    settings: config.Admin
    clock: Clock
    ids: IdSource
    defaults: Defaults
    is_live: Callable[[str], bool]
    record_of: Callable[[InvocationId], InvocationRecord | None]
    ingress_url: str
    kafka_clusters: tuple[KafkaCluster, ...] = ()
    queries: QueryPool | None = None
    """None: SQL is not offered."""

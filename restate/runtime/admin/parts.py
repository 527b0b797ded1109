"""What the routes work with."""

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

from restate.runtime import config
from restate.runtime.engine.actions import AdminOutcome
from restate.runtime.engine.records import TerminateKind
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.ids import InvocationId
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


class DiscoveryHandle(Protocol):
    """The side of `discovery.handle.Discovery` that admin sees."""

    async def discover(
        self, uri: str, headers: Sequence[tuple[str, str]] = (), *, use_http_11: bool = False
    ) -> Announcement: ...


@attrs.frozen
class Parts:
    """Handles and settings. is_live: whether a service has an invocation that has not ended. ingress_url: for clients."""

    partition: PartitionHandle
    discovery: DiscoveryHandle
    settings: config.Admin
    clock: Clock
    ids: IdSource
    defaults: Defaults
    is_live: Callable[[str], bool]
    ingress_url: str

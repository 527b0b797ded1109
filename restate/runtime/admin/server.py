"""Serves the admin application on a bound socket: the only file that knows Hypercorn.

Hypercorn 0.18 lets an exception in one connection end the whole server, loses sight of idle connections, at shutdown
waits without end for a client that does not read, and neither closes nor goes on with a connection whose request was
answered before its body had come. All four are mended here (building-blocks.md §1.2).
"""

import logging
import ssl
from collections.abc import Callable
from socket import socket as Socket
from typing import Any

import hypercorn.trio.run
import hypercorn.trio.tcp_server
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config as HypercornConfig
from hypercorn.config import Sockets
from hypercorn.events import Closed, Event, Updated

from restate.runtime.admin.app import build
from restate.runtime.admin.parts import DiscoveryHandle, PartitionHandle, Parts, QueryPool
from restate.runtime.admin.subscriptions import warn_of_subscriptions
from restate.runtime.config import Config
from restate.runtime.model.clock import Clock, IdSource
from restate.runtime.model.ids import InvocationId
from restate.runtime.model.invocation import InvocationRecord
from restate.runtime.net.access import Gate
from restate.runtime.net.tls import ServerTls
from restate.runtime.schema.options import DEFAULTS, Defaults

log = logging.getLogger("restate.admin")


_LAST_SECOND = 1.0
"""Without any idle time: HTTP/2 has no word for the last answer, so its client may send a request meanwhile."""


class _ServerConfig(HypercornConfig):
    """Carries the open connections, so that they can be closed by force."""

    def __init__(self, tls: ServerTls | None, config: Config) -> None:
        super().__init__()
        self._tls = tls
        self.open_streams: set[trio.abc.Stream] = set()
        self.errorlog = None
        self.accesslog = None
        self.include_server_header = False
        self.graceful_timeout = config.admin.shutdown_timeout_ms / 1000
        self._one_request = config.admin.idle_timeout_ms == 0
        self.keep_alive_timeout = _LAST_SECOND if self._one_request else config.admin.idle_timeout_ms / 1000
        self.first_request_timeout = max(config.net.first_bytes_timeout_ms / 1000, self.keep_alive_timeout)
        # By its own measure, what is allowed would depend on the pieces in which it comes.
        self.h11_max_incomplete_size = self.h2_max_header_list_size = config.net.header_size_limit
        # Reaching either would drop requests of the same connection that are in progress.
        self.keep_alive_max_requests = 10**9
        self.h2_max_concurrent_streams = config.net.stream_limit

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        headers = super().response_headers(protocol)
        if self._one_request and protocol == "h11":
            headers.append((b"connection", b"close"))
        return headers

    @property
    def ssl_enabled(self) -> bool:
        return self._tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return None if self._tls is None else self._tls.context


class _Connection(hypercorn.trio.tcp_server.TCPServer):
    """A connection whose failure is its own."""

    config: _ServerConfig
    _was_asked = False

    async def run(self) -> None:
        streams = self.config.open_streams
        streams.add(self.stream)
        try:
            await super().run()
        except* Exception as group:
            log.error("a connection failed: %r", group.exceptions)
        finally:
            streams.discard(self.stream)

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Updated) and not event.idle:
            self._was_asked = True
        # Quart cancels the task that reports the end of a request. Unshielded, that also cancels the watch over the
        # idle connection which the report starts, or its closing, and the connection would then stay open for ever.
        with trio.CancelScope(shield=isinstance(event, Updated | Closed)):
            await super().protocol_send(event)

    async def _idle_timeout(self) -> None:
        """The first request has a time of its own: where the limit is short, no connection would last until it came."""
        limit_s = self.config.keep_alive_timeout if self._was_asked else self.config.first_request_timeout
        with trio.move_on_after(limit_s):
            await self.context.terminated.wait()
        with trio.CancelScope(shield=True):
            await self._initiate_server_close()


hypercorn.trio.run.TCPServer = _Connection  # type: ignore[attr-defined]


async def serve(
    socket: Socket,
    *,
    partition: PartitionHandle,
    discovery: DiscoveryHandle,
    config: Config,
    clock: Clock,
    ids: IdSource,
    ingress_url: str,
    shutdown: trio.Event,
    defaults: Defaults = DEFAULTS,
    queries: QueryPool | None = None,
    gate: Gate | None = None,
    tls: ServerTls | None = None,
    is_live: Callable[[str], bool] = lambda _service: True,
    record_of: Callable[[InvocationId], InvocationRecord | None] = lambda _invocation: None,
    told: Callable[[Callable[[], int]], None] = lambda _connections: None,
    task_status: trio.TaskStatus[Any] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `shutdown`, then at most for a few seconds more; cancelled, end at once. Closes `socket`.

    socket: bound, listening, non-blocking. ingress_url: what clients are told. is_live: whether a
    service has an invocation that has not ended; only asked before a service name changes its generation.
    record_of: what is stored of an invocation. queries: what runs SQL; None: /query answers 503.
    told: is given what counts the open connections.
    gate: who may call; None: everybody. tls: None: plain connections.
    """
    parts = Parts(
        partition,
        discovery,
        config.admin,
        clock,
        ids,
        defaults,
        is_live,
        record_of,
        ingress_url,
        config.ingress.kafka_clusters,
        queries,
    )
    server_config = _ServerConfig(tls, config)
    told(lambda: len(server_config.open_streams))
    sockets = Sockets([], [socket], []) if tls is None else Sockets([socket], [], [])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_cut_connections, server_config, shutdown)
        nursery.start_soon(warn_of_subscriptions, parts)
        await hypercorn.trio.run.worker_serve(
            ASGIWrapper(_reading_bodies(build(parts, gate), config.admin.body_discard_timeout_ms / 1000)),
            server_config,
            sockets=sockets,
            shutdown_trigger=shutdown.wait,
            task_status=task_status,
        )
        nursery.cancel_scope.cancel()


def _reading_bodies(app: Any, timeout_s: float) -> Any:
    """The ASGI application, whose answers end when the request has: until then Quart reads, and drops what is too much."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        ended = trio.Event()

        async def receive_watched() -> Any:
            message = await receive()
            if not message.get("more_body"):
                ended.set()
            return message

        async def send_last(message: Any) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body"):
                with trio.move_on_after(timeout_s):
                    await ended.wait()
            await send(message)

        if scope["type"] == "http":
            await app(scope, receive_watched, send_last)
        else:
            await app(scope, receive, send)

    return run


async def _cut_connections(config: _ServerConfig, shutdown: trio.Event) -> None:
    """Close what is still open when the grace period is over, or at once when cancelled.

    Hypercorn shields its writes from cancellation; a write to a closed stream ends, though.
    """
    try:
        await shutdown.wait()
        await trio.sleep(config.graceful_timeout)
    finally:
        with trio.CancelScope(shield=True):
            for stream in list(config.open_streams):
                await trio.aclose_forcefully(stream)

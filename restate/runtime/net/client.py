"""Outgoing HTTP exchanges with service deployments: the one way in which the server calls somebody.

`open` chooses HTTP/2 with prior knowledge (http://), TLS with ALPN (https://), or HTTP/1.1, and takes a connection
from the pool of that origin.
"""

import re
import ssl
from functools import lru_cache
from typing import Literal

import trio

from restate.runtime.net.exchange import (
    ClientError,
    ClientLimits,
    ConnectFailed,
    ConnectionLost,
    Exchange,
    ProtocolFailure,
    ResponseHead,
    StreamReset,
)
from restate.runtime.net.h1_client import H1Pool
from restate.runtime.net.h2_exchange import H2Exchange
from restate.runtime.net.origin import Origin, dial
from restate.runtime.net.pool import Pool
from restate.runtime.net.proxy import Proxy

__all__ = [
    "Client",
    "ClientError",
    "ClientLimits",
    "ConnectFailed",
    "ConnectionLost",
    "Exchange",
    "HttpVersion",
    "ProtocolFailure",
    "ResponseHead",
    "StreamReset",
]

HttpVersion = Literal["2", "1.1", "auto"]

# They describe the connection, which is the client's own business, or say what :authority says (RFC 9113 §8.2.2).
_CONNECTION_HEADERS = frozenset(
    (b"connection", b"host", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade")
)
_MANY_ORIGINS = 1024
"""So many are remembered; of more, only those with connections."""

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\0\r\n]")
_BAD_PATH = re.compile(rb"[^\x21-\x7e]")


class Client:
    """Opens exchanges while `run` is running.

    ssl_context: trust for https:// deployments; the system's certificates when None. The client sets its ALPN list.
    proxy: gets what it carries.
    """

    def __init__(
        self,
        limits: ClientLimits | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._limits = limits or ClientLimits()
        self._ssl_context = ssl_context
        self._proxy = proxy
        self._nursery: trio.Nursery | None = None
        self._h2_pools: dict[Origin, Pool] = {}
        self._h1_pools: dict[Origin, H1Pool] = {}
        self._h1_origins: set[Origin] = set()  # those that "auto" found to speak HTTP/1.1 only

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Own the connections. Runs until it is cancelled; what is open then fails with ConnectionLost."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for pool in self._h2_pools.values():
                pool.close()
            for h1_pool in self._h1_pools.values():
                h1_pool.close()

    async def open(
        self,
        uri: str,
        method: str,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        *,
        body: bytes | None = None,
        end: bool = False,
        http_version: HttpVersion = "2",
    ) -> Exchange:
        """Send a request head and give its exchange, which the caller closes (`async with`).

        uri: address of the deployment; only its scheme and authority matter here. path: the full request path with
        its query. body: goes out together with the head; what the windows have no room for follows by itself. end:
        the request is complete with that.
        "auto" tries HTTP/2 and remembers who speaks HTTP/1.1 only.

        ValueError: the address, the path or a header cannot be sent. ClientError: no connection.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        origin = _origin(uri)
        if not path.startswith(b"/") or _BAD_PATH.search(path):
            raise ValueError(f"expected an encoded request path that starts with /, got {path!r}")
        checked = _checked(headers)
        if http_version == "1.1" or (http_version == "auto" and origin in self._h1_origins):
            return await self._h1_pool(origin).open(method, path, checked, body, end=end)
        try:
            return await self._open_h2(origin, method, path, checked, body, end=end)
        except ProtocolFailure as failure:
            if http_version != "auto" or not failure.http1_peer:
                raise
        self._h1_origins.add(origin)
        return await self._h1_pool(origin).open(method, path, checked, body, end=end)

    async def _open_h2(
        self,
        origin: Origin,
        method: str,
        path: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
        *,
        end: bool,
    ) -> Exchange:
        pool = self._h2_pool(origin)
        head = [
            (b":method", method.encode()),
            (b":scheme", origin.scheme.encode()),
            (b":authority", origin.authority),
            (b":path", path),
        ]
        exchange = H2Exchange(pool, head + headers, body, end=end)
        pool.submit(exchange)
        try:
            await exchange.started()
        except BaseException:
            exchange.abort()
            raise
        return exchange

    def _running(self) -> trio.Nursery:
        if self._nursery is None:
            raise ConnectFailed("the client is not running")
        return self._nursery

    def _h2_pool(self, origin: Origin) -> Pool:
        pool = self._h2_pools.get(origin)
        if pool is None:
            self._forget_idle()

            async def dial_h2() -> trio.abc.Stream:
                return await self._dial_h2(origin)

            pool = self._h2_pools[origin] = Pool(self._limits, dial_h2, self._running())
        return pool

    def _forget_idle(self) -> None:
        """Before another origin becomes known: anybody who registers may name any number of them."""
        if len(self._h2_pools) + len(self._h1_pools) < _MANY_ORIGINS:
            return
        self._h2_pools = {origin: pool for origin, pool in self._h2_pools.items() if pool.in_use}
        # What is in use there goes on, and is closed afterwards.
        for h1_pool in self._h1_pools.values():
            h1_pool.close()
        self._h1_pools.clear()
        self._h1_origins.clear()

    async def _dial_h2(self, origin: Origin) -> trio.abc.Stream:
        stream, peer, protocol = await self._dial(origin, ("h2", "http/1.1"))
        if peer.scheme == "https" and protocol != "h2":
            await trio.aclose_forcefully(stream)
            raise ProtocolFailure(f"{peer} does not offer HTTP/2 by ALPN", processed=False, http1_peer=True)
        return stream

    async def _dial(
        self, origin: Origin, protocols: tuple[str, ...]
    ) -> tuple[trio.abc.Stream, Origin, str | None]:
        """A stream, to whom it leads, and the protocol found by ALPN."""
        peer = origin if self._proxy is None else self._proxy.peer(origin)
        if self._ssl_context is None and peer.scheme == "https":
            # Reading the system's certificates takes long enough to be felt by everybody else.
            self._ssl_context = await trio.to_thread.run_sync(ssl.create_default_context)
        try:
            stream, protocol = await dial(peer, self._ssl_context, protocols, self._limits.connect_timeout_s)
        except ConnectFailed as error:
            if peer is origin:
                raise
            raise ConnectFailed(f"the proxy for {origin}: {error}") from error
        return stream, peer, protocol

    def _h1_pool(self, origin: Origin) -> H1Pool:
        pool = self._h1_pools.get(origin)
        if pool is None:
            self._forget_idle()

            async def dial_h1() -> trio.abc.Stream:
                self._running()
                stream, _, _ = await self._dial(origin, ("http/1.1",))
                return stream

            pool = self._h1_pools[origin] = H1Pool(self._limits, origin, dial_h1)
        return pool


@lru_cache(1024)
def _origin(uri: str) -> Origin:
    return Origin.of(uri)


@lru_cache(1024)
def _wire_name(name: bytes) -> bytes | None:
    """The header name as it is sent, or None when it must not be sent."""
    lower = name.lower()
    if not _NAME.fullmatch(lower):
        raise ValueError(f"{name!r} is not the name of an HTTP header")
    return None if lower in _CONNECTION_HEADERS else lower


def _checked(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers as they are sent. Nobody checks them after us, and a peer may end the connection for a bad one."""
    checked = []
    for name, value in headers:
        wire_name = _wire_name(name)
        if _BAD_VALUE.search(value):
            raise ValueError(
                f"the value of header {name.decode('latin-1')} holds a line break or a zero byte"
            )
        if wire_name is not None:
            checked.append((wire_name, value.strip(b" \t")))
    return checked

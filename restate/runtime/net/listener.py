"""Ports, connections and their end: accept, find out the protocol, watch the time, drain.

listener = bind("127.0.0.1", 8080)
drain = Drain()
nursery.start_soon(partial(serve, listener, handler, name="ingress", nursery=work, drain=drain))
...
drain.start()                  # no new connections and requests; those in progress go on
await drain.finished.wait()    # under a deadline of the caller, who then cancels `work`
"""

import errno
import ipaddress
import logging
import math
import socket
import ssl
from socket import socket as Socket
from typing import Protocol
from weakref import WeakKeyDictionary

import attrs
import trio

from restate.runtime.net.h1 import H1Connection
from restate.runtime.net.h2_server import PREFACE, H2Connection
from restate.runtime.net.http import ConnectionClosed, Handler, Peer
from restate.runtime.net.limits import Limits
from restate.runtime.net.tls import TlsTransport
from restate.runtime.net.transport import SocketTransport, Transport

__all__ = ["Drain", "Limits", "Listener", "accept", "bind", "serve", "serve_connection"]

log = logging.getLogger("restate.net")

BACKLOG = 4096
"""Connections that the kernel holds for us, unless told otherwise."""

_OUT_OF_RESOURCES = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS))
_BROKEN_LISTENER = frozenset((errno.EBADF, errno.EFAULT, errno.EINVAL, errno.ENOTSOCK))
_RESOURCE_PAUSE = 0.1  # seconds until the next accept after one of these
_SILENCE = 60  # seconds without another line about the same listener
_complained_at: WeakKeyDictionary[Socket, float] = WeakKeyDictionary()


@attrs.frozen(eq=False)
class Listener:
    """A bound, listening, non-blocking TCP socket. `serve` closes it; so does another server that is given `socket`."""

    socket: Socket

    @property
    def address(self) -> Peer:
        """Host and port in use, also after a bind to port 0."""
        host, port = self.socket.getsockname()[:2]
        return host, port

    @property
    def port(self) -> int:
        return self.address[1]

    def close(self) -> None:
        if self.socket.fileno() != -1:
            self.socket.close()


def bind(host: str, port: int, backlog: int = BACKLOG) -> Listener:
    """Bind and listen now. Port 0 takes a free one. backlog: connections that the kernel holds until they are accepted.
    Raises OSError, also for a name that cannot be resolved.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and ipaddress.ip_address(address[0]).is_unspecified:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return Listener(sock)


class _Protocol(Protocol):
    def tick(self, now: float) -> None: ...
    def begin_drain(self) -> None: ...


class _Client:
    """One accepted connection, from accept to close."""

    def __init__(self, transport: Transport, handler: Handler, limits: Limits, peer: Peer) -> None:
        self._transport = transport
        self._handler = handler
        self._limits = limits
        self.peer = peer
        self._scope = trio.CancelScope()
        self._protocol: _Protocol | None = None
        self._deadline = trio.current_time() + limits.first_bytes_timeout

    def tick(self, now: float) -> None:
        if self._protocol is not None:
            self._protocol.tick(now)
        elif now > self._deadline:
            self._scope.cancel()

    def begin_drain(self) -> None:
        if self._protocol is not None:
            self._protocol.begin_drain()
        else:
            self._scope.cancel()

    async def run(self) -> None:
        with self._scope:
            first = await self._first_bytes()
            if first.startswith(PREFACE):
                h2 = H2Connection(self._transport, self._handler, self._limits, self.peer)
                self._protocol = h2
                await h2.run(first)
            elif first:
                h1 = H1Connection(self._transport, self._handler, self._limits, self.peer, self._scope)
                self._protocol = h1
                await h1.run(first)

    async def _first_bytes(self) -> bytes:
        """Enough bytes to tell the protocol; what there is if the client ends before."""
        data = b""
        while True:
            more = await self._transport.receive(self._limits.receive_bytes)
            data += more
            if not more or not PREFACE.startswith(data):
                return data
            if len(data) == len(PREFACE):
                return data


class Drain:
    """The graceful end of one or several listeners, and the count of their connections."""

    def __init__(self) -> None:
        self.started = False
        self.finished = trio.Event()  # started, and the last connection has ended
        self.accepted = 0  # connections, since the process has started
        self.ended = dict.fromkeys(("success", "closed", "server-error"), 0)  # connections, by reason
        self._accepting: set[trio.CancelScope] = set()
        self._clients: set[_Client] = set()
        self._left = trio.Event()  # a connection has ended

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._clients)

    def start(self) -> None:
        """Stop accepting, close what is idle, let requests in progress finish. May be repeated."""
        if self.started:
            return
        self.started = True
        for scope in self._accepting:
            scope.cancel()
        for client in list(self._clients):
            client.begin_drain()
        self._check()

    def accepting(self) -> trio.CancelScope:
        """A scope for an accept loop, cancelled at the start."""
        scope = trio.CancelScope()
        self._accepting.add(scope)
        if self.started:
            scope.cancel()
        return scope

    def add(self, client: _Client) -> None:
        self._clients.add(client)
        self.accepted += 1
        if self.started:
            client.begin_drain()

    def remove(self, client: _Client, reason: str) -> None:
        self.ended[reason] += 1
        self._clients.remove(client)
        self._left.set()
        self._check()

    async def fewer_than(self, connections: int) -> None:
        """Wait until so few are open."""
        while len(self._clients) >= connections:
            self._left = trio.Event()
            await self._left.wait()

    async def watch(self, tick: float) -> None:
        """Look at the time of every connection, each `tick` seconds, until all have ended."""
        while not self.finished.is_set():
            with trio.move_on_after(tick):
                await self.finished.wait()
            now = trio.current_time()
            for client in list(self._clients):
                client.tick(now)

    def _check(self) -> None:
        if self.started and not self._clients:
            self.finished.set()


async def serve(
    listener: Listener,
    handler: Handler,
    *,
    limits: Limits | None = None,
    name: str = "http",
    nursery: trio.Nursery,
    drain: Drain | None = None,
    tls: ssl.SSLContext | None = None,
    task_status: trio.TaskStatus[Peer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept connections until cancelled or drained; each one is a task of `nursery`. tls: None for plain connections.

    The end of this function, for whatever reason, closes the listener and starts the drain, so that `nursery` ends
    by itself once the requests in progress are answered. No connection can end the server: what escapes from one
    is logged. Reports the address in use.
    """
    limits = limits or Limits()
    drain = drain or Drain()
    scope = drain.accepting()
    nursery.start_soon(drain.watch, limits.tick, name=f"{name} watch")
    try:
        with scope:
            task_status.started(listener.address)
            while True:
                await drain.fewer_than(limits.max_connections)
                for sock, peer in await accept(listener.socket, limits.max_connections - drain.connections):
                    transport: Transport = SocketTransport(sock, limits.write_timeout)
                    if tls is not None:
                        transport = TlsTransport(transport, tls)
                    client = _Client(transport, handler, limits, peer)
                    drain.add(client)
                    nursery.start_soon(
                        _run_client, client, transport, drain, name=f"{name} {peer[0]}:{peer[1]}"
                    )
    finally:
        listener.close()
        drain.start()


async def serve_connection(
    transport: Transport,
    handler: Handler,
    *,
    limits: Limits | None = None,
    peer: Peer = ("", 0),
    drain: Drain,
) -> None:
    """Serve one connection that was accepted elsewhere, until it ends. Nothing but cancellation escapes."""
    client = _Client(transport, handler, limits or Limits(), peer)
    drain.add(client)
    await _run_client(client, transport, drain)


async def _run_client(client: _Client, transport: Transport, drain: Drain) -> None:
    reason = "closed"
    try:
        await client.run()
        reason = "success"
    except* ConnectionClosed as gone:
        log.debug("connection of %s:%d ended: %s", *client.peer, gone.exceptions[0])
    except* Exception:
        reason = "server-error"
        log.exception("connection of %s:%d crashed", *client.peer)
    finally:
        transport.close()
        drain.remove(client, reason)


async def accept(listening: Socket, most: int) -> list[tuple[Socket, Peer]]:
    """Wait for connections and take those that are there, at most `most`; non-blocking sockets, with their peers.

    For servers of other protocols, too. Raises OSError if the listener itself is broken.
    """
    await trio.lowlevel.wait_readable(listening)
    accepted: list[tuple[Socket, Peer]] = []
    while len(accepted) < most:
        try:
            sock, address = listening.accept()
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno in _BROKEN_LISTENER:
                raise
            if error.errno not in _OUT_OF_RESOURCES:
                continue  # the client was gone before we took it
            if not accepted:
                _complain(listening, error)
                await trio.sleep(_RESOURCE_PAUSE)
            break
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        accepted.append((sock, (address[0], address[1])))
    return accepted


def _complain(listening: Socket, error: OSError) -> None:
    """A shortage lasts, and clients come all the time."""
    now = trio.current_time()
    if now < _complained_at.get(listening, -math.inf) + _SILENCE:
        return
    _complained_at[listening] = now
    files = error.errno in (errno.EMFILE, errno.ENFILE)
    log.error(
        "cannot accept a connection, trying again: %s%s",
        error,
        "; raise the limit of open files, by `ulimit -n` or LimitNOFILE" if files else "",
    )

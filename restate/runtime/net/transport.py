"""The bytes of one connection: a Trio stream without the checkpoints that a busy server does not need."""

import contextlib
import enum
import select
import socket
from typing import Protocol

import trio

from restate.runtime.net.http import ConnectionClosed

_ENDED = getattr(select, "POLLRDHUP", 0)  # Linux alone tells it apart from bytes to read


class Direction(enum.Enum):
    """Which directions of a connection are open, as far as the system knows."""

    BOTH = "both"
    ONLY_TO_CLIENT = "only to client"  # it has ended its side: it may be gone, or wait for our answer
    NONE = "none"  # reset


class Transport(Protocol):
    """What the protocols need of a connection. One task receives, one sends."""

    async def receive(self, size: int) -> bytes:
        """The next bytes, ``b""`` at the end. Always a checkpoint. Raises ConnectionClosed."""

    async def send(self, data: bytes) -> None:
        """Hand over all of ``data``. Waits only while the client is slow. Raises ConnectionClosed."""

    def open_directions(self) -> Direction:
        """Look without reading and without waiting. Never raises."""

    def send_now(self, data: bytes) -> bool:
        """Hand over a few bytes, while no task sends. False: they did not fit, nothing can be sent. Never raises."""

    def send_eof(self) -> None:
        """Nothing more will be sent. Never raises."""

    def close(self) -> None:
        """Release the connection at once. Never raises. May be repeated."""


async def end_and_discard(transport: Transport, most: int, at_once: int) -> None:
    """Send nothing more, and read up to `most` bytes until the client has ended, too: closing with unread bytes would
    reset the connection and destroy our last words. at_once: bytes of one read. The caller sets a time, and closes.

    Raises ConnectionClosed.
    """
    transport.send_eof()
    while most > 0 and (data := await transport.receive(at_once)):
        most -= len(data)


class SocketTransport:
    """A connected, non-blocking TCP socket, which this object owns."""

    def __init__(self, sock: socket.socket, write_timeout: float) -> None:
        self._sock = sock
        self._write_timeout = write_timeout  # seconds without progress

    async def receive(self, size: int) -> bytes:
        while True:
            # Waiting first, and not only after EAGAIN: between two requests there is nothing to read yet.
            try:
                await trio.lowlevel.wait_readable(self._sock)
                return self._sock.recv(size)
            except BlockingIOError:
                continue
            except (OSError, trio.ClosedResourceError) as error:
                raise ConnectionClosed(f"cannot receive: {error}") from error

    async def send(self, data: bytes) -> None:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise ConnectionClosed(f"cannot send: {error}") from error
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        while rest:
            with trio.move_on_after(self._write_timeout) as patience:
                try:
                    await trio.lowlevel.wait_writable(self._sock)
                    rest = rest[self._sock.send(rest) :]
                except BlockingIOError:
                    continue
                except (OSError, trio.ClosedResourceError) as error:
                    raise ConnectionClosed(f"cannot send: {error}") from error
            if patience.cancelled_caught:
                raise ConnectionClosed(f"the client took no byte for {self._write_timeout} s")

    def open_directions(self) -> Direction:
        if not _ENDED:
            return Direction.BOTH  # the next write tells
        poll = select.poll()
        poll.register(self._sock, _ENDED)
        # Unlike a look at the next bytes, this sees an end behind pipelined requests, and a reset behind an end.
        events = poll.poll(0)
        if not events:
            return Direction.BOTH
        broken = events[0][1] & (select.POLLERR | select.POLLHUP)
        return Direction.NONE if broken else Direction.ONLY_TO_CLIENT

    def send_now(self, data: bytes) -> bool:
        try:
            return self._sock.send(data) == len(data)
        except OSError:
            return False

    def send_eof(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        if self._sock.fileno() != -1:
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

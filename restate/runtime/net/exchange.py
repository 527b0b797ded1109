"""What every kind of outgoing exchange has in common: limits, errors, the answer's head, the interface."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import attrs


@attrs.frozen
class ClientLimits:
    """Bounds and times of outgoing connections; times in seconds, windows in bytes.

    retire_after_streams: a connection opens no more after so many, because Hypercorn drops everything at 1000.
    connections_per_authority: HTTP/2 only; when all are full, further exchanges wait in order.
    h1_idle_connections: HTTP/1.1 connections kept open per origin while nobody uses them.
    write_backlog_bytes: of bodies that wait for the peer to read, per HTTP/2 connection. goodbye_timeout_s: for the last
    frames of a connection. resends: how often an HTTP/2 exchange begins anew that the peer has not begun with.
    kept_body_bytes: a request body up to this size is kept until the head of the answer arrives, to be sent once more.
    """

    connect_timeout_s: float = 10
    settings_timeout_s: float = 5
    streams_per_connection: int = 128
    retire_after_streams: int = 900
    connections_per_authority: int = 4
    idle_timeout_s: float = 300
    ping_interval_s: float = 40
    ping_timeout_s: float = 20
    stream_window_bytes: int = 2 << 20
    connection_window_bytes: int = 16 << 20
    header_list_bytes: int = 64 << 10
    h1_idle_connections: int = 64
    write_backlog_bytes: int = 256 << 10
    goodbye_timeout_s: float = 1
    resends: int = 3
    kept_body_bytes: int = 256 << 10


class ClientError(Exception):
    """An exchange could not be finished.

    processed: False only when the peer certainly did not process the request, so that it may be sent again
    without counting as an attempt.
    """

    def __init__(self, message: str, *, processed: bool = True) -> None:
        super().__init__(message)
        self.processed = processed


class ConnectFailed(ClientError):
    """No connection could be made; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__(message, processed=False)


class ConnectionLost(ClientError):
    """The connection ended, or was given up, before the exchange was complete."""


class StreamReset(ClientError):
    """The exchange was reset. error_code is the HTTP/2 error code of the RST_STREAM frame."""

    def __init__(self, message: str, *, error_code: int, processed: bool = True) -> None:
        super().__init__(message, processed=processed)
        self.error_code = error_code


class ProtocolFailure(ClientError):
    """The peer broke the protocol. http1_peer: it answered something that is not HTTP/2 at all."""

    def __init__(self, message: str, *, processed: bool = True, http1_peer: bool = False) -> None:
        super().__init__(message, processed=processed)
        self.http1_peer = http1_peer


@attrs.frozen
class ResponseHead:
    """Status and headers of an answer. Header names are lower case, pseudo headers are left out."""

    status: int
    headers: list[tuple[bytes, bytes]]
    http_version: str

    def header(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Exchange(ABC):
    """One request and its answer, both as streams. Leaving the `async with` block closes it.

    One task may send while another one receives. Every method that waits raises ClientError.
    """

    __slots__ = ()

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Take `data` into the request body; waits while the peer or the network does not keep up.

        The bytes are taken at the call: a task cancelled while waiting here has still sent them, whole. After the
        peer has ended the exchange in good order they are dropped without an error: the answer is complete.
        """

    @abstractmethod
    async def end(self) -> None:
        """End the request body. Calling it again does nothing."""

    @abstractmethod
    async def response(self) -> ResponseHead:
        """Wait for the head of the answer."""

    @abstractmethod
    async def receive(self) -> bytes:
        """The next bytes of the answer's body; b"" at its end."""

    @abstractmethod
    def receive_nowait(self) -> bytes | None:
        """All bytes that are here now; b"" at the end of the body, None when the next ones are still to come."""

    @abstractmethod
    def abort(self) -> None:
        """Give the exchange up (when it is unfinished) and everything it holds. Does nothing the second time."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

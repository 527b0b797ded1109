"""A scripted HTTP/2 service, and a network without sockets that leads to it.

A test says each step of the peer: what it answers, when it resets, leaves or falls silent.
"""

from collections.abc import Sequence

import attrs
import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import hyperframe.frame
import trio
import trio.testing
from trio.testing import MemoryReceiveStream, MemorySendStream

from restate.runtime.net.exchange import ConnectFailed
from restate.runtime.net.origin import Origin

SettingCodes = h2.settings.SettingCodes


@attrs.define
class PeerRequest:
    """What the peer has received of one request."""

    stream_id: int
    headers: dict[bytes, bytes]
    body: bytes = b""
    ended: bool = False
    reset_code: int | None = None


class H2Peer:
    """The service's side of one connection. `serve` must run; the rest is called by the test.

    acknowledge: give received bytes back to the client's windows at once.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        settings: dict[SettingCodes, int] | None = None,
        *,
        acknowledge: bool = True,
        answer_pings: bool = True,
    ) -> None:
        self.stream = stream
        self.requests: dict[int, PeerRequest] = {}
        self.pings = 0
        self.pongs = 0
        self.closed = False  # by the client
        self.goaway: int | None = None  # the error code of the client's GOAWAY
        self._settings = settings
        self._acknowledge = acknowledge
        self._answer_pings = answer_pings
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding=None)
        )
        self._changed = trio.Event()
        self._sending = trio.Lock()

    async def serve(self) -> None:
        """Read until the client closes. Sends nothing but acknowledgements and answers to PING."""
        while True:
            try:
                data = bytes(await self.stream.receive_some(65536))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                self.closed = True
                self._notify()
                return
            happened = self.h2.receive_data(data)
            if not self._answer_pings and any(isinstance(e, h2.events.PingReceived) for e in happened):
                self.h2.data_to_send()
            for event in happened:
                self._note(event)
            self._notify()
            await self.flush()

    def _note(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                self.requests[event.stream_id] = PeerRequest(event.stream_id, dict(event.headers))
            case h2.events.DataReceived():
                request = self.requests[event.stream_id]
                request.body += event.data
                if self._acknowledge:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.requests[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.requests[event.stream_id].reset_code = int(event.error_code)
            case h2.events.PingReceived():
                self.pings += 1
            case h2.events.PingAckReceived():
                self.pongs += 1
            case h2.events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0)

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def changed(self) -> None:
        """Wait until something came from the client."""
        await self._changed.wait()

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        while not self.closed:
            await self.changed()

    async def start(self) -> None:
        """Send our SETTINGS."""
        if self._settings is not None:
            self.h2.local_settings = h2.settings.Settings(client=False, initial_values=self._settings)
        self.h2.initiate_connection()
        await self.flush()

    async def request(self, number: int = 0) -> PeerRequest:
        """The request with this number on the connection, from 0, once its head is here."""
        while len(self.requests) <= number:
            await self.changed()
        return list(self.requests.values())[number]

    async def complete(self, number: int = 0) -> PeerRequest:
        """The same, once its body has ended."""
        request = await self.request(number)
        while not request.ended:
            await self.changed()
        return request

    async def flush(self) -> None:
        """Send what the state machine has."""
        async with self._sending:
            data = self.h2.data_to_send()
            if data:
                try:
                    await self.stream.send_all(data)
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self.closed = True

    async def head(
        self, stream_id: int, status: int = 200, headers: Sequence[tuple[bytes, bytes]] = ()
    ) -> None:
        """Send the head of an answer."""
        self.h2.send_headers(stream_id, [(b":status", str(status).encode()), *headers])
        await self.flush()

    async def data(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Send a piece of an answer, which the windows must have room for."""
        self.h2.send_data(stream_id, data, end_stream=end)
        await self.flush()

    async def answer(self, stream_id: int, body: bytes = b"ok") -> None:
        """Send a whole answer."""
        self.h2.send_headers(stream_id, [(b":status", b"200")])
        self.h2.send_data(stream_id, body, end_stream=True)
        await self.flush()

    async def reset(self, stream_id: int, error_code: int) -> None:
        """Send RST_STREAM."""
        self.h2.reset_stream(stream_id, error_code)
        await self.flush()

    def goaway_bytes(self, last_stream_id: int, error_code: int = 0) -> bytes:
        """A GOAWAY frame; our state machine does not learn of it, so that the streams can go on."""
        frame = hyperframe.frame.GoAwayFrame(0)
        frame.last_stream_id = last_stream_id
        frame.error_code = error_code
        return frame.serialize()

    async def send_goaway(self, last_stream_id: int, error_code: int = 0) -> None:
        """Send a GOAWAY frame."""
        await self.stream.send_all(self.goaway_bytes(last_stream_id, error_code))

    async def echo(self) -> None:
        """Answer every request with its own body, as it comes, as far as the windows allow."""
        sent: dict[int, int] = {}
        while not self.closed:
            changed = self._changed  # now, because more may come while we send
            for request in self.requests.values():
                if request.reset_code is None:
                    self._echo_one(request, sent)
            await self.flush()
            await changed.wait()

    def _echo_one(self, request: PeerRequest, sent: dict[int, int]) -> None:
        stream_id = request.stream_id
        if stream_id not in sent:
            self.h2.send_headers(stream_id, [(b":status", b"200")])
            sent[stream_id] = 0
        if sent[stream_id] < 0:
            return
        while sent[stream_id] < len(request.body):
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if room <= 0:
                return
            piece = request.body[sent[stream_id] : sent[stream_id] + room]
            self.h2.send_data(stream_id, piece)
            sent[stream_id] += len(piece)
        if request.ended:
            self.h2.end_stream(stream_id)
            sent[stream_id] = -1


class Network:
    """Takes the place of `restate.runtime.net.client.dial`: each connection is a pair of memory streams.

    refusing: new connections fail. alpn: the protocol that TLS origins negotiate.
    """

    def __init__(self) -> None:
        self.refusing = False
        self.alpn: str | None = None
        self.dialed = 0
        self.offered: list[tuple[str, ...]] = []
        self._near: list[trio.StapledStream[MemorySendStream, MemoryReceiveStream]] = []
        self._send, self._receive = trio.open_memory_channel[trio.abc.Stream](100)

    async def dial(
        self, origin: Origin, context: object, protocols: Sequence[str], timeout_s: float
    ) -> tuple[trio.abc.Stream, str | None]:
        """The client's side."""
        await trio.lowlevel.checkpoint()
        self.dialed += 1
        self.offered.append(tuple(protocols))
        if self.refusing:
            raise ConnectFailed(f"cannot connect to {origin}: refused by the test")
        near, far = trio.testing.memory_stream_pair()
        self._near.append(near)
        self._send.send_nowait(far)
        return near, self.alpn

    async def accept(self) -> trio.abc.Stream:
        """The service's side of the next connection."""
        return await self._receive.receive()

    def hold(self, number: int) -> trio.Event:
        """Let the client's writes on a connection wait until the event is set."""
        released = trio.Event()
        sender = self._near[number].send_stream
        deliver = sender.send_all_hook
        assert deliver is not None

        async def wait_and_deliver() -> None:
            await released.wait()
            await deliver()

        sender.send_all_hook = wait_and_deliver
        return released

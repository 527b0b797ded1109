"""A listener under test, and peers that speak to it in raw bytes."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import attrs
import h2.config
import h2.connection
import h2.errors
import h2.events
import httptools
import trio
import trio.testing

from restate.runtime.net.http import Handler, Request, Response
from restate.runtime.net.limits import Limits
from restate.runtime.net.listener import Drain, bind, serve

PATIENCE = 30  # seconds of real time that a peer waits before the test fails


async def echo(request: Request, response: Response) -> None:
    """Answers with the body, and the method, target and version in headers."""
    body = await request.body(64 << 20)
    seen = [
        (b"x-method", request.method.encode()),
        (b"x-target", request.target),
        (b"x-version", request.http_version.encode()),
        (b"x-host", request.header(b"host") or b"-"),
    ]
    await response.send(200, seen, body)


@attrs.define
class Running:
    """A listener that serves, and what it needs to be stopped."""

    port: int
    drain: Drain
    work: trio.Nursery  # its connections

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)

    async def connect_h1(self) -> "H1Peer":
        return H1Peer(await self.connect())

    async def connect_h2(self, **options: Any) -> "H2Peer":
        peer = H2Peer(await self.connect(), **options)
        await peer.open()
        return peer

    async def left_alone(self) -> None:
        """Wait until no connection is left."""
        with trio.fail_after(PATIENCE):
            while self.drain.connections:
                await trio.testing.wait_all_tasks_blocked(0.002)

    async def still_serves(self) -> None:
        """A new client of each protocol is answered."""
        async with await self.connect_h1() as h1:
            await h1.send(b"POST /alive HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi")
            assert (await h1.response()).status == 200
        async with await self.connect_h2() as h2_peer:
            assert (await h2_peer.exchange(b"GET", b"/alive")).status == 200


@asynccontextmanager
async def running(
    handler: Handler = echo, limits: Limits | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Running]:
    """A listener on a free port. At the end its connections are cancelled; nothing may be left of it."""
    async with trio.open_nursery() as work:
        listener = bind("127.0.0.1", 0)
        drain = Drain()
        await work.start(partial(serve, listener, handler, limits=limits, nursery=work, drain=drain, tls=tls))
        yield Running(listener.port, drain, work)
        work.cancel_scope.cancel()


@attrs.define
class Answer:
    """A response as a peer saw it."""

    status: int = 0
    headers: dict[bytes, bytes] = attrs.field(factory=dict)  # without the dates
    dates: list[bytes] = attrs.field(factory=list)
    pieces: list[bytes] = attrs.field(factory=list)  # of the body
    trailers: dict[bytes, bytes] = attrs.field(factory=dict)
    ended: bool = False
    reset: int | None = None  # error code

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class H1Peer:
    """An HTTP/1.1 client that parses answers and sends whatever a test likes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answers: list[Answer] = []
        self.bodyless = False  # the next answer is for HEAD

    async def __aenter__(self) -> "H1Peer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.aclose_forcefully(self.stream)

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.response()

    async def response(self) -> Answer:
        """The next complete answer."""
        with trio.fail_after(PATIENCE):
            while not (self._answers and self._answers[0].ended):
                data = await self.stream.receive_some(65_536)
                if not data:
                    raise EOFError(f"the server closed the connection, answers so far: {self._answers}")
                self._parser.feed_data(data)
        return self._answers.pop(0)

    async def is_cut_off(self, data: bytes, pause: float = 0) -> None:
        """Send the same again and again until the server has closed the connection."""
        with trio.fail_after(PATIENCE), contextlib.suppress(trio.BrokenResourceError):
            while True:
                await self.stream.send_all(data)
                await trio.sleep(pause)

    async def until_closed(self) -> bytes:
        """Everything up to the end of the connection."""
        data = b""
        with trio.fail_after(PATIENCE):
            try:
                while more := await self.stream.receive_some(65_536):
                    data += more
            except trio.BrokenResourceError:
                return data + b"[reset]"
        return data

    # Callbacks of httptools.

    def on_message_begin(self) -> None:
        self._answers.append(Answer())

    def on_header(self, name: bytes, value: bytes) -> None:
        if name == b"date":
            self._answers[-1].dates.append(value)
        else:
            self._answers[-1].headers[name] = value

    def on_headers_complete(self) -> None:
        self._answers[-1].status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self._answers[-1].pieces.append(data)

    def on_message_complete(self) -> None:
        self._answers[-1].ended = True


class H2Peer:
    """An h2 client over the h2 package. One task uses it; `pump` reads and answers what the protocol requires."""

    def __init__(self, stream: trio.abc.Stream, *, auto_window: bool = True, strict: bool = False) -> None:
        self.stream = stream
        self.auto_window = auto_window
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_outbound_headers=strict,
                normalize_outbound_headers=False,
            )
        )
        # The h2 package takes nothing after a GOAWAY, and forgets what it has not sent; a better client does not.
        self.h2.clear_outbound_data_buffer = lambda: None  # type: ignore[method-assign]
        machine = self.h2.state_machine
        go_on = (None, h2.connection.ConnectionState.CLIENT_OPEN)
        machine._transitions = {
            **machine._transitions,
            (h2.connection.ConnectionState.CLIENT_OPEN, h2.connection.ConnectionInputs.RECV_GOAWAY): go_on,
        }
        self.answers: dict[int, Answer] = {}
        self.goaways: list[tuple[int, int]] = []  # last stream, error code
        self.pings = 0
        self.pongs = 0
        self.closed = False
        self.settings: dict[Any, int] = {}

    async def __aenter__(self) -> "H2Peer":
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.aclose_forcefully(self.stream)

    async def open(self) -> None:
        self.h2.initiate_connection()
        await self.flush()

    async def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            await self.stream.send_all(data)

    def begin(
        self,
        method: bytes,
        path: bytes,
        headers: list[tuple[bytes, bytes]] | None = None,
        *,
        end: bool = True,
    ) -> int:
        """Open a stream; the caller flushes."""
        stream_id = self.h2.get_next_available_stream_id()
        head = [(b":method", method), (b":scheme", b"http"), (b":authority", b"a"), (b":path", path)]
        self.h2.send_headers(stream_id, head + (headers or []), end_stream=end)
        self.answers[stream_id] = Answer()
        return stream_id

    async def exchange(
        self, method: bytes, path: bytes, body: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None
    ) -> Answer:
        """One request and its answer."""
        stream_id = self.begin(method, path, headers, end=not body)
        if body:
            await self.send_body(stream_id, body)
        await self.flush()
        return await self.answer(stream_id)

    async def send_body(self, stream_id: int, body: bytes, *, end: bool = True) -> None:
        """Send as the windows allow."""
        while body:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if not room:
                await self.pump()
                continue
            piece, body = body[:room], body[room:]
            self.h2.send_data(stream_id, piece, end_stream=end and not body)
            await self.flush()

    async def answer(self, stream_id: int) -> Answer:
        """The answer, once it has ended or was reset."""
        answer = self.answers[stream_id]
        await self.until(lambda: answer.ended or answer.reset is not None)
        return answer

    async def until(self, done: Callable[[], bool]) -> None:
        with trio.fail_after(PATIENCE):
            while not done():
                if self.closed:
                    raise EOFError(f"the server closed the connection, GOAWAY {self.goaways}")
                await self.pump()

    async def sees_the_end(self, data: bytes = b"") -> None:
        """Send, and wait until the server has closed the connection."""
        with trio.fail_after(PATIENCE):
            with contextlib.suppress(trio.BrokenResourceError):
                await self.flush()
                await self.stream.send_all(data)
            while not self.closed:
                await self.pump()

    async def pump(self) -> None:
        """Read once."""
        try:
            data = await self.stream.receive_some(65_536)
        except trio.BrokenResourceError:
            data = b""
        if not data:
            self.closed = True
            return
        for event in self.h2.receive_data(data):
            self._react(event)
        try:
            await self.flush()
        except trio.BrokenResourceError:
            self.closed = True

    def _react(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                answer = self.answers[event.stream_id]
                answer.headers = {name: value for name, value in event.headers if name != b"date"}
                answer.dates = [value for name, value in event.headers if name == b"date"]
                answer.status = int(answer.headers.pop(b":status"))
            case h2.events.TrailersReceived():
                self.answers[event.stream_id].trailers = dict(event.headers)
            case h2.events.DataReceived():
                self.answers[event.stream_id].pieces.append(event.data)
                if self.auto_window:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self.answers[event.stream_id].ended = True
            case h2.events.StreamReset():
                self.answers[event.stream_id].reset = event.error_code
            case h2.events.ConnectionTerminated():
                self.goaways.append((event.last_stream_id or 0, int(event.error_code or 0)))
            case h2.events.PingReceived():
                self.pings += 1
            case h2.events.PingAckReceived():
                self.pongs += 1
            case h2.events.RemoteSettingsChanged():
                for code, change in event.changed_settings.items():
                    self.settings[code] = change.new_value

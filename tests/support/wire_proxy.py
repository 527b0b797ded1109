"""A recording proxy between a server and a service: bytes pass unchanged, Restate messages are noted.

Each HTTP/2 stream becomes an `Exchange`, whose events read like service-protocol §7: `> 0400` is a message to the
service by its type, `< 0401` one from it, `>|` and `<|` the ends of the two directions. An event is noted before
its bytes go on, so an answer never stands before what it answers.

A trap makes something happen at a message of choice, which itself is lost.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import attrs
import hpack
from hyperframe.frame import ContinuationFrame, DataFrame, Frame, HeadersFrame, RstStreamFrame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME_HEADER = 9
_MESSAGE_HEADER = 8


@attrs.define
class Exchange:
    """One request of the server to the service and its answer.

    bodies: the bytes of the messages alone, in the order of `messages()`.
    """

    path: str
    headers: dict[str, str]
    events: list[str] = attrs.field(factory=list)
    bodies: list[bytes] = attrs.field(factory=list)
    open_sides: set[str] = attrs.field(factory=lambda: {">", "<"})

    @property
    def invocation_id(self) -> str:
        """Of a modern invocation; empty for classic ones, which name it inside their first message."""
        return self.headers.get("x-restate-invocation-id", "")

    def types(self, side: str) -> list[str]:
        """The message types of one side, `>` or `<`, in order."""
        return [event[2:] for event in self.events if event.startswith(f"{side} ")]

    def messages(self) -> list[str]:
        """The messages of both sides in order, without the ends."""
        return [event for event in self.events if event[1] == " "]


@attrs.frozen
class _Trap:
    """Springs at message number `count` of the exchanges for `path` that begin after number `seen`."""

    path: str
    seen: int
    count: int
    spring: Callable[[], None]


class WireProxy:
    """Listens at `uri` and forwards every connection to a port on this machine. A context manager."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._exchanges: list[Exchange] = []
        self._sockets: set[socket.socket] = set()
        self._trap: _Trap | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> WireProxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        # Without the shutdown the thread in accept takes one connection more.
        _close(self._listener)
        self.cut()

    def cut(self) -> None:
        """Reset every connection that is open now."""
        with self._lock:
            doomed = list(self._sockets)
        for one in doomed:
            _close(one)

    def set_trap(self, path: str, count: int, spring: Callable[[], None]) -> None:
        """Call `spring` once, in a thread, when so many messages of new exchanges for a path ending were seen.

        The last of them, and what came with it in one piece, does not get through. Replaces the trap set before.
        """
        seen = len(self.exchanges(path))
        with self._lock:
            self._trap = _Trap(path, seen, count, spring)

    def exchanges(self, path: str) -> list[Exchange]:
        """Those for a path ending, such as `Steps/sleep`, in the order they began."""
        with self._lock:
            return [one for one in self._exchanges if one.path.endswith(f"/{path}")]

    def open_streams(self) -> int:
        """How many exchanges have a side that is still open."""
        with self._lock:
            return sum(bool(one.open_sides) for one in self._exchanges)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target_port))
            except OSError:
                near.close()
                continue
            with self._lock:
                self._sockets |= {near, far}
            recorder = _Recorder(self._lock, self._exchanges)
            for source, sink, side in ((near, far, ">"), (far, near, "<")):
                threading.Thread(target=self._relay, args=(source, sink, side, recorder), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, side: str, recorder: _Recorder) -> None:
        cutter = _FrameCutter(expect_preface=side == ">")
        decoder = hpack.Decoder()
        # The peer may allow a bigger table than the default; a proxy has no reason to refuse it.
        decoder.max_allowed_table_size = 1 << 20
        try:
            while chunk := source.recv(65536):
                for frame in cutter.feed(chunk):
                    recorder.note(side, frame, decoder)
                    if trap := self._sprung():
                        trap.spring()
                        return
                sink.sendall(chunk)
        except OSError:
            pass
        finally:
            recorder.end(side)
            _close(source)
            _close(sink)
            with self._lock:
                self._sockets -= {source, sink}

    def _sprung(self) -> _Trap | None:
        """The trap, if it is full now; it is removed."""
        with self._lock:
            trap = self._trap
            if trap is None:
                return None
            found = [one for one in self._exchanges if one.path.endswith(f"/{trap.path}")]
            if sum(len(one.messages()) for one in found[trap.seen :]) < trap.count:
                return None
            self._trap = None
            return trap


class _FrameCutter:
    """Bytes of one direction → HTTP/2 frames."""

    def __init__(self, *, expect_preface: bool) -> None:
        self._rest = b""
        self._skip = len(_PREFACE) if expect_preface else 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        self._rest += chunk
        if self._skip:
            if len(self._rest) < self._skip:
                return
            self._rest, self._skip = self._rest[self._skip :], 0
        while len(self._rest) >= _FRAME_HEADER:
            frame, length = Frame.parse_frame_header(memoryview(self._rest[:_FRAME_HEADER]))
            end = _FRAME_HEADER + length
            if len(self._rest) < end:
                return
            frame.parse_body(memoryview(self._rest[_FRAME_HEADER:end]))
            self._rest = self._rest[end:]
            yield frame


@attrs.define
class _Stream:
    """An exchange with the unfinished bytes of each side."""

    exchange: Exchange
    rests: dict[str, bytes] = attrs.field(factory=lambda: {">": b"", "<": b""})


class _Recorder:
    """What one connection's two directions have in common."""

    def __init__(self, lock: threading.Lock, exchanges: list[Exchange]) -> None:
        self._lock = lock
        self._exchanges = exchanges
        self._streams: dict[int, _Stream] = {}
        self._blocks: dict[str, bytes] = {">": b"", "<": b""}

    def note(self, side: str, frame: Frame, decoder: hpack.Decoder) -> None:
        with self._lock:
            match frame:
                case HeadersFrame() | ContinuationFrame():
                    self._blocks[side] += bytes(frame.data)
                    if "END_HEADERS" in frame.flags:
                        self._note_headers(side, frame.stream_id, decoder)
                case DataFrame():
                    self._note_data(side, frame)
                case RstStreamFrame():
                    self._note_end("x" + side, frame.stream_id, {">", "<"})
            if "END_STREAM" in frame.flags:
                self._note_end(f"{side}|", frame.stream_id, {side})

    def end(self, side: str) -> None:
        """The connection's direction is over."""
        with self._lock:
            for stream in self._streams.values():
                stream.exchange.open_sides.discard(side)

    def _note_headers(self, side: str, stream_id: int, decoder: hpack.Decoder) -> None:
        block, self._blocks[side] = self._blocks[side], b""
        headers = {_text(name): _text(value) for name, value in decoder.decode(block)}
        if side == ">" and stream_id not in self._streams:
            exchange = Exchange(headers.get(":path", ""), headers)
            self._exchanges.append(exchange)
            self._streams[stream_id] = _Stream(exchange)

    def _note_data(self, side: str, frame: DataFrame) -> None:
        stream = self._streams.get(frame.stream_id)
        if stream is None or "/invoke/" not in stream.exchange.path:
            return
        rest = stream.rests[side] + bytes(frame.data)
        while len(rest) >= _MESSAGE_HEADER:
            end = _MESSAGE_HEADER + int.from_bytes(rest[4:8], "big")
            if len(rest) < end:
                break
            stream.exchange.events.append(f"{side} {rest[:2].hex().upper()}")
            stream.exchange.bodies.append(rest[_MESSAGE_HEADER:end])
            rest = rest[end:]
        stream.rests[side] = rest

    def _note_end(self, event: str, stream_id: int, sides: set[str]) -> None:
        if stream := self._streams.get(stream_id):
            stream.exchange.events.append(event)
            stream.exchange.open_sides -= sides


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


def _close(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()

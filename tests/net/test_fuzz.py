"""Whatever arrives on a connection, it ends, nothing of it is our fault, and how it is cut does not matter.

NET_FUZZ_EXAMPLES says how many connections are tried.
"""

from __future__ import annotations

import logging
import os
import re

import attrs
import hpack
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from restate.runtime.net.h2_server import PREFACE
from restate.runtime.net.http import BodyTooLarge, Request, Response
from restate.runtime.net.limits import Limits
from restate.runtime.net.listener import Drain, serve_connection
from restate.runtime.net.transport import Direction
from tests.rpc.test_frames import cut

EXAMPLES = int(os.environ.get("NET_FUZZ_EXAMPLES", "60"))
LONGEST = 3600  # seconds of virtual time until a connection that has ended must be gone
PAUSE = 1  # seconds of virtual time until the client ends its side, so that it gets its answers
LIMITS = Limits(
    header_block_bytes=2000, header_count=20, control_frames_per_interval=50, resets_per_interval=20
)


@attrs.define
class Wire:
    """A transport whose client has sent `pieces` and then ended its side."""

    pieces: list[bytes]
    sent: bytes = b""
    closed: bool = False

    async def receive(self, size: int) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self.pieces:
            await trio.sleep(PAUSE)
            return b""
        return self.pieces.pop(0)

    async def send(self, data: bytes) -> None:
        self.sent += data

    def open_directions(self) -> Direction:
        return Direction.BOTH

    def send_now(self, data: bytes) -> bool:
        self.sent += data
        return True

    def send_eof(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class Complaints(logging.Handler):
    """What the server logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(self.format(record))


async def handler(request: Request, response: Response) -> None:
    assert request.target[:1] in (b"/", b"*")
    try:
        body = await request.body(1000)
    except BodyTooLarge:
        await response.send(413, [])
        return
    await response.start(200, [(b"x-size", b"%d" % len(body))])
    await response.write(b"answer")
    await response.finish([(b"x-end", b"1")])


def play(data: bytes, places: list[int]) -> bytes:
    """What the server sends in return."""
    wire = Wire([piece for piece in cut(data, places) if piece])

    async def main() -> None:
        with trio.fail_after(LONGEST):
            await serve_connection(wire, handler, limits=LIMITS, drain=Drain())

    complaints = Complaints()
    log = logging.getLogger("restate.net")
    log.addHandler(complaints)
    try:
        trio.run(main, clock=MockClock(autojump_threshold=0))
    finally:
        log.removeHandler(complaints)
    assert complaints.records == []
    assert wire.closed
    return wire.sent


def timeless(data: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*\r\n", b"", data)


lines = st.sampled_from(
    [
        *(
            b"GET / HTTP/1.1\r\n",
            b"POST /a?b HTTP/1.1\r\n",
            b"POST / HTTP/1.0\r\n",
            b"PRI * HTTP/2.0\r\n",
            b"X",
        ),
        *(
            b"host: a\r\n",
            b"content-length: 3\r\n",
            b"content-length: 5\r\n",
            b"transfer-encoding: chunked\r\n",
        ),
        *(
            b"connection: close\r\n",
            b"expect: 100-continue\r\n",
            b"upgrade: h2c\r\n",
            b"x: \r\n",
            b" folded\r\n",
        ),
        *(
            b"\r\n",
            b"\r\n\r\n",
            b"\n",
            b"abc",
            b"3\r\nabc\r\n",
            b"0\r\n\r\n",
            b"ffffffff\r\n",
            b"\0",
            b"\xff",
        ),
        b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
    ]
)
heads = st.lists(
    st.sampled_from(
        [
            *(
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", b"/"),
                (b":authority", b"a"),
                (b":x", b""),
            ),
            *(
                (b"content-length", b"3"),
                (b"te", b"trailers"),
                (b"connection", b"close"),
                (b"X", b"up"),
                (b"x", b"y"),
            ),
            *((b"x", b"a\r\nb"), (b"y", b"z" * 900)),
        ]
    ),
    max_size=8,
).map(lambda headers: hpack.Encoder().encode(headers))
GOOD = hpack.Encoder().encode(
    [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]
)
payloads = st.one_of(
    st.just(GOOD), st.just(GOOD), heads, st.binary(max_size=12), st.just(bytes(4)), st.just(bytes(8))
)


def h2_frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


frames = st.builds(
    h2_frame,
    st.one_of(st.sampled_from([0, 1, 1, 1, 3, 8]), st.integers(0, 11)),
    st.sampled_from([0, 1, 4, 4, 5, 5, 8, 0x20, 0xFF]),
    st.sampled_from([0, 1, 1, 3, 3, 5, 2, 2**31 - 1, 2**31 + 1]),
    payloads,
)
places = st.lists(st.integers(0, 10_000), max_size=5)


@settings(max_examples=EXAMPLES)
@given(st.one_of(st.binary(max_size=60), st.lists(lines, max_size=12).map(b"".join)), places)
def test_bytes_on_an_http_1_connection(data: bytes, places: list[int]) -> None:
    whole = play(data, [])
    if not data.startswith(PREFACE):
        assert whole == b"" or whole.startswith(b"HTTP/1.1 ")
        assert timeless(play(data, places)) == timeless(whole)


@settings(max_examples=EXAMPLES)
@given(st.lists(frames, max_size=12), st.binary(max_size=10), places)
def test_frames_on_an_h2_connection(sent: list[bytes], tail: bytes, places: list[int]) -> None:
    data = PREFACE + h2_frame(4, 0, 0, b"") + b"".join(sent) + tail
    answer = play(data, places)
    # Whole frames, of which the first is ours to send: SETTINGS.
    assert answer[3] == 4
    while answer:
        size = int.from_bytes(answer[:3])
        assert len(answer) >= 9 + size
        answer = answer[9 + size :]

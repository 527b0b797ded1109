"""What a port must survive: raw bytes of hostile HTTP/1.1 and h2, and malformed calls. All of it aims at one counter.

Nothing here may count: neither `Counter/victim` nor the classic `counter` with the key `victim` may change.
"""

from __future__ import annotations

import base64
import gzip
import random
from collections.abc import Iterator

import attrs
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from restate.runtime.pb.synth_pb2 import RpcRequest
from restate.runtime.rpc.frames import frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame(0).serialize()
_TARGET = b"POST /Counter/victim/add HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
_SMUGGLED = b"POST /Counter/victim/add HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n1"


def http1() -> Iterator[bytes]:
    """Of which no server may make a complete request to the target."""
    chunked = b"transfer-encoding: chunked\r\n"
    yield _TARGET + b"content-length: 6\r\n" + chunked + b"\r\n0\r\n\r\n" + _SMUGGLED
    yield _TARGET + chunked + b"content-length: 1\r\n\r\n1\r\n1\r\n0\r\n\r\n"
    yield _TARGET + b"content-length: 1\r\ncontent-length: 2\r\n\r\n12"
    yield _TARGET + b"content-length: 1, 1\r\n\r\n1"
    for length in (b"-1", b"+1", b"0x1", b"1e0", b"99999999999999999999999", b"1 1", b"\xb1"):
        yield _TARGET + b"content-length: " + length + b"\r\n\r\n1"
    for coding in (b"xchunked", b"chunked, identity", b"chunked, chunked", b"\x0bchunked", b"gzip"):
        yield _TARGET + b"transfer-encoding: " + coding + b"\r\n\r\n1\r\n1\r\n0\r\n\r\n" + _SMUGGLED
    for chunk in (
        b"-1\r\n1\r\n",
        b"1\n1\n0\n\n",
        b"ffffffffffffffffff\r\n1",
        b"g\r\n1\r\n",
        b"1\r\n11\r\n0\r\n\r\n",
    ):
        yield _TARGET + chunked + b"\r\n" + chunk
    yield _TARGET + chunked + b"\r\n1;" + b"x" * 200_000
    yield _TARGET + b" folded: 1\r\ncontent-length: 1\r\n\r\n1"
    yield _TARGET + b"transfer-encoding : chunked\r\n\r\n1\r\n1\r\n0\r\n\r\n"
    yield _TARGET + b"x: a\0b\r\ncontent-length: 1\r\n\r\n1"
    yield _TARGET + b"x: a\rcontent-length: 1\r\n\r\n1"
    yield _TARGET + b"x: " + b"y" * 200_000 + b"\r\ncontent-length: 1\r\n\r\n1"
    yield (
        _TARGET + b"".join(b"x%d: y\r\n" % number for number in range(2_000)) + b"content-length: 1\r\n\r\n1"
    )
    yield b"POST /Counter/victim/add" + b"x" * 200_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"POST /Counter/victim/add\r\n\r\n"
    yield b"POST /Counter/victim/add HTTP/3.1\r\n\r\n"
    yield b"P\xc3\x96ST /Counter/victim/add HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"POST /Counter/vic tim/add HTTP/1.1\r\nhost: a\r\n\r\n"
    yield b"POST /Counter/victim/add HTTP/1.1\r\nhost: a\r\nhost: b\r\ncontent-length: 1\r\n\r\n1"
    yield b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n" + _SMUGGLED.replace(b"victim", b"vict")
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)  # the beginning of TLS
    yield b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3_000


def unfinished() -> Iterator[bytes]:
    """Beginnings, whose clients then say nothing more."""
    yield b""
    yield b"P"
    yield PREFACE[:10]
    yield PREFACE
    yield _TARGET
    yield _TARGET + b"content-length: 10\r\n\r\n1"
    yield _TARGET + b"transfer-encoding: chunked\r\n\r\n5\r\n1"
    yield PREFACE + _headers(1, [], ends=False)


def noise(count: int) -> Iterator[bytes]:
    """Random bytes, also behind what a protocol begins with. The same ones at each run."""
    chance = random.Random(4)
    for number in range(count):
        begin = (b"", PREFACE, _TARGET + b"\r\n", b"POST ", PREFACE + _headers(1, [], ends=False))[number % 5]
        yield begin + chance.randbytes(chance.choice((1, 30, 3_000)))


def http2() -> Iterator[bytes]:
    """Floods and broken frames, each of a connection of its own."""
    yield (
        PREFACE
        + _head_frame(1, [], end=False)
        + b"".join(ContinuationFrame(1, b"\0\1x\1y").serialize() for _ in range(20_000))
    )
    yield PREFACE + _head_frame(1, [], end=False) + PingFrame(0, bytes(8)).serialize()
    yield PREFACE + b"".join(
        _headers(stream, [], ends=False) + RstStreamFrame(stream, error_code=8).serialize()
        for stream in range(1, 10_000, 2)
    )
    yield PREFACE + b"".join(_headers(stream, [], ends=False) for stream in range(1, 8_000, 2))
    cheap: tuple[Frame, ...] = (
        *(PingFrame(0, bytes(8)), SettingsFrame(0), WindowUpdateFrame(0, window_increment=1)),
        *(PriorityFrame(3, depends_on=1), DataFrame(1, b"")),
    )
    for flood in cheap:
        yield PREFACE + _headers(1, [], ends=False) + flood.serialize() * 30_000
    # 30,000 headers out of a few bytes, by one entry of the table.
    entry = b"\x40\1x\xff\x81\x1e" + b"y" * 4_000
    yield PREFACE + HeadersFrame(1, entry + b"\xbe" * 10_000, flags=["END_HEADERS"]).serialize()
    for broken in (
        DataFrame(2, b"x").serialize(),
        b"\x00\x00\x01\x00\x00\x00\x00\x00\x00x",
        WindowUpdateFrame(0, window_increment=2**31 - 1).serialize() * 2,
        b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
        b"\x00\x00\x05\x06\x00\x00\x00\x00\x00hello",
        HeadersFrame(1, b"\xff" * 50, flags=["END_HEADERS"]).serialize(),
        RstStreamFrame(9, error_code=0).serialize(),
    ):
        yield PREFACE + broken


def _head_frame(stream: int, more: list[tuple[str, str]], *, end: bool) -> bytes:
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/Counter/victim/add")]
    block = Encoder().encode([*head, ("content-type", "application/json"), *more])
    made = HeadersFrame(stream, block, flags=["END_HEADERS"] if end else [])
    return bytes(made.serialize())


def _headers(stream: int, more: list[tuple[str, str]], *, ends: bool) -> bytes:
    data = _head_frame(stream, more, end=True)
    return data + DataFrame(stream, b"1", flags=["END_STREAM"]).serialize() if ends else data


@attrs.frozen
class BadCall:
    """A complete HTTP request with a malformed call in it."""

    path: str
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    h2: bool = False


def calls() -> Iterator[BadCall]:
    """In every protocol, to both generations."""
    good = RpcRequest(key="victim", request={"number_value": 1}).SerializeToString()
    bomb = gzip.compress(bytes(60_000_000))
    messages = (
        b"\x0a\x02\xff\xff\x12\x09\x11" + bytes(8),  # a key that is not UTF-8
        good[:-1],
        b"\xff" * 20,
        b"\x12\x02" * 3_000,
        b"\x0a\xff\xff\xff\xff\x0f",
    )
    for path in ("/Counter/add", "/counter/add"):
        for kind, h2 in (("application/grpc", True), ("application/grpc-web", False)):
            for message in messages:
                yield BadCall(path, kind, frame(message), h2=h2)
            for framed in (
                *(b"", b"\0", frame(good)[:-1], frame(good) * 2, frame(good, 0x80), frame(good, 2)),
                *(b"\0\xff\xff\xff\xff" + good, frame(good) + b"\0", frame(b"") * 1_000),
            ):
                yield BadCall(path, kind, framed, h2=h2)
            yield BadCall(path, kind, frame(bomb, 1), (("grpc-encoding", "gzip"),), h2)
            yield BadCall(path, kind, frame(good, 1), (("grpc-encoding", "gzip"),), h2)
            yield BadCall(path, kind, frame(good, 1), (), h2)
            yield BadCall(path, kind, frame(good), (("grpc-encoding", "br"),), h2)
            for deadline in ("", "1", "1x", "-1S", "123456789S", "1.5S"):
                yield BadCall(path, kind, frame(good), (("grpc-timeout", deadline),), h2)
        text = base64.b64encode(frame(good))
        for garbage in (b"!" * 8, text[:-2], text + b"====", b"=" + text):
            yield BadCall(path, "application/grpc-web-text", garbage)
        for message in messages:
            yield BadCall(path, "application/proto", message, (("connect-protocol-version", "1"),))
        yield BadCall(
            path, "application/proto", bomb, (("connect-protocol-version", "1"), ("content-encoding", "gzip"))
        )
        yield BadCall(
            path, "application/proto", good, (("connect-protocol-version", "1"), ("content-encoding", "gzip"))
        )
        for body in (
            *(b"", b"{", b"[]", b'{"key":"victim","request":1}x', b'{"key":"victim","nope":1}'),
            *(b"[" * 100_000, b'{"key":"victim","request":' + b"[" * 100_000, b'{"request":1e999}'),
            *(b'{"key":"\\ud800","request":1}', b'{"key":"victim","request":NaN}', b"\xff\xfe{}"),
            b'{"key":1,"request":1}',
        ):
            yield BadCall(path, "application/json", body, (("connect-protocol-version", "1"),))
        for deadline in ("x", "-1", "99999999999", "1.5"):
            more = (("connect-protocol-version", "1"), ("connect-timeout-ms", deadline))
            yield BadCall(path, "application/json", b'{"key":"victim","request":1}', more)
    yield BadCall(
        "/counter/add",
        "application/json",
        b'{"key":"victim","request":1}',
        (("connect-protocol-version", "1"), ("idempotency-key", "a"), ("idempotency-retention-period", "x")),
    )
    yield BadCall("/Counter/%ff/add", "application/json", b"1")
    yield BadCall("/Counter/victim/add", "text/plain", b"1")
    yield BadCall("/Counter/victim/add", "application/json", b"1", (("x-latin", "\xe9"),))
    yield BadCall(
        "/dev.restate.Ingress/Invoke", "application/json", b'{"service":"counter","method":"add","pb":"*"}'
    )
    yield BadCall("/dev.restate.Awakeables/Resolve", "application/json", b'{"id":"prom_1","json_result":1}')
    yield BadCall("/restate/lookup", "application/json", b'{"target":"\xff"}')

"""HTTP/1.0 and HTTP/1.1 as a client sees it."""

import socket
import struct

import pytest
import trio
import trio.testing

from restate.runtime.net.http import BodyTooLarge, ConnectionClosed, Headers, Request, Response
from restate.runtime.net.limits import Limits
from tests.support.net_server import echo, running

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


async def test_answers_and_keeps_the_connection() -> None:
    async with running() as server, await server.connect_h1() as peer:
        for body in (b"one", b"", b"three"):
            head = b"POST /a%%2Fb?x=1 HTTP/1.1\r\nHost: me:1\r\ncontent-length: %d\r\n\r\n" % len(body)
            answer = await peer.ask(head + body)
            assert (answer.status, answer.body) == (200, body)
            assert answer.headers[b"x-target"] == b"/a%2Fb?x=1"
            assert answer.headers[b"x-host"] == b"me:1"
            assert answer.headers[b"x-version"] == b"1.1"
            assert answer.headers[b"content-length"] == b"%d" % len(body)
            assert b"connection" not in answer.headers


async def test_a_connection_that_may_not_be_idle_ends_with_its_first_answer() -> None:
    async with running(limits=Limits(idle_timeout=0)) as server, await server.connect_h1() as peer:
        answer = await peer.ask(GET)
        assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
        assert await peer.until_closed() == b""


async def test_an_idle_connection_keeps_no_body() -> None:
    served: list[Request] = []

    async def handler(request: Request, response: Response) -> None:
        served.append(request)
        await response.send(200, [], await request.body(1_000))

    async with running(handler) as server, await server.connect_h1() as peer:
        answer = await peer.ask(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody")
        assert answer.body == b"body"
        await trio.testing.wait_all_tasks_blocked()
        assert not served[0].complete_body


async def test_one_answer_is_one_write() -> None:
    async with running() as server, await server.connect() as stream:
        await stream.send_all(GET)
        data = bytes(await stream.receive_some(65_536))
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"content-length: 0\r\n\r\n")


@pytest.mark.parametrize("size", [1, 7])
async def test_a_request_in_small_pieces(size: int) -> None:
    request = b"POST /pieces HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: u\r\n\r\n"
    async with running() as server, await server.connect_h1() as peer:
        for start in range(0, len(request), size):
            await peer.send(request[start : start + size])
            await trio.testing.wait_all_tasks_blocked()
        answer = await peer.response()
        assert (answer.body, answer.headers[b"x-target"]) == (b"abcde", b"/pieces")


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with running() as server, await server.connect_h1() as peer:
        post = b"POST /%d HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\n%03d"
        await peer.send(b"".join(post % (number, number) for number in range(100)))
        for number in range(100):
            answer = await peer.response()
            assert (answer.headers[b"x-target"], answer.body) == (b"/%d" % number, b"%03d" % number)


async def test_pipelined_requests_before_a_broken_one_are_answered() -> None:
    async with running() as server, await server.connect_h1() as peer:
        await peer.send(GET + GET + b"nonsense\r\n\r\n" + GET)
        assert [(await peer.response()).status for _ in range(3)] == [200, 200, 400]
        assert await peer.until_closed() == b""


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nhost: a\n\n", 400),
        (b"GET /\xe4 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /\xc3\xa4 b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"G\xc3\xa4T / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"\xc3", 400),
        (b"GET nowhere HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET ftp://a/b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"CONNECT / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40), 400),  # TLS
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 600 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 300_000, 431),
        (b"GET /" + b"y" * 300_000, 431),
    ],
)
async def test_a_bad_request_is_refused_and_the_next_client_served(request_bytes: bytes, status: int) -> None:
    async with running() as server:
        async with await server.connect_h1() as peer:
            answer = await peer.ask(request_bytes)
            assert answer.status == status
            assert answer.headers[b"connection"] == b"close"
            assert answer.body
            assert await peer.until_closed() == b""
        await server.still_serves()


@pytest.mark.parametrize(
    ("target", "seen"),
    [
        (b"http://other:81/a/b?c", b"/a/b?c"),
        (b"HTTP://other", b"/"),
        (b"http://other?c=/d", b"/?c=/d"),
        (b"//x//y", b"//x//y"),
        ("/ä/€?ö=😀".encode(), b"/%C3%A4/%E2%82%AC?%C3%B6=%F0%9F%98%80"),
        ("http://other/ä%20b".encode(), b"/%C3%A4%20b"),
    ],
)
async def test_the_target_is_path_and_query(target: bytes, seen: bytes) -> None:
    async with running() as server, await server.connect_h1() as peer:
        answer = await peer.ask(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
        assert answer.headers[b"x-target"] == seen


async def test_space_around_the_value_of_a_header_is_not_part_of_it() -> None:
    seen: Headers = []

    async def handler(request: Request, response: Response) -> None:
        seen.extend(request.headers)
        await response.send(200, [], b"")

    async with running(handler) as server, await server.connect_h1() as peer:
        await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\nx-a: \t b  c \t \r\nx-b:  \r\n\r\n")
    assert seen == [(b"host", b"a"), (b"x-a", b"b  c"), (b"x-b", b"")]


async def test_options_of_the_server() -> None:
    async with running() as server, await server.connect_h1() as peer:
        answer = await peer.ask(b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (answer.headers[b"x-method"], answer.headers[b"x-target"]) == (b"OPTIONS", b"*")


async def test_http_1_0_closes_unless_asked_to_stay() -> None:
    async with running() as server:
        async with await server.connect_h1() as peer:
            answer = await peer.ask(b"GET /old HTTP/1.0\r\n\r\n")
            assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
            assert answer.headers[b"x-version"] == b"1.0"
            assert await peer.until_closed() == b""
        async with await server.connect_h1() as peer:
            for _ in range(2):
                answer = await peer.ask(b"GET /old HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                assert answer.headers[b"connection"] == b"keep-alive"


async def test_connection_close_is_obeyed() -> None:
    async with running() as server, await server.connect_h1() as peer:
        answer = await peer.ask(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n" + GET)
        assert answer.headers[b"connection"] == b"close"
        assert await peer.until_closed() == b""


@pytest.mark.parametrize(
    "framing", [b"content-length: 3\r\n\r\nabc", b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"]
)
async def test_an_offered_upgrade_is_ignored(framing: bytes) -> None:
    # Java's client offers h2c on its first request, with a body.
    offer = b"POST / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAA\r\n"
    async with running() as server, await server.connect_h1() as peer:
        await peer.send(offer + framing + GET)
        first, second = await peer.response(), await peer.response()
        assert (first.status, first.body) == (200, b"abc")
        assert (second.status, second.headers[b"x-method"]) == (200, b"GET")
        assert (await peer.ask(offer + b"\r\n")).body == b""
        # The body comes later than the head.
        await peer.send(offer + framing[:25])
        await trio.testing.wait_all_tasks_blocked()
        assert (await peer.ask(framing[25:])).body == b"abc"


async def test_expect_continue_is_answered_when_the_body_is_wanted() -> None:
    async with running() as server, await server.connect() as stream:
        await stream.send_all(
            b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-Continue\r\ncontent-length: 2\r\n\r\n"
        )
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"hi")
        assert bytes(await stream.receive_some()).endswith(b"\r\n\r\nhi")


async def test_expect_continue_is_not_sent_for_a_body_that_is_too_long() -> None:
    async def handler(request: Request, response: Response) -> None:
        with pytest.raises(BodyTooLarge) as caught:
            await request.body(10)
        await response.send(413, [], b"declared" if caught.value.declared else b"counted")

    async with running(handler) as server, await server.connect_h1() as peer:
        answer = await peer.ask(
            b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 11\r\n\r\n"
        )
        assert (answer.status, answer.body, answer.headers[b"connection"]) == (413, b"declared", b"close")
        assert await peer.until_closed() == b""


async def test_the_limit_of_a_body_without_a_length() -> None:
    async def handler(request: Request, response: Response) -> None:
        with pytest.raises(BodyTooLarge) as caught:
            await request.body(10)
        await response.send(413, [], b"declared" if caught.value.declared else b"counted")

    async with running(handler) as server, await server.connect_h1() as peer:
        head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
        answer = await peer.ask(head + b"b\r\n01234567890\r\n0\r\n\r\n")
        assert (answer.status, answer.body) == (413, b"counted")
        # The whole body was there: the connection goes on.
        assert (await peer.ask(head + b"b\r\n01234567890\r\n0\r\n\r\n")).status == 413


async def test_the_body_arrives_in_pieces() -> None:
    seen: list[bytes | None] = []

    async def handler(request: Request, response: Response) -> None:
        seen.append(request.complete_body)
        while piece := await request.read():
            seen.append(piece)
        seen.append(request.complete_body)
        assert await request.read() == b""
        await response.send(200, [])

    async with running(handler) as server, await server.connect_h1() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nab")
        await trio.testing.wait_all_tasks_blocked()
        await peer.ask(b"cd")
        assert seen == [None, b"ab", b"cd", None]


async def test_the_complete_body_is_there_without_waiting() -> None:
    seen: list[bytes | None] = []

    async def handler(request: Request, response: Response) -> None:
        seen.extend((request.complete_body, request.complete_body, await request.body(9)))
        await response.send(200, [])

    async with running(handler) as server, await server.connect_h1() as peer:
        await peer.ask(
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
        )
        await peer.ask(GET)
    assert seen == [b"ab"] * 3 + [b""] * 3


async def test_an_unread_short_body_is_skipped() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(404, [], b"no")

    async with running(handler) as server, await server.connect_h1() as peer:
        assert (await peer.ask(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n")).status == 404
        assert (await peer.ask(b"x" * 100_000 + GET)).status == 404


async def test_an_unread_long_body_ends_the_connection_after_the_answer() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(413, [], b"too long")

    async with running(handler) as server:
        async with await server.connect_h1() as peer:
            answer = await peer.ask(
                b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n" + b"x" * 100_000
            )
            assert (answer.status, answer.headers[b"connection"]) == (413, b"close")
            assert await peer.until_closed() == b""
        async with await server.connect_h1() as peer:
            # Without a length it may become too long, and the client must know before it sends the next request.
            chunks = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
            answer = await peer.ask(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
            assert (answer.status, answer.headers[b"connection"]) == (413, b"close")
            await peer.is_cut_off(chunks)


async def test_head_gets_the_length_without_the_body() -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(200, [], b"12345")

    async with running(handler) as server, await server.connect() as stream:
        await stream.send_all(b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n")
        data = bytes(await stream.receive_some())
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert data.endswith(b"\r\ncontent-length: 5\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_body(status: int) -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(status, [(b"content-length", b"7")], b"ignored")

    async with running(handler) as server, await server.connect_h1() as peer:
        for _ in range(2):
            answer = await peer.ask(GET)
            assert (answer.status, answer.headers, answer.body) == (status, {}, b"")


async def stream_three(request: Request, response: Response) -> None:
    length = request.header(b"x-length")
    await response.start(200, [(b"a", b"b")] if length is None else [(b"content-length", length)])
    for piece in (b"one", b"", b"two", b"three"):
        await response.write(piece)
    await response.finish([(b"ignored", b"here")])


async def test_an_answer_in_pieces_is_chunked() -> None:
    async with running(stream_three) as server, await server.connect_h1() as peer:
        for _ in range(2):
            answer = await peer.ask(GET)
            assert answer.headers == {b"a": b"b", b"transfer-encoding": b"chunked"}
            assert answer.body == b"onetwothree"


async def test_an_answer_in_pieces_to_http_1_0_ends_with_the_connection() -> None:
    async with running(stream_three) as server, await server.connect_h1() as peer:
        await peer.send(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
        data = await peer.until_closed()
    assert data.startswith(b"HTTP/1.1 200 OK\r\na: b\r\n")
    assert data.endswith(b"\r\nconnection: close\r\n\r\nonetwothree")


async def test_a_declared_length_is_kept() -> None:
    async with running(stream_three) as server:
        async with await server.connect_h1() as peer:
            request = b"GET / HTTP/1.1\r\nhost: a\r\nx-length: %d\r\n\r\n"
            answer = await peer.ask(request % 11)
            assert (answer.headers, answer.body) == ({b"content-length": b"11"}, b"onetwothree")
            # One that is too long for the body shows as a cut connection.
            await peer.send(request % 12)
            assert (await peer.until_closed()).endswith(b"onetwothree")
        async with await server.connect_h1() as peer:
            await peer.send(request % 6)
            assert (await peer.until_closed()).endswith(b"\r\n\r\nonetwo")


async def test_headers_of_the_framing_are_ours() -> None:
    async def handler(request: Request, response: Response) -> None:
        headers: Headers = [
            (b"connection", b"close"),
            (b"transfer-encoding", b"gzip"),
            (b"content-length", b"9"),
        ]
        await response.send(200, headers, b"ok")

    async with running(handler) as server, await server.connect_h1() as peer:
        for _ in range(2):
            answer = await peer.ask(GET)
            assert (answer.headers, answer.body) == ({b"content-length": b"2"}, b"ok")


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\ny", b"a\0"])
async def test_a_header_value_cannot_end_its_line(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.send(200, [(b"a", value)], b"ok")

    async with running(handler) as server, await server.connect_h1() as peer:
        assert (await peer.ask(GET)).status == 500
    assert "without line ends" in caplog.text


async def test_a_failing_handler_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, response: Response) -> None:
        raise LookupError("what failed")

    async with running(handler) as server, await server.connect_h1() as peer:
        for _ in range(2):
            assert (await peer.ask(GET)).status == 500
    assert "what failed" in caplog.text


async def test_a_handler_without_an_answer_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/started":
            await response.start(200, [])

    async with running(handler) as server, await server.connect_h1() as peer:
        assert (await peer.ask(GET)).status == 500
        await peer.send(b"GET /started HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await peer.until_closed()).endswith(b"transfer-encoding: chunked\r\n\r\n")
    assert caplog.text.count("unfinished") == 1


async def test_a_handler_that_fails_in_the_middle_cuts_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request, response: Response) -> None:
        await response.start(200, [])
        await response.write(b"part")
        raise LookupError("in the middle")

    async with running(handler) as server, await server.connect_h1() as peer:
        await peer.send(GET)
        assert (await peer.until_closed()).endswith(b"4\r\npart\r\n")
    assert "in the middle" in caplog.text


async def test_a_client_that_leaves_is_connection_closed(caplog: pytest.LogCaptureFixture) -> None:
    caught: list[str] = []

    async def handler(request: Request, response: Response) -> None:
        try:
            if request.method == "POST":
                await request.body(1000)
            await response.start(200, [])
            while True:
                await response.write(b"x" * 65_536)
        except ConnectionClosed:
            caught.append(request.method)
            raise

    async with running(handler) as server:
        for request in (b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabc", GET):
            async with await server.connect_h1() as peer:
                await peer.send(request)
                await trio.testing.wait_all_tasks_blocked()
            await server.left_alone()
    assert caught == ["POST", "GET"]
    assert "Traceback" not in caplog.text


POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"


class Patient:
    """A handler that answers when it is told to, and counts those that were ended before."""

    def __init__(self) -> None:
        self.release = trio.Event()
        self.begun = 0
        self.ended = 0

    async def __call__(self, request: Request, response: Response) -> None:
        self.begun += 1
        try:
            await self.release.wait()
        except trio.Cancelled:
            self.ended += 1
            raise
        await response.send(200, [], await request.body(100))

    async def has_begun(self) -> None:
        with trio.fail_after(30):
            while not self.begun:
                await trio.testing.wait_all_tasks_blocked(0.002)


@pytest.mark.parametrize(
    "sent",
    [POST, POST + POST, b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"],
    ids=["keep-alive", "pipelined", "1.0", "close"],
)
async def test_the_handler_ends_when_its_client_has_left(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    handler = Patient()
    async with running(handler, Limits(tick=0.02)) as server:
        async with await server.connect_h1() as peer:
            await peer.send(sent)
            await handler.has_begun()
        await server.left_alone()
        assert (handler.begun, handler.ended) == (1, 1)
    assert not caplog.records


async def test_the_handler_ends_when_its_client_has_left_with_a_reset() -> None:
    handler = Patient()
    async with running(handler, Limits(tick=0.02)) as server:
        async with await server.connect_h1() as peer:
            await peer.send(POST)
            await handler.has_begun()
            peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await server.left_alone()
        assert handler.ended == 1


async def test_a_client_that_ended_its_side_gets_its_answers() -> None:
    handler = Patient()
    async with running(handler, Limits(tick=0.01)) as server, await server.connect() as stream:
        await stream.send_all(POST + POST[:-1] + b"o")
        await stream.send_eof()
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        with trio.fail_after(30):
            assert await stream.receive_some() == interim
            await trio.sleep(0.05)  # several ticks
            handler.release.set()
            data = b""
            while more := await stream.receive_some():
                data += more
    assert data.count(b"HTTP/1.1 ") == 2
    assert data.count(b"200 OK") == 2
    assert data.endswith(b"ho")
    assert handler.ended == 0


async def test_a_client_that_leaves_after_it_was_asked_is_noticed_too() -> None:
    handler = Patient()
    limits = Limits(tick=0.01, probe_interval=0.02)
    async with running(handler, limits) as server:
        async with await server.connect() as stream:
            await stream.send_all(POST)
            await stream.send_eof()
            with trio.fail_after(30):
                await stream.receive_some()
            assert handler.ended == 0
        await server.left_alone()
        assert handler.ended == 1


async def test_requests_that_wait_behind_a_long_one_are_answered() -> None:
    handler = Patient()
    async with running(handler, Limits(tick=0.01)) as server, await server.connect_h1() as peer:
        await peer.send(POST + POST[:-2])
        await handler.has_begun()
        await trio.sleep(0.05)  # several ticks
        await peer.send(b"ho" + POST)
        handler.release.set()
        assert [(await peer.response()).body for _ in range(3)] == [b"hi", b"ho", b"hi"]


async def test_a_slow_reader_holds_up_the_handler() -> None:
    written = 0

    async def handler(request: Request, response: Response) -> None:
        nonlocal written
        await response.start(200, [])
        for _ in range(640):
            await response.write(b"x" * 65_536)
            written += 65_536
        await response.finish()

    async with running(handler) as server, await server.connect_h1() as peer:
        await peer.send(GET)
        await trio.testing.wait_all_tasks_blocked(0.05)
        held = written
        assert held < 20 << 20  # what the kernel takes
        assert len((await peer.response()).body) == 40 << 20


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("first_bytes_timeout", b""),
        ("first_bytes_timeout", b"PRI * HT"),
        ("head_timeout", b"GET / HT"),
        ("head_timeout", b"GET / HTTP/1.1\r\nhost: a\r\nx:"),
        ("body_timeout", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab"),
        ("idle_timeout", GET),
    ],
)
async def test_a_silent_client_is_left(limit: str, sent: bytes) -> None:
    limits = Limits(**{limit: 0.05}, tick=0.02)  # type: ignore[arg-type]
    async with running(echo, limits) as server, await server.connect_h1() as peer:
        if sent:
            await peer.send(sent)
        data = await peer.until_closed()
        assert data.startswith(b"HTTP/1.1 200") == (limit == "idle_timeout")


async def test_a_head_that_trickles_gets_no_more_time() -> None:
    limits = Limits(head_timeout=0.1, tick=0.02)
    async with running(echo, limits) as server, await server.connect_h1() as peer:
        await peer.send(b"GET / HTTP/1.1\r\nx: ")
        await peer.is_cut_off(b"y", pause=0.02)


async def test_endless_framing_of_a_body_is_refused() -> None:
    async with running() as server, await server.connect_h1() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1;")
        answer = await peer.ask(b"x" * 400_000)
        assert (answer.status, answer.headers[b"connection"]) == (400, b"close")


async def test_draining_closes_idle_connections_and_finishes_requests() -> None:
    release = trio.Event()

    async def handler(request: Request, response: Response) -> None:
        if request.target == b"/wait":
            await release.wait()
        await response.send(200, [])

    async with (
        running(handler) as server,
        await server.connect_h1() as idle,
        await server.connect_h1() as busy,
        await server.connect_h1() as silent,
    ):
        assert (await idle.ask(GET)).status == 200
        await busy.send(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        server.drain.start()
        assert await idle.until_closed() == b""
        assert await silent.until_closed() == b""
        assert not server.drain.finished.is_set()
        with pytest.raises(OSError, match="failed"):
            await server.connect()
        release.set()
        answer = await busy.response()
        assert (answer.status, answer.headers[b"connection"]) == (200, b"close")
        await server.drain.finished.wait()

import time

import pytest

from restate.runtime.net.date import http_date
from restate.runtime.net.http import Request, Response
from tests.support.net_server import running

EXAMPLE = 784_111_777  # the example of RFC 9110


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: EXAMPLE + 0.9)


def test_the_date_follows_the_clock_in_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds, expected in (
        (EXAMPLE + 0.0, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (EXAMPLE + 0.9, b"Sun, 06 Nov 1994 08:49:37 GMT"),
        (EXAMPLE + 1.0, b"Sun, 06 Nov 1994 08:49:38 GMT"),
        (EXAMPLE - 1.0, b"Sun, 06 Nov 1994 08:49:36 GMT"),
    ):
        monkeypatch.setattr(time, "time", lambda seconds=seconds: seconds)
        assert http_date() == expected


async def handler(request: Request, response: Response) -> None:
    if request.target == b"/whole":
        await response.send(200, [], b"whole")
    elif request.target == b"/empty":
        await response.send(204, [])
    elif request.target == b"/crash":
        raise LookupError("on purpose")
    else:
        await response.start(200, [])
        await response.write(b"piece")
        await response.finish([(b"grpc-status", b"0")])


TARGETS = [b"/whole", b"/empty", b"/crash", b"/pieces"]


@pytest.mark.usefixtures("stopped")
async def test_every_answer_of_http_1_has_a_date() -> None:
    async with running(handler) as server, await server.connect_h1() as peer:
        for target in TARGETS:
            answer = await peer.ask(b"GET " + target + b" HTTP/1.1\r\nhost: a\r\n\r\n")
            assert answer.dates == [b"Sun, 06 Nov 1994 08:49:37 GMT"]
        refusal = await peer.ask(b"nonsense\r\n\r\n")
        assert (refusal.status, len(refusal.dates)) == (400, 1)


@pytest.mark.usefixtures("stopped")
async def test_every_answer_of_h2_has_a_date() -> None:
    async with running(handler) as server, await server.connect_h2() as peer:
        for target in TARGETS:
            answer = await peer.exchange(b"GET", target)
            assert answer.dates == [b"Sun, 06 Nov 1994 08:49:37 GMT"]
            assert b"date" not in answer.trailers
        refusal = await peer.exchange(b"GET", b"/", headers=[(b"x", b"y" * 70_000)])
        assert (refusal.status, len(refusal.dates)) == (431, 1)

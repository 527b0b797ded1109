"""What the node-ctrl port answers."""

import json

import pytest

from restate.runtime.net.access import Gate
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.node.control import NodeControl
from restate.runtime.partition.handle import Partition


class Answer(Response):
    """Keeps the answer."""

    status = 0
    body = b""

    async def send(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status, self.headers, self.body = status, dict(headers), body

    async def start(self, status: int, headers: Headers) -> None:
        raise AssertionError("expected one whole answer")

    async def write(self, data: bytes) -> None:
        raise AssertionError("expected one whole answer")

    async def finish(self, trailers: Headers | None = None) -> None:
        raise AssertionError("expected one whole answer")


async def ask(target: bytes, *, method: str = "GET", ready: bool = True) -> Answer:
    partition = Partition(queue_limit=1)
    if ready:
        partition.ready.set()
    answer = Answer()
    await NodeControl(partition, Gate())(Request(method, target, [], "1.1", ("127.0.0.1", 1)), answer)
    return answer


@pytest.mark.parametrize("target", [b"/health", b"/ready", b"/health?verbose=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_ready_server_says_so(target: bytes, method: str) -> None:
    answer = await ask(target, method=method)
    assert answer.status == 200
    assert json.loads(answer.body) == {"message": "ok"}


async def test_a_server_that_starts_is_alive_but_not_ready() -> None:
    assert (await ask(b"/health", ready=False)).status == 200
    answer = await ask(b"/ready", ready=False)
    assert answer.status == 503
    assert "starting" in json.loads(answer.body)["message"]


async def test_another_method_is_told_which_to_use() -> None:
    answer = await ask(b"/health", method="POST")
    assert answer.status == 405
    assert answer.headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize("target", [b"/", b"/healthy", b"/health/", b"*", b"\xff?\xff"])
async def test_other_paths_are_told_what_there_is(target: bytes) -> None:
    answer = await ask(target)
    assert answer.status == 404
    assert "/health" in json.loads(answer.body)["message"]

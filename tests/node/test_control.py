"""What the node-ctrl port answers over HTTP."""

import json

import pytest

from restate.runtime.net.access import Gate
from restate.runtime.net.http import Headers, Request, Response
from restate.runtime.node.control import NodeControl
from restate.runtime.node.node import Node, Status
from restate.runtime.partition.handle import Partition
from restate.runtime.telemetry.metrics import Metrics

OPEN = Gate()


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


def node(status: Status = Status.ALIVE) -> Node:
    partition = Partition(queue_limit=1)
    if status is not Status.STARTING_UP:
        partition.serve()
    if status is Status.SHUTTING_DOWN:
        partition.refuse()
    return Node(partition, generation=3)


async def ask(
    target: bytes,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    status: Status = Status.ALIVE,
    gate: Gate = OPEN,
    metrics: Metrics | None = None,
) -> Answer:
    control = NodeControl(node(status), metrics or Metrics(), gate, request_size_limit=1000)
    answer = Answer()
    await control(Request(method, target, list(headers), "1.1", ("127.0.0.1", 1)), answer)
    return answer


@pytest.mark.parametrize("target", [b"/health", b"/ready", b"/health?verbose=1"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_ready_server_says_so(target: bytes, method: str) -> None:
    answer = await ask(target, method=method)
    assert answer.status == 200
    assert json.loads(answer.body) == {"message": "ok"}


@pytest.mark.parametrize(
    ("status", "words"), [(Status.STARTING_UP, "is starting"), (Status.SHUTTING_DOWN, "is shutting down")]
)
async def test_a_server_that_starts_or_stops_is_alive_but_not_ready(status: Status, words: str) -> None:
    assert (await ask(b"/health", status=status)).status == 200
    answer = await ask(b"/ready", status=status)
    assert answer.status == 503
    assert words in json.loads(answer.body)["message"]


async def test_another_method_is_told_which_to_use() -> None:
    answer = await ask(b"/health", method="POST")
    assert answer.status == 405
    assert answer.headers[b"allow"] == b"GET, HEAD"


@pytest.mark.parametrize("target", [b"/", b"/healthy", b"/health/", b"*", b"\xff?\xff"])
async def test_other_paths_are_told_what_there_is(target: bytes) -> None:
    answer = await ask(target)
    assert answer.status == 404
    assert "/health" in json.loads(answer.body)["message"]


@pytest.mark.parametrize(
    ("accept", "content_type", "last"),
    [
        ([], b"text/plain; version=0.0.4; charset=utf-8", b"\n"),
        ([(b"accept", b"*/*")], b"text/plain; version=0.0.4; charset=utf-8", b"\n"),
        (
            [(b"accept", b"application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5")],
            b"application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores",
            b"\n# EOF\n",
        ),
    ],
)
async def test_metrics_come_in_the_form_that_is_asked_for(
    accept: Headers, content_type: bytes, last: bytes
) -> None:
    metrics = Metrics()
    metrics.invoker.enqueued.value += 3
    answer = await ask(b"/metrics", *accept, metrics=metrics)
    assert answer.status == 200
    assert answer.headers[b"content-type"] == content_type
    assert b"\nrestate_invoker_enqueue_total 3.0\n" in answer.body
    assert b"\nprocess_resident_memory_bytes " in answer.body
    assert answer.body.endswith(last)


async def test_many_lines_are_written_beside_the_loop() -> None:
    metrics = Metrics()
    for number in range(60):
        metrics.ingress.seconds.observe(1, f"Service{number}", "handler", "call")
    assert metrics.size() > 500
    answer = await ask(b"/metrics", metrics=metrics)
    assert answer.body.count(b'handler",rpc_service="Service') > 500


@pytest.mark.parametrize("target", [b"/health", b"/ready", b"/metrics", b"/", b"/x/y"])
async def test_a_port_with_tokens_refuses_those_without(target: bytes) -> None:
    gate = Gate(["secret"])
    answer = await ask(target, gate=gate)
    assert answer.status == 401
    assert answer.headers[b"www-authenticate"] == b'Bearer realm="restate"'
    assert (await ask(target, (b"authorization", b"Bearer secret"), gate=gate)).status in (200, 404)

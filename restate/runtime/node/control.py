"""The node-ctrl port: is the process alive, is it ready."""

import json

from restate.runtime.net.access import REALM, REFUSAL, Gate
from restate.runtime.net.http import Request, Response
from restate.runtime.partition.handle import Partition

_JSON = [(b"content-type", b"application/json")]


class NodeControl:
    """The handler of the port."""

    def __init__(self, partition: Partition, gate: Gate) -> None:
        self._partition = partition
        self._gate = gate

    async def __call__(self, request: Request, response: Response) -> None:
        path = request.target.partition(b"?")[0]
        if not self._gate.admits(request.header(b"authorization")):
            await _answer(response, 401, REFUSAL, (b"www-authenticate", REALM))
        elif path not in (b"/health", b"/ready"):
            await _answer(response, 404, "expected /health or /ready")
        elif request.method not in ("GET", "HEAD"):
            await _answer(response, 405, f"expected GET, got {request.method}", (b"allow", b"GET, HEAD"))
        elif path == b"/ready" and not self._partition.ready.is_set():
            await _answer(response, 503, "the server is starting")
        else:
            await _answer(response, 200, "ok")


async def _answer(response: Response, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
    await response.send(status, [*_JSON, *headers], json.dumps({"message": message}).encode())

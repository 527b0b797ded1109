"""The health service: whether a service can be called (ingress.md §1.8)."""

from collections.abc import Callable, Iterator

import trio
from grpclib.const import Cardinality

from restate.runtime.grpc_server.call import Call
from restate.runtime.grpc_server.method import Method
from restate.runtime.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from restate.runtime.rpc.status import Code, RpcError

Status = HealthCheckResponse.ServingStatus
HEALTH = "grpc.health.v1.Health"


def health_methods(
    status_of: Callable[[str], HealthCheckResponse.ServingStatus | None],
    change: Callable[[], trio.Event],
    stopping: Callable[[], bool],
) -> Iterator[Method]:
    """status_of: by full service name, "" for the server; None: there is no such service.

    change: the event of the next change of any status. stopping: then nothing is served any more, and streams end.
    """

    def current(service: str) -> HealthCheckResponse.ServingStatus | None:
        return Status.NOT_SERVING if stopping() else status_of(service)

    async def check(call: Call) -> None:
        request: HealthCheckRequest = await call.recv_one()
        status = current(request.service)
        if status is None:
            raise RpcError(Code.NOT_FOUND, f"Service '{request.service}' not found")
        await call.send_message(HealthCheckResponse(status=status))

    async def watch(call: Call) -> None:
        """The status now and whenever it changes; a service that is not there may come."""
        request: HealthCheckRequest = await call.recv_one()
        told = None
        while True:
            changed = change()
            status = current(request.service)
            status = Status.SERVICE_UNKNOWN if status is None else status
            if status != told:
                await call.send_message(HealthCheckResponse(status=status))
                told = status
            if stopping():
                raise RpcError(Code.UNAVAILABLE, "the server is shutting down")
            await changed.wait()

    for name, cardinality, handle in (
        ("Check", Cardinality.UNARY_UNARY, check),
        ("Watch", Cardinality.UNARY_STREAM, watch),
    ):
        yield Method(HEALTH, name, cardinality, HealthCheckRequest, HealthCheckResponse, handle)

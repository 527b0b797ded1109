"""The health service: whether a service can be called (ingress.md §1.8)."""

from collections.abc import Callable

import attrs
import trio

from restate.runtime.grpc_server.bases.health_grpc import HealthBase
from restate.runtime.grpc_server.call import Call
from restate.runtime.pb.health_pb2 import HealthCheckRequest, HealthCheckResponse
from restate.runtime.rpc.status import Code, RpcError

Status = HealthCheckResponse.ServingStatus


@attrs.frozen(eq=False)
class Health(HealthBase):
    """status_of: by full service name, "" for the server; None: there is no such service.

    change: the event of the next change of any status. stopping: then nothing is served any more, and streams end.
    """

    _status_of: Callable[[str], HealthCheckResponse.ServingStatus | None]
    _change: Callable[[], trio.Event]
    _stopping: Callable[[], bool]

    async def Check(self, call: Call) -> None:
        request: HealthCheckRequest = await call.recv_one()
        status = self._current(request.service)
        if status is None:
            raise RpcError(Code.NOT_FOUND, f"Service '{request.service}' not found")
        await call.send_message(HealthCheckResponse(status=status))

    async def Watch(self, call: Call) -> None:
        """The status now and whenever it changes; a service that is not there may come."""
        request: HealthCheckRequest = await call.recv_one()
        told = None
        while True:
            changed = self._change()
            status = self._current(request.service)
            status = Status.SERVICE_UNKNOWN if status is None else status
            if status != told:
                await call.send_message(HealthCheckResponse(status=status))
                told = status
            if self._stopping():
                raise RpcError(Code.UNAVAILABLE, "the server is shutting down")
            await changed.wait()

    def _current(self, service: str) -> HealthCheckResponse.ServingStatus | None:
        return Status.NOT_SERVING if self._stopping() else self._status_of(service)

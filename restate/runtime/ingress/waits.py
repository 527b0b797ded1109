"""Waiting for the partition on behalf of an RPC client."""

from types import TracebackType

from restate.runtime.engine.actions import IngressReply
from restate.runtime.grpc_server.call import Call
from restate.runtime.ingress.calls import Prepared
from restate.runtime.ingress.errors import overloaded
from restate.runtime.ingress.outcomes import invocation_header
from restate.runtime.partition.handle import Overloaded, Partition, ShuttingDown
from restate.runtime.rpc.status import Code, RpcError


async def outcome_of(partition: Partition, call: Call, prepared: Prepared) -> IngressReply:
    """The outcome of a call, whose id the client is told whatever becomes of it, a deadline that passes included.

    A client that leaves, or whose deadline passes, ends the wait only. Raises RpcError.
    """
    header = invocation_header(prepared.callee.invocation)
    call.initial_metadata.append(header)
    try:
        with REFUSALS, prepared.entry as trace:
            return await partition.call(prepared.callee, prepared.take_body(), prepared.headers, trace=trace)
    except RpcError:
        call.initial_metadata.remove(header)
        raise


class _Refusals:
    """What the partition refuses, as RpcError. A class, because a generator costs several times as much per call."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Overloaded):
            raise overloaded() from error
        if isinstance(error, ShuttingDown):
            raise RpcError(Code.UNAVAILABLE, "Unavailable") from error


REFUSALS = _Refusals()

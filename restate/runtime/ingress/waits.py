"""Waiting for the partition on behalf of an RPC client."""

from collections.abc import Iterator
from contextlib import contextmanager

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
        with refusals(), prepared.entry as trace:
            return await partition.call(prepared.callee, prepared.body, prepared.headers, trace=trace)
    except RpcError:
        call.initial_metadata.remove(header)
        raise


@contextmanager
def refusals() -> Iterator[None]:
    """What the partition refuses, as RpcError."""
    try:
        yield
    except Overloaded as error:
        raise overloaded() from error
    except ShuttingDown as error:
        raise RpcError(Code.UNAVAILABLE, "Unavailable") from error

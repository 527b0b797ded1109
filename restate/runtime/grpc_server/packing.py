"""Compression and transcoding that do not hold up other calls: what is long is left to a thread."""

from collections.abc import Callable
from typing import TypeVar

import trio

from restate.runtime.rpc.compression import decompress, gzip, is_gzip
from restate.runtime.rpc.status import Code, RpcError

_AT_ONCE = 65_536  # bytes that are compressed, or come out, in less than a millisecond
_TRANSCODED_AT_ONCE = 16_384  # bytes that become JSON, or come from it, in a few milliseconds

# Few, because they compete with the loop for the interpreter; and not those that flush the log.
_threads = trio.CapacityLimiter(2)

T = TypeVar("T")


async def unhurried(size: int, work: Callable[..., T], *arguments: object) -> T:
    """What `work` makes of the arguments, which nobody else may use meanwhile. size: bytes that it has to look at."""
    if size <= _TRANSCODED_AT_ONCE:
        return work(*arguments)
    return await trio.to_thread.run_sync(work, *arguments, limiter=_threads)


async def unpacked(message: bytes, coding: bytes | None, limit: int) -> bytes:
    """As `decompress`, whose errors it raises."""
    if coding is None or not is_gzip(coding):
        return decompress(message, coding, limit)
    if len(message) <= _AT_ONCE:
        try:
            return decompress(message, coding, min(limit, _AT_ONCE))
        except RpcError as error:
            # A few bytes may become many.
            if error.code is not Code.RESOURCE_EXHAUSTED or limit <= _AT_ONCE:
                raise
    return await trio.to_thread.run_sync(decompress, message, coding, limit, limiter=_threads)


async def packed(message: bytes) -> bytes:
    """In gzip."""
    if len(message) <= _AT_ONCE:
        return gzip(message)
    return await trio.to_thread.run_sync(gzip, message, limiter=_threads)

"""Compression that does not hold up other calls: what is long is left to a thread."""

import trio

from restate.runtime.rpc.compression import decompress, gzip, is_gzip
from restate.runtime.rpc.status import Code, RpcError

_AT_ONCE = 65_536  # bytes that are compressed, or come out, in less than a millisecond


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
    return await trio.to_thread.run_sync(decompress, message, coding, limit)


async def packed(message: bytes) -> bytes:
    """In gzip."""
    if len(message) <= _AT_ONCE:
        return gzip(message)
    return await trio.to_thread.run_sync(gzip, message)

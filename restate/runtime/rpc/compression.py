"""Content codings of Connect messages (ingress.md §2.1)."""

import zlib

from restate.runtime.rpc.status import Code, RpcError

ACCEPTED = b"gzip"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def decompress(body: bytes, encoding: bytes | None, limit: int) -> bytes:
    """The message in a body; limit: its greatest length in bytes.

    Raises RpcError: UNIMPLEMENTED for another coding than gzip, INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
    """
    if encoding is None or b"identity" in encoding:
        return body
    if encoding.strip().lower() not in (b"gzip", b"x-gzip"):
        raise RpcError(Code.UNIMPLEMENTED, "Operation is not implemented or not supported")
    if not body:
        return body
    return _gunzip(body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members. The limit holds while it is unpacked, so a small body cannot become a huge one."""
    parts = []
    size = 0
    while body:
        unpacker = zlib.decompressobj(_GZIP_WINDOW)
        try:
            parts.append(unpacker.decompress(body, limit - size + 1))
        except zlib.error as error:
            raise RpcError(Code.INVALID_ARGUMENT, f"expected a gzip body: {error}") from error
        size += len(parts[-1])
        if size > limit:
            raise too_large(limit)
        if not unpacker.eof:
            raise RpcError(Code.INVALID_ARGUMENT, "expected a gzip body, got only a part of one")
        body = unpacker.unused_data
    return b"".join(parts)


def too_large(limit: int) -> RpcError:
    return RpcError(Code.RESOURCE_EXHAUSTED, f"expected a message of at most {limit} bytes, got a longer one")

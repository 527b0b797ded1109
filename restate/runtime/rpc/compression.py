"""Content codings of messages (ingress.md §1.3, §2.1)."""

import zlib

from restate.runtime.rpc.status import Code, RpcError

ACCEPTED = b"gzip"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_MOST_MEMBERS = 100  # of one body: each costs a look at all that follow it
_LEVEL = 1  # replies are compressed while the loop waits


class UnsupportedCoding(RpcError):
    """A content coding that is not served; the answer names those that are."""

    def __init__(self, message: str = "Operation is not implemented or not supported") -> None:
        super().__init__(Code.UNIMPLEMENTED, message)


def check_coding(coding: bytes | None) -> None:
    """Raises UnsupportedCoding."""
    if coding is not None and b"identity" not in coding and not is_gzip(coding):
        text = coding[:40].decode("latin-1")
        raise UnsupportedCoding(f"expected identity or gzip as coding of messages, got '{text}'")


def is_gzip(coding: bytes) -> bool:
    return coding.strip().lower() in (b"gzip", b"x-gzip")


def answers_in_gzip(coding: bytes | None, accepted: bytes | None) -> bool:
    """Whether a reply is compressed: as the request was, unless the client accepts only other codings."""
    if coding is None or not is_gzip(coding):
        return False
    return accepted is None or b"gzip" in accepted.lower()


def gzip(message: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(message) + packer.flush()


def decompress(body: bytes, encoding: bytes | None, limit: int) -> bytes:
    """The message in a body; limit: its greatest length in bytes.

    Raises RpcError: UNIMPLEMENTED for another coding than gzip, INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
    """
    if encoding is None or b"identity" in encoding:
        return body
    if not is_gzip(encoding):
        raise UnsupportedCoding
    if not body:
        return body
    return _gunzip(body, limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members. The limit holds while it is unpacked, so a small body cannot become a huge one."""
    parts: list[bytes] = []
    size = 0
    while body:
        if len(parts) == _MOST_MEMBERS:
            raise RpcError(Code.INVALID_ARGUMENT, f"expected a gzip body of at most {_MOST_MEMBERS} members")
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

"""What gRPC-Web has beyond gRPC: trailers in the body, and base64 of everything (ingress.md §1.3)."""

import base64
import binascii

from restate.runtime.rpc.frames import TRAILERS, frame
from restate.runtime.rpc.grpc import Headers
from restate.runtime.rpc.status import Code, RpcError


def trailer_frame(trailers: Headers) -> bytes:
    """`name:value` lines."""
    return frame(b"".join(b"%b:%b\r\n" % field for field in trailers), TRAILERS)


def encode_text(data: bytes) -> bytes:
    """Base64; encoded parts may follow each other, each with its own padding."""
    return base64.b64encode(data)


class TextReader:
    """Bytes of base64 text that comes in pieces, cut anywhere, and may have padding after each part."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""  # less than a group of four

    def feed(self, piece: bytes) -> bytes:
        """Raises RpcError INTERNAL."""
        text = self._rest + piece if self._rest else piece
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return _decode(text[:whole])

    def end(self) -> None:
        """No more pieces come. Raises RpcError INTERNAL when a group was begun."""
        if self._rest:
            raise RpcError(
                Code.INTERNAL, "expected base64 in groups of four, got only a part of the last one"
            )


def _decode(text: bytes) -> bytes:
    """Groups of four, padding after any of them."""
    try:
        if b"=" not in text[:-2]:
            return base64.b64decode(text, validate=True)
        parts = []
        start = 0
        while (mark := text.find(b"=", start)) >= 0:
            end = mark // 4 * 4 + 4
            # The padded group by itself: behind others, one that is nothing but padding would pass.
            parts.append(base64.b64decode(text[start : end - 4], validate=True))
            parts.append(base64.b64decode(text[end - 4 : end], validate=True))
            start = end
        parts.append(base64.b64decode(text[start:], validate=True))
    except binascii.Error as error:
        raise RpcError(Code.INTERNAL, f"expected base64: {error}") from error
    return b"".join(parts)

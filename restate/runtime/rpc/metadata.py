"""Metadata of calls: which headers are a caller's own, and bytes in `-bin` ones."""

import base64
import binascii
from collections.abc import Iterable, Iterator

from restate.runtime.rpc.status import Code, RpcError

Value = str | bytes

# Headers of the protocols and of HTTP itself.
_RESERVED = frozenset(
    (
        b"te",
        b"content-type",
        b"content-encoding",
        b"content-length",
        b"accept-encoding",
        b"host",
        b"user-agent",
    )
)
_PREFIXES = (b"grpc-", b"connect-")
_BINARY = b"-bin"


def encode_binary(value: bytes) -> bytes:
    """Base64 without padding."""
    return base64.b64encode(value).rstrip(b"=")


def decode_binary(value: bytes) -> bytes:
    """Of base64 in the standard alphabet, with or without padding. Raises RpcError INVALID_ARGUMENT."""
    text = value.strip().rstrip(b"=")
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise RpcError(Code.INVALID_ARGUMENT, f"expected base64 in binary metadata: {error}") from error


def header(name: str, value: Value) -> tuple[bytes, bytes]:
    """A metadata entry as it stands on the wire. Raises ValueError for one that has no place there."""
    wire_name = name.lower().encode("ascii")
    if wire_name.endswith(_BINARY):
        if not isinstance(value, bytes):
            raise ValueError(f"expected bytes as value of '{name}', got text")
        return wire_name, encode_binary(value)
    if not isinstance(value, str):
        raise ValueError(f"expected text as value of '{name}', got bytes")
    return wire_name, value.encode("latin-1")


def entries(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, Value]]:
    """The caller's own metadata, repeated names as often as they came. Raises RpcError INVALID_ARGUMENT."""
    for name, value in headers:
        if name in _RESERVED or name.startswith(_PREFIXES):
            continue
        if name.endswith(_BINARY):
            # A name that was given several times may have been joined on the way.
            for part in value.split(b","):
                yield name.decode("latin-1"), decode_binary(part)
        else:
            yield name.decode("latin-1"), value.decode("latin-1")

"""Ids: what the wire and people see as text, we keep as bytes.

Text form of both generations (engine.md §2.1): ``prefix "_" "1" body``. Bodies are base62 over `0-9a-zA-Z`, except the
two awakeable forms, which are base64url without padding. Base62 integers are byte-swapped: the big-endian bytes of the
id are read as a *little-endian* integer before they are written in base62.
"""

import base64
import binascii
import hashlib
from functools import lru_cache
from typing import NewType

import xxhash

InvocationId = NewType("InvocationId", bytes)
"""24 bytes: partition key (u64 big endian), then uuid (16 bytes)."""

DeploymentId = NewType("DeploymentId", str)
"""Text form, `dp_1...`; the only form ever used."""

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PAIRS = tuple(first + second for first in _ALPHABET for second in _ALPHABET)
"""Two digits at once, which takes half the divisions: every answer of the ingress has an id in it."""
_DIGITS = {char: value for value, char in enumerate(_ALPHABET)}
_PREFIXES = frozenset({"inv", "dp", "sub", "prom", "sign", "snap", "mut", "vq"})
_VERSION = "1"

CANCEL_SIGNAL = 1
FIRST_AWAKEABLE_SIGNAL = 17
SERVICE_BUCKETS = 512

_LONGEST_CACHED = 256
"""Characters or bytes. Clients choose the keys: with long ones a full cache would hold hundreds of megabytes."""


class IdError(ValueError):
    """The text is not an id of the expected kind; str() is the message users see."""


def _encode_base62(raw: bytes, width: int) -> str:
    number = int.from_bytes(raw, "little")
    pairs = []
    while number:
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    pairs.reverse()
    # With an odd width the first pair is half a one; its first digit is a zero.
    return "".join(pairs).rjust(width, "0")[-width:]


def _decode_base62(text: str, size_bytes: int) -> bytes:
    number = 0
    for char in text:
        digit = _DIGITS.get(char)
        if digit is None:
            raise IdError("base62 decode error")
        number = number * 62 + digit
    try:
        return number.to_bytes(size_bytes, "little")
    except OverflowError:
        raise IdError("base62 decode error") from None


def _body(text: str, prefix: str) -> str:
    """Strip `prefix_1`, with upstream's error for each way to be wrong."""
    if not text:
        raise IdError("bad length")
    found, separator, rest = text.partition("_")
    if not separator:
        raise IdError("bad format")
    if found not in _PREFIXES:
        raise IdError(f"unrecognized resource type: {found}")
    if found != prefix:
        raise IdError("id doesn't match the expected type")
    if not rest:
        raise IdError("bad length")
    if rest[0] != _VERSION:
        raise IdError("unrecognized codec version")
    return rest[1:]


@lru_cache(maxsize=4096)
def format_invocation_id(invocation: InvocationId) -> str:
    """38 characters, `inv_1...`."""
    return f"inv_1{_encode_base62(invocation[:8], 11)}{_encode_base62(invocation[8:], 22)}"


def parse_invocation_id(text: str) -> InvocationId:
    """Inverse of `format_invocation_id`. Raises IdError."""
    body = _body(text, "inv")
    if len(body) != 33:
        raise IdError("bad length")
    return InvocationId(_decode_base62(body[:11], 8) + _decode_base62(body[11:], 16))


def format_deployment_id(ulid: bytes) -> DeploymentId:
    """26 characters, `dp_1...`, from the 16 bytes of a ULID."""
    return DeploymentId(f"dp_1{_encode_base62(ulid, 22)}")


def parse_deployment_id(text: str) -> DeploymentId:
    """Check the text form. Raises IdError."""
    body = _body(text, "dp")
    if len(body) != 22:
        raise IdError("bad length")
    _decode_base62(body, 16)
    return DeploymentId(text)


def format_subscription_id(ulid: bytes) -> str:
    """27 characters, `sub_1...`, from the 16 bytes of a ULID."""
    return f"sub_1{_encode_base62(ulid, 22)}"


def check_subscription_id(text: str) -> None:
    """Check the text form. Raises IdError."""
    body = _body(text, "sub")
    if len(body) != 22:
        raise IdError("bad length")
    _decode_base62(body, 16)


def check_vqueue_id(text: str) -> None:
    """Check the text form: partition key and 16 bytes, like that of an invocation. Raises IdError."""
    body = _body(text, "vq")
    if len(body) != 33:
        raise IdError("bad length")
    _decode_base62(body[:11], 8)
    _decode_base62(body[11:], 16)


def format_awakeable_id(prefix: str, invocation: InvocationId, index: int) -> str:
    """`prom` names a classic journal index, `sign` a modern signal index; 44 characters."""
    raw = invocation + index.to_bytes(4, "big")
    return f"{prefix}_1{base64.urlsafe_b64encode(raw).decode().rstrip('=')}"


def parse_awakeable_id(text: str) -> tuple[str, InvocationId, int]:
    """Return (prefix, invocation, index) of a `prom_1` or `sign_1` id. Raises IdError."""
    prefix = "sign" if text.startswith("sign_") else "prom"
    body = _body(text, prefix).rstrip("=")
    try:
        raw = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        # The body is base64; upstream says so nevertheless, and callers see it.
        raise IdError("base62 decode error") from None
    if len(raw) != 28:
        raise IdError("bad length")
    return prefix, InvocationId(raw[:24]), int.from_bytes(raw[24:], "big")


def partition_key_of_key(key: str) -> bytes:
    """Partition key (8 bytes) of a modern object or workflow key."""
    return _hash_key_cached(key) if len(key) <= _LONGEST_CACHED else _hash_key(key)


def _hash_key(key: str) -> bytes:
    return xxhash.xxh3_64_digest(key.encode() + b"\xff")


_hash_key_cached = lru_cache(maxsize=16384)(_hash_key)


def classic_partition_key(key: bytes) -> bytes:
    """Partition key (8 bytes) of a classic service key: the length is hashed before the bytes."""
    return _hash_classic_key_cached(key) if len(key) <= _LONGEST_CACHED else _hash_classic_key(key)


def _hash_classic_key(key: bytes) -> bytes:
    return xxhash.xxh3_64_digest(len(key).to_bytes(8, "little") + key)


_hash_classic_key_cached = lru_cache(maxsize=16384)(_hash_classic_key)


@lru_cache(maxsize=16384)
def partition_key_of_service(service: str, bucket: int) -> bytes:
    """Partition key (8 bytes) of an unkeyed modern service; bucket is 0..511."""
    scope = b"unscoped/service\xff"
    return xxhash.xxh3_64_digest(service.encode() + b"\xff" + scope + bucket.to_bytes(8, "little"))


def bucket_of_idempotency_key(idempotency_key: str) -> int:
    """The bucket, 0..511, in which an idempotent call of an unkeyed service lives."""
    return xxhash.xxh3_64_intdigest(idempotency_key.encode() + b"\xff") % SERVICE_BUCKETS


def workflow_uuid(service: str, key: str, *, scope: str | None = None) -> bytes:
    """Deterministic uuid of a workflow run: the same workflow key is the same invocation."""
    return _named_uuid("wf", scope, service, key)


def idempotent_uuid(
    service: str, key: str | None, handler: str, idempotency_key: str, *, scope: str | None = None
) -> bytes:
    """Deterministic uuid of a modern call with an idempotency key."""
    return _named_uuid("ik", scope, service, key, handler, idempotency_key)


def _named_uuid(*parts: str | None) -> bytes:
    """Of the parts that are there."""
    return hashlib.sha256(",".join([part for part in parts if part is not None]).encode()).digest()[:16]


def classic_idempotent_uuid(service: str, idempotency_key: str) -> bytes:
    """Classic scope is the service alone, neither method nor key (engine.md §3.5)."""
    return hashlib.sha256(f"ik,{service},{idempotency_key}".encode()).digest()[:16]


def random_seed_of(invocation: InvocationId) -> int:
    """What the SDK's deterministic randomness starts from, unless the record of the invocation names another seed."""
    return int.from_bytes(invocation[16:24], "big")

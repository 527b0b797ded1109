"""Who the server says it is to modern services: a signature they may check, and its name (service-protocol.md §4.8).

The signature is a JSON Web Token for one path and one key, valid for a short time before and after it is made.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable

import attrs

from restate.runtime.model.clock import Clock

IDENTITY_REFUSED = (
    "if the service checks request identity, give the server the key it expects with"
    " invoker.request_identity_private_key_pem_file"
)
"""What to do about a status 401."""

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@attrs.frozen
class SigningKey:
    """An ed25519 key pair. public: 32 bytes. sign: gives the 64 bytes of a signature; the private half stays inside."""

    public: bytes
    sign: Callable[[bytes], bytes] = attrs.field(repr=False)

    @property
    def id(self) -> str:
        """What services are configured with: `publickeyv1_...`."""
        return f"publickeyv1_{base58(self.public)}"


class Identity:
    """Makes the headers that end every request to a modern service.

    cluster_name: what no header can carry is left out of it. key: without one nothing is signed. expiration_ms: how
    long a token is valid after it was made, and before, for clocks that are behind ours; at least a second.
    """

    def __init__(
        self, cluster_name: str, clock: Clock, key: SigningKey | None = None, *, expiration_ms: int = 60_000
    ) -> None:
        visible = "".join(character for character in cluster_name if " " <= character <= "~")
        self._clock = clock
        self._name = (b"x-restate-cluster-name", visible.encode())
        self._unsigned = [self._name]
        self._key = key
        self._leeway_s = max(1, expiration_ms // 1000)
        self._head = b"" if key is None else _part({"typ": "JWT", "alg": "EdDSA", "kid": key.id})

    def headers(self, path: str, key: str | None = None) -> list[tuple[bytes, bytes]]:
        """For one request. path: without that of the deployment's address. key: of the object or workflow."""
        if self._key is None:
            return self._unsigned
        now_s = self._clock.now_ms() // 1000
        claims: dict[str, object] = {
            "aud": path,
            "exp": now_s + self._leeway_s,
            "iat": now_s,
            "nbf": now_s - self._leeway_s,
        }
        if key is not None:
            claims["sub"] = key
        signed = self._head + b"." + _part(claims)
        token = signed + b"." + _base64(self._key.sign(signed))
        return [(b"x-restate-signature-scheme", b"v1"), (b"x-restate-jwt-v1", token), self._name]


def base58(data: bytes) -> str:
    """The text of `data` in Bitcoin's alphabet, with a 1 for each leading zero byte."""
    number = int.from_bytes(data, "big")
    text = ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _part(value: dict[str, object]) -> bytes:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")

"""Who may use a port: whoever names one of its tokens. Without tokens, everybody."""

import hmac
from collections.abc import Iterable
from hashlib import sha256

REALM = b'Bearer realm="restate"'
"""For the header www-authenticate of a refusal."""
REFUSAL = "expected the header 'authorization: Bearer <token>' with a token of this port"

_SCHEME = b"bearer "


class Gate:
    """Checks the header `authorization`. The time it takes tells nothing about the tokens."""

    __slots__ = ("_digests",)

    def __init__(self, tokens: Iterable[str] = ()) -> None:
        # Digests, because a comparison takes as long as its shorter side.
        self._digests = [sha256(token.encode()).digest() for token in tokens]

    @property
    def is_open(self) -> bool:
        """Whether everybody may pass."""
        return not self._digests

    def admits(self, authorization: bytes | None) -> bool:
        """authorization: the value of the header, None without it."""
        if not self._digests:
            return True
        if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return False
        given = sha256(authorization[len(_SCHEME) :].strip()).digest()
        # All of them, whichever fits.
        return sum(hmac.compare_digest(given, known) for known in self._digests) > 0

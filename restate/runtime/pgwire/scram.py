"""SCRAM-SHA-256 (RFC 5802, RFC 7677), server side, without channel binding. The password itself is not kept."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator

import attrs

from restate.runtime.pgwire.errors import BAD_PASSWORD, PROTOCOL_VIOLATION, FatalError, PgError
from restate.runtime.pgwire.received import Reader

MECHANISM = "SCRAM-SHA-256"
_ITERATIONS = 4096


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


@attrs.frozen
class Verifier:
    """What a server keeps of a password. Made once: it takes milliseconds."""

    salt: bytes
    iterations: int
    stored_key: bytes = attrs.field(repr=False)
    server_key: bytes = attrs.field(repr=False)

    @classmethod
    def of(cls, password: str, salt: bytes) -> "Verifier":
        """salt: 16 random bytes."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
        stored_key = hashlib.sha256(_hmac(salted, b"Client Key")).digest()
        return cls(salt, _ITERATIONS, stored_key, _hmac(salted, b"Server Key"))


class Exchange:
    """One client's proof that it knows the password. nonce: random, printable, without commas."""

    def __init__(self, verifier: Verifier, user: str, nonce: str) -> None:
        self._verifier = verifier
        self._user = user
        self._server_nonce = nonce
        self._header = b""
        self._nonce = ""
        self._client_first = ""
        self._server_first = ""

    def first(self, body: bytes) -> bytes:
        """The client's first message, with the mechanism, → the server's. Raises FatalError."""
        mechanism, message = _initial_response(body)
        if mechanism != MECHANISM:
            raise FatalError(PROTOCOL_VIOLATION, "client selected an invalid SASL authentication mechanism")
        binding, _, rest = message.partition(",")
        identity, _, bare = rest.partition(",")
        if binding not in ("n", "y"):
            raise _malformed(f"channel binding {binding[:20]!r} was not offered")
        if identity:
            raise _malformed("an authorization identity is not supported")
        self._header = f"{binding},,".encode()
        attributes = dict(_attributes(bare))
        client_nonce = attributes.get("r", "")
        if "m" in attributes or not client_nonce:
            raise _malformed("expected n= and r=")
        self._client_first = bare
        self._nonce = client_nonce + self._server_nonce
        salt = base64.b64encode(self._verifier.salt).decode()
        self._server_first = f"r={self._nonce},s={salt},i={self._verifier.iterations}"
        return self._server_first.encode()

    def final(self, body: bytes) -> bytes:
        """The client's proof → the server's signature. Raises FatalError, with 28P01 for a wrong password."""
        message = _decoded(body)
        without_proof, _, proof_text = message.rpartition(",p=")
        attributes = dict(_attributes(without_proof))
        if attributes.get("c") != base64.b64encode(self._header).decode():
            raise _malformed("the channel binding is not the one that was agreed on")
        if attributes.get("r") != self._nonce:
            raise _malformed("the nonce is not the one that was agreed on")
        try:
            proof = base64.b64decode(proof_text, validate=True)
        except binascii.Error as error:
            raise _malformed("the proof is not base64") from error
        signed = f"{self._client_first},{self._server_first},{without_proof}".encode()
        signature = _hmac(self._verifier.stored_key, signed)
        if len(proof) != len(signature):
            raise _malformed("the proof has a wrong length")
        client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
        if not hmac.compare_digest(hashlib.sha256(client_key).digest(), self._verifier.stored_key):
            raise FatalError(BAD_PASSWORD, f'password authentication failed for user "{self._user}"')
        return b"v=" + base64.b64encode(_hmac(self._verifier.server_key, signed))


def _initial_response(body: bytes) -> tuple[str, str]:
    reader = Reader(body)
    try:
        mechanism = reader.text()
        message = reader.take(reader.int32())
        reader.end()
    except PgError as error:
        raise _malformed(error.message) from error
    return mechanism, _decoded(message)


def _decoded(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise _malformed("it is not text") from error


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if len(name) != 1 or not equals:
            raise _malformed(f"{part[:20]!r} is no attribute")
        yield name, value


def _malformed(detail: str) -> FatalError:
    return FatalError(PROTOCOL_VIOLATION, "malformed SCRAM message", detail=detail)

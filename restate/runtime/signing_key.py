"""Reads the key that requests to services are signed with: the only place that knows the cryptography library."""

from pathlib import Path

from restate.runtime.errors import ConfigError
from restate.runtime.service_protocol.identity import SigningKey

_MAX_FILE_BYTES = 64 * 1024


def load_signing_key(path: Path) -> SigningKey:
    """The one ed25519 private key (PKCS#8, PEM) of the file. ConfigError: no such file, or anything else in it."""
    try:
        with path.open("rb") as file:
            pem = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise _unusable(path, f"cannot read it: {error.strerror}") from error
    blocks = pem.count(b"-----BEGIN ")
    if blocks != 1:
        raise _unusable(path, f"found {blocks} PEM blocks in it")
    return _parse(path, pem)


def _parse(path: Path, pem: bytes) -> SigningKey:
    # Only here: the import takes 30 ms and 12 MB, and most servers sign nothing.
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise _unusable(path, "the key is encrypted") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "it holds no private key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path, f"it holds a key of another kind, {type(key).__name__.lstrip('_')}")
    return SigningKey(key.public_key().public_bytes_raw(), key.sign)


def _unusable(path: Path, what: str) -> ConfigError:
    return ConfigError(
        f"invoker.request_identity_private_key_pem_file: expected one ed25519 private key in PEM form in {path}, but"
        f" {what}; `openssl genpkey -algorithm ed25519` makes one"
    )

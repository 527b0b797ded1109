from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from restate.runtime.errors import ConfigError
from restate.runtime.signing_key import load_signing_key

PEM = b"""-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO
-----END PRIVATE KEY-----
"""
PUBLIC = b64decode("j5BTvH+WJo0QGHm2hdLOuk6P7szKgTQxmpnnmZe/DcU=")


def private_pem(key: Ed25519PrivateKey, encryption: KeySerializationEncryption) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def test_a_key_signs_what_its_public_half_verifies(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"# made by hand\n" + PEM)
    key = load_signing_key(path)
    assert key.public == PUBLIC
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(key.sign(b"text"), b"text")


ED25519 = Ed25519PrivateKey.generate()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read it: No such file or directory"),
        (b"", "found 0 PEM blocks"),
        (b"\xff\0", "found 0 PEM blocks"),
        (PEM + PEM, "found 2 PEM blocks"),
        (PEM.replace(b"MC4C", b"AAAA"), "it holds no private key"),
        (
            ED25519.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "no private key",
        ),
        (private_pem(ED25519, BestAvailableEncryption(b"secret")), "the key is encrypted"),
        (
            generate_private_key(SECP256R1()).private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
            ),
            "a key of another kind",
        ),
    ],
    ids=["missing", "empty", "binary", "two", "broken", "public", "encrypted", "other kind"],
)
def test_anything_else_is_refused_in_one_line(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=reason) as caught:
        load_signing_key(path)
    assert caught.value.code == "RT0002"
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message

"""The password exchange, with a client's side of its own and the example of RFC 7677."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire.errors import FatalError
from restate.runtime.pgwire.scram import Exchange, Verifier
from tests.support.pg_peer import Scram, text

SALT = b"0123456789abcdef"
VERIFIER = Verifier.of("secret", SALT)


def exchange() -> Exchange:
    return Exchange(VERIFIER, "joe", "servernonce")


def initial(message: str, mechanism: str = "SCRAM-SHA-256") -> bytes:
    return text(mechanism) + struct.pack(">i", len(message.encode())) + message.encode()


def test_the_example_of_the_rfc() -> None:
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    server = Exchange(Verifier.of("pencil", salt), "user", nonce)
    first = server.first(initial("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"))
    assert first == f"r=rOprNGfwEbeRWgbNEkqO{nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096".encode()
    final = server.final(
        f"c=biws,r=rOprNGfwEbeRWgbNEkqO{nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=".encode()
    )
    assert final == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


@pytest.mark.parametrize("header", ["n,,", "y,,"])
def test_both_sides_prove_that_they_know_the_password(header: str) -> None:
    client, server = Scram("secret", header=header), exchange()
    final = client.final(server.first(client.first()[5:]))
    assert client.check(server.final(final[5:]))


@pytest.mark.parametrize("password", ["", "Secret", "secret ", "s" * 1000, "пароль"])
def test_a_wrong_password_is_one(password: str) -> None:
    client, server = Scram(password), exchange()
    final = client.final(server.first(client.first()[5:]))
    with pytest.raises(FatalError, match='password authentication failed for user "joe"') as caught:
        server.final(final[5:])
    assert caught.value.sqlstate == "28P01"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        text("SCRAM-SHA-256"),
        initial("n,,n=,r=abc", mechanism="SCRAM-SHA-256-PLUS"),
        initial("p=tls-unique,,n=,r=abc"),
        initial("n,a=other,n=,r=abc"),
        initial("n,,n=,r="),
        initial("n,,n="),
        initial("n,,m=x,n=,r=abc"),
        initial("n"),
        initial(""),
        text("SCRAM-SHA-256") + struct.pack(">i", 2) + b"\xff\xfe",
        text("SCRAM-SHA-256") + struct.pack(">i", -1),
        initial("n,,n=,r=abc") + b"x",
    ],
)
def test_a_first_message_that_is_none_is_fatal(body: bytes) -> None:
    with pytest.raises(FatalError) as caught:
        exchange().first(body)
    assert caught.value.sqlstate == "08P01"


PROOF = base64.b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "message",
    [
        "",
        f"c=biws,r=abcservernonce,p={PROOF[:-5]}",
        "c=biws,r=abcservernonce,p=?",
        "c=biws,r=abcservernonce",
        f"c=eSws,r=abcservernonce,p={PROOF}",
        f"c=biws,r=abc,p={PROOF}",
        f"r=abcservernonce,p={PROOF}",
        f"p={PROOF}",
    ],
)
def test_a_last_message_that_is_none_is_fatal(message: str) -> None:
    server = exchange()
    server.first(initial("n,,n=,r=abc"))
    with pytest.raises(FatalError) as caught:
        server.final(message.encode())
    assert caught.value.sqlstate == "08P01"


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_are_refused(first: bytes, final: bytes) -> None:
    server = exchange()
    with pytest.raises(FatalError):
        server.first(first)
    server.first(initial("n,,n=,r=abc"))
    with pytest.raises(FatalError):
        server.final(final)


def test_neither_the_password_nor_the_keys_are_printed() -> None:
    assert "secret" not in repr(VERIFIER)
    assert repr(VERIFIER.server_key) not in repr(VERIFIER)

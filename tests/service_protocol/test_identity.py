import json
from base64 import b64decode, urlsafe_b64decode
from typing import Any

import pytest

from restate.runtime.service_protocol.identity import Identity, SigningKey, base58

PUBLIC = b64decode("j5BTvH+WJo0QGHm2hdLOuk6P7szKgTQxmpnnmZe/DcU=")
KEY_ID = "publickeyv1_AfQwmwfgEZhrWpvv8N52SHpRtZqGGaFr4AZN6qtYWSiY"
NAME = (b"x-restate-cluster-name", b"here")


class FixedClock:
    def now_ms(self) -> int:
        return 1_700_000_000_999

    async def sleep_until(self, due_ms: int) -> None:
        raise AssertionError("nothing here waits")


def sign(data: bytes) -> bytes:
    return b"signature of " + data


def part(text: bytes) -> Any:
    assert b"=" not in text
    return json.loads(urlsafe_b64decode(text + b"=" * (-len(text) % 4)))


def token(identity: Identity, path: str, key: str | None = None) -> list[bytes]:
    scheme, (name, value), cluster = identity.headers(path, key)
    assert (scheme, name, cluster) == ((b"x-restate-signature-scheme", b"v1"), b"x-restate-jwt-v1", NAME)
    return value.split(b".")


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"", ""), (b"\0\0", "11"), (b"\0\x01", "12"), (b"a", "2g"), (b"Hello World!", "2NEpo7TZRRrLZSi2U")],
)
def test_base58_keeps_leading_zeros(data: bytes, text: str) -> None:
    assert base58(data) == text


def test_a_key_has_the_name_that_services_are_configured_with() -> None:
    assert SigningKey(PUBLIC, sign).id == KEY_ID


def test_without_a_key_only_the_name_is_sent() -> None:
    assert Identity("here", FixedClock()).headers("/discover") == [NAME]


def test_what_no_header_can_carry_is_left_out_of_the_name() -> None:
    assert Identity("heé\r\nre", FixedClock()).headers("/discover") == [NAME]


def test_a_token_names_the_key_the_path_and_a_minute_around_now() -> None:
    identity = Identity("here", FixedClock(), SigningKey(PUBLIC, sign))
    head, claims, _ = token(identity, "/invoke/Greeter/greet")
    assert part(head) == {"typ": "JWT", "alg": "EdDSA", "kid": KEY_ID}
    assert part(claims) == {
        "aud": "/invoke/Greeter/greet",
        "iat": 1_700_000_000,
        "nbf": 1_699_999_940,
        "exp": 1_700_000_060,
    }


def test_a_token_names_the_key_of_the_object() -> None:
    identity = Identity("here", FixedClock(), SigningKey(PUBLIC, sign))
    assert part(token(identity, "/invoke/Counter/add", "ключ/1")[1])["sub"] == "ключ/1"
    assert part(token(identity, "/invoke/Counter/add", "")[1])["sub"] == ""


def test_the_signature_is_over_both_parts_as_they_are_sent() -> None:
    head, claims, signature = token(Identity("here", FixedClock(), SigningKey(PUBLIC, sign)), "/discover")
    padded = signature + b"=" * (-len(signature) % 4)
    assert urlsafe_b64decode(padded) == sign(head + b"." + claims)


@pytest.mark.parametrize(("expiration_ms", "leeway_s"), [(300_000, 300), (1, 1), (0, 1)])
def test_the_validity_can_be_set_down_to_a_second(expiration_ms: int, leeway_s: int) -> None:
    identity = Identity("here", FixedClock(), SigningKey(PUBLIC, sign), expiration_ms=expiration_ms)
    claims = part(token(identity, "/discover")[1])
    assert claims["exp"] - claims["iat"] == claims["iat"] - claims["nbf"] == leeway_s


def test_a_key_does_not_show_what_signs() -> None:
    assert "sign" not in repr(SigningKey(PUBLIC, sign)).replace("SigningKey", "")

"""Which requests are Connect calls, and the table of codes."""

from __future__ import annotations

import gzip
import json

import pytest

from restate.runtime.rpc.compression import decompress
from restate.runtime.rpc.connect import (
    Asked,
    Place,
    Unserved,
    asked,
    error_body,
    is_proto_type,
    is_rpc_type,
    profile_of,
    timeout_of,
)
from restate.runtime.rpc.protocols import Codec
from restate.runtime.rpc.status import PLAIN, STRICT, Code, Profile, RpcError, outcome_code


@pytest.mark.parametrize(
    ("method", "content_type", "expected"),
    [
        ("POST", b"application/json", Asked(Codec.JSON, Place.BODY)),
        ("POST", b"Application/JSON; charset=latin-1", Asked(Codec.JSON, Place.BODY)),
        ("POST", b"application/proto", Asked(Codec.PROTO, Place.BODY)),
        ("POST", b"application/protobuf", Asked(Codec.PROTO, Place.BODY)),
        ("GET", None, Asked(Codec.JSON, Place.NOWHERE)),
        ("POST", None, 415),
        ("POST", b"text/plain", 415),
        ("GET", b"application/json", 415),
        ("PUT", b"application/json", 415),
        ("HEAD", None, 415),
        ("POST", b"application/grpc", 415),
        ("POST", b"application/grpc-web+proto", 415),
        ("POST", b"application/connect+json", 415),
        ("DELETE", b"application/grpc", 405),
    ],
)
def test_method_and_content_type_choose_the_codec(
    method: str, content_type: bytes | None, expected: Asked | int
) -> None:
    found = asked(method, content_type, "", PLAIN)
    assert (found.status if isinstance(found, Unserved) else found) == expected


@pytest.mark.parametrize(
    ("method", "content_type", "status", "header"),
    [
        ("PUT", b"application/json", 405, (b"allow", b"GET, POST")),
        ("POST", b"image/jpeg", 415, (b"accept-post", b"application/json, application/proto")),
        (
            "POST",
            b"application/json; charset=latin-1",
            415,
            (b"accept-post", b"application/json, application/proto"),
        ),
        ("POST", b"application/json; a=b", 415, (b"accept-post", b"application/json, application/proto")),
    ],
)
def test_clients_of_the_protocol_are_told_what_is_served(
    method: str, content_type: bytes, status: int, header: tuple[bytes, bytes]
) -> None:
    assert asked(method, content_type, "", STRICT) == Unserved(status, (header,))


def test_a_strict_client_may_name_utf_8() -> None:
    assert asked("POST", b"application/json; charset=UTF-8", "", STRICT) == Asked(Codec.JSON, Place.BODY)


@pytest.mark.parametrize(
    ("query", "profile", "expected"),
    [
        ("message=x&encoding=proto", PLAIN, Asked(Codec.PROTO, Place.QUERY)),
        ("encoding=json", PLAIN, Asked(Codec.JSON, Place.QUERY)),
        ("message=x", PLAIN, Unserved(415)),
        ("connect=v1", STRICT, Unserved(415)),
        ("a=message", PLAIN, Asked(Codec.JSON, Place.NOWHERE)),
    ],
)
def test_a_message_in_the_query_is_not_mistaken_for_a_bare_get(
    query: str, profile: Profile, expected: Asked | Unserved
) -> None:
    assert asked("GET", None, query, profile) == expected


def test_streaming_types() -> None:
    types = (
        b"application/grpc",
        b"application/grpc+proto",
        b"application/grpc-web-text; a=b",
        b"application/connect+x",
    )
    assert all(map(is_rpc_type, types))
    assert not any(
        map(is_rpc_type, (None, b"", b"application/json", b"application/grpcx", b"application/proto"))
    )
    assert is_proto_type(b"application/Protobuf")
    assert not is_proto_type(b"application/json")


def test_the_protocol_header_makes_a_client_strict() -> None:
    assert profile_of(b"1", "") is STRICT
    assert profile_of(b"", "") is STRICT
    assert profile_of(None, "a=b&connect=v1") is STRICT
    assert profile_of(None, "connect=v2") is PLAIN


@pytest.mark.parametrize(
    ("code", "plain", "strict"),
    [
        (Code.CANCELED, 408, 499),
        (Code.UNKNOWN, 500, 500),
        (Code.INVALID_ARGUMENT, 400, 400),
        (Code.DEADLINE_EXCEEDED, 408, 504),
        (Code.NOT_FOUND, 404, 404),
        (Code.ALREADY_EXISTS, 409, 409),
        (Code.PERMISSION_DENIED, 403, 403),
        (Code.RESOURCE_EXHAUSTED, 429, 429),
        (Code.FAILED_PRECONDITION, 412, 400),
        (Code.ABORTED, 409, 409),
        (Code.OUT_OF_RANGE, 400, 400),
        (Code.UNIMPLEMENTED, 501, 501),
        (Code.INTERNAL, 500, 500),
        (Code.UNAVAILABLE, 503, 503),
        (Code.DATA_LOSS, 500, 500),
        (Code.UNAUTHENTICATED, 401, 401),
    ],
)
def test_each_code_has_a_status_per_profile(code: Code, plain: int, strict: int) -> None:
    error = RpcError(code, 'é "x"')
    for profile, status in ((PLAIN, plain), (STRICT, strict)):
        found, body = error_body(error, profile)
        name = code.name.lower()
        expected = "cancelled" if code is Code.CANCELED and profile is PLAIN else name
        assert (found, json.loads(body)) == (status, {"code": expected, "message": 'é "x"'})


@pytest.mark.parametrize("profile", [PLAIN, STRICT])
def test_no_code_is_forgotten(profile: Profile) -> None:
    assert set(profile.http) == set(Code)


@pytest.mark.parametrize(
    ("number", "code"),
    [(0, Code.UNKNOWN), (1, Code.CANCELED), (13, Code.INTERNAL), (16, Code.UNAUTHENTICATED), (17, Code.UNKNOWN),
     (32, Code.UNKNOWN), (33, Code.UNKNOWN), (64, Code.ABORTED), (-1, Code.UNKNOWN)],
)  # fmt: skip
def test_outcomes_of_invocations_have_codes(number: int, code: Code) -> None:
    assert outcome_code(number) is code


def test_timeouts_are_milliseconds() -> None:
    assert timeout_of(None) is None
    assert timeout_of(b"1500") == 1.5
    for bad in (b"", b"-1", b"1s", b"12345678901", b"1.5"):
        with pytest.raises(RpcError) as refused:
            timeout_of(bad)
        assert refused.value.code is Code.INVALID_ARGUMENT


def test_bodies_are_unpacked() -> None:
    packed = gzip.compress(b"x" * 1000)
    assert decompress(packed, b"gzip", 1000) == b"x" * 1000
    assert decompress(packed + packed, b"GZIP", 2000) == b"x" * 2000
    assert decompress(b"plain", b"identity", 1) == b"plain"
    assert decompress(b"plain", None, 1) == b"plain"
    assert decompress(b"", b"gzip", 1) == b""


@pytest.mark.parametrize(
    ("body", "encoding", "code"),
    [
        (b"x", b"br", Code.UNIMPLEMENTED),
        (b"x", b"gzip", Code.INVALID_ARGUMENT),
        (gzip.compress(b"x" * 100)[:-4], b"gzip", Code.INVALID_ARGUMENT),
        (gzip.compress(b"x" * 1001), b"gzip", Code.RESOURCE_EXHAUSTED),
        (gzip.compress(bytes(10_000_000)), b"gzip", Code.RESOURCE_EXHAUSTED),
        (gzip.compress(b"x" * 600) * 2, b"gzip", Code.RESOURCE_EXHAUSTED),
    ],
)
def test_bodies_that_cannot_be_unpacked_are_refused(body: bytes, encoding: bytes, code: Code) -> None:
    with pytest.raises(RpcError) as refused:
        decompress(body, encoding, 1000)
    assert refused.value.code is code

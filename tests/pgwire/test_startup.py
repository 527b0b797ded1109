"""The packets before the first message."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restate.runtime.pgwire.errors import FatalError, HangUpError
from restate.runtime.pgwire.startup import Cancel, Hello, Say, StartTls, Startup
from tests.support.pg_peer import GSS_REQUEST, SSL_REQUEST, cancel_request, startup


def first(data: bytes, *, tls: bool = False) -> object:
    machine = Startup(10_000, tls=tls)
    machine.feed(data)
    return machine.next()


def test_a_client_says_who_it_is() -> None:
    packet = startup(user="joe", database="d", application_name="a", TimeZone="UTC")
    assert first(packet) == Hello("joe", (("application_name", "a"), ("TimeZone", "UTC")), b"")


def test_bytes_one_at_a_time_are_understood() -> None:
    machine = Startup(10_000, tls=False)
    packet = startup(user="joe")
    for at in range(len(packet)):
        assert machine.next() is None
        machine.feed(packet[at : at + 1])
    assert isinstance(machine.next(), Hello)


def test_what_follows_the_start_is_kept() -> None:
    machine = Startup(10_000, tls=False)
    machine.feed(startup(user="joe") + b"Q more")
    assert isinstance(machine.next(), Hello)
    assert machine.rest == b"Q more"


def test_encryption_is_refused_once_of_each_kind() -> None:
    machine = Startup(10_000, tls=False)
    machine.feed(SSL_REQUEST + GSS_REQUEST + startup(user="joe"))
    assert machine.next() == machine.next() == Say(b"N")
    assert isinstance(machine.next(), Hello)


@pytest.mark.parametrize("request_packet", [SSL_REQUEST, GSS_REQUEST])
def test_asking_twice_is_no_way_to_stay(request_packet: bytes) -> None:
    machine = Startup(10_000, tls=False)
    machine.feed(request_packet * 2)
    machine.next()
    with pytest.raises(HangUpError):
        machine.next()


def test_with_tls_what_stands_in_front_of_the_handshake_is_dropped() -> None:
    machine = Startup(10_000, tls=True)
    machine.feed(SSL_REQUEST + startup(user="mallory"))
    assert machine.next() == StartTls()
    assert machine.next() is None
    machine.feed(startup(user="joe"))
    assert machine.next() == Hello("joe", (), b"")


def test_with_tls_gss_is_refused_and_tls_is_had() -> None:
    machine = Startup(10_000, tls=True)
    machine.feed(GSS_REQUEST + SSL_REQUEST)
    assert machine.next() == Say(b"N")
    assert machine.next() == StartTls()


def test_inside_of_tls_nothing_is_encrypted_again() -> None:
    machine = Startup(10_000, tls=True)
    machine.feed(SSL_REQUEST)
    machine.next()
    machine.feed(SSL_REQUEST)
    with pytest.raises(HangUpError):
        machine.next()


@pytest.mark.parametrize("size", [4, 8, 32, 256])
def test_a_cancel_request_has_a_number_and_a_secret(size: int) -> None:
    assert first(cancel_request(7, b"s" * size)) == Cancel(7, b"s" * size)


@pytest.mark.parametrize("size", [0, 3, 257])
def test_a_cancel_request_without_a_proper_secret_is_none(size: int) -> None:
    with pytest.raises(HangUpError):
        first(cancel_request(7, b"s" * size))


def test_a_newer_minor_version_and_its_options_are_negotiated() -> None:
    hello = first(startup(196610, user="joe", **{"_pq_.one": "1", "_pq_.two": ""}))
    assert hello == Hello(
        "joe", (), b"v" + struct.pack(">iii", 4 + 8 + 18, 196608, 2) + b"_pq_.one\0_pq_.two\0"
    )
    assert first(startup(196610, user="joe")) == Hello("joe", (), b"v" + struct.pack(">iii", 12, 196608, 0))


@pytest.mark.parametrize("version", [0, 2 << 16, 4 << 16, 1234 << 16])
def test_another_major_version_is_refused_by_name(version: int) -> None:
    with pytest.raises(
        FatalError, match=rf"protocol {version >> 16}\.0: server supports 3.0 to 3.0"
    ) as caught:
        first(startup(version, user="joe"))
    assert caught.value.sqlstate == "0A000"


@pytest.mark.parametrize("value", ["true", "database", "1"])
def test_replication_is_refused(value: str) -> None:
    with pytest.raises(FatalError, match="replication") as caught:
        first(startup(user="joe", replication=value))
    assert caught.value.sqlstate == "0A000"
    assert isinstance(first(startup(user="joe", replication="false")), Hello)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\0", "28000"),
        (b"user\0\0\0", "28000"),
        (b"database\0d\0\0", "28000"),
        (b"", "08P01"),
        (b"user\0joe\0", "08P01"),
        (b"user\0joe\0\0x", "08P01"),
        (b"user", "08P01"),
        (b"user\0\xff\0\0", "08P01"),
    ],
)
def test_parameters_that_are_wrong_have_a_code(body: bytes, code: str) -> None:
    with pytest.raises(FatalError) as caught:
        first(struct.pack(">ii", 8 + len(body), 196608) + body)
    assert caught.value.sqlstate == code


@pytest.mark.parametrize("size", [0, 7, 10_001, 2**31, 2**32 - 1])
def test_a_size_that_cannot_be_is_not_answered(size: int) -> None:
    with pytest.raises(HangUpError):
        first(size.to_bytes(4, "big"))


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_end_in_one_of_the_known_ways(data: bytes, tls: bool) -> None:
    machine = Startup(200, tls=tls)
    machine.feed(data)
    try:
        while machine.next() is not None:
            pass
    except (FatalError, HangUpError):
        return


@given(st.binary(max_size=100))
def test_any_parameters_end_in_one_of_the_known_ways(body: bytes) -> None:
    code = None
    try:
        assert isinstance(first(struct.pack(">ii", 8 + len(body), 196608) + body), Hello)
    except FatalError as error:
        code = error.sqlstate
    assert code in (None, "28000", "08P01", "0A000")

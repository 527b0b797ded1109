"""The postgres port over real sockets, with a pool that is a fake: connections, their limits and their ends."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trustme
from trio.testing import MockClock, wait_all_tasks_blocked

from restate.runtime.net.listener import Drain, bind
from restate.runtime.pgwire.limits import Limits
from restate.runtime.pgwire.scram import Verifier
from restate.runtime.query.postgres import PostgresPort
from restate.runtime.query.postgres_options import PostgresOptions
from tests.support import pg_peer as pg
from tests.support.fake_pool import FakePool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Start = Callable[[PostgresOptions], Awaitable["Bed"]]

HANG = "T n:23:0,fill:25:0"
PASSWORD = PostgresOptions(password=Verifier.of("secret", b"0123456789abcdef"))


@attrs.define
class Bed:
    """A running port."""

    port: PostgresPort
    pool: FakePool
    number: int
    drain: Drain

    async def connect(self, **parameters: str) -> pg.PgClient:
        return await pg.PgClient.connect(self.number, **parameters)

    async def talk(self, *sent: bytes) -> bytes:
        """Everything the server says until it ends the connection."""
        received = b""
        async with await trio.open_tcp_stream("127.0.0.1", self.number) as stream:
            for data in sent:
                await stream.send_all(data)
            with trio.fail_after(15):
                try:
                    while more := await stream.receive_some():
                        received += more
                except trio.BrokenResourceError:
                    # It closed before it had read everything; that is an end as well.
                    return received
        return received


@pytest.fixture
def start(nursery: trio.Nursery) -> Start:
    async def start_port(options: PostgresOptions) -> Bed:
        await trio.lowlevel.checkpoint()
        listener, pool, drain = bind("127.0.0.1", 0), FakePool(), Drain()
        port = PostgresPort(listener, pool, options)
        nursery.start_soon(port.run, drain)
        return Bed(port, pool, listener.port, drain)

    return start_port


@pytest.fixture
async def bed(start: Start) -> Bed:
    return await start(PostgresOptions())


# Start.


async def test_a_client_is_told_everything_it_expects_and_may_ask(bed: Bed) -> None:
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    await client.send(
        pg.startup(user="joe", database="any", application_name="test", TimeZone="Europe/Berlin")
    )
    greeting = [str(each) for each in await client.until("Z")]
    assert greeting == [
        "R",
        "S server_version=15.0",
        "S server_encoding=UTF8",
        "S client_encoding=UTF8",
        "S application_name=test",
        "S DateStyle=ISO, MDY",
        "S IntervalStyle=postgres",
        "S TimeZone=Europe/Berlin",
        "S integer_datetimes=on",
        "S standard_conforming_strings=on",
        "S is_superuser=off",
        "S session_authorization=joe",
        "S default_transaction_read_only=on",
        "S in_hot_standby=off",
        "K",
        "Z I",
    ]
    assert await client.query("select 42") == ["T value:23:0", "D 42", "C SELECT 1", "Z I"]
    session = bed.pool.sessions[0]
    assert (session.user, session.timezone) == ("joe", "Europe/Berlin")
    assert session.process_id == client.process_id
    assert ("application_name", "test") in session.settings
    await client.aclose()


async def test_every_connection_has_a_number_and_a_secret_of_its_own(bed: Bed) -> None:
    clients = [await bed.connect() for _ in range(3)]
    assert len({client.process_id for client in clients}) == 3
    assert len({client.secret for client in clients}) == 3
    for client in clients:
        await client.aclose()


async def test_a_client_that_asks_for_encryption_is_told_no_and_may_go_on(bed: Bed) -> None:
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    for request in (pg.SSL_REQUEST, pg.GSS_REQUEST):
        await client.send(request)
        assert await client.stream.receive_some() == b"N"
    assert (await client.ask(pg.startup(user="joe")))[-1] == "Z I"
    await client.aclose()


async def test_a_start_in_single_bytes_with_a_query_right_behind_it_is_understood(bed: Bed) -> None:
    data = pg.startup(user="joe") + pg.query("select 1") + pg.TERMINATE
    answer = await bed.talk(*(data[n : n + 1] for n in range(len(data))))
    assert pg.said(answer)[-4:] == ["T value:23:0", "D 1", "C SELECT 1", "Z I"]


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n\r\n", bytes(8), b"\0\0\0\7abc", b"\xff\xff\xff\xffabcd", bytes(100_000)]
)
async def test_garbage_ends_the_connection_without_a_word_and_the_next_client_is_served(
    bed: Bed, data: bytes
) -> None:
    assert await bed.talk(data) == b""
    client = await bed.connect()
    await client.aclose()


async def test_a_silent_client_is_cut(bed: Bed, autojump_clock: MockClock) -> None:
    for data in (b"", b"\0\0", pg.SSL_REQUEST):
        began = trio.current_time()
        await bed.talk(data)
        assert 9.9 < trio.current_time() - began < 10.5


async def test_a_client_that_leaves_during_its_start_disturbs_nobody(bed: Bed) -> None:
    for data in (b"", b"\0\0", pg.SSL_REQUEST, pg.startup(user="joe"), pg.startup(user="joe") + b"Q"):
        async with await trio.open_tcp_stream("127.0.0.1", bed.number) as stream:
            await stream.send_all(data)
    client = await bed.connect()
    await client.aclose()


async def test_what_was_asked_before_the_end_is_answered(bed: Bed) -> None:
    answer = await bed.talk(pg.startup(user="joe") + pg.query("select 1") + pg.TERMINATE)
    assert pg.said(answer)[-4:] == ["T value:23:0", "D 1", "C SELECT 1", "Z I"]


# Passwords.


async def test_the_right_password_lets_in_and_the_server_proves_that_it_knows_it(start: Start) -> None:
    bed = await start(PASSWORD)
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    scram = pg.Scram("secret")
    await client.send(pg.startup(user="joe"))
    assert (await client.next()).body == b"\0\0\0\x0aSCRAM-SHA-256\0\0"
    await client.send(scram.first())
    await client.send(scram.final((await client.next()).body[4:]))
    assert scram.check((await client.next()).body[4:])
    assert [str(each) for each in await client.until("Z")][-1] == "Z I"
    await client.aclose()


async def test_a_wrong_password_ends_the_connection(start: Start) -> None:
    bed = await start(PASSWORD)
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    scram = pg.Scram("Secret")
    await client.send(pg.startup(user="joe"))
    await client.next()
    await client.send(scram.first())
    await client.send(scram.final((await client.next()).body[4:]))
    failure = await client.next()
    assert failure.fields["C"] == "28P01"
    assert failure.fields["M"] == 'password authentication failed for user "joe"'
    assert await client.rest() == []


@pytest.mark.parametrize(
    "data",
    [pg.query("select 1"), pg.message("p", b"secret\0"), b"~", pg.message("p", bytes(100_000)), pg.TERMINATE],
)
async def test_nothing_is_answered_before_the_password(start: Start, data: bytes) -> None:
    bed = await start(PASSWORD)
    answer = pg.said(await bed.talk(pg.startup(user="joe"), data))
    assert answer == ["R", "E FATAL 08P01"]
    assert bed.pool.statements == []


# TLS.


async def test_with_a_certificate_the_connection_is_encrypted_when_the_client_asks_for_it(
    start: Start,
) -> None:
    authority = trustme.CA()
    server, client_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client_context)
    bed = await start(PostgresOptions(tls=server))
    plain = await trio.open_tcp_stream("127.0.0.1", bed.number)
    # What stands in front of the handshake, from whomever, is not taken for a part of the conversation.
    await plain.send_all(pg.SSL_REQUEST + pg.startup(user="mallory"))
    assert await plain.receive_some(1) == b"S"
    client = pg.PgClient(trio.SSLStream(plain, client_context, server_hostname="localhost"))
    assert "S session_authorization=joe" in await client.ask(pg.startup(user="joe"))
    assert await client.query("rows 3 1000") == [
        "T n:23:0,fill:25:0",
        *(f"D {n},{'x' * 1000}" for n in range(3)),
        "C SELECT 3",
        "Z I",
    ]
    await client.aclose()
    # And without it as before.
    await (await bed.connect()).aclose()


async def test_a_broken_handshake_ends_that_connection_alone(start: Start) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(server)
    bed = await start(PostgresOptions(tls=server))
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    await client.send(pg.SSL_REQUEST)
    assert await client.stream.receive_some(1) == b"S"
    await client.send(b"no handshake at all")
    with trio.fail_after(30):
        while await client.stream.receive_some():
            pass
    await client.aclose()
    await (await bed.connect()).aclose()


# Limits.


async def test_one_client_too_many_is_told_so_and_may_come_when_another_has_left(start: Start) -> None:
    bed = await start(PostgresOptions(max_connections=2))
    first, second = await bed.connect(), await bed.connect()
    assert pg.said(await bed.talk(pg.startup(user="joe"))) == ["E FATAL 53300"]
    await first.send(pg.TERMINATE)
    assert await first.rest() == []
    third = await bed.connect()
    assert await second.query("select 1") == await third.query("select 1")
    for client in (first, second, third):
        await client.aclose()


async def test_clients_who_do_not_know_the_password_take_no_place(start: Start) -> None:
    bed = await start(attrs.evolve(PASSWORD, max_connections=1))
    crowd = [await trio.open_tcp_stream("127.0.0.1", bed.number) for _ in range(5)]
    for stream in crowd:
        await stream.send_all(pg.startup(user="mallory"))
        assert await stream.receive_some(1) == b"R"
    client = pg.PgClient(await trio.open_tcp_stream("127.0.0.1", bed.number))
    scram = pg.Scram("secret")
    await client.send(pg.startup(user="joe"))
    await client.next()
    await client.send(scram.first())
    await client.send(scram.final((await client.next()).body[4:]))
    assert [str(each) for each in await client.until("Z")][-1] == "Z I"
    await client.aclose()
    for stream in crowd:
        await trio.aclose_forcefully(stream)


async def test_a_crowd_that_says_nothing_keeps_nobody_out(start: Start) -> None:
    bed = await start(PostgresOptions(max_starting=10))
    crowd = [await trio.open_tcp_stream("127.0.0.1", bed.number) for _ in range(200)]
    client = await bed.connect()
    assert (await client.query("select 1"))[-1] == "Z I"
    await wait_all_tasks_blocked()
    # All but the newest ten are gone.
    with trio.fail_after(30):
        assert [await silent.receive_some() for silent in crowd[:180]] == [b""] * 180
    for stream in crowd:
        await trio.aclose_forcefully(stream)
    await client.aclose()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"~", "08P01"),
        (pg.message("p", b"late\0"), "08P01"),
        (b"Q\0\0\0\3", "08P01"),
        (b"Q\x7f\xff\xff\xff", "08P01"),
        (b"S\0\1\0\0", "08P01"),
    ],
)
async def test_what_cannot_be_cut_into_messages_is_fatal(bed: Bed, data: bytes, code: str) -> None:
    answer = pg.said(await bed.talk(pg.startup(user="joe") + pg.query("select 1") + data))
    assert answer[-3:] == ["C SELECT 1", "Z I", f"E FATAL {code}"]


async def test_a_statement_that_is_too_long_is_an_error_and_a_longer_message_the_end(start: Start) -> None:
    bed = await start(PostgresOptions(limits=Limits(sql_size=1000, message_size=5000)))
    client = await bed.connect()
    assert await client.query("select " + "1" * 1000) == ["E ERROR 54000", "Z I"]
    assert await client.query("select 1") == ["T value:23:0", "D 1", "C SELECT 1", "Z I"]
    await client.send(pg.query("select " + "1" * 6000))
    assert await client.rest() == ["E FATAL 08P01"]


# Running queries.


async def test_a_cancel_request_with_the_right_secret_ends_the_query_and_nothing_else(bed: Bed) -> None:
    client = await bed.connect()
    await client.send(pg.query("hang"))
    await wait_all_tasks_blocked()
    wrong = bytes(byte ^ 1 for byte in client.secret)
    for request in (
        pg.cancel_request(client.process_id, wrong),
        pg.cancel_request(client.process_id + 1, client.secret),
        pg.cancel_request(client.process_id, client.secret[:2] + b"\0\0\0\0"),
    ):
        assert await bed.talk(request) == b""
    await wait_all_tasks_blocked()
    assert bed.pool.open_queries == 1
    assert await bed.talk(pg.cancel_request(client.process_id, client.secret)) == b""
    assert [str(each) for each in await client.until("Z")] == [HANG, "E ERROR 57014", "Z I"]
    await wait_all_tasks_blocked()
    assert bed.pool.open_queries == 0
    assert await client.query("select 1") == ["T value:23:0", "D 1", "C SELECT 1", "Z I"]
    await client.aclose()


async def test_a_cancel_request_for_an_idle_client_does_nothing(bed: Bed) -> None:
    client = await bed.connect()
    await bed.talk(pg.cancel_request(client.process_id, client.secret))
    assert await client.query("select 1") == ["T value:23:0", "D 1", "C SELECT 1", "Z I"]
    await client.aclose()


async def test_a_cancel_request_ends_a_result_that_its_client_does_not_take(bed: Bed) -> None:
    client = await bed.connect()
    await client.send(pg.query("rows 10000000 1000"))
    await wait_all_tasks_blocked()
    await bed.talk(pg.cancel_request(client.process_id, client.secret))
    said = await client.until("Z")
    assert [str(each) for each in said[-2:]] == ["E ERROR 57014", "Z I"]
    await wait_all_tasks_blocked()
    assert bed.pool.open_queries == 0
    await client.aclose()


async def test_a_statement_timeout_ends_the_query_and_the_client_goes_on(
    bed: Bed, autojump_clock: MockClock
) -> None:
    client = await bed.connect(options="-c statement_timeout=5s")
    began = trio.current_time()
    await client.send(pg.query("hang"))
    *_, failure, _ = await client.until("Z")
    assert (failure.fields["C"], failure.fields["M"]) == (
        "57014",
        "canceling statement due to statement timeout",
    )
    assert 4.9 < trio.current_time() - began < 5.5
    assert (await client.query("select 1"))[-1] == "Z I"
    await client.aclose()


async def test_a_client_that_stops_reading_holds_its_own_worker_only_and_not_for_ever(
    bed: Bed, autojump_clock: MockClock
) -> None:
    stuck, other = await bed.connect(), await bed.connect()
    await stuck.send(pg.query("rows 10000000 1000"))
    await wait_all_tasks_blocked()
    assert bed.pool.open_queries == 1
    fetched = len(bed.pool.fetches)
    # No more is fetched than the buffers of both systems hold.
    assert fetched < 1000
    assert (await other.query("select 1"))[-1] == "Z I"
    assert len(bed.pool.fetches) <= fetched + 2
    await trio.sleep(61)
    assert bed.pool.open_queries == 0
    await stuck.aclose()
    await other.aclose()


async def test_rows_come_while_the_query_still_looks_for_more(bed: Bed) -> None:
    client = await bed.connect()
    await client.send(pg.query("hang after 100"))
    await wait_all_tasks_blocked()
    # A few rows wait for company; enough of them do not.
    other = await bed.connect()
    await other.send(pg.query("rows 1000 100"))
    assert [str(each) for each in await other.until("Z")][-1] == "Z I"
    await client.aclose()
    await other.aclose()


async def test_a_query_ends_when_its_client_is_gone(bed: Bed, autojump_clock: MockClock) -> None:
    client = await bed.connect()
    await client.send(pg.query("hang"))
    await wait_all_tasks_blocked()
    assert bed.pool.open_queries == 1
    await client.aclose()
    await trio.sleep(1.5)
    assert bed.pool.open_queries == 0
    assert bed.port.connections == 0


async def test_a_suspended_portal_keeps_its_query_for_a_while(bed: Bed, autojump_clock: MockClock) -> None:
    client = await bed.connect()
    answer = await client.ask(
        pg.query("begin"), pg.parse("rows 10"), pg.bind(portal="c"), pg.execute("c", 4), pg.SYNC
    )
    assert answer == ["C BEGIN", "Z T"]
    assert [str(each) for each in await client.until("Z")][-3:] == ["D 3,", "s", "Z T"]
    await trio.sleep(29)
    assert (await client.ask(pg.execute("c", 4), pg.SYNC))[-3:] == ["D 7,", "s", "Z T"]
    assert bed.pool.open_queries == 1
    began = trio.current_time()
    client.patience = 60
    assert await client.rest() == ["E FATAL 57P05"]
    assert 29.5 < trio.current_time() - began < 30.5
    assert bed.pool.open_queries == 0


async def test_an_idle_client_may_stay_unless_a_timeout_says_otherwise(
    start: Start, autojump_clock: MockClock
) -> None:
    bed = await start(PostgresOptions())
    client = await bed.connect()
    await trio.sleep(3_600)
    assert (await client.query("select 1"))[-1] == "Z I"
    await client.aclose()
    strict = await start(PostgresOptions(idle_timeout=10))
    client = await strict.connect()
    client.patience = 60
    assert await client.rest() == ["E FATAL 57P05"]


async def test_a_pool_that_breaks_costs_one_query(bed: Bed, caplog: pytest.LogCaptureFixture) -> None:
    client = await bed.connect()
    assert await client.query("die") == ["T n:23:0,fill:25:0", "E ERROR XX000", "Z I"]
    assert "a query of the postgres port crashed" in caplog.text
    assert (await client.query("select 1"))[-1] == "Z I"
    await client.aclose()


async def test_a_worker_that_dies_ends_the_connection_after_the_rows_it_had_sent(bed: Bed) -> None:
    client = await bed.connect()
    await client.send(pg.query("break 57P02 2"))
    assert await client.rest() == ["T n:23:0,fill:25:0", "D 0,", "D 1,", "E FATAL 57P02"]
    await (await bed.connect()).aclose()


async def test_a_string_of_very_many_statements_lets_others_have_their_turn(bed: Bed) -> None:
    many, other = await bed.connect(), await bed.connect()
    await many.send(pg.query("begin;" * 10_000))
    assert (await other.query("select 1"))[-1] == "Z I"
    with trio.move_on_after(0):
        await many.until("Z")
    await many.aclose()
    await other.aclose()


# The end.


async def test_a_drain_tells_every_client_and_ends(nursery: trio.Nursery) -> None:
    listener, pool, drain = bind("127.0.0.1", 0), FakePool(), Drain()
    finished = trio.Event()

    async def serve() -> None:
        await PostgresPort(listener, pool, PostgresOptions()).run(drain)
        finished.set()

    nursery.start_soon(serve)
    idle, busy = [await pg.PgClient.connect(listener.port) for _ in range(2)]
    silent = await trio.open_tcp_stream("127.0.0.1", listener.port)
    number = listener.port
    await busy.send(pg.query("hang"))
    await wait_all_tasks_blocked()
    drain.start()
    assert await idle.rest() == ["E FATAL 57P01"]
    assert await busy.rest() == ["E FATAL 57P01"]
    for stream in (silent, idle.stream, busy.stream):
        await trio.aclose_forcefully(stream)
    with trio.fail_after(30):
        await finished.wait()
    assert pool.open_queries == 0
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", number)) != 0


async def test_a_client_that_does_not_read_holds_up_no_drain(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    listener, pool, drain = bind("127.0.0.1", 0), FakePool(), Drain()
    finished = trio.Event()

    async def serve() -> None:
        await PostgresPort(listener, pool, PostgresOptions()).run(drain)
        finished.set()

    nursery.start_soon(serve)
    stuck = await pg.PgClient.connect(listener.port)
    await stuck.send(pg.query("rows 10000000 1000"))
    await wait_all_tasks_blocked()
    drain.start()
    with trio.fail_after(3):
        await finished.wait()
    await stuck.aclose()

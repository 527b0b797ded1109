"""The postgres port of a real server, with real query workers, spoken to byte by byte: what PostgreSQL answers, and what
it does about those who mean no good.
"""

from __future__ import annotations

import select
import shutil
import socket
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from tests.pgwire.exchanges import EXCHANGES, START, STARTS, THREE, conversation, recorded
from tests.pgwire.test_exchanges import OURS, comparable
from tests.support.pg_peer import (
    SSL_REQUEST,
    SYNC,
    Replies,
    Said,
    bind,
    cancel_request,
    execute,
    parse,
    query,
    startup,
)
from tests.support.server import OurServer, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORDED = recorded()
ENDLESS = "select count(*) from generate_series(1, 2000000000) a, generate_series(1, 1000) b"
MANY = "select value, repeat('x', 1000) as fill from generate_series(1, 100000000)"
MIB = 1024 * 1024


_opened: list[Client] = []


class Client:
    """A blocking connection after its start."""

    def __init__(self, port: int, start: bytes = START) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        _opened.append(self)
        self._replies = Replies()
        self.send(start)
        greeting = self.until("Z")
        key = next(said for said in greeting if said.tag == "K").body
        self.process_id, self.secret = int.from_bytes(key[:4], "big"), key[4:]

    def send(self, *data: bytes) -> None:
        self._socket.sendall(b"".join(data))

    def until(self, tag: str) -> list[Said]:
        """Raises EOFError."""
        found: list[Said] = []
        while not found or found[-1].tag != tag:
            said = self._replies.next()
            if said is not None:
                found.append(said)
                continue
            data = self._socket.recv(65536)
            if not data:
                raise EOFError(str([str(each) for each in found]))
            self._replies.feed(data)
        return found

    def hears(self, *, within_s: float) -> bool:
        """Whether something has come that was not read."""
        return bool(select.select([self._socket], [], [], within_s)[0])

    def ask(self, *data: bytes) -> list[str]:
        self.send(*data)
        return [str(said) for said in self.until("Z")]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OurServer]:
    server = OurServer(tmp_path_factory.mktemp("pgwire"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def port(server: OurServer) -> int:
    return server.ports["postgres"]


def raw(port: int, *sent: bytes) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            for data in sent:
                connection.sendall(data)
            while more := connection.recv(65536):
                received += more
        except (ConnectionResetError, BrokenPipeError):
            return received
    return received


def test_every_exchange_is_answered_as_postgres_answers_it(port: int) -> None:
    wrong = {}
    for name, sent in (EXCHANGES | STARTS).items():
        # To this engine a number is an int8, to Postgres an int4.
        said = [text.replace(":20:", ":23:") for text in conversation(sent, port)]
        if comparable(name, said) != comparable(name, OURS.get(name, RECORDED[name])):
            wrong[name] = said
    assert wrong == {}


def test_a_byte_at_a_time_is_as_good_as_all_at_once(port: int) -> None:
    client = Client(port)
    for byte in parse(THREE) + bind() + execute() + SYNC:
        client.send(bytes([byte]))
    assert [str(said) for said in client.until("Z")] == ["1", "2", "D 1", "D 2", "D 3", "C SELECT 3", "Z I"]
    client.close()


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        ([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"], []),
        ([bytes(1000)], []),
        ([b"\xff" * 100_000], []),
        ([b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], []),
        ([SSL_REQUEST, SSL_REQUEST], ["N"]),
        ([START + b"\xff" * 1000], ["E FATAL 08P01"]),
        ([START + b"Q\x7f\xff\xff\xff"], ["E FATAL 08P01"]),
        ([START + query("select " + "1" * (17 * MIB))], ["E FATAL 08P01"]),
        ([START + query("-" * (2 * MIB)) + b"X\0\0\0\4"], ["E ERROR 54000", "Z I"]),
        ([START + execute("nothing") + SYNC + b"X\0\0\0\4"], ["E ERROR 34000", "Z I"]),
        ([startup(user="x", client_encoding="LATIN1")], ["E FATAL 22023"]),
    ],
    ids=lambda value: None,
)
def test_bad_bytes_have_an_end_and_the_next_client_is_served(
    port: int, sent: list[bytes], answer: list[str]
) -> None:
    received = raw(port, *sent)
    if answer == ["N"]:
        assert received == b"N"
    else:
        replies = Replies()
        replies.feed(received)
        assert [str(said) for said in replies.all()][-len(answer) :] == answer[-len(answer) :] or not answer
        assert replies.rest == b""
        assert bool(received) == bool(answer)
    assert Client(port).ask(query(THREE))[-1] == "Z I"


def test_thousands_of_connections_that_say_nothing_are_bounded_and_keep_nobody_out(
    server: OurServer, port: int
) -> None:
    before = _rss_bytes(server)
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(3000)]
    client = Client(port)
    assert client.ask(query(THREE))[-2:] == ["C SELECT 3", "Z I"]
    assert _rss_bytes(server) - before < 40 * MIB
    for connection in crowd:
        connection.close()
    client.close()


def test_a_hundred_clients_are_served_and_one_more_is_told(port: int) -> None:
    with ThreadPoolExecutor(20) as threads:
        clients = list(threads.map(lambda _: Client(port), range(100)))
        assert "E FATAL 53300" in [str(said) for said in _all(raw(port, START))]
        for answer in threads.map(lambda client: client.ask(query(THREE)), clients):
            assert answer[-2:] == ["C SELECT 3", "Z I"]
        for client in clients:
            client.close()


def test_an_endless_query_is_cancelled_by_a_request_and_by_a_timeout(port: int) -> None:
    client = Client(port)
    client.send(query(ENDLESS))
    # A request that overtakes the query finds nothing to cancel.
    while not client.hears(within_s=0.3):
        raw(port, cancel_request(client.process_id, client.secret))
    assert [str(said) for said in client.until("Z")][-2:] == ["E ERROR 57014", "Z I"]
    assert client.ask(query("set statement_timeout = 300"))[-1] == "Z I"
    assert client.ask(query(ENDLESS))[-2:] == ["E ERROR 57014", "Z I"]
    assert client.ask(query(f"set statement_timeout = 0; {THREE}"))[-2:] == ["C SELECT 3", "Z I"]
    client.close()


def test_clients_that_do_not_read_or_leave_cost_the_server_nothing(server: OurServer, port: int) -> None:
    Client(port).ask(query(THREE))
    before = _rss_bytes(server)
    stuck, other = Client(port), Client(port)
    stuck.send(query(MANY))
    for _ in range(20):
        assert other.ask(query(THREE))[-2:] == ["C SELECT 3", "Z I"]
    assert _rss_bytes(server) - before < 40 * MIB
    stuck.close()
    # Now there are as many that look for something when they leave as there may be workers.
    gone = [Client(port) for _ in range(4)]
    for client in gone:
        client.send(query(ENDLESS))
    time.sleep(0.3)
    for client in gone:
        client.close()
    with ThreadPoolExecutor(6) as threads:
        for answer in threads.map(lambda _: Client(port).ask(query(THREE)), range(12)):
            assert answer[-2:] == ["C SELECT 3", "Z I"]


def test_a_large_result_arrives_whole(port: int) -> None:
    client = Client(port)
    client.send(query("select value, repeat('x', 100) as fill from generate_series(1, 50000)"))
    said = client.until("Z")
    rows = [each.row[0] for each in said if each.tag == "D"]
    assert rows == [str(n).encode() for n in range(1, 50001)]
    assert str(said[-2]) == "C SELECT 50000"
    client.close()


def test_portals_of_one_client_are_read_in_turn(port: int) -> None:
    client = Client(port)
    client.ask(query("begin"))
    statement = "select value from generate_series(1, 1000)"
    client.ask(parse(statement, "s"), bind(statement="s", portal="a"), bind(statement="s", portal="b"), SYNC)
    for first in (1, 3, 5):
        for portal in "ab":
            rows = [f"D {first}", f"D {first + 1}", "s", "Z T"]
            assert client.ask(execute(portal, 2), SYNC) == rows
    assert client.ask(query("commit")) == ["C COMMIT", "Z I"]
    client.close()


def test_a_password_is_asked_for_and_tls_is_had(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    (tmp_path / "password").write_text("pass word\n")
    variables = {
        "RESTATE_POSTGRES__PASSWORD_FILE": str(tmp_path / "password"),
        "RESTATE_POSTGRES__TLS_CERTIFICATE_FILE": str(tmp_path / "server.pem"),
    }
    server = OurServer(tmp_path / "server", Settings(variables=variables))
    server.start()
    try:
        port = server.ports["postgres"]
        assert _psql(port, "pass word", sslmode="disable").stdout == "2\n"
        encrypted = _psql(port, "pass word", sslmode="verify-full", sslrootcert=str(tmp_path / "ca.pem"))
        assert encrypted.stdout == "2\n"
        for password in ("wrong", "", "pass word\n"):
            refused = _psql(port, password, sslmode="disable")
            assert refused.returncode == 2
            assert "password" in refused.stderr
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
            plain.sendall(SSL_REQUEST)
            assert plain.recv(1) == b"S"
            with context.wrap_socket(plain, server_hostname="localhost") as encrypted_socket:
                encrypted_socket.sendall(START)
                assert encrypted_socket.recv(100).startswith(b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0")
    finally:
        server.stop()


def _psql(port: int, password: str, **options: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which("psql"), "psql is installed by .ci/run"
    target = " ".join(f"{name}='{value}'" for name, value in options.items())
    return subprocess.run(
        [
            "psql",
            f"host=localhost port={port} user=joe dbname=restate {target}",
            "-w",
            "-Atc",
            "select 1 + 1",
        ],
        env={"PGPASSWORD": password, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_server_says_goodbye_at_its_end(tmp_path: Path) -> None:
    server = OurServer(tmp_path)
    server.start()
    idle, busy = Client(server.ports["postgres"]), Client(server.ports["postgres"])
    busy.ask(query(THREE))
    busy.send(query(ENDLESS))
    time.sleep(0.3)
    # Far below the grace period of a minute, in which it would wait for the query.
    assert server.process.stop(grace_seconds=40) == 0
    for client in (idle, busy):
        with pytest.raises(EOFError, match="E FATAL 57P01"):
            client.until("none has this")


def _all(data: bytes) -> list[Said]:
    replies = Replies()
    replies.feed(data)
    return replies.all()


def _rss_bytes(server: OurServer) -> int:
    """Of the server alone, without its workers."""
    pages = Path(f"/proc/{server.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096

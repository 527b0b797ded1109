"""The connection to the admin port."""

import http.client
import select
import socket
import time
from collections.abc import Iterator

import pytest

from restate.runtime.cli.admin import Admin, segment
from restate.runtime.cli.problems import CommandError, RefusedError, UnreachableError
from tests.cli.fake_admin import FakeAdmin


def connect(url: str, token: str | None = None, request_timeout_s: float = 5) -> Admin:
    return Admin(url, token=token, connect_timeout_s=5, request_timeout_s=request_timeout_s)


@pytest.fixture
def connection(admin: FakeAdmin) -> Iterator[Admin]:
    made = connect(admin.url, token="secret")
    yield made
    made.close()


@pytest.fixture
def connected(connection: Admin, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets longer with each connection."""
    made: list[int] = []
    connect = connection._connect

    def counted() -> http.client.HTTPConnection:
        made.append(len(made))
        return connect()

    monkeypatch.setattr(connection, "_connect", counted)
    return made


def test_a_request_carries_the_token_and_json(admin: FakeAdmin, connection: Admin) -> None:
    admin.answers["POST /things?a=b+c"] = (201, {"made": True})
    assert connection.request("POST", "/things", {"é": 1}, {"a": "b c", "left": None}) == {"made": True}
    (asked,) = admin.asked
    assert asked.body == {"é": 1}
    assert asked.headers["authorization"] == "Bearer secret"
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["accept"] == "application/json"


def test_a_path_in_the_url_comes_first(admin: FakeAdmin) -> None:
    admin.answers["GET /base/health"] = (200, None)
    connection = connect(f"{admin.url}/base")
    assert connection.get("/health") is None
    connection.close()


def test_a_refusal_has_the_servers_words(admin: FakeAdmin, connection: Admin) -> None:
    admin.answers["GET /a"] = (409, {"message": "[META0004] no", "restate_code": "META0004"})
    with pytest.raises(RefusedError, match=r"^\[META0004\] no \(409 Conflict\)$") as caught:
        connection.get("/a")
    assert (caught.value.status, caught.value.code) == (409, "META0004")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"plain words\n", "plain words (400 Bad Request)"),
        (b"", "the server answered 400 Bad Request"),
        (b"[]", "[]"),
    ],
)
def test_a_refusal_without_json_is_shown_too(
    admin: FakeAdmin, connection: Admin, body: bytes, text: str
) -> None:
    admin.answers["GET /a"] = (400, body)
    with pytest.raises(RefusedError) as caught:
        connection.get("/a")
    assert caught.value.message.startswith(text)
    assert caught.value.code is None


def test_who_lacks_a_token_is_told_how_to_give_it(admin: FakeAdmin, connection: Admin) -> None:
    admin.answers["GET /a"] = (401, {"message": "who are you?"})
    with pytest.raises(RefusedError, match=r"^who are you\? \(401 Unauthorized\)\nRESTATE_AUTH_TOKEN"):
        connection.get("/a")


def test_what_is_no_admin_port_is_recognised(admin: FakeAdmin, connection: Admin) -> None:
    admin.answers["GET /a"] = (200, b"<html>")
    with pytest.raises(UnreachableError, match="is it the admin port"):
        connection.get("/a")
    answers: list[object] = [None, {"no": "rows"}, []]
    for answer in answers:
        admin.answers["POST /query"] = (200, answer)
        with pytest.raises(UnreachableError, match="is it the admin port"):
            connection.query("SELECT 1")


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(UnreachableError, match=f"could be reached at {url}: .*refused\nIs it running"):
        connect(url).get("/health")


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = connect(f"http://127.0.0.1:{silent.getsockname()[1]}", request_timeout_s=0.05)
        with pytest.raises(UnreachableError, match="no answer in time"):
            connection.get("/health")


def test_a_name_that_does_not_exist_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"nowhere\.invalid"):
        connect("http://nowhere.invalid:1").get("/health")


def test_reading_survives_a_kept_connection_that_was_closed(admin: FakeAdmin, connection: Admin) -> None:
    admin.hang_up_after = 1
    admin.answers["GET /health"] = (200, None)
    connection.get("/health")
    connection.get("/health")
    assert len(admin.asked) == 2


def test_a_change_survives_a_kept_connection_that_was_closed(admin: FakeAdmin, connection: Admin) -> None:
    admin.hang_up_after = 1
    admin.answers = {"GET /health": (200, None), "PATCH /a": (200, None)}
    connection.get("/health")
    wait_for_the_end(connection)
    connection.request("PATCH", "/a", {})
    assert len(admin.asked) == 2


def wait_for_the_end(connection: Admin) -> None:
    """Until the other side's end of the connection has arrived here."""
    assert connection._connection is not None
    readable, _, _ = select.select([connection._connection.sock], [], [], 60)
    assert readable


def test_a_connection_that_was_not_used_for_a_while_is_not_used_again(
    admin: FakeAdmin, connection: Admin, connected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.answers["GET /health"] = (200, None)
    connection.get("/health")
    # However slow this machine is: the last use is not so long ago.
    monkeypatch.setattr(connection, "_used_at", time.monotonic() + 600)
    connection.get("/health")
    assert len(connected) == 1
    monkeypatch.setattr(connection, "_used_at", time.monotonic() - 2)
    connection.get("/health")
    assert len(connected) == 2


def test_a_connection_that_ends_with_each_answer_is_made_anew(
    admin: FakeAdmin, connection: Admin, connected: list[int]
) -> None:
    """And not by the library, which would wait for the answer only as long as for a connection."""
    admin.closing = True
    admin.answers = {"GET /health": (200, None), "PATCH /a": (200, None)}
    connection.get("/health")
    connection.request("PATCH", "/a", {})
    assert len(connected) == 2


def test_the_servers_time_is_known_after_an_answer(admin: FakeAdmin, connection: Admin) -> None:
    with pytest.raises(CommandError, match="does not tell its time"):
        _ = connection.now
    admin.answers["GET /health"] = (200, None)
    connection.get("/health")
    assert connection.now.utcoffset() is not None


def test_a_name_is_one_segment_of_a_path() -> None:
    assert segment("a/b?c d") == "a%2Fb%3Fc%20d"

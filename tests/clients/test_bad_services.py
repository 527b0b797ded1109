"""Services that misbehave: the attempt fails with the right code in the log, is retried, and disturbs nobody else."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import make_server, start_program
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk
from tests.support.scripted_service import END, Behaviour, ScriptedService, error, field, message
from tests.support.server import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

_LIMIT = 1 << 20

SETTINGS = Settings(
    inactivity_timeout="300ms",
    abort_timeout="300ms",
    message_size_limit="1MiB",
    retry_initial_interval="50ms",
    retry_max_interval="200ms",
    retry_max_attempts=1000,
)

_COMPLETE = 0x0401
_JUNK_FRAME = (1000).to_bytes(3, "big") + b"\x00\x00\x00\x00\x00\x01" + b"half"

# {handler: (what it does, the code in the log)}
BEHAVIOURS = {
    "notFound": (Behaviour(status=404, content_type="text/plain", body=b"no such thing"), "RT0012"),
    "serverError": (Behaviour(status=500, content_type="text/plain", body=b"oops"), "RT0012"),
    "badGateway": (Behaviour(status=502), "RT0010"),
    "tooManyRequests": (Behaviour(status=429), "RT0023"),
    "unsupported": (Behaviour(status=415), "RT0015"),
    "tooLargeForIt": (Behaviour(status=413), "RT0019"),
    "wrongContentType": (Behaviour(content_type="application/json", body=b"{}"), "RT0012"),
    "noContentType": (Behaviour(content_type=None), "RT0012"),
    "noEnd": (Behaviour(), "RT0007"),
    "halfMessage": (Behaviour(body=message(_COMPLETE, field(14, b""))[:-1]), "RT0007|RT0012"),
    "unknownType": (Behaviour(body=message(0x0377, b"")), "RT0012"),
    "fromTheServerOnly": (Behaviour(body=message(0x0000, b"")), "RT0012"),
    "undecodable": (Behaviour(body=message(_COMPLETE, b"\xff\xff\xff\xff") + END), "RT0012"),
    "emptySuspension": (Behaviour(body=message(0x0001)), "RT0012"),
    "announcesTooMuch": (
        Behaviour(
            body=_COMPLETE.to_bytes(2, "big") + bytes(2) + (64 * _LIMIT).to_bytes(4, "big"), ends=False
        ),
        "RT0003",
    ),
    "fails": (Behaviour(body=error(500, "a plain failure")), "RT0007"),
    "journalMismatch": (Behaviour(body=error(570, "journal mismatch")), "RT0016"),
    "neverAnswers": (Behaviour(ends=False), "RT0001"),
    "halfFrame": (Behaviour(breaks=_JUNK_FRAME), "RT0010"),
    "closesAtOnce": (Behaviour(breaks=b""), "RT0010"),
}


# The official server stores this one unread, and its partition then stops for good.
_OFFICIAL_DIES_OF = "undecodable"


def behaviours_for(server_kind: str) -> dict[str, Behaviour]:
    """What the scripted service does, without what a server is known not to survive."""
    return {
        name: behaviour
        for name, (behaviour, _) in BEHAVIOURS.items()
        if server_kind != "official" or name != _OFFICIAL_DIES_OF
    }


@attrs.frozen
class Place:
    """A server with a scripted service and a healthy one."""

    server: Server
    caller: Caller
    service: ScriptedService
    deployment_id: str


@pytest.fixture(scope="module")
def place(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp(f"bad-{server_kind}")
    healthy = start_program(Sdk.PYTHON, folder / "bed")
    try:
        server = make_server(server_kind, folder, SETTINGS)
        try:
            with ScriptedService(behaviours_for(server_kind)) as service, Caller(server) as caller:
                caller.register(healthy.uri)
                deployment_id = caller.register(service.uri)["id"]
                yield Place(server, caller, service, deployment_id)
        finally:
            server.stop()
    finally:
        healthy.stop()


def log_entries(server: Server) -> list[str]:
    """The log cut at its time stamps; an entry of the official server has many lines."""
    return re.split(r"^(?=\d{4}-\d\d-\d\dT)", server.log_text(), flags=re.MULTILINE)


def logged(place: Place, invocation_id: str, codes: str) -> str:
    """The entry that names the invocation, its deployment and one of the codes (`RT0001|RT0002`)."""

    def search() -> str | None:
        for entry in log_entries(place.server):
            if all(
                re.search(part, entry)
                for part in (invocation_id, codes, place.deployment_id, "retrying|retried")
            ):
                return entry
        return None

    try:
        return eventually(search, what=codes, timeout_seconds=30)
    except AssertionError:
        about = [entry for entry in log_entries(place.server) if invocation_id in entry]
        raise AssertionError(f"expected {codes} for {invocation_id}, got:\n{''.join(about[-2:])}") from None


@pytest.mark.parametrize("handler", BEHAVIOURS)
def test_a_failed_attempt_is_logged_with_its_code_and_retried(place: Place, handler: str) -> None:
    if handler not in behaviours_for(place.server.name):
        pytest.skip("the official server does not survive this")
    sent = place.caller.send(f"Bad/{handler}", None)
    logged(place, sent, BEHAVIOURS[handler][1])
    # The one that fails goes on failing: another service does not wait for it.
    assert place.caller.call("Greeter/greet", "next").ok() == "Hello next"
    assert place.caller.output(sent).status == 470, "a failed attempt ended the invocation"


def test_all_of_them_finish_once_their_service_behaves(
    server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    server = make_server(server_kind, tmp_path_factory.mktemp(f"heals-{server_kind}"), SETTINGS)
    try:
        behaviours = behaviours_for(server_kind)
        with ScriptedService(behaviours) as service, Caller(server) as caller:
            caller.register(service.uri)
            sent = [caller.send(f"Bad/{handler}", None) for handler in behaviours]
            time.sleep(1)
            service.heal()
            assert [caller.attach(one).ok() for one in sent] == ["healed"] * len(sent)
    finally:
        server.stop()


def test_a_service_that_is_down_is_called_when_it_is_back(place: Place) -> None:
    with ScriptedService({"late": Behaviour(status=500)}) as service:
        service.heal()
        deployment_id = place.caller.register(service.uri, breaking=True)["id"]
        service.close()
        sent = place.caller.send("Bad/late", None)
        logged(attrs.evolve(place, deployment_id=deployment_id), sent, "RT0010")
        service.reopen()
        assert place.caller.attach(sent).ok() == "healed"
    place.caller.register(place.service.uri, force=True)


def test_a_service_that_went_back_to_http_1_fails_with_rt0010(place: Place) -> None:
    with ScriptedService({"late": Behaviour(status=500)}) as service:
        deployment_id = place.caller.register(service.uri, breaking=True)["id"]
        service.close()
        with http_1_only(service.port):
            sent = place.caller.send("Bad/late", None)
            logged(attrs.evolve(place, deployment_id=deployment_id), sent, "RT0010")
            assert place.caller.call("Greeter/greet", "next").ok() == "Hello next"
        place.caller.kill(sent)
    place.caller.register(place.service.uri, force=True)


class http_1_only:
    """Answers whatever comes with an HTTP/1.1 error."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            # Who connects may be gone again.
            with peer, contextlib.suppress(OSError):
                peer.recv(1024)
                peer.sendall(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

"""Service protocol versions 5, 6 and 7, each with SDK releases that speak it, and releases that speak none of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.wire_proxy import Exchange, WireProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

_SERVICES = Path(__file__).parents[1] / "support" / "services"
_SCRIPTS = {Sdk.PYTHON: _SERVICES / "versions.py", Sdk.TYPESCRIPT: _SERVICES / "versions.mjs"}

# Version preferred by the server, then one release for each range of versions; None is the one of all other tests.
_RANGES = [
    (6, Sdk.PYTHON, "0.15.0", (5, 5)),
    (6, Sdk.PYTHON, "0.18.1", (5, 6)),
    (6, Sdk.PYTHON, None, (5, 7)),
    (6, Sdk.TYPESCRIPT, "1.7.3", (5, 5)),
    (6, Sdk.TYPESCRIPT, "1.14.5", (5, 6)),
    (6, Sdk.TYPESCRIPT, None, (5, 7)),
    (7, Sdk.PYTHON, "0.18.1", (5, 6)),
    (7, Sdk.PYTHON, None, (5, 7)),
    (7, Sdk.TYPESCRIPT, None, (5, 7)),
]

_SUSPENDING_MS = 900
"""Longer than the inactivity timeout."""


@attrs.frozen
class Newest:
    """A server that picks version 7, with today's SDK behind the recording proxy."""

    sdk: Sdk
    program: ServiceProgram
    caller: Caller
    proxy: WireProxy

    def exchanges(self, path: str) -> list[Exchange]:
        """All of a path, once they have ended."""

        def ended() -> list[Exchange] | None:
            found = self.proxy.exchanges(path)
            return found if found and not any(one.open_sides for one in found) else None

        return eventually(ended, what=f"the exchanges of {path} to end")


def _program(sdk: Sdk, bed: Path, release: str | None) -> ServiceProgram:
    return ServiceProgram(sdk, bed, script=_SCRIPTS[sdk], release=release)


@pytest.fixture(scope="module")
def preferred(request: pytest.FixtureRequest) -> int:
    version: int = request.param
    return version


@pytest.fixture(scope="module")
def caller(preferred: int, server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Of a server that picks the preferred version if it can."""
    folder = tmp_path_factory.mktemp(f"versions-{server_kind}")
    server = make_server(server_kind, folder, attrs.evolve(INACTIVITY, protocol_v7=preferred == 7))
    try:
        with Caller(server) as caller:
            yield caller
    finally:
        server.stop()


@pytest.mark.parametrize(("preferred", "sdk", "release", "offered"), _RANGES, indirect=["preferred"])
def test_the_newest_common_version_is_spoken_from_the_first_attempt_to_the_last(
    caller: Caller, preferred: int, sdk: Sdk, release: str | None, offered: tuple[int, int], tmp_path: Path
) -> None:
    program = _program(sdk, tmp_path, release)
    try:
        with WireProxy(program.port) as proxy:
            deployment = caller.register(proxy.uri)
            found = caller.admin("GET", f"/deployments/{deployment['id']}").ok()
            assert (found["min_protocol_version"], found["max_protocol_version"]) == offered

            key = f"{sdk.value}-{release}"
            sent = caller.send(f"Flow/{key}/go", _SUSPENDING_MS)
            awakeable_id = eventually(lambda: program.read(f"{key}.awakeable"), what="the awakeable's id")
            assert caller.resolve(awakeable_id, {"yes": 1}).status == 202
            expected = {"ran": 1, "n": 1, "echoed": f"echo {key}", "answer": {"yes": 1}}
            assert caller.attach(sent).ok() == expected

            attempts = proxy.exchanges("Flow/go")
            assert len(attempts) >= 2, "it was suspended once at least"
            content_type = f"application/vnd.restate.invocation.v{min(preferred, offered[1])}"
            for one in [*attempts, *proxy.exchanges("Echo/echo")]:
                assert (one.headers["content-type"], one.headers["accept"]) == (content_type, content_type)
    finally:
        program.stop()


@pytest.mark.parametrize(
    ("preferred", "sdk", "release", "spoken"),
    [(6, Sdk.PYTHON, "0.5.1", "[2, 2]"), (6, Sdk.TYPESCRIPT, "1.4.0", "[2, 2]")],
    indirect=["preferred"],
)
def test_an_sdk_that_speaks_none_of_the_versions_is_refused_with_both_ranges(
    caller: Caller, sdk: Sdk, release: str, spoken: str, tmp_path: Path
) -> None:
    program = _program(sdk, tmp_path, release)
    try:
        reply = caller.admin("POST", "/deployments", {"uri": program.uri})
        assert (reply.status, reply.value["restate_code"]) == (500, "META0012")
        message = reply.value["message"]
        assert spoken in message
        assert "[5, 7]" in message
        deployments = caller.admin("GET", "/deployments").ok()["deployments"]
        assert all(not one["uri"].startswith(program.uri) for one in deployments)
    finally:
        program.stop()


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.TYPESCRIPT], ids=lambda sdk: sdk.value)
def newest(
    request: pytest.FixtureRequest, server_kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Newest]:
    sdk: Sdk = request.param
    folder = tmp_path_factory.mktemp(f"newest-{server_kind}-{sdk.value}")
    program = _program(sdk, folder / "bed", None)
    settings = attrs.evolve(
        INACTIVITY, protocol_v7=True, retry_initial_interval="1h", retry_max_interval="1h"
    )
    try:
        server = make_server(server_kind, folder, settings)
        try:
            with WireProxy(program.port) as proxy, Caller(server) as caller:
                caller.register(proxy.uri)
                yield Newest(sdk, program, caller, proxy)
        finally:
            server.stop()
    finally:
        program.stop()


def test_a_run_is_acknowledged_and_its_completion_comes_with_the_replay(newest: Newest) -> None:
    sent = newest.caller.send("Flow/acks/go", _SUSPENDING_MS)
    awakeable_id = eventually(lambda: newest.program.read("acks.awakeable"), what="the awakeable's id")
    newest.caller.resolve(awakeable_id, 1).ok()
    assert newest.caller.attach(sent).ok()["ran"] == 1
    first, *later = newest.exchanges("Flow/go")
    assert "0007" in first.types(">"), first.events
    assert "8011" not in first.types(">")
    assert later, "it was suspended"
    for one in later:
        replay = one.types(">")[: one.types(">").index("040C")]
        assert replay[:4] == ["0000", "0400", "0411", "8011"]
    assert "0006" in first.types("<"), "the SDK says what it awaits"


def test_all_of_several_sleeps_resume_once_the_last_has_come(newest: Newest) -> None:
    # Version 6 would resume with the first sleep: its suspensions have no tree.
    assert newest.caller.call("Trees/all", [_SUSPENDING_MS, _SUSPENDING_MS + 700]).ok() == 2
    first, second = newest.exchanges("Trees/all")
    assert first.types("<")[-1] == "0001"
    assert second.types(">").count("800C") == 2


@pytest.mark.parametrize("winner", ["answer", "timeout"])
def test_the_first_of_two_resumes(newest: Newest, winner: str) -> None:
    (newest.program.bed / "race.awakeable").unlink(missing_ok=True)
    seen = len(newest.proxy.exchanges("Trees/race"))
    sent = newest.caller.send("Trees/race", 60_000 if winner == "answer" else _SUSPENDING_MS)
    awakeable_id = eventually(lambda: newest.program.read("race.awakeable"), what="the awakeable's id")
    eventually(lambda: newest.proxy.open_streams() == 0, what="the suspension")
    if winner == "answer":
        newest.caller.resolve(awakeable_id, 1).ok()
    assert newest.caller.attach(sent).ok() == winner
    assert len(newest.exchanges("Trees/race")) == seen + 2


def test_a_delay_named_by_the_handler_takes_the_place_of_the_policys(newest: Newest) -> None:
    # The server's own delay is longer than the caller waits.
    request = {"name": "slow", "tries": 3, "delay_ms": 200}
    assert newest.caller.call("Trees/slowDown", request).ok() == 3
    assert [one.types("<")[-1] for one in newest.exchanges("Trees/slowDown")] == ["0002", "0002", "0003"]


def test_the_metadata_of_a_failure_reaches_the_caller(newest: Newest) -> None:
    reply = newest.caller.call("Trees/fails")
    assert (reply.status, reply.value["message"]) == (418, "with details")
    assert reply.value["metadata"] == {"reason": "teapot"}

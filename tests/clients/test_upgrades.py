"""Two versions of a service on two ports, in both generations: what runs where, and what becomes of the old one."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support import programs
from tests.support.caller import Caller, eventually
from tests.support.programs import Sdk, ServiceProgram
from tests.support.sql_bed import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Server

_SERVICES = Path(programs.__file__).parent / "services"
_SCRIPTS = {
    Sdk.PYTHON: (_SERVICES / "upgrades.py", "v1", "v2"),
    Sdk.TYPESCRIPT: (_SERVICES / "upgrades.mjs", "v1", "v2"),
    # What its file calls them: the second one has a method less, which force lets pass.
    Sdk.CLASSIC: (_SERVICES / "classic_versions.mjs", "full", "reduced"),
}
SLEEP_MS = 3_000
"""Longer than the inactivity timeout, so that it suspends, and than what a test does meanwhile."""


@attrs.frozen
class Site:
    """A server, its client, and the two versions of the service. old, new: what they answer."""

    server: Server
    caller: Caller
    sdk: Sdk
    uris: tuple[str, str]
    old: str
    new: str

    def register(self, version: int, **fields: object) -> str:
        return str(self.caller.register(self.uris[version], **fields)["id"])

    def remove(self, deployment_id: str) -> None:
        assert self.caller.admin("DELETE", f"/deployments/{deployment_id}?force=true").status == 202

    def begin(self, key: str, ms: int) -> str:
        """A call's id."""
        if self.sdk is not Sdk.CLASSIC:
            return self.caller.send(f"versioned/{key}/answers", ms)
        body = {"service": "versioned", "method": "answers", "argument": {"key": key, "request": ms}}
        # Classic keeps a result only for a call with an idempotency key.
        return str(self.caller.call("dev.restate.Ingress/Invoke", body, idempotency_key=key).ok()["id"])

    def begin_to_sleep(self, key: str) -> str:
        """A call's id; its first step is stored with the deployment that made it, and so the invocation is pinned."""
        invocation_id = self.begin(key, SLEEP_MS)
        sql = f"SELECT status FROM sys_invocation WHERE id = '{invocation_id}'"
        eventually(lambda: query(self.server, sql) == [{"status": "suspended"}], what="the sleep")
        return invocation_id

    def result(self, invocation_id: str) -> Any:
        """What it answers in the end: which version did its first part, and which one the second."""
        value = self.caller.attach(invocation_id).ok()
        return value["response"] if self.sdk is Sdk.CLASSIC else value

    def operate(self, invocation_id: str, operation: str) -> int:
        return self.caller.admin("PATCH", f"/invocations/{invocation_id}/{operation}").status

    def rescue(self, invocation_id: str, deployment: str) -> None:
        eventually(lambda: self.operate(invocation_id, "pause") in (200, 202), what="the pause")
        eventually(lambda: self.operate(invocation_id, "pause") == 200, what="the end of the attempt")
        assert self.operate(invocation_id, f"resume?deployment={deployment}") == 200


@pytest.fixture(scope="module", params=list(_SCRIPTS), ids=lambda sdk: sdk.value)
def sdk(request: pytest.FixtureRequest, server_kind: str) -> Sdk:
    kind: Sdk = request.param
    if kind is Sdk.CLASSIC and server_kind == "official":
        pytest.skip("the official server has no classic generation")
    return kind


def _start(sdk: Sdk, bed: Path, version: str, *, port: int = 0) -> ServiceProgram:
    bed.mkdir(exist_ok=True)
    (bed / "version").write_text(version)
    return ServiceProgram(sdk, bed, script=_SCRIPTS[sdk][0], port=port)


@pytest.fixture(scope="module")
def uris(sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    _, old, new = _SCRIPTS[sdk]
    folder = tmp_path_factory.mktemp(f"upgrades-{sdk.value}")
    with ExitStack() as stack:
        running = []
        for version in (old, new):
            running.append(_start(sdk, folder / version, version))
            stack.callback(running[-1].stop)
        yield running[0].uri, running[1].uri


@pytest.fixture(scope="module")
def server(server_kind: str, sdk: Sdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = make_server(server_kind, tmp_path_factory.mktemp(f"{server_kind}-{sdk.value}"), INACTIVITY)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def site(server: Server, sdk: Sdk, uris: tuple[str, str]) -> Iterator[Site]:
    """The server is shared by the tests of an SDK, so each of them uses keys of its own."""
    _, old, new = _SCRIPTS[sdk]
    with Caller(server) as caller:
        yield Site(server, caller, sdk, uris, old, new)
        for entry in caller.admin("GET", "/deployments").ok()["deployments"]:
            caller.admin("DELETE", f"/deployments/{entry['id']}?force=true").ok()


def test_what_sleeps_ends_where_it_began_and_new_calls_go_to_the_new_version(site: Site) -> None:
    old_id = site.register(0)
    sleeping = site.begin_to_sleep("sleeps")
    site.register(1)
    assert site.result(site.begin("new", 1)) == [site.new, site.new]
    assert site.result(sleeping) == [site.old, site.old]
    # Nothing is left on the old version: it may go, and nobody notices.
    site.remove(old_id)
    assert site.result(site.begin("newer", 1)) == [site.new, site.new]
    assert [entry["uri"] for entry in site.caller.admin("GET", "/deployments").ok()["deployments"]] == [
        f"{site.uris[1]}/"
    ]


@pytest.mark.parametrize("choice", ["latest", "by-id"])
def test_an_invocation_that_lost_its_deployment_is_rescued_by_another_one(site: Site, choice: str) -> None:
    old_id = site.register(0)
    lost = site.begin_to_sleep(f"lost-{choice}")
    new_id = site.register(1)
    site.remove(old_id)
    # Longer than the sleep: it has woken up, and found nobody to go on with.
    time.sleep(SLEEP_MS / 1000)
    assert site.caller.output(lost).status == 470
    site.rescue(lost, "latest" if choice == "latest" else new_id)
    assert site.result(lost) == [site.old, site.new]


def test_an_invocation_that_lost_its_deployment_does_not_take_the_address_back(site: Site) -> None:
    old_id = site.register(0)
    lost = site.begin_to_sleep("left alone")
    site.remove(old_id)
    again = site.register(0)
    assert again != old_id
    time.sleep(SLEEP_MS / 1000)
    assert site.caller.output(lost).status == 470
    assert site.operate(lost, "kill") == 200


def test_new_code_under_an_old_address_goes_on_with_what_sleeps(site: Site, tmp_path: Path) -> None:
    program = _start(site.sdk, tmp_path / "first", site.old)
    try:
        first = str(site.caller.register(program.uri)["id"])
        sleeping = site.begin_to_sleep("replaced")
    finally:
        program.stop()
    program = _start(site.sdk, tmp_path / "second", site.new, port=program.port)
    try:
        assert str(site.caller.register(program.uri, force=True)["id"]) == first
        assert site.result(sleeping) == [site.old, site.new]
    finally:
        program.stop()


def test_a_deployment_that_moves_takes_what_sleeps_along(site: Site) -> None:
    deployment_id = site.register(0)
    sleeping = site.begin_to_sleep("moved")
    moved = site.caller.admin("PATCH", f"/deployments/{deployment_id}", {"uri": site.uris[1]}).ok()
    assert [(entry["name"], entry["revision"]) for entry in moved["services"]] == [("versioned", 1)]
    assert site.result(sleeping) == [site.old, site.new]
    assert site.result(site.begin("moved-new", 1)) == [site.new, site.new]


def test_without_the_new_version_calls_go_back_to_the_old_one_or_nowhere(site: Site) -> None:
    site.register(0)
    new_id = site.register(1)
    site.remove(new_id)
    if site.sdk is Sdk.CLASSIC:
        assert site.caller.admin("GET", "/services/versioned").status == 404
    else:
        assert site.result(site.begin("k", 1)) == [site.old, site.old]
        assert site.caller.admin("GET", "/services/versioned").ok()["revision"] == 1


@pytest.mark.ours_only  # The official server calls AWS to find out what the function serves.
def test_an_attempt_on_a_lambda_function_fails_and_another_deployment_goes_on(site: Site) -> None:
    arn = {"arn": "arn:aws:lambda:eu-central-1:123456789012:function:versioned:1"}
    made = site.caller.admin("POST", "/deployments", arn)
    assert made.status == 201
    site.register(0)
    sleeping = site.begin_to_sleep("lambda")
    eventually(lambda: site.operate(sleeping, "pause") == 200, what="the pause")
    resumed = site.operate(sleeping, f"resume?deployment={made.value['id']}")
    if site.sdk is Sdk.CLASSIC:
        # Its journal means nothing to a modern deployment.
        assert resumed == 400
        site.rescue(sleeping, "keep")
    else:
        assert resumed == 200
        eventually(
            lambda: "RT0010" in site.server.log_text() and arn["arn"] in site.server.log_text(),
            what="the failed attempt",
        )
        site.register(1)
        site.rescue(sleeping, "latest")
    assert site.result(sleeping)[0] == site.old

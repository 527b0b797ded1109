"""Registering deployments of the classic SDK (TypeScript 0.8.1) again and again: revisions, refusals, removal."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.clients.conftest import INACTIVITY, make_server
from tests.support import programs
from tests.support.caller import Caller
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.caller import Reply

_SCRIPT = Path(programs.__file__).parent / "services" / "classic_versions.mjs"


@attrs.frozen
class Site:
    """A client of a server without deployments; each test has its own server. uris: of each version's program."""

    caller: Caller
    uris: dict[str, str]

    def register(self, version: str, **fields: object) -> Reply:
        return self.caller.admin("POST", "/deployments", {"uri": self.uris[version], **fields})

    def revision(self) -> int:
        return int(self.caller.admin("GET", "/services/versioned").ok()["revision"])

    def answers(self, key: str, ms: int = 1) -> Any:
        return self.caller.call("versioned/answers", {"key": key, "request": ms}).ok()["response"]

    def extra(self) -> Reply:
        return self.caller.call("versioned/extra", {"key": "k"})


@pytest.fixture(scope="module")
def uris(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    running: dict[str, ServiceProgram] = {}
    try:
        for version in ("full", "reduced", "unkeyed"):
            bed = tmp_path_factory.mktemp(version)
            (bed / "version").write_text(version)
            running[version] = ServiceProgram(Sdk.CLASSIC, bed, script=_SCRIPT)
        yield {version: program.uri for version, program in running.items()}
    finally:
        for program in running.values():
            program.stop()


@pytest.fixture
def site(uris: dict[str, str], server_kind: str, tmp_path: Path) -> Iterator[Site]:
    if server_kind == "official":
        pytest.skip("the official server has no classic generation")
    server = make_server(server_kind, tmp_path, INACTIVITY)
    try:
        with Caller(server) as caller:
            yield Site(caller, uris)
    finally:
        server.stop()


def refusal(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.value["restate_code"]


def test_registering_twice_makes_a_revision_of_the_same_deployment(site: Site) -> None:
    first, second = site.register("full"), site.register("full")
    assert (first.status, second.status) == (201, 201)
    assert first.value["id"] == second.value["id"]
    assert [reply.value["services"][0]["revision"] for reply in (first, second)] == [1, 2]
    assert site.revision() == 2
    assert site.answers("k") == ["full", "full"]


def test_without_force_a_known_address_is_refused(site: Site) -> None:
    site.register("full").ok()
    assert refusal(site.register("full", force=False)) == (409, "META0004")
    assert site.revision() == 1


def test_without_force_a_new_address_may_have_the_same_services(site: Site) -> None:
    site.register("reduced").ok()
    reply = site.register("full", force=False)
    assert (reply.status, reply.value["services"][0]["revision"]) == (201, 2)
    assert site.answers("k") == ["full", "full"]
    assert site.extra().ok() == {"response": "full"}


def test_without_force_no_method_may_be_lost(site: Site) -> None:
    site.register("full").ok()
    reply = site.register("reduced", force=False)
    assert refusal(reply) == (409, "META0006")
    assert "extra" in reply.value["message"]
    assert (site.revision(), site.answers("k")) == (1, ["full", "full"])


def test_without_force_the_kind_of_a_service_may_not_change(site: Site) -> None:
    site.register("full").ok()
    assert refusal(site.register("unkeyed", force=False)) == (409, "META0006")


def test_by_default_both_may_happen(site: Site) -> None:
    site.register("full").ok()
    assert site.register("reduced").ok()["services"][0]["revision"] == 2
    assert site.answers("k") == ["reduced", "reduced"]
    assert site.extra().status == 404
    assert site.register("unkeyed").ok()["services"][0]["revision"] == 3
    assert site.caller.call("versioned/answers", {}).ok() == {"response": ["unkeyed"]}


def test_what_has_begun_ends_where_it_began(site: Site) -> None:
    site.register("full").ok()
    with ThreadPoolExecutor(1) as pool:
        begun = pool.submit(site.answers, "begun", 2500)
        # Long enough to begin, and to be suspended.
        time.sleep(1.2)
        site.register("reduced").ok()
        assert site.answers("another") == ["reduced", "reduced"]
        assert begun.result() == ["full", "full"]
    assert site.answers("begun") == ["reduced", "reduced"]


def test_only_force_removes_a_deployment_and_its_services_with_it(site: Site) -> None:
    deployment = site.register("full").ok()["id"]
    assert site.caller.admin("DELETE", f"/deployments/{deployment}").status == 501
    assert site.answers("k") == ["full", "full"]
    assert site.caller.admin("DELETE", f"/deployments/{deployment}?force=true").status == 202
    assert site.caller.admin("GET", f"/deployments/{deployment}").status == 404
    assert site.extra().status == 404
    assert site.register("full").ok()["services"][0]["revision"] == 1


def test_a_deployment_that_is_away_is_not_registered(site: Site) -> None:
    reply = site.caller.admin("POST", "/deployments", {"uri": "http://127.0.0.1:1"})
    assert refusal(reply) == (500, "META0003")

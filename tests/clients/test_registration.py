"""Registering deployments on a running server: what discovery meets, where deployments are, how many there may be.

With `--official` the same on the official server, which differs in what tests name by `site.server.name`.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from restate.runtime.pb import discovery_pb2, ext_pb2
from tests.clients.conftest import INACTIVITY, make_server, start_program
from tests.schema.classic import contract, file, file_set
from tests.support.caller import Caller, eventually
from tests.support.manifest_service import Answer, ManifestService, manifest
from tests.support.programs import Sdk, ServiceProgram

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.descriptor_pb2 import ServiceDescriptorProto

    from tests.support.caller import Reply
    from tests.support.server import Server

_HTML = Answer(content_type="text/html", body=b"<html></html>")
_PROTO = Answer(content_type="application/proto", body=b"\xff\xff\xff")

FAULTS = {
    "a web page": (_HTML, 500, "META0013"),
    "a redirect": (Answer(302, None, location="/elsewhere"), 500, "META0003"),
    "404": (Answer(404, "text/plain", b"not here"), 500, "META0003"),
    "403": (Answer(403, None), 500, "META0003"),
    "an empty manifest": (Answer(body=b""), 500, None),
    "no json": (Answer(body=b"{"), 500, None),
    "a list": (Answer(body=b"[]"), 500, None),
    "no services": (Answer(body=b'{"protocolMode":"BIDI_STREAM"}'), 500, None),
    "no mode": (manifest("S", protocolMode=None), 500, "META0013"),
    "reversed versions": (manifest("S", minProtocolVersion=7, maxProtocolVersion=5), 500, "META0013"),
    "old versions": (manifest("S", minProtocolVersion=1, maxProtocolVersion=4), 500, "META0012"),
    "new versions": (manifest("S", minProtocolVersion=8, maxProtocolVersion=9), 500, "META0012"),
    "no name": (manifest(""), 500, None),
    "a name with a slash": (manifest("a/b"), 500, None),
    "a handler without name": (manifest("S", handler=""), 500, None),
    "a reserved name": (manifest("restateGreeter"), 400, "META0005"),
    "another reserved name": (manifest("OpenAPI"), 400, "META0005"),
    "a json schema that is none": (
        manifest(
            services=[
                {
                    "name": "S",
                    "ty": "SERVICE",
                    "handlers": [
                        {
                            "name": "h",
                            "input": {"contentType": "application/json", "jsonSchema": {"type": "x"}},
                        }
                    ],
                }
            ]
        ),
        400,
        None,
    ),
    "a public handler in a private service": (
        manifest(
            services=[
                {
                    "name": "S",
                    "ty": "SERVICE",
                    "ingressPrivate": True,
                    "handlers": [{"name": "h", "ingressPrivate": False}],
                }
            ]
        ),
        400,
        None,
    ),
    "text that is no utf-8": (Answer(body=manifest("S").body.replace(b"S", b"\xff", 1)), 500, None),
}
"""{what the address answers: (the answer, status, code)}, the same on both servers."""


def _contract(
    *services: ServiceDescriptorProto, name: str = "S", extension: bool = True, mode: int = 1
) -> Answer:
    """A classic answer that announces the service `name`. mode 1: request-response."""
    answer = discovery_pb2.ServiceDiscoveryResponse(
        files=file_set(file(*services), extension=extension), services=[name]
    )
    answer.protocol_mode = mode  # type: ignore[assignment]
    return Answer(content_type="application/proto", body=answer.SerializeToString())


_UNKEYED = contract("S", ext_pb2.UNKEYED, ("m", "Req"))
CLASSIC_FAULTS = {
    "no message": (_PROTO, 500, None),
    "an unknown mode": (_contract(_UNKEYED, mode=9), 500, None),
    "streams over HTTP/1.1": (_contract(_UNKEYED, mode=0), 500, "META0015"),
    "no extension": (_contract(_UNKEYED, extension=False), 400, None),
    "a service without contract": (_contract(_UNKEYED, name="Other"), 400, None),
    "no type": (_contract(contract("S", None, ("m", "Req"))), 400, "META0001"),
    "a keyed service without methods": (_contract(contract("S", ext_pb2.KEYED)), 400, "META0001"),
    "no key": (_contract(contract("S", ext_pb2.KEYED, ("m", "Res"))), 400, "META0002"),
    "a message that is not there": (_contract(contract("S", ext_pb2.KEYED, ("m", "Nope"))), 400, None),
    "a reserved name": (_contract(contract("openapi", ext_pb2.UNKEYED), name="openapi"), 403, "META0005"),
}
"""Answers of classic SDKs. The official server has no classic generation and refuses them all by their content type."""


@attrs.frozen
class Site:
    """A server, its client, and deployments at path prefixes."""

    server: Server
    caller: Caller
    service: ManifestService

    def register(self, prefix: str, **fields: object) -> Reply:
        body = {"uri": self.service.uri(prefix), "use_http_11": True, **fields}
        return self.caller.admin("POST", "/deployments", body)

    def deployments(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.caller.admin("GET", "/deployments").ok()["deployments"]
        return found


@pytest.fixture(scope="module")
def server(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = make_server(server_kind, tmp_path_factory.mktemp(f"registration-{server_kind}"), INACTIVITY)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def site(server: Server) -> Iterator[Site]:
    """Without deployments at first."""
    with Caller(server) as caller, ManifestService({}) as service:
        yield Site(server, caller, service)
        for entry in caller.admin("GET", "/deployments").ok()["deployments"]:
            caller.admin("DELETE", f"/deployments/{entry['id']}?force=true").ok()


def _refused(reply: Reply) -> tuple[int, str | None]:
    assert reply.headers["content-type"] == "application/json"
    code = reply.value["restate_code"]
    assert reply.value["message"].startswith(f"[{code}] " if code else "")
    return reply.status, code


@pytest.mark.parametrize("what", FAULTS)
def test_an_answer_that_is_no_manifest_is_refused_with_its_code(site: Site, what: str) -> None:
    answer, status, code = FAULTS[what]
    site.service.answers["/bad"] = answer
    assert _refused(site.register("/bad")) == (status, code)
    assert site.deployments() == []


@pytest.mark.parametrize("what", CLASSIC_FAULTS)
def test_a_classic_answer_that_is_no_contract_is_refused_with_its_code(site: Site, what: str) -> None:
    answer, status, code = CLASSIC_FAULTS[what]
    site.service.answers["/bad"] = answer
    expected = (status, code) if site.server.name == "ours" else (500, "META0013")
    assert _refused(site.register("/bad")) == expected
    assert site.deployments() == []


def test_a_classic_contract_that_is_right(site: Site) -> None:
    site.service.answers["/good"] = _contract(_UNKEYED)
    reply = site.register("/good")
    assert reply.status == {"ours": 201, "official": 500}[site.server.name]
    if reply.status == 201:
        assert reply.value["services"][0]["methods"] == [
            {"name": "m", "input_type": "Req", "output_type": "Res"}
        ]
        files = site.caller.admin("GET", "/services/S/descriptors")
        assert (files.status, files.headers["content-type"]) == (200, "application/x-protobuf")


def test_a_name_that_only_classic_keeps_for_itself(site: Site) -> None:
    site.service.answers["/a"] = manifest("dev.restate.Mine")
    assert site.register("/a").status == {"ours": 400, "official": 201}[site.server.name]


def test_an_error_that_may_pass_is_asked_again(site: Site) -> None:
    site.service.answers["/ill"] = Answer(500, "text/plain", b"out of order")
    assert _refused(site.register("/ill")) == (500, "META0003")
    assert len([one for one in site.service.asked if one.method == "GET"]) == 5
    assert site.deployments() == []


def test_nothing_listens(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    reply = site.caller.admin("POST", "/deployments", {"uri": f"http://127.0.0.1:{port}"})
    assert _refused(reply) == (500, "META0003")
    assert f"127.0.0.1:{port}" in reply.value["message"]


def test_a_peer_of_http_1_is_told_apart(site: Site) -> None:
    site.service.answers[""] = manifest("S")
    reply = site.caller.admin("POST", "/deployments", {"uri": site.service.uri()})
    assert _refused(reply) == (500, "META0014")


def test_a_port_that_never_answers_holds_up_nobody(site: Site) -> None:
    site.service.answers |= {"/silent": Answer(silent=True), "/good": manifest("Good")}
    reply: list[Reply] = []
    waiting = threading.Thread(target=lambda: reply.append(site.register("/silent")))
    waiting.start()
    eventually(lambda: site.service.asked, what="the question")
    try:
        assert site.register("/good").status == 201
        assert [entry["uri"] for entry in site.deployments()] == [site.service.uri("/good")]
        assert waiting.is_alive()
    finally:
        if site.server.name == "official":
            # It has no limit of its own.
            site.service._closing.set()
        waiting.join()
    if site.server.name == "ours":
        assert _refused(reply[0]) == (500, "META0003")
        assert "did not answer within the 10 s of" in reply[0].value["message"]


def test_a_service_that_is_announced_twice_is_one(site: Site) -> None:
    site.service.answers["/twice"] = manifest("Same", "Same")
    made = site.register("/twice").ok()
    assert [(entry["name"], entry["revision"]) for entry in made["services"]] == [("Same", 1)]


def test_a_dry_run_is_answered_alike_and_stores_nothing(site: Site) -> None:
    site.service.answers["/a"] = manifest("A", "B")
    shown = site.register("/a", dry_run=True)
    assert shown.status == 201
    assert site.deployments() == []
    made = site.register("/a").ok()
    assert sorted(entry["name"] for entry in shown.value["services"]) == ["A", "B"]
    assert made["id"] != shown.value["id"]


def test_a_change_of_the_type_needs_breaking_or_force(site: Site) -> None:
    site.service.answers["/a"] = manifest("S")
    site.service.answers["/b"] = manifest(
        "S", services=[{"name": "S", "ty": "VIRTUAL_OBJECT", "handlers": []}]
    )
    assert site.register("/a").status == 201
    assert _refused(site.register("/b")) == (409, "META0006")
    assert site.register("/b", breaking=True).status == 201


def test_the_address_has_a_path_and_every_request_goes_below_it(site: Site) -> None:
    site.service.answers["/deep/er"] = manifest("Deep")
    made = site.register("/deep/er/", additional_headers={"X-Key": "secret"}).ok()
    assert site.caller.admin("GET", f"/deployments/{made['id']}").ok()["additional_headers"] == {
        "x-key": "secret"
    }
    invocation_id = site.caller.send("Deep/call")
    eventually(lambda: len(site.service.asked) >= 2, what="the attempt")
    site.caller.admin("PATCH", f"/invocations/{invocation_id}/kill").ok()
    discovered, attempted = site.service.asked[:2]
    assert (discovered.method, discovered.path) == ("GET", "/deep/er/discover")
    assert (attempted.method, attempted.path) == ("POST", "/deep/er/invoke/Deep/call")
    assert discovered.headers["x-key"] == attempted.headers["x-key"] == "secret"


def test_what_a_patch_sets_survives_a_restart_and_ends_with_a_registration(site: Site) -> None:
    site.service.answers["/a"] = manifest("S", handler="h")
    made = site.register("/a").ok()
    changes = {
        "public": False,
        "idempotency_retention": "2h",
        "journal_retention": "3h",
        "inactivity_timeout": "4s",
        "abort_timeout": "5s",
    }
    patched = site.caller.admin("PATCH", "/services/S", changes).ok()
    moved = site.service.uri("/b")
    site.service.answers["/b"] = site.service.answers["/a"]
    body = {"uri": moved, "use_http_11": True, "additional_headers": {"k": "v"}}
    site.caller.admin("PATCH", f"/deployments/{made['id']}", body).ok()
    site.server.kill()
    site.server.start()
    assert site.caller.admin("GET", "/services/S").ok() == patched
    detail = site.caller.admin("GET", f"/deployments/{made['id']}").ok()
    assert (detail["uri"], detail["additional_headers"]) == (moved, {"k": "v"})
    assert site.caller.call("S/h").status == 400
    again = site.register("/b", force=True).ok()
    assert (again["id"], again["services"][0]["public"], again["services"][0]["abort_timeout"]) == (
        made["id"],
        True,
        "10m",
    )


def test_a_registration_that_is_killed_in_the_middle_is_there_or_not(site: Site) -> None:
    """Whatever was answered is there, and no deployment has some of its services only."""
    names = [f"N{index}" for index in range(10)]
    chance = random.Random(7)
    answered: set[str] = set()
    for turn in range(6):
        prefixes = [f"/t{turn}-{index}" for index in range(8)]
        site.service.answers |= {
            prefix: manifest(*(f"{name}{prefix[1:]}" for name in names)) for prefix in prefixes
        }

        def register(prefixes: list[str] = prefixes) -> None:
            for prefix in prefixes:
                try:
                    answered.add(site.register(prefix).ok()["id"])
                except Exception:
                    # The server is gone: that is what the test is about.
                    return

        busy = threading.Thread(target=register)
        busy.start()
        time.sleep(chance.uniform(0.005, 0.06))
        site.server.kill()
        busy.join()
        site.server.start()
    found = {entry["id"]: len(entry["services"]) for entry in site.deployments()}
    assert answered <= found.keys()
    assert set(found.values()) <= {10}


def test_two_hundred_deployments_with_ten_services_each(site: Site) -> None:
    """The times are printed, for people: on a shared machine they prove nothing."""
    count, each = 200, 10
    times: list[float] = []
    for number in range(count):
        prefix = f"/d{number}"
        site.service.answers[prefix] = manifest(*(f"Service{number}x{index}" for index in range(each)))
        begun = time.perf_counter()
        assert site.register(prefix).status == 201
        times.append(time.perf_counter() - begun)
    print(f"registration, first 20: {_ms(times[:20])}, last 20: {_ms(times[-20:])}")
    listed = {}
    for path in ("/deployments", "/services"):
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            listed[path] = site.caller.admin("GET", path)
            times.append(time.perf_counter() - begun)
        print(f"{path}: first {_ms(times[:1])}, then {_ms(times[1:])}")
    deployments = listed["/deployments"].ok()["deployments"]
    assert [len(entry["services"]) for entry in deployments] == [each] * count
    assert len({entry["name"] for entry in listed["/services"].ok()["services"]}) == count * each


def _ms(times: list[float]) -> str:
    return f"{sum(times) / len(times) * 1000:.1f} ms"


@pytest.fixture(scope="module", params=[Sdk.PYTHON, Sdk.TYPESCRIPT], ids=lambda sdk: sdk.value)
def program(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServiceProgram]:
    """A real service that takes both versions of HTTP, unless the SDK's server takes HTTP/2 only."""
    running = start_program(
        request.param, tmp_path_factory.mktemp(request.param.value), protocol="request_response"
    )
    try:
        yield running
    finally:
        running.stop()


def test_a_real_service_without_scheme(site: Site, program: ServiceProgram) -> None:
    bare = {"uri": f"127.0.0.1:{program.port}"}
    assert site.caller.admin("POST", "/v3/deployments", bare).status == 400
    reply = site.caller.admin("POST", "/deployments", bare)
    # Classic clients write addresses like this, and the official server has none of these any more.
    assert reply.status == {"ours": 201, "official": 400}[site.server.name]
    if reply.status == 201:
        assert site.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"


def test_a_real_service_below_a_path(site: Site, program: ServiceProgram) -> None:
    made = site.caller.register(f"{program.uri}/be/low/")
    detail = site.caller.admin("GET", f"/deployments/{made['id']}").ok()
    assert detail["uri"] == f"{program.uri}/be/low/"
    assert site.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"
    assert site.caller.call(f"Counter/below-{program.port}/add", 1).ok() == 1


def test_a_real_service_over_http_1_only(site: Site, tmp_path: Path) -> None:
    running = start_program(Sdk.PYTHON, tmp_path / "bed", protocol="request_response")
    try:
        made = site.caller.register(running.uri, use_http_11=True)
        detail = site.caller.admin("GET", f"/deployments/{made['id']}").ok()
        assert (detail["http_version"], detail["protocol_type"]) == ("HTTP/1.1", "RequestResponse")
        assert detail["services"][0]["inactivity_timeout"] == "0s"
        assert site.caller.call("Greeter/greet", "Ada").ok() == "Hello Ada"
        site.caller.admin("PATCH", f"/deployments/{made['id']}", {"uri": f"{running.uri}/"}).ok()
        detail = site.caller.admin("GET", f"/deployments/{made['id']}").ok()
        assert detail["http_version"] == "HTTP/2.0"
        assert site.caller.call("Greeter/greet", "Bob").ok() == "Hello Bob"
    finally:
        running.stop()


def test_two_paths_are_two_deployments(site: Site, program: ServiceProgram) -> None:
    ids = {site.caller.register(f"{program.uri}{path}")["id"] for path in ("/a", "/b", "/a")}
    assert len(ids) == 2

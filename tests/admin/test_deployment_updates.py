from collections.abc import Sequence
from typing import Any

import pytest

from restate.runtime.model.target import ServiceType
from restate.runtime.schema.deployment import Options
from restate.runtime.schema.registration import Announcement
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

URI = "http://h:1/"
MOVED = "http://h:2/p/"
Headers = Sequence[tuple[str, str]]
ARN = "arn:aws:lambda:eu:1:function:f:1"


@pytest.fixture
async def admin() -> Admin:
    made = Admin()
    made.discovery.answers[URI] = announce(service("Greeter"), service("Other"))
    made.discovery.answers[MOVED] = announce(
        service("Greeter", ServiceType.SERVICE, "a", "b"),
        service("New"),
        http_version="HTTP/1.1",
        sdk_version="s/2",
    )
    return made


async def registered(admin: Admin) -> str:
    _, created = await admin.register(URI)
    admin.discovery.asked.clear()
    return f"/deployments/{created['id']}"


def names(detail: Any) -> list[str]:
    return [entry["name"] for entry in detail["services"]]


@pytest.mark.parametrize("body", [{}, {"uri": None}, {"additional_headers": None, "dry_run": True}])
async def test_nothing_to_change_is_answered_as_it_is(admin: Admin, body: object) -> None:
    path = await registered(admin)
    version = admin.partition.schema.version
    assert await admin.call("PATCH", path, body) == await admin.get(path)
    assert (admin.discovery.asked, admin.partition.schema.version) == ([], version)


async def test_a_move_keeps_the_services(admin: Admin) -> None:
    path = await registered(admin)
    _, before = await admin.get(path)
    status, moved = await admin.call("PATCH", path, {"uri": MOVED, "additional_headers": {"X": "1"}})
    assert status == 200
    changes = {
        "uri": MOVED,
        "http_version": "HTTP/1.1",
        "additional_headers": {"x": "1"},
        "sdk_version": "s/2",
    }
    assert moved == before | changes
    assert await admin.get(path) == (200, moved)
    assert admin.discovery.asked == [(MOVED, (("x", "1"),), False)]


async def test_overwrite_replaces_the_services_and_keeps_their_revisions(admin: Admin) -> None:
    path = await registered(admin)
    await admin.register(URI, force=True)
    await admin.call("PATCH", "/services/Greeter", {"abort_timeout": "7s"})
    status, moved = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True})
    assert status == 200
    assert [(entry["name"], entry["revision"]) for entry in moved["services"]] == [("Greeter", 2), ("New", 1)]
    assert [entry["name"] for entry in moved["services"][0]["handlers"]] == ["a", "b"]
    assert moved["services"][0]["abort_timeout"] == "10m"
    assert (await admin.get("/services/Other"))[0] == 404


async def test_a_dry_run_shows_it_and_stores_nothing(admin: Admin) -> None:
    path = await registered(admin)
    before = await admin.get(path)
    _, shown = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True, "dry_run": True})
    assert names(shown) == ["Greeter", "New"]
    assert await admin.get(path) == before


async def test_headers_alone_are_asked_for_as_before(admin: Admin) -> None:
    admin.discovery.answers[URI] = announce(service("Greeter"), http_version="HTTP/1.1")
    path = await registered(admin)
    status, _ = await admin.call("PATCH", path, {"additional_headers": {"a": "b"}})
    assert status == 200
    assert admin.discovery.asked == [(URI, (("a", "b"),), True)]


@pytest.mark.parametrize(("body", "asked"), [({"use_http_11": True}, True), ({"use_http_11": False}, False)])
async def test_the_http_version_may_be_chosen_without_an_address(
    admin: Admin, body: object, asked: bool
) -> None:
    path = await registered(admin)
    assert (await admin.call("PATCH", path, body))[0] == 200
    assert admin.discovery.asked == [(URI, (), asked)]


async def test_a_change_made_during_the_discovery_is_kept(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await registered(admin)
    discover = admin.discovery.discover

    async def interrupted(uri: str, headers: Headers = (), *, use_http_11: bool = False) -> Announcement:
        monkeypatch.setattr(admin.discovery, "discover", discover)
        assert (await admin.call("PATCH", path, {"additional_headers": {"a": "1"}}))[0] == 200
        return await discover(uri, headers, use_http_11=use_http_11)

    monkeypatch.setattr(admin.discovery, "discover", interrupted)
    status, moved = await admin.call("PATCH", path, {"uri": MOVED})
    assert (status, moved["uri"], moved["additional_headers"]) == (200, MOVED, {"a": "1"})
    # The new address is asked as it will be called.
    assert admin.discovery.asked[-1] == (MOVED, (("a", "1"),), False)


async def test_a_deployment_that_is_removed_during_the_discovery_is_gone(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await registered(admin)
    discover = admin.discovery.discover

    async def interrupted(uri: str, headers: Headers = (), *, use_http_11: bool = False) -> Announcement:
        assert (await admin.call("DELETE", f"{path}?force=true"))[0] == 202
        return await discover(uri, headers, use_http_11=use_http_11)

    monkeypatch.setattr(admin.discovery, "discover", interrupted)
    assert (await admin.call("PATCH", path, {"uri": MOVED}))[0] == 404
    assert await admin.get("/deployments") == (200, {"deployments": []})


@pytest.mark.parametrize("overwrite", [False, True])
async def test_other_protocol_versions_are_refused(admin: Admin, overwrite: bool) -> None:
    path = await registered(admin)
    before = await admin.get(path)
    admin.discovery.answers[MOVED] = announce(service("Greeter"), max_protocol_version=6)
    status, refused = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": overwrite})
    assert (status, refused["restate_code"]) == (400, "META0016")
    assert await admin.get(path) == before


async def test_the_other_generation_is_refused(admin: Admin) -> None:
    path = await registered(admin)
    admin.discovery.answers[MOVED] = announce(
        service("Greeter", ServiceType.UNKEYED), min_protocol_version=5, max_protocol_version=7
    )
    status, refused = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True})
    assert (status, refused["restate_code"]) == (400, "META0016")


async def test_a_reserved_name_is_refused_when_services_are_replaced(admin: Admin) -> None:
    path = await registered(admin)
    admin.discovery.answers[MOVED] = announce(service("restateful"))
    status, refused = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True})
    assert (status, refused["restate_code"]) == (400, "META0005")
    assert (await admin.call("PATCH", path, {"uri": MOVED}))[0] == 200


async def test_no_answer_at_the_new_address_changes_nothing(admin: Admin) -> None:
    path = await registered(admin)
    before = await admin.get(path)
    status, refused = await admin.call("PATCH", path, {"uri": "http://gone:1/"})
    assert (status, refused["restate_code"]) == (500, "META0003")
    assert await admin.get(path) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"uri": 5}, 422),
        ({"uri": "relative"}, 400),
        ({"arn": ARN}, 400),
        ({"overwrite": "yes"}, 422),
        ({"additional_headers": {"a b": "c"}}, 422),
        ({"additional_headers": {"a": "1", "A": "2"}}, 422),
        ([], 422),
    ],
)
async def test_bodies_of_the_wrong_shape(admin: Admin, body: object, status: int) -> None:
    path = await registered(admin)
    found, answer = await admin.call("PATCH", path, body)
    assert (found, answer["restate_code"]) == (status, None)


@pytest.mark.parametrize(("text", "status"), [("foo", 400), ("dp_11nGQpCRmau6ypL82KH2TnP", 404)])
@pytest.mark.parametrize("body", [{}, {"overwrite": True}])
async def test_ids_that_are_unknown_or_none(admin: Admin, text: str, status: int, body: object) -> None:
    assert (await admin.call("PATCH", f"/deployments/{text}", body))[0] == status


@pytest.mark.parametrize(("prefix", "status"), [("", 405), ("/v2", 200), ("/v3", 405), ("/v4", 405)])
async def test_put_is_there_in_v2_only(admin: Admin, prefix: str, status: int) -> None:
    path = await registered(admin)
    found, answer = await admin.call("PUT", prefix + path, {"uri": MOVED})
    assert found == status
    if status == 405:
        assert answer["message"] == "PUT deployment is deprecated, use PATCH instead"


async def test_a_lambda_function_is_changed_without_asking_it(admin: Admin) -> None:
    _, created = await admin.call("POST", "/deployments", {"arn": ARN})
    path = f"/deployments/{created['id']}"
    status, updated = await admin.call("PATCH", path, {"arn": f"{ARN}1", "assume_role_arn": "r"})
    assert (status, updated["arn"], updated["assume_role_arn"]) == (200, f"{ARN}1", "r")
    assert admin.discovery.asked == []
    status, updated = await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True})
    assert (status, updated["uri"], names(updated)) == (200, MOVED, ["Greeter", "New"])
    assert "arn" not in updated


async def test_a_pinned_setting_of_another_deployment_is_left_alone(admin: Admin) -> None:
    path = await registered(admin)
    kept = announce(service("Kept", ServiceType.SERVICE, options=Options(abort_timeout_ms=5)))
    admin.discovery.answers["http://k:1/"] = kept
    await admin.register("http://k:1/")
    before = await admin.get("/services/Kept")
    await admin.call("PATCH", path, {"uri": MOVED, "overwrite": True})
    assert await admin.get("/services/Kept") == before

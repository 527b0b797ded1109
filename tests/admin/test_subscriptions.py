import logging

import pytest
import trio

from restate.runtime.admin.subscriptions import NOT_CONSUMED, warn_of_subscriptions
from restate.runtime.model.target import ServiceType
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

GREET = {"source": "kafka://c1/topic", "sink": "service://Greeter/greet"}
PREFIXES = ["", "/v2", "/v3", "/v4"]


@pytest.fixture
async def admin() -> Admin:
    made = Admin()
    made.discovery.answers["http://h:1/"] = announce(service("Greeter", ServiceType.SERVICE, "greet"))
    made.discovery.answers["http://h:2/"] = announce(service("old.Greeter", ServiceType.UNKEYED, "Greet"))
    await made.register("http://h:1/")
    await made.register("http://h:2/")
    cluster = {"name": "c1", "properties": {"bootstrap.servers": "h:9092"}}
    assert (await made.call("POST", "/kafka-clusters", cluster))[0] == 201
    return made


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_subscription_is_stored_read_and_removed(admin: Admin, prefix: str) -> None:
    response = await admin.respond("POST", f"{prefix}/subscriptions", GREET)
    made = await response.get_json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{prefix}/subscriptions/{made['id']}"
    assert len(made["id"]) == 27
    assert made == {
        "id": made["id"],
        **GREET,
        "options": {"client.id": "restate", "group.id": made["id"]},
        "info": [{"message": NOT_CONSUMED}],
    }
    path = f"{prefix}/subscriptions/{made['id']}"
    assert await admin.get(path) == (200, made)
    assert await admin.get(f"{prefix}/subscriptions") == (200, {"subscriptions": [made]})
    assert await admin.call("DELETE", path) == (202, None)
    assert (await admin.get(path))[0] == 404
    assert (await admin.call("DELETE", path))[0] == 404


async def test_subscriptions_are_found_by_source_and_sink(admin: Admin) -> None:
    other = {"source": "kafka://c1/other", "sink": "service://old.Greeter/Greet"}
    for body in (GREET, other):
        assert (await admin.call("POST", "/subscriptions", body))[0] == 201

    async def found(query: str) -> list[str]:
        _, body = await admin.get(f"/subscriptions?{query}")
        return [entry["source"] for entry in body["subscriptions"]]

    assert await found("source=kafka://c1/topic") == [GREET["source"]]
    assert await found("sink=service://old.Greeter/Greet") == [other["source"]]
    assert await found("source=kafka://c1/topic&sink=service://old.Greeter/Greet") == []
    assert await found("source=kafka://c1") == []
    assert len(await found("nothing=x")) == 2


@pytest.mark.parametrize(("prefix", "status"), [("", 500), ("/v2", 400), ("/v4", 400)])
async def test_what_is_wrong_with_a_classic_sink(admin: Admin, prefix: str, status: int) -> None:
    body = GREET | {"sink": "service://old.Greeter/Nope"}
    answered, error = await admin.call("POST", f"{prefix}/subscriptions", body)
    assert (answered, error["restate_code"]) == (status, "META0009")
    assert error["message"].startswith("[META0009] invalid sink URI 'service://old.Greeter/Nope'")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"source": "http://c1/t"}, 400, "META0009"),
        ({"sink": "service://Greeter/nope"}, 400, "META0009"),
        ({"source": "kafka://nope/t"}, 400, None),
        ({"source": "not a uri"}, 422, None),
        ({"sink": "service:///Greeter/greet"}, 422, None),
        ({"source": 5}, 422, None),
        ({"source": None}, 422, None),
        ({"options": {"a": 5}}, 422, None),
        ({"options": ["a"]}, 422, None),
    ],
)
async def test_what_cannot_be_stored(
    admin: Admin, change: dict[str, object], status: int, code: str | None
) -> None:
    answered, error = await admin.call("POST", "/subscriptions", GREET | change)
    assert (answered, error["restate_code"]) == (status, code)
    assert await admin.get("/subscriptions") == (200, {"subscriptions": []})


@pytest.mark.parametrize("body", [[], "x", 5, None, {}])
async def test_a_body_of_another_shape(admin: Admin, body: object) -> None:
    status, error = await admin.call("POST", "/subscriptions", body)
    assert status == (415 if body is None else 422)
    assert set(error) == {"message", "restate_code"}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_ids_are_checked(admin: Admin, method: str) -> None:
    status, error = await admin.call(method, "/subscriptions/foo")
    assert (status, error["message"]) == (
        400,
        "Invalid URL: Cannot parse `subscription` with value `foo`: bad format",
    )


async def test_two_at_a_time_are_both_stored(admin: Admin) -> None:
    admin.partition.conflicts = 2
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(admin.call, "POST", "/subscriptions", GREET)
    _, body = await admin.get("/subscriptions")
    assert len({entry["id"] for entry in body["subscriptions"]}) == 2


async def test_secrets_are_neither_shown_nor_logged(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _, made = await admin.call(
            "POST", "/subscriptions", GREET | {"options": {"sasl.password": "hunter2"}}
        )
    assert made["options"]["sasl.password"] == "***"
    assert "hunter2" not in caplog.text
    stored = admin.partition.schema.stored.subscriptions[made["id"]]
    assert dict(stored.options)["sasl.password"] == "hunter2"


async def test_the_log_says_that_nothing_is_consumed(admin: Admin, caplog: pytest.LogCaptureFixture) -> None:
    await admin.call("POST", "/subscriptions", GREET)
    assert "does not consume" in caplog.text
    caplog.clear()
    await warn_of_subscriptions(admin.parts)
    assert "subscriptions are stored (1), but this server does not consume" in caplog.text

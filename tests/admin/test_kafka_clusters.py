import logging

import attrs
import pytest

from restate.runtime.admin.app import build
from restate.runtime.model.kafka import KafkaCluster
from restate.runtime.model.target import ServiceType
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

BROKERS = {"bootstrap.servers": "h:9092"}
STATIC = KafkaCluster("static", (("metadata.broker.list", "h:1"), ("sasl.password", "hunter2")))


def made(*, static: tuple[KafkaCluster, ...] = ()) -> Admin:
    admin = Admin()
    admin.parts = attrs.evolve(admin.parts, kafka_clusters=static)
    admin.app = build(admin.parts)
    admin.client = admin.app.test_client()
    return admin


async def stored(name: str = "c1", **properties: str) -> Admin:
    admin = made(static=(STATIC,))
    body = {"name": name, "properties": BROKERS | properties}
    assert (await admin.call("POST", "/kafka-clusters", body))[0] == 201
    return admin


async def subscribed() -> Admin:
    admin = await stored()
    admin.discovery.answers["http://h:1/"] = announce(service("S", ServiceType.SERVICE, "h"))
    await admin.register("http://h:1/")
    for source in ("kafka://c1/t", "kafka://static/t"):
        body = {"source": source, "sink": "service://S/h"}
        assert (await admin.call("POST", "/subscriptions", body))[0] == 201
    return admin


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
async def test_a_cluster_is_stored_read_and_removed(prefix: str) -> None:
    admin = made()
    body = {"name": "c1", "properties": BROKERS}
    response = await admin.respond("POST", f"{prefix}/kafka-clusters", body)
    view = await response.get_json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{prefix}/kafka-clusters/c1"
    assert view == body | {"created_at": "2026-11-23T02:52:14.882000000Z"}
    assert await admin.get(f"{prefix}/kafka-clusters") == (200, {"clusters": [view]})
    assert await admin.get(f"{prefix}/kafka-clusters/c1") == (200, view | {"subscriptions": []})
    assert await admin.call("DELETE", f"{prefix}/kafka-clusters/c1") == (202, None)
    assert (await admin.get(f"{prefix}/kafka-clusters/c1"))[0] == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "c1", "properties": BROKERS}, 409),
        ({"name": "static", "properties": BROKERS}, 409),
        ({"name": "c2", "properties": {}}, 400),
        ({"name": "c2", "properties": {"brokers": "h:1"}}, 400),
        ({"name": "", "properties": BROKERS}, 422),
        ({"name": "a b", "properties": BROKERS}, 422),
        ({"name": "a/b", "properties": BROKERS}, 422),
        ({"name": "c2", "properties": {"bootstrap.servers": 5}}, 422),
        ({"name": "c2", "properties": None}, 422),
        ({"name": "c2"}, 422),
        ({"properties": BROKERS}, 422),
        ([], 422),
    ],
)
async def test_what_cannot_be_stored(body: object, status: int) -> None:
    admin = await stored()
    answered, error = await admin.call("POST", "/kafka-clusters", body)
    assert (answered, error["restate_code"]) == (status, None)
    assert list(admin.partition.schema.stored.kafka_clusters) == ["c1"]


async def test_secrets_are_neither_shown_nor_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        admin = await stored(**{"sasl.password": "hunter2", "ssl.key.pem": "hunter2"})
        _, view = await admin.get("/kafka-clusters/c1")
    assert view["properties"] == BROKERS | {"sasl.password": "***", "ssl.key.pem": "***"}
    assert "hunter2" not in caplog.text
    assert "hunter2" in dict(admin.partition.schema.stored.kafka_clusters["c1"].properties).values()


async def test_new_properties_replace_all_old_ones() -> None:
    admin = await stored(x="1")
    status, view = await admin.call("PATCH", "/kafka-clusters/c1", {"properties": BROKERS | {"y": "2"}})
    assert (status, view["properties"]) == (200, BROKERS | {"y": "2"})
    assert view["created_at"] == "2026-11-23T02:52:14.882000000Z"


async def test_the_mask_sent_back_keeps_the_secret() -> None:
    admin = await stored(**{"sasl.password": "hunter2"})
    masked = BROKERS | {"sasl.password": "***", "ssl.key.pem": "***", "x": "***"}
    await admin.call("PATCH", "/kafka-clusters/c1", {"properties": masked})
    properties = dict(admin.partition.schema.stored.kafka_clusters["c1"].properties)
    assert properties == masked | {"sasl.password": "hunter2"}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("c1", {"properties": {}}, 400, "must contain either 'bootstrap.servers' or 'metadata.broker.list'"),
        ("c1", {}, 422, "missing field 'properties'"),
        ("nope", {"properties": BROKERS}, 404, "not found in the schema registry: kafka cluster 'nope'"),
        ("a%20b", {"properties": BROKERS}, 400, "'cluster_name' is invalid. Reason: invalid uri character"),
        ("static", {"properties": BROKERS}, 409, "defined in the restate configuration file"),
    ],
)
async def test_what_cannot_be_changed(path: str, body: object, status: int, message: str) -> None:
    admin = await stored()
    answered, error = await admin.call("PATCH", f"/kafka-clusters/{path}", body)
    assert answered == status
    assert message in error["message"]


async def test_clusters_of_the_configuration_are_listed_and_say_so() -> None:
    admin = made(static=(STATIC,))
    status, body = await admin.get("/kafka-clusters")
    assert status == 200
    assert body["clusters"][0]["properties"] == {"metadata.broker.list": "h:1", "sasl.password": "***"}
    assert "configuration" in body["clusters"][0]["info"][0]["message"]
    for query in ("", "?force=true"):
        assert (await admin.call("DELETE", f"/kafka-clusters/static{query}"))[0] == 409


async def test_subscriptions_are_listed_with_their_cluster_when_asked_for() -> None:
    admin = await subscribed()
    for name in ("c1", "static"):
        _, plain = await admin.get(f"/kafka-clusters/{name}")
        _, detailed = await admin.get(f"/kafka-clusters/{name}?include_subscriptions=true")
        assert plain["subscriptions"] == []
        assert [entry["source"] for entry in detailed["subscriptions"]] == [f"kafka://{name}/t"]
    assert (await admin.get("/kafka-clusters/c1?include_subscriptions=maybe"))[0] == 400


async def test_a_cluster_in_use_is_only_removed_by_force() -> None:
    admin = await subscribed()
    status, error = await admin.call("DELETE", "/kafka-clusters/c1")
    assert status == 409
    assert "Remove the subscription first, or use the 'force' flag." in error["message"]
    assert (await admin.call("DELETE", "/kafka-clusters/c1?force=true"))[0] == 202
    _, left = await admin.get("/subscriptions")
    assert len(left["subscriptions"]) == 2


async def test_a_cluster_that_is_not_there_cannot_be_removed() -> None:
    assert (await made().call("DELETE", "/kafka-clusters/nope"))[0] == 404

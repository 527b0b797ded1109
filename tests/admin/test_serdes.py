import pytest

from restate.runtime.discovery.serdes import SerdeRequest
from restate.runtime.model.target import ServiceType
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

OLD = "http://old:1/"
NEW = "http://new:1/"


@pytest.fixture
async def admin() -> Admin:
    made = Admin()
    made.discovery.answers[OLD] = announce(service("S"), service("Old"))
    made.discovery.answers[NEW] = announce(service("S"))
    return made


async def test_the_latest_deployment_converts_the_bytes_as_they_come(admin: Admin) -> None:
    await admin.register(OLD)
    _, latest = await admin.register(NEW)
    response = await admin.client.post("/internal/services/S/serdes/decode/my/serde", data=b"\x00{")
    assert (response.status_code, await response.get_data(as_text=False)) == (200, b"converted")
    assert response.content_type == "application/json"
    response = await admin.client.post("/v4/internal/services/S/serdes/encode/x", data=b"1")
    assert response.content_type == "application/octet-stream"
    assert admin.discovery.converted == [
        (latest["id"], SerdeRequest("S", "decode", "my/serde", b"\x00{")),
        (latest["id"], SerdeRequest("S", "encode", "x", b"1")),
    ]


async def test_another_deployment_of_the_service_may_be_asked(admin: Admin) -> None:
    _, old = await admin.register(OLD)
    _, new = await admin.register(NEW)
    path = "/internal/services/{}/serdes/decode/x?deployment={}"
    assert (await admin.client.post(path.format("S", old["id"]))).status_code == 200
    assert admin.discovery.converted[0][0] == old["id"]
    status, refused = await admin.call("POST", path.format("Old", new["id"]))
    assert (status, refused["message"]) == (404, "The requested service 'Old' does not exist")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/internal/services/Nope/serdes/decode/x", 404),
        ("POST", "/internal/services/S/serdes/compress/x", 404),
        ("POST", "/internal/services/S/serdes/decode/", 404),
        ("POST", "/internal/services/S/serdes/decode/x?deployment=foo", 400),
        ("POST", "/internal/services/S/serdes/decode/x?deployment=dp_11nGQpCRmau6ypL82KH2TnP", 404),
        ("GET", "/internal/services/S/serdes/decode/x", 405),
    ],
)
async def test_what_cannot_be_asked(admin: Admin, method: str, path: str, status: int) -> None:
    await admin.register(OLD)
    assert (await admin.call(method, path))[0] == status
    assert admin.discovery.converted == []


async def test_classic_services_have_no_serializers_to_ask(admin: Admin) -> None:
    admin.discovery.answers[OLD] = announce(service("c", ServiceType.UNKEYED))
    await admin.register(OLD)
    status, refused = await admin.call("POST", "/internal/services/c/serdes/decode/x")
    assert (status, set(refused)) == (500, {"message", "restate_code"})

import pytest
import trio
import trio.testing

from restate.runtime import config
from tests.admin.fakes import Admin

PREFIXES = ["", "/v2", "/v3", "/v4"]


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_version_is_what_the_official_client_needs(prefix: str) -> None:
    status, body = await Admin().get(f"{prefix}/version")
    assert status == 200
    assert tuple(int(part) for part in body["version"].split(".")) >= (1, 5)
    assert (body["min_admin_api_version"], body["max_admin_api_version"]) == (2, 4)
    assert body["ingress_endpoint"] == "http://127.0.0.1:8080/"
    assert body["features"] == {}


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_health_is_empty_and_answers_head(prefix: str) -> None:
    admin = Admin()
    assert await admin.get(f"{prefix}/health") == (200, None)
    assert await admin.call("HEAD", f"{prefix}/health") == (200, None)


@pytest.mark.parametrize("path", ["/nope", "/services/", "/v5/health", "/health/", "/deployments/", "/v2"])
async def test_other_paths_are_not_found_and_never_redirected(path: str) -> None:
    status, body = await Admin().get(path)
    assert status == 404
    assert set(body) == {"message", "restate_code"}


async def test_a_version_that_is_too_old_says_so() -> None:
    status, body = await Admin().get("/v1/health")
    assert status == 400
    assert "Unsupported Admin API version" in body["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/services"), ("OPTIONS", "/health"), ("OPTIONS", "/deployments")]
)
async def test_a_wrong_method_tells_the_right_ones(method: str, path: str) -> None:
    response = await Admin().respond(method, path)
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]
    assert (await response.get_json())["restate_code"] is None


async def test_a_body_over_the_limit_is_refused() -> None:
    admin = Admin(settings=config.Admin(request_size_limit=100))
    status, body = await admin.call("POST", "/deployments", {"uri": "http://h:1/" + "x" * 200})
    assert status == 413
    assert set(body) == {"message", "restate_code"}


async def test_requests_over_the_limit_are_refused_and_places_come_back() -> None:
    admin = Admin(settings=config.Admin(concurrency_limit=1))
    admin.partition.ready = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(admin.get, "/health")
        await trio.testing.wait_all_tasks_blocked()
        assert (await admin.get("/health"))[0] == 429
        admin.partition.ready.set()
    assert (await admin.get("/health"))[0] == 200
    assert (await admin.get("/nope"))[0] == 404
    assert (await admin.get("/health"))[0] == 200


async def test_a_fault_of_the_server_is_500_without_its_inside(caplog: pytest.LogCaptureFixture) -> None:
    admin = Admin()

    async def crash(*_: object) -> None:
        raise ZeroDivisionError("secret")

    admin.partition.terminate = crash  # type: ignore[method-assign,assignment]
    path = "/invocations/inv_10000000000001SZwviYzes2mjOamuMJWw/kill"
    status, body = await admin.call("PATCH", path)
    assert status == 500
    assert "secret" not in body["message"]
    assert "ZeroDivisionError" in caplog.text

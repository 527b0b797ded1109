"""What every route refuses in the same way (admin.md §1): always JSON with message and code, with the specified status."""

from typing import Any

import pytest

from restate.runtime import config
from restate.runtime.partition.handle import Overloaded
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

URI = "http://h:1/"
PREFIXES = ["", "/v2", "/v3", "/v4"]
INVOCATION = "inv_10000000000001SZwviYzes2mjOamuMJWw"
DEPLOYMENT = "dp_11nGQpCRmau6ypL82KH2TnP"
WITH_BODY = [
    ("POST", "/deployments"),
    ("PATCH", "/deployments/{deployment}"),
    ("PATCH", "/services/S"),
    ("POST", "/services/S/state"),
    ("POST", "/internal/invocations_batch_operations/kill"),
]


class Caller(Admin):
    """deployment: the id of a registered one with the object S."""

    deployment = ""

    async def send(self, method: str, path: str, data: bytes, content_type: str | None) -> tuple[int, Any]:
        arguments: dict[str, Any] = {"data": data}
        if content_type is not None:
            arguments["headers"] = {"content-type": content_type}
        response = await self.client.open(path.format(deployment=self.deployment), method=method, **arguments)
        assert response.content_type == "application/json"
        body = await response.get_json()
        assert set(body) == {"message", "restate_code"}
        return response.status_code, body["message"]


@pytest.fixture
async def caller() -> Caller:
    made = Caller(settings=config.Admin(request_size_limit=2_000))
    made.discovery.answers[URI] = announce(service("S"))
    _, created = await made.register(URI)
    made.deployment = created["id"]
    return made


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
async def test_a_body_needs_the_type_of_json(caller: Caller, content_type: str | None) -> None:
    for method, path in WITH_BODY:
        answer = await caller.send(method, path, b"{}", content_type)
        got = f"`{content_type}`" if content_type else "none"
        assert answer == (415, f"Expected request with `Content-Type: application/json`, got {got}")


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff\xfe", b'{"a":}', b"[" * 1_900, b'{"uri":"\\ud800"}', b"{}{}", b"NaN"]
)
async def test_a_body_that_is_not_json(caller: Caller, data: bytes) -> None:
    for method, path in WITH_BODY:
        status, message = await caller.send(method, path, data, "application/json; charset=utf-8")
        assert (method, path, status) == (method, path, 400)
        assert message.startswith("Failed to parse the request body as JSON: ")


@pytest.mark.parametrize(
    ("data", "what"), [(b"[]", "an array"), (b"null", "null"), (b'"x"', "a string"), (b"5", "a number")]
)
async def test_a_body_that_is_no_object(caller: Caller, data: bytes, what: str) -> None:
    for method, path in WITH_BODY:
        status, message = await caller.send(method, path, data, "application/problem+json")
        assert (method, path, status) == (method, path, 422)
        assert message.startswith("Failed to deserialize the JSON body into the target type: expected a")
        # An array is what the routes of rules expect.
        assert message.endswith(f"got {what}") or data == b"[]"


@pytest.mark.parametrize(
    ("method", "path", "data"),
    [
        ("POST", "/deployments", b'{"uri":[]}'),
        ("PATCH", "/deployments/{deployment}", b'{"dry_run":1}'),
        ("PATCH", "/services/S", b'{"public":"no"}'),
        ("POST", "/services/S/state", b'{"object_key":"k","new_state":{"a":[256]}}'),
        ("POST", "/services/S/state", b'{"object_key":"k"}'),
        ("POST", "/internal/invocations_batch_operations/kill", b'{"invocation_ids":"x"}'),
        ("POST", "/internal/invocations_batch_operations/kill", b'{"invocation_ids":["x"]}'),
    ],
)
async def test_a_body_of_another_shape(caller: Caller, method: str, path: str, data: bytes) -> None:
    status, message = await caller.send(method, path, data, "application/json")
    assert status == 422
    assert message.startswith("Failed to deserialize the JSON body into the target type: ")


async def test_a_body_over_the_limit(caller: Caller) -> None:
    data = b'{"x":"' + b"y" * 2_000 + b'"}'
    for method, path in WITH_BODY:
        status, message = await caller.send(method, path, data, "application/json")
        assert (status, message) == (
            413,
            "The body is larger than the 2000 bytes that admin.request_size_limit allows.",
        ), path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/deployments/foo", 400),
        ("DELETE", "/deployments/foo", 400),
        ("DELETE", "/deployments/foo?force=true", 400),
        ("PATCH", "/deployments/foo", 400),
        ("GET", "/deployments/foo/descriptors", 400),
        ("GET", f"/deployments/{DEPLOYMENT}", 404),
        ("GET", f"/deployments/{DEPLOYMENT}/descriptors", 404),
        ("DELETE", f"/deployments/{DEPLOYMENT}?force=true", 404),
        ("DELETE", f"/deployments/{DEPLOYMENT}?force=yes", 400),
        ("DELETE", f"/deployments/{DEPLOYMENT}?force=true&force=false", 400),
        ("DELETE", f"/deployments/{DEPLOYMENT}?force=true&force=true", 400),
        ("DELETE", f"/deployments/{DEPLOYMENT}", 501),
        ("PATCH", f"/invocations/{INVOCATION}/resume?deployment=keep&deployment=latest", 400),
        ("DELETE", f"/invocations/{INVOCATION}?mode=cancel&mode=kill", 400),
        ("DELETE", f"/invocations/{INVOCATION}?mode=", 400),
        ("GET", "/subscriptions?sink=a&sink=b", 400),
        ("PATCH", "/invocations/foo/kill", 400),
        ("PATCH", f"/invocations/{INVOCATION}/resume?deployment=foo", 400),
        ("PATCH", f"/invocations/{INVOCATION}/restart-as-new?from=x", 400),
        ("DELETE", "/invocations/foo", 400),
        ("DELETE", f"/invocations/{INVOCATION}?mode=Stop", 400),
        ("GET", "/services/Nope/handlers", 404),
        ("GET", "/services/Nope/handlers/x", 404),
        ("GET", "/services/Nope/methods", 404),
        ("GET", "/services/Nope/methods/x", 404),
        ("GET", "/services/%00", 404),
        ("GET", "/services/%ff", 404),
        ("GET", "/services/a%2Fb", 404),
        ("GET", "/services/" + "x" * 5_000, 404),
    ],
)
async def test_ids_and_names_that_are_malformed_or_unknown(
    caller: Caller, method: str, path: str, status: int
) -> None:
    for prefix in PREFIXES:
        assert (await caller.send(method, prefix + path, b"", None))[0] == status, prefix


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/deployments", {"GET", "HEAD", "POST"}),
        ("POST", f"/deployments/{DEPLOYMENT}", {"GET", "HEAD", "DELETE", "PATCH", "PUT"}),
        ("DELETE", "/services/S", {"GET", "HEAD", "PATCH"}),
        ("GET", "/services/S/state", {"POST"}),
        ("GET", f"/invocations/{INVOCATION}/kill", {"PATCH"}),
        ("GET", f"/invocations/{INVOCATION}", {"DELETE"}),
        ("POST", "/version", {"GET", "HEAD"}),
        ("OPTIONS", "/services/S", {"GET", "HEAD", "PATCH"}),
        ("TRACE", "/services", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_tells_the_right_ones(
    caller: Caller, method: str, path: str, allowed: set[str]
) -> None:
    response = await caller.respond(method, path)
    assert response.status_code == 405
    assert set(response.headers["allow"].replace(" ", "").split(",")) == allowed
    body = await response.get_json()
    assert set(body) == {"message", "restate_code"}
    assert body["message"].startswith(f"The path {path} has no method {method}; expected one of: ")


@pytest.mark.parametrize("path", ["/nope", "/services/", "/services//x", "/v5/services"])
async def test_a_path_that_is_none_is_named(caller: Caller, path: str) -> None:
    status, message = await caller.send("GET", path, b"", None)
    assert (status, message.partition(" on ")[0]) == (404, f"There is no path {path}")


async def test_the_first_version_is_gone_for_every_method(caller: Caller) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        status, message = await caller.send(method, "/v1/deployments", b"", None)
        assert (status, message.startswith("Unsupported Admin API version")) == (400, True), method


async def test_what_the_partition_cannot_take_now_is_503(caller: Caller) -> None:
    async def full(*_: object) -> bool:
        raise Overloaded("the engine is busy")

    caller.partition.change_schema = full  # type: ignore[method-assign,assignment]
    status, message = await caller.send("PATCH", "/services/S", b'{"public":false}', "application/json")
    assert (status, message) == (503, "the engine is busy")
    assert (await caller.register(URI, force=True))[0] == 503
    assert (await caller.call("DELETE", f"/deployments/{caller.deployment}?force=true"))[0] == 503


async def test_coded_errors_begin_with_their_code_and_end_with_advice(caller: Caller) -> None:
    status, body = await caller.register("http://gone:1/")
    assert (status, body["restate_code"]) == (500, "META0003")
    assert body["message"].startswith("[META0003] the deployment at http://gone:1/ cannot be reached. ")
    assert len(body["message"].split(". ", 1)[1]) > 20

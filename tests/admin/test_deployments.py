import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from restate.runtime import config
from restate.runtime.model.target import Generation, HandlerType, ServiceType
from restate.runtime.schema.deployment import ClassicMethod, Handler
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

URI = "http://127.0.0.1:9080/"
OTHER = "http://127.0.0.1:9081/"
PREFIXES = ["", "/v2", "/v3", "/v4"]


def classic(name: str = "k", *methods: str) -> object:
    return announce(
        service(
            name,
            ServiceType.KEYED,
            *(
                Handler(method, HandlerType.EXCLUSIVE, classic=ClassicMethod("Req", "Res", 1))
                for method in methods
            ),
        )
    )


@pytest.fixture
async def admin() -> Admin:
    made = Admin()
    made.discovery.answers[URI] = announce(
        service("Greeter", ServiceType.SERVICE, "greet"), sdk_version="sdk/1"
    )
    made.discovery.answers[OTHER] = announce(service("Other"))
    return made


@pytest.mark.parametrize("prefix", PREFIXES)
async def test_a_new_deployment_is_created_and_can_be_read_at_its_location(admin: Admin, prefix: str) -> None:
    response = await admin.client.post(f"{prefix}/deployments", json={"uri": URI})
    created = await response.get_json()
    assert response.status_code == 201
    assert created["id"].startswith("dp_1")
    assert created["min_protocol_version"] == 5
    assert created["max_protocol_version"] == 7
    assert created["sdk_version"] == "sdk/1"
    assert [entry["name"] for entry in created["services"]] == ["Greeter"]
    status, detail = await admin.get(response.headers["location"])
    assert status == 200
    assert response.headers["location"] == f"{prefix}/deployments/{created['id']}"
    assert detail == {
        "id": created["id"],
        "uri": URI,
        "protocol_type": "BidiStream",
        "http_version": "HTTP/2.0",
        "created_at": "2026-11-23T02:52:14.882000000Z",
        "min_protocol_version": 5,
        "max_protocol_version": 7,
        "sdk_version": "sdk/1",
        "services": created["services"],
    }


async def test_the_list_names_services_and_revisions(admin: Admin) -> None:
    await admin.register(URI)
    await admin.register(OTHER)
    status, listed = await admin.get("/deployments")
    assert status == 200
    assert [entry["services"] for entry in listed["deployments"]] == [
        [{"name": "Greeter", "revision": 1}],
        [{"name": "Other", "revision": 1}],
    ]


@pytest.mark.parametrize(("prefix", "status"), [("", 200), ("/v2", 201), ("/v3", 200), ("/v4", 200)])
async def test_a_known_address_by_default(admin: Admin, prefix: str, status: int) -> None:
    _, first = await admin.register(URI)
    found, second = await admin.register("HTTP://127.0.0.1:9080", prefix=prefix)
    assert (found, second["id"]) == (status, first["id"])
    assert len(admin.discovery.asked) == (2 if prefix == "/v2" else 1)


async def test_v2_without_force_reports_the_conflict(admin: Admin) -> None:
    _, first = await admin.register(URI)
    status, refused = await admin.register(URI, prefix="/v2", force=False)
    assert (status, refused["message"]) == (409, f"Conflict: deployment {first['id']} already exists")


async def test_force_replaces_under_the_same_id_with_the_next_revision(admin: Admin) -> None:
    _, first = await admin.register(URI)
    status, second = await admin.register(URI, force=True)
    assert (status, second["id"]) == (200, first["id"])
    assert second["services"][0]["revision"] == 2


async def test_a_dry_run_answers_the_same_and_stores_nothing(admin: Admin) -> None:
    status, answer = await admin.register(URI, dry_run=True)
    assert (status, answer["services"][0]["revision"]) == (201, 1)
    assert await admin.get("/deployments") == (200, {"deployments": []})


async def test_a_faster_change_makes_it_decide_again(admin: Admin) -> None:
    admin.partition.conflicts = 2
    status, _ = await admin.register(URI)
    assert status == 201
    assert admin.partition.schema.version == 3
    assert len(admin.discovery.asked) == 1


async def test_headers_are_lower_cased_sent_and_kept(admin: Admin) -> None:
    headers = {"Authorization": "Bearer x", "A": "1"}
    _, created = await admin.register(URI, additional_headers=headers, metadata={"m": "n"}, use_http_11=True)
    assert admin.discovery.asked == [(URI, (("a", "1"), ("authorization", "Bearer x")), True)]
    _, detail = await admin.get(f"/deployments/{created['id']}")
    assert detail["additional_headers"] == {"a": "1", "authorization": "Bearer x"}
    assert detail["metadata"] == {"m": "n"}


async def test_classic_registers_again_with_201_and_without_force_is_a_conflict() -> None:
    admin = Admin()
    admin.discovery.answers[URI] = classic("k", "add")  # type: ignore[assignment]
    status, first = await admin.register("127.0.0.1:9080")
    assert (status, first["services"][0]["revision"]) == (201, 1)
    status, second = await admin.register("127.0.0.1:9080")
    assert (status, second["id"], second["services"][0]["revision"]) == (201, first["id"], 2)
    status, refused = await admin.register(URI, force=False)
    assert (status, refused["restate_code"]) == (409, "META0004")
    assert refused["message"].startswith("[META0004] ")


async def test_classic_services_have_their_own_fields_without_prefix_and_modern_ones_with() -> None:
    admin = Admin()
    admin.discovery.answers[URI] = classic("k", "add")  # type: ignore[assignment]
    _, created = await admin.register(URI)
    own = created["services"][0]
    assert own["instance_type"] == "Keyed"
    assert own["methods"] == [
        {"name": "add", "input_type": "Req", "output_type": "Res", "key_field_number": 1}
    ]
    _, detail = await admin.get(f"/v4/deployments/{created['id']}")
    mapped = detail["services"][0]
    assert (mapped["ty"], mapped["handlers"][0]["ty"]) == ("VirtualObject", "Exclusive")
    assert mapped["handlers"][0]["input_description"] == "Req"
    assert "methods" not in mapped


async def test_a_classic_contract_that_loses_methods_is_refused_unless_forced() -> None:
    admin = Admin()
    admin.discovery.answers[URI] = classic("k", "add", "get")  # type: ignore[assignment]
    admin.discovery.answers[OTHER] = classic("k", "add")  # type: ignore[assignment]
    await admin.register(URI)
    status, refused = await admin.register(OTHER, force=False)
    assert (status, refused["restate_code"]) == (409, "META0006")
    assert (await admin.register(OTHER))[0] == 201


async def test_delete_needs_force_and_removes(admin: Admin) -> None:
    _, created = await admin.register(URI)
    path = f"/deployments/{created['id']}"
    status, refused = await admin.call("DELETE", path)
    assert (status, refused["restate_code"]) == (501, None)
    assert "`force=true`" in refused["message"]
    assert await admin.call("DELETE", f"{path}?force=true") == (202, None)
    assert (await admin.get(path))[0] == 404
    assert await admin.get("/services") == (200, {"services": []})
    status, refused = await admin.call("DELETE", f"{path}?force=true")
    assert (status, refused["message"]) == (404, f"The requested deployment '{created['id']}' does not exist")


async def test_an_unreachable_deployment_is_told_with_its_code(admin: Admin) -> None:
    status, refused = await admin.register("http://127.0.0.1:1/")
    assert (status, refused["restate_code"]) == (500, "META0003")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"uri": 5}, 422),
        ({"uri": URI, "force": "yes"}, 422),
        ({"uri": URI, "force": None, "metadata": None}, 201),
        ({"uri": URI, "dry_run": None}, 422),
        ({"uri": URI, "unknown": 1}, 201),
        ({"uri": URI, "additional_headers": {"a b": "c"}}, 422),
        ({"uri": URI, "additional_headers": {"a": 1}}, 422),
        ({"uri": "no scheme"}, 422),
        ({"uri": "example"}, 400),
        ({"uri": "/x"}, 400),
        ({"uri": "ftp://host/"}, 422),
        ({"uri": "http://host:99999/"}, 422),
        ({"arn": "arn:aws:lambda:eu:1:function:f"}, 400),
        ({"arn": 5}, 422),
        ({"uri": URI, "auth": {"GoogleIdToken": {}}}, 400),
        ([], 422),
    ],
)
async def test_bodies_of_the_wrong_shape(admin: Admin, body: object, status: int) -> None:
    found, answer = await admin.call("POST", "/deployments", body)
    assert found == status, answer
    if status >= 400:
        assert answer["restate_code"] is None


@pytest.mark.parametrize("prefix", ["/v2", "/v3", "/v4"])
async def test_an_address_without_scheme_is_modern_bad_request(admin: Admin, prefix: str) -> None:
    status, refused = await admin.register("127.0.0.1:9080", prefix=prefix)
    assert status == 400
    assert refused["message"] == (
        "The request field 'uri' is invalid. Reason: The provided uri 127.0.0.1:9080 is not absolute, only absolute"
        " URIs can be used."
    )


async def test_a_body_that_is_not_json(admin: Admin) -> None:
    response = await admin.client.post("/deployments", data="{", headers={"content-type": "application/json"})
    assert response.status_code == 400
    lone = await admin.client.post(
        "/deployments",
        data='{"uri":"http://127.0.0.1:9080","metadata":{"a":"\\ud800"}}',
        headers={"content-type": "application/json"},
    )
    assert lone.status_code == 400
    response = await admin.client.post("/deployments", data="{}", headers={"content-type": "text/plain"})
    assert response.status_code == 415
    response = await admin.client.post(
        "/deployments", data='{"uri":"http://127.0.0.1:9080"}', headers={"content-type": "application/x+json"}
    )
    assert response.status_code == 201


@pytest.mark.parametrize("path", ["/deployments/foo", "/deployments/inv_1abc", "/deployments/dp_1"])
async def test_an_id_that_is_none_is_a_bad_request(admin: Admin, path: str) -> None:
    status, refused = await admin.get(path)
    assert status == 400
    assert refused["message"].startswith("Invalid URL: Cannot parse")


async def test_a_service_name_of_the_other_generation_is_refused_even_with_force(admin: Admin) -> None:
    await admin.register(URI)
    admin.discovery.answers[OTHER] = announce(service("Greeter", ServiceType.UNKEYED))
    status, refused = await admin.register(OTHER, force=True)
    assert (status, refused["restate_code"]) == (409, "META0006")


@pytest.mark.parametrize(("live", "status"), [(True, 409), (False, 201)])
async def test_the_sole_owner_may_change_the_generation_when_nothing_runs(live: bool, status: int) -> None:
    admin = Admin(is_live=lambda _service: live)
    admin.discovery.answers[URI] = announce(service("Greeter"))
    await admin.register(URI)
    admin.discovery.answers[URI] = announce(service("Greeter", ServiceType.UNKEYED))
    found, _ = await admin.register(URI, force=True)
    assert found == status
    kept = admin.partition.schema.service("Greeter")
    assert kept is not None
    assert kept.type.generation is (Generation.MODERN if live else Generation.CLASSIC)


async def test_deployments_may_differ_in_a_routing_header_alone() -> None:
    admin = Admin(settings=config.Admin(deployment_routing_headers="X-Version, other"))
    admin.discovery.answers[URI] = announce(service("S"))
    statuses = [
        (await admin.register(URI, additional_headers=headers))[0]
        for headers in ({}, {"a": "1"}, {"x-version": "1"}, {"X-VERSION": "1"}, {"x-version": "2"})
    ]
    assert statuses == [201, 200, 201, 200, 201]


async def test_the_descriptors_of_both_generations() -> None:
    admin = Admin()
    files = FileDescriptorSet(file=[FileDescriptorProto(name="mine.proto")]).SerializeToString()
    admin.discovery.answers[URI] = announce(service("c", ServiceType.UNKEYED), descriptors=files)
    admin.discovery.answers[OTHER] = announce(service("Greeter"))
    for uri, last in ((URI, "mine.proto"), (OTHER, "dev/restate/synth/Greeter.proto")):
        _, created = await admin.register(uri)
        response = await admin.client.get(f"/deployments/{created['id']}/descriptors")
        assert (response.status_code, response.content_type) == (200, "application/x-protobuf")
        answer = FileDescriptorSet.FromString(await response.get_data(as_text=False))
        assert answer.file[-1].name == last


async def test_fields_come_in_the_order_in_which_people_read_them(admin: Admin) -> None:
    _, created = await admin.register(URI)
    _, detail = await admin.get(f"/deployments/{created['id']}")
    assert list(detail)[:2] == ["id", "uri"]
    assert list(detail)[-1] == "services"
    assert list(detail["services"][0])[:3] == ["name", "ty", "handlers"]

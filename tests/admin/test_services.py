import attrs
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.pb.reflection_pb2 import FileDescriptorResponse
from restate.runtime.schema.deployment import ClassicMethod, Handler, InputRule, Options, OutputRule
from restate.runtime.schema.options import DEFAULTS
from tests.admin.fakes import Admin, announce
from tests.schema.builders import service

URI = "http://127.0.0.1:9080/"
INTEGER = b'{"type": "integer"}'


@pytest.fixture
async def admin() -> Admin:
    made = Admin()
    add = Handler(
        "add",
        HandlerType.EXCLUSIVE,
        input=InputRule("application/json", False, INTEGER),
        output=OutputRule("application/json", False, INTEGER),
    )
    get = Handler("get", HandlerType.SHARED, input=InputRule(None), options=Options(retry_max_attempts=3))
    made.discovery.answers[URI] = announce(
        service("Counter", ServiceType.VIRTUAL_OBJECT, add, get), service("Wf", ServiceType.WORKFLOW, "run")
    )
    await made.register(URI)
    return made


async def test_a_virtual_object_in_full(admin: Admin) -> None:
    status, body = await admin.get("/v4/services/Counter")
    assert status == 200
    get = body["handlers"].pop()
    deployment_id = body.pop("deployment_id")
    assert deployment_id.startswith("dp_1")
    assert body == {
        "name": "Counter",
        "ty": "VirtualObject",
        "handlers": [
            {
                "name": "add",
                "ty": "Exclusive",
                "public": True,
                "input_description": "JSON integer",
                "output_description": "JSON integer",
                "input_json_schema": {"type": "integer"},
                "output_json_schema": {"type": "integer"},
                "retry_policy": {"max_attempts": None},
            }
        ],
        "revision": 1,
        "public": True,
        "idempotency_retention": "1d",
        "journal_retention": "1d",
        "inactivity_timeout": "1m",
        "abort_timeout": "10m",
        "enable_lazy_state": False,
        "retry_policy": {
            "initial_interval": "500ms",
            "exponentiation_factor": 2.0,
            "max_attempts": 70,
            "max_interval": "1m",
            "on_max_attempts": "Pause",
        },
    }
    assert (get["ty"], get["input_description"], get["retry_policy"]) == (
        "Shared",
        "none",
        {"max_attempts": 3},
    )


@pytest.mark.parametrize(
    ("content_type", "schema", "text"),
    [
        (None, None, "none"),
        ("*/*", None, "*/*"),
        ("application/json", None, "application/json"),
        ("application/json", b'{"type":"integer"}', "JSON integer"),
        ("application/json", b'{"title":"T","type":"object"}', "JSON 'T'"),
        ("application/json", b'{"type":["string","null"]}', "application/json"),
        ("text/plain", b'{"type":"string"}', "JSON string"),
        ("text/plain", b"true", "text/plain"),
    ],
)
async def test_what_handlers_take_and_give_in_a_few_words(
    content_type: str | None, schema: bytes | None, text: str
) -> None:
    admin = Admin()
    one = Handler(
        "one",
        HandlerType.PLAIN,
        input=InputRule(content_type, False, schema),
        output=OutputRule(content_type, False, schema),
    )
    admin.discovery.answers[URI] = announce(service("S", ServiceType.SERVICE, one))
    await admin.register(URI)
    _, body = await admin.get("/services/S/handlers/one")
    assert (body["input_description"], body["output_description"]) == (text, text)


async def test_only_workflows_show_how_long_they_are_kept(admin: Admin) -> None:
    _, body = await admin.get("/services")
    shown = {entry["name"]: entry.get("workflow_completion_retention") for entry in body["services"]}
    assert shown == {"Counter": None, "Wf": "1d"}


async def test_handlers_alone(admin: Admin) -> None:
    _, body = await admin.get("/services/Counter/handlers")
    assert [entry["name"] for entry in body["handlers"]] == ["add", "get"]
    status, handler = await admin.get("/services/Counter/handlers/add")
    assert (status, handler["name"]) == (200, "add")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/services/Nope", "The requested service 'Nope' does not exist"),
        ("/services/Counter/handlers/x", "The requested handler 'x' on service 'Counter' does not exist"),
        ("/services/Counter/methods/x", "The requested method 'x' on service 'Counter' does not exist"),
        ("/services/Nope/descriptors", "The requested service 'Nope' does not exist"),
    ],
)
async def test_what_is_not_there_is_named(admin: Admin, path: str, message: str) -> None:
    assert await admin.get(path) == (404, {"message": message, "restate_code": None})


async def test_the_inactivity_timeout_of_a_request_response_deployment_has_no_effect(admin: Admin) -> None:
    timid = service("Timid", ServiceType.SERVICE, options=Options(inactivity_timeout_ms=5))
    admin.discovery.answers["http://h:1/"] = announce(timid, protocol_type="RequestResponse")
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/Timid")
    assert body["inactivity_timeout"] == "0s"
    assert body["info"][0]["code"] == "RT0021"


async def test_patched_settings_hold_for_the_same_revision(admin: Admin) -> None:
    _, before = await admin.get("/services/Counter")
    body = {
        "public": False,
        "idempotency_retention": "2h30m",
        "journal_retention": "PT1H",
        "inactivity_timeout": "1.5s",
        "abort_timeout": None,
    }
    status, patched = await admin.call("PATCH", "/services/Counter", body)
    assert status == 200
    shown = {
        "public": False,
        "idempotency_retention": "2h 30m",
        "journal_retention": "1h",
        "inactivity_timeout": "1s 500ms",
    }
    assert {**patched, "handlers": None} == {**before, **shown, "handlers": None}
    assert [entry["public"] for entry in patched["handlers"]] == [False, False]
    assert await admin.get("/services/Counter") == (200, patched)


async def test_a_patch_leaves_what_it_does_not_name(admin: Admin) -> None:
    await admin.call("PATCH", "/services/Counter", {"abort_timeout": "7s"})
    status, patched = await admin.call("PATCH", "/services/Counter", {"public": False})
    assert (status, patched["abort_timeout"], patched["public"]) == (200, "7s", False)
    assert await admin.call("PATCH", "/services/Counter", {}) == (200, patched)


async def test_patched_settings_last_until_the_next_registration(admin: Admin) -> None:
    _, before = await admin.get("/services/Counter")
    await admin.call("PATCH", "/services/Counter", {"public": False, "abort_timeout": "7s"})
    await admin.register(URI, force=True)
    assert (await admin.get("/services/Counter"))[1] == before | {"revision": 2}


async def test_the_settings_of_a_workflow_are_for_workflows(admin: Admin) -> None:
    status, patched = await admin.call("PATCH", "/services/Wf", {"workflow_completion_retention": "2d"})
    assert (status, patched["workflow_completion_retention"]) == (200, "2d")
    status, refused = await admin.call("PATCH", "/services/Counter", {"workflow_completion_retention": "2d"})
    assert (status, refused["restate_code"]) == (400, None)
    assert refused["message"] == "modifying retention time for service type VirtualObject is unsupported"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"public": True}, "not found in the schema registry: service with name 'Nope'"),
        ({}, "The requested service 'Nope' does not exist"),
    ],
)
async def test_a_patch_of_nothing(admin: Admin, body: object, message: str) -> None:
    status, refused = await admin.call("PATCH", "/services/Nope", body)
    assert (status, refused) == (404, {"message": message, "restate_code": None})


@pytest.mark.parametrize(
    "body",
    [
        {"public": "x"},
        {"abort_timeout": 5},
        {"abort_timeout": "-1s"},
        {"abort_timeout": "1 month"},
        {"abort_timeout": "P1Y"},
        {"abort_timeout": ""},
        [],
    ],
)
async def test_patches_of_the_wrong_shape(admin: Admin, body: object) -> None:
    status, refused = await admin.call("PATCH", "/services/Counter", body)
    assert (status, refused["restate_code"]) == (422, None)
    assert refused["message"].startswith("Failed to deserialize the JSON body into the target type: ")


@pytest.mark.parametrize(("prefix", "status", "code"), [("", 403, "META0005"), ("/v3", 404, None)])
@pytest.mark.parametrize("name", ["dev.restate.Ingress", "grpc.health.v1.Health"])
async def test_the_servers_own_services_stay_as_they_are(
    admin: Admin, prefix: str, status: int, code: str | None, name: str
) -> None:
    found, refused = await admin.call("PATCH", f"{prefix}/services/{name}", {"public": False})
    assert (found, refused["restate_code"]) == (status, code)


async def test_a_classic_service_becomes_private_in_its_own_shape() -> None:
    admin = Admin()
    method = Handler("add", HandlerType.EXCLUSIVE, classic=ClassicMethod("Req", "Res", 1))
    admin.discovery.answers[URI] = announce(service("k", ServiceType.KEYED, method))
    await admin.register(URI)
    status, patched = await admin.call("PATCH", "/services/k", {"public": False})
    assert (status, patched["public"], patched["instance_type"]) == (200, False, "Keyed")
    status, patched = await admin.call("PATCH", "/v3/services/k", {"public": True})
    assert (status, patched["public"], patched.get("instance_type")) == (200, True, None)


async def test_a_handler_that_says_it_is_public_stays_public(admin: Admin) -> None:
    own = Handler("own", HandlerType.PLAIN, always_public=True)
    hidden = Handler("hidden", HandlerType.PLAIN, public=False)
    admin.discovery.answers["http://h:1/"] = announce(
        service("Mixed", ServiceType.SERVICE, own, "usual", hidden)
    )
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/Mixed")
    assert [entry["public"] for entry in body["handlers"]] == [True, True, False]
    _, body = await admin.call("PATCH", "/services/Mixed", {"public": False})
    assert [entry["public"] for entry in body["handlers"]] == [True, False, False]
    assert (await admin.client.get("/services/Mixed/descriptors")).status_code == 200
    _, document = await admin.get("/services/Mixed/openapi")
    assert all("/Mixed/own" in path for path in document["paths"])
    assert document["paths"]


async def test_a_run_handlers_own_retention_is_what_the_workflow_shows(admin: Admin) -> None:
    run = Handler("run", HandlerType.WORKFLOW, options=Options(workflow_retention_ms=4000))
    admin.discovery.answers["http://h:1/"] = announce(service("Own", ServiceType.WORKFLOW, run))
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/Own")
    assert body["workflow_completion_retention"] == "4s"
    assert "workflow_completion_retention" not in body["handlers"][0]


async def test_handlers_tell_what_has_no_effect(admin: Admin) -> None:
    timid = Handler("timid", HandlerType.PLAIN, options=Options(inactivity_timeout_ms=9000))
    admin.discovery.answers["http://h:1/"] = announce(
        service("S", ServiceType.SERVICE, timid, "other"), protocol_type="RequestResponse"
    )
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/S")
    infos = {entry["name"]: entry.get("info") for entry in body["handlers"]}
    assert infos["other"] is None
    assert [entry["code"] for entry in infos["timid"]] == ["RT0021"]
    assert "9s" in infos["timid"][0]["message"]
    assert "inactivity_timeout" not in next(h for h in body["handlers"] if h["name"] == "timid")
    assert "info" not in body
    assert (await admin.get("/services/S/handlers/timid"))[1]["info"] == infos["timid"]


async def test_a_retention_over_the_maximum_of_the_server_is_told() -> None:
    maximum = attrs.evolve(DEFAULTS.modern, max_journal_retention_ms=2 * 86_400_000)
    admin = Admin(defaults=attrs.evolve(DEFAULTS, modern=maximum))
    long = Handler("long", HandlerType.PLAIN, options=Options(journal_retention_ms=3 * 86_400_000))
    admin.discovery.answers[URI] = announce(
        service("S", ServiceType.SERVICE, long, options=Options(journal_retention_ms=4 * 86_400_000)),
        service("Usual"),
    )
    await admin.register(URI)
    _, body = await admin.get("/services/S")
    assert body["journal_retention"] == "2d"
    assert [entry["code"] for entry in body["info"]] == ["RT0022"]
    assert body["handlers"][0]["journal_retention"] == "2d"
    assert [entry["code"] for entry in body["handlers"][0]["info"]] == ["RT0022"]
    assert "info" not in (await admin.get("/services/Usual"))[1]


async def test_the_retry_policy_shows_defaults_with_what_the_service_sets(admin: Admin) -> None:
    patient = Options(retry_initial_interval_ms=100, retry_max_attempts=5, retry_on_max_attempts="kill")
    one = Handler("one", HandlerType.PLAIN, options=Options(retry_max_interval_ms=2000, retry_factor=3.0))
    admin.discovery.answers["http://h:1/"] = announce(service("S", ServiceType.SERVICE, one, options=patient))
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/S")
    assert body["retry_policy"] == {
        "initial_interval": "100ms",
        "exponentiation_factor": 2.0,
        "max_attempts": 5,
        "max_interval": "1m",
        "on_max_attempts": "Kill",
    }
    assert body["handlers"][0]["retry_policy"] == {
        "exponentiation_factor": 3.0,
        "max_interval": "2s",
        "max_attempts": None,
    }


async def test_modern_services_have_the_methods_of_their_contract(admin: Admin) -> None:
    request, response = "dev.restate.synth.RpcRequest", "dev.restate.synth.RpcResponse"
    add = {"name": "add", "input_type": request, "output_type": response, "key_field_number": 1}
    assert await admin.get("/services/Counter/methods/add") == (200, add)
    _, body = await admin.get("/services/Counter/methods")
    assert body["methods"] == [add, add | {"name": "get"}]
    _, unprefixed = await admin.get("/services/Counter")
    assert (unprefixed["instance_type"], unprefixed["methods"]) == ("Keyed", body["methods"])
    _, prefixed = await admin.get("/v2/services/Counter")
    assert not {"instance_type", "methods"} & prefixed.keys()


async def test_the_descriptors_of_a_modern_service_begin_with_its_own(admin: Admin) -> None:
    response = await admin.client.get("/services/Counter/descriptors")
    assert response.status_code == 200
    assert response.content_type == "application/x-protobuf"
    answer = FileDescriptorResponse.FromString(await response.get_data(as_text=False))
    files = [FileDescriptorProto.FromString(raw) for raw in answer.file_descriptor_proto]
    assert [entry.name for entry in files[0].service] == ["Counter"]
    assert set(files[0].dependency) <= {file.name for file in files[1:]}


async def test_a_private_service_shows_no_descriptors(admin: Admin) -> None:
    await admin.call("PATCH", "/services/Counter", {"public": False})
    assert (await admin.get("/services/Counter/descriptors"))[0] == 404
    assert (await admin.get("/services/Counter/methods"))[0] == 200


async def test_a_list_shows_what_has_changed_since_the_last_one(admin: Admin) -> None:
    async def listed() -> dict[str, object]:
        _, body = await admin.get("/services")
        return {entry["name"]: (entry["public"], entry["inactivity_timeout"]) for entry in body["services"]}

    assert await listed() == {"Counter": (True, "1m"), "Wf": (True, "1m")}
    await admin.call("PATCH", "/services/Counter", {"public": False})
    assert await listed() == {"Counter": (False, "1m"), "Wf": (True, "1m")}
    deployment_id = (await admin.get("/services/Wf"))[1]["deployment_id"]
    admin.discovery.answers[URI] = announce(
        service("Counter"), service("Wf"), protocol_type="RequestResponse"
    )
    await admin.call("PATCH", f"/deployments/{deployment_id}", {"use_http_11": True})
    assert await listed() == {"Counter": (False, "0s"), "Wf": (True, "0s")}
    await admin.call("DELETE", f"/deployments/{deployment_id}?force=true")
    assert await listed() == {}


async def test_the_methods_of_nothing_are_told_as_classic_does(admin: Admin) -> None:
    status, refused = await admin.get("/services/Nope/methods/m")
    assert (status, refused["message"]) == (
        404,
        "The requested method 'm' on service 'Nope' does not exist",
    )


async def test_an_output_that_may_be_empty_is_optional(admin: Admin) -> None:
    outputs = {
        "typed": OutputRule("text/plain", True),
        "described": OutputRule("application/json", True, INTEGER),
        "nothing": OutputRule(None, True),
    }
    handlers = [Handler(name, HandlerType.PLAIN, output=rule) for name, rule in outputs.items()]
    admin.discovery.answers["http://h:1/"] = announce(service("S", ServiceType.SERVICE, *handlers))
    await admin.register("http://h:1/")
    _, body = await admin.get("/services/S/handlers")
    assert [entry["output_description"] for entry in body["handlers"]] == [
        "optional text/plain",
        "JSON integer",
        "none",
    ]


async def test_to_keep_no_journals_is_shown_where_it_is_a_choice(admin: Admin) -> None:
    _, patched = await admin.call("PATCH", "/services/Counter", {"journal_retention": "0s"})
    assert patched["journal_retention"] == "0s"
    admin.discovery.answers["http://h:1/"] = announce(service("c", ServiceType.UNKEYED))
    await admin.register("http://h:1/")
    assert "journal_retention" not in (await admin.get("/services/c"))[1]

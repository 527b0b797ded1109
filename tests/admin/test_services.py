import pytest

from restate.runtime.model.target import HandlerType, ServiceType
from restate.runtime.schema.deployment import Handler, InputRule, Options, OutputRule
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
        ("/services/Counter/methods/add", "The requested method 'add' on service 'Counter' does not exist"),
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

from typing import Any

import pytest

from restate.runtime.engine.records import PatchState
from restate.runtime.model.target import Generation, ServiceType
from tests.admin.fakes import Admin
from tests.schema.builders import deployment, registry, service

CLASSIC, MODERN = Generation.CLASSIC, Generation.MODERN


def with_services() -> Admin:
    admin = Admin()
    admin.partition.schema = registry(
        deployment(
            "dp_10000000000000000000001",
            service("Counter", ServiceType.VIRTUAL_OBJECT),
            service("Flow", ServiceType.WORKFLOW),
            service("Plain"),
        ),
        deployment(
            "dp_10000000000000000000002",
            service("org.Counter", ServiceType.KEYED),
            service("org.Clock", ServiceType.SINGLETON),
            service("org.Plain", ServiceType.UNKEYED),
            uri="http://127.0.0.1:9081/",
        ),
    )
    return admin


@pytest.mark.parametrize(
    ("name", "body", "patch"),
    [
        (
            "Counter",
            {"version": "v", "object_key": "k", "new_state": {"b": [0, 255], "a": "é"}},
            PatchState(MODERN, "Counter", "k", ((b"a", "é".encode()), (b"b", b"\x00\xff")), "v"),
        ),
        ("Counter", {"object_key": "", "new_state": {}}, PatchState(MODERN, "Counter", "", ())),
        (
            "Flow",
            {"object_key": "k", "new_state": {"a": []}, "version": None},
            PatchState(MODERN, "Flow", "k", ((b"a", b""),)),
        ),
        ("org.Counter", {"service_key": "k", "new_state": {}}, PatchState(CLASSIC, "org.Counter", "k", ())),
        ("org.Counter", {"object_key": "k", "new_state": {}}, PatchState(CLASSIC, "org.Counter", "k", ())),
        ("org.Clock", {"service_key": "", "new_state": {}}, PatchState(CLASSIC, "org.Clock", "", ())),
        ("org.Clock", {"service_key": {}, "new_state": {}}, PatchState(CLASSIC, "org.Clock", "", ())),
        ("org.Clock", {"service_key": None, "new_state": {}}, PatchState(CLASSIC, "org.Clock", "", ())),
        ("org.Clock", {"new_state": {}}, PatchState(CLASSIC, "org.Clock", "", ())),
        ("org.Plain", {"service_key": "k", "new_state": {}}, PatchState(CLASSIC, "org.Plain", "k", ())),
        ("gone", {"object_key": "k", "new_state": {}}, PatchState(MODERN, "gone", "k", ())),
        ("gone", {"service_key": "k", "new_state": {}}, PatchState(CLASSIC, "gone", "k", ())),
    ],
)
async def test_a_patch_is_accepted(name: str, body: dict[str, Any], patch: PatchState) -> None:
    admin = with_services()
    assert await admin.call("POST", f"/services/{name}/state", body) == (202, None)
    assert admin.partition.patched == [patch]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        (
            "/services/Plain/state",
            {"object_key": "k", "new_state": {}},
            400,
            "Cannot modify state for service type Service",
        ),
        (
            "/v3/services/org.Plain/state",
            {"object_key": "k", "new_state": {}},
            400,
            "Cannot modify state for service type Service",
        ),
        (
            "/services/gone/state",
            {"object_key": "k", "new_state": {"a": "b"}},
            404,
            "The requested service 'gone' does not exist",
        ),
        ("/services/Counter/state", {"new_state": {}}, 422, "Failed to deserialize the JSON body"),
        (
            "/services/Counter/state",
            {"object_key": {}, "new_state": {}},
            422,
            "Failed to deserialize the JSON body",
        ),
        ("/services/Counter/state", {"object_key": "k"}, 422, "Failed to deserialize the JSON body"),
        (
            "/services/Counter/state",
            {"object_key": 7, "new_state": {}},
            422,
            "Failed to deserialize the JSON body",
        ),
        (
            "/services/Counter/state",
            {"object_key": "k", "new_state": {"a": [256]}},
            422,
            "Failed to deserialize the JSON body",
        ),
        (
            "/services/Counter/state",
            {"object_key": "k", "new_state": {"a": 1}},
            422,
            "Failed to deserialize the JSON body",
        ),
        (
            "/services/Counter/state",
            {"object_key": "k", "new_state": {}, "scope": "a b"},
            500,
            "bad scope: value contains characters outside the allowed set [a-zA-Z0-9_.-]",
        ),
        (
            "/services/Counter/state",
            {"object_key": "k", "new_state": {}, "scope": "a"},
            400,
            "The request field 'scope' is invalid",
        ),
    ],
)
async def test_a_patch_is_refused(path: str, body: dict[str, Any], status: int, message: str) -> None:
    admin = with_services()
    found, answer = await admin.call("POST", path, body)
    assert (found, answer["message"][: len(message)]) == (status, message)
    assert admin.partition.patched == []


async def test_a_key_that_is_no_text_is_refused() -> None:
    admin = with_services()
    response = await admin.client.post(
        "/services/Counter/state",
        data=b'{"object_key": "k", "new_state": {"\\ud800": "x"}}',
        headers={"content-type": "application/json"},
    )
    assert response.status_code == 400
    assert admin.partition.patched == []

from typing import Any

import pytest

from restate.runtime import config
from restate.runtime.admin.rules import NOT_ENFORCED
from tests.admin.fakes import NOW_MS, Admin

RULE = {"pattern": "a/*", "limits": {"concurrency": 5}}


async def put(admin: Admin, *rules: object, prefix: str = "") -> tuple[int, Any]:
    return await admin.call("PUT", f"{prefix}/limits/rules", list(rules))


async def delete(admin: Admin, *rules: object) -> tuple[int, Any]:
    return await admin.call("POST", "/limits/rules/bulk-delete", list(rules))


@pytest.mark.parametrize("prefix", ["", "/v2", "/v3", "/v4"])
async def test_rules_are_stored_and_the_reply_says_that_they_have_no_effect(prefix: str) -> None:
    admin = Admin()
    status, body = await put(
        admin, RULE, {"pattern": "b/", "description": "why", "disabled": True}, prefix=prefix
    )
    assert status == 200
    common = {
        "version": 1,
        "last_modified_millis_since_epoch": NOW_MS,
        "info": [{"message": NOT_ENFORCED}],
    }
    assert body == [
        RULE | {"disabled": False} | common,
        {"pattern": "b", "limits": {}, "description": "why", "disabled": True} | common,
    ]
    assert list(admin.partition.schema.stored.book.rules) == ["a/*", "b"]


@pytest.mark.parametrize(
    ("precondition", "status"),
    [
        ({"type": "none"}, 200),
        (None, 422),
        ({"type": "matches", "version": 1}, 200),
        ({"type": "matches", "version": 2}, 409),
        ({"type": "does_not_exist"}, 409),
        ({"type": "matches"}, 422),
        ({"type": "foo"}, 422),
        ({}, 422),
        ("none", 422),
    ],
)
async def test_preconditions(precondition: object, status: int) -> None:
    admin = Admin()
    await put(admin, RULE)
    answered, _ = await put(admin, {"pattern": "new"}, RULE | {"precondition": precondition})
    assert answered == status
    assert ("new" in admin.partition.schema.stored.book.rules) == (status == 200)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({"pattern": ""}, "[0].pattern: pattern cannot be empty"),
        ({"pattern": "a/b/c/d"}, "[0].pattern: too many path components (max 3)"),
        ({"limits": {}}, "[0]: missing field 'pattern'"),
        ({"pattern": 5}, "[0]: expected a string, got a number"),
        ({"pattern": "a", "limits": {"concurrency": 0}}, "concurrency"),
        ({"pattern": "a", "limits": {"concurrency": 2**32}}, "concurrency"),
        ({"pattern": "a", "limits": {"concurrency": "5"}}, "expected a number, got a string"),
        ({"pattern": "a", "limits": {"concurrency": True}}, "expected a number, got a boolean"),
        ({"pattern": "a", "limits": []}, "expected an object, got an array"),
        ({"pattern": "a", "disabled": "no"}, "expected a boolean, got a string"),
        ("a", "[0]: expected an object"),
    ],
)
async def test_wrong_shapes_name_the_place(rule: object, fault: str) -> None:
    status, error = await put(Admin(), rule)
    assert status == 422
    assert fault in error["message"]


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/limits/rules"), ("POST", "/limits/rules/bulk-delete")]
)
async def test_bodies_that_are_no_lists(method: str, path: str) -> None:
    admin = Admin()
    assert (await admin.call(method, path, {"pattern": "a"}))[0] == 422
    assert (await admin.call(method, path))[0] == 415
    client: Any = admin.client
    raw = await client.open(path, method=method, data=b"[", headers={"content-type": "application/json"})
    assert raw.status_code == 400
    assert (await raw.get_json())["restate_code"] is None
    assert (await admin.call(method, path, []))[1] == []


async def test_there_is_a_limit_on_rules() -> None:
    admin = Admin(settings=config.Admin(rules_limit=1))
    status, error = await put(admin, {"pattern": "a"}, {"pattern": "b"})
    assert (status, error["message"]) == (422, "rule book is full (1 rules)")
    assert (await put(admin, {"pattern": "a"}))[0] == 200


async def test_rules_are_removed_together_or_not_at_all() -> None:
    admin = Admin()
    await put(admin, RULE, {"pattern": "b"})
    assert (await delete(admin, {"pattern": "b"}, {"pattern": "a/*", "expected_version": 9}))[0] == 409
    assert (await delete(admin, {"pattern": "b", "expected_version": 1}, {"pattern": "nope"})) == (200, ["b"])
    assert (await delete(admin, {"pattern": "b"})) == (200, [])
    assert (await delete(admin, {"pattern": "a//b"}))[0] == 422
    assert list(admin.partition.schema.stored.book.rules) == ["a/*"]


async def test_someone_faster_changes_the_versions() -> None:
    admin = Admin()
    admin.partition.conflicts = 3
    assert (await put(admin, RULE))[1][0]["version"] == 1


@pytest.mark.parametrize("operation", ["pause", "resume"])
@pytest.mark.parametrize(
    ("vqueue", "status", "message"),
    [
        ("foo", 400, "The request field 'vqueue_id' is invalid. Reason: bad format"),
        ("vq_1abc", 400, "The request field 'vqueue_id' is invalid. Reason: bad length"),
        ("vq_1" + "1" * 33, 404, "this server has no vqueues"),
    ],
)
async def test_there_are_no_vqueues(operation: str, vqueue: str, status: int, message: str) -> None:
    answered, error = await Admin().call("POST", f"/vqueues/{vqueue}/{operation}")
    assert answered == status
    assert message in error["message"]
